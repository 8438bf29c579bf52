//! Events as text: messages with their importance, stage lines, tables, and the escaping that all
//! text goes through before a terminal shows it.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use indicatif::DecimalBytes;

use crate::report::{Event, Failure, PlannedRun, Stage, Summary, Unit};

use super::stages::{StageCount, Stages};
use super::{RunState, Verbosity};

/// A text for the user, safe for a terminal, and the verbosity from which on it is shown.
pub(super) struct Message {
    pub(super) text: String,
    pub(super) from: Verbosity,
}

/// The message of an event, if it has one.
pub(super) fn message(event: &Event, run: &RunState) -> Option<Message> {
    let (from, text) = match event {
        Event::Note(text) => (Verbosity::Notes, text.clone()),
        Event::Warning(text) => (Verbosity::Warnings, format!("warning: {text}")),
        Event::Detail(text) => (Verbosity::Details, text.clone()),
        Event::Output(line) => (Verbosity::ScriptOutput, line.clone()),
        Event::Planned(plan) => (Verbosity::Warnings, table(plan)),
        Event::Finished(summary) => {
            let line = summary_line(summary, run.started.elapsed(), &run.stages);
            (Verbosity::Notes, line)
        }
        Event::Failed(failure) => (Verbosity::Warnings, error(failure)),
        Event::Began { .. }
        | Event::Grew { .. }
        | Event::Advanced { .. }
        | Event::Working { .. }
        | Event::Ended { .. }
        | Event::Span { .. } => return None,
    };
    let text = match (&run.image, event) {
        // A summary begins with the name.
        (None, _) | (_, Event::Finished(_)) => text,
        (Some(image), _) => format!("{image}: {text}"),
    };
    let text = printable(&text).into_owned();
    Some(Message { text, from })
}

/// The line of a stage that ended: `download   30.12 MB in 1.2 s`.
pub(super) fn stage_line(stage: Stage, count: &StageCount) -> String {
    let amount = match stage.unit() {
        Unit::Bytes => DecimalBytes(count.done).to_string(),
        Unit::Packages => packages(count.done),
    };
    let time = seconds(count.time());
    format!("{:<10} {amount} in {time}", stage.name())
}

/// Replaces control characters other than newline and tab by escapes, and characters that cannot be
/// seen or that change the direction of writing: what an index or a script says cannot move the
/// cursor, change colours, set the title of a terminal or show another text than it has.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_invisible(c);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            let _ = match u32::from(c) {
                number @ ..=0xff => write!(escaped, "\\x{number:02x}"),
                number => write!(escaped, "\\u{{{number:x}}}"),
            };
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character has no width, or overrides the direction of the text around it. Those that
/// words of Persian or Hebrew need are not among them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// As [`printable`], for a text that has to stay on one line.
pub(super) fn printable_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// A time with tenths of a second; indicatif's `HumanDuration` rounds to whole ones.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn packages(count: u64) -> String {
    match count {
        1 => "1 package".into(),
        _ => format!("{count} packages"),
    }
}

fn summary_line(summary: &Summary, took: Duration, stages: &Stages) -> String {
    let took = seconds(took);
    let Some(totals) = summary.packages else {
        return format!("{}: done in {took}", summary.name);
    };
    let mut times = Vec::new();
    for (stage, time) in stages.times() {
        times.push(format!("{} {}", stage.name(), seconds(time)));
    }
    format!(
        "{}: {}, {}, in {took} ({})",
        summary.name,
        packages(totals.count as u64),
        DecimalBytes(totals.download_bytes),
        times.join(", ")
    )
}

/// `error:`, the causes, an empty line, `hint:`.
fn error(failure: &Failure) -> String {
    let mut text = format!("error: {}", failure.message);
    for cause in &failure.causes {
        let _ = write!(text, "\n  caused by: {}", cause.replace('\n', "\n  "));
    }
    if let Some(hint) = &failure.hint {
        let _ = write!(text, "\n\nhint: {hint}");
    }
    text
}

/// One line per package, one per step, and the totals.
fn table(plan: &PlannedRun) -> String {
    let mut table = String::new();
    let mut download = 0;
    let mut installed = 0;
    for package in &plan.packages {
        let size = DecimalBytes(package.installed_bytes).to_string();
        let _ = writeln!(
            table,
            "{:<32} {:<28} {:<6} {size:>10}  {}",
            package.name, package.version, package.architecture, package.reason
        );
        download = package.download_bytes.saturating_add(download);
        installed = package.installed_bytes.saturating_add(installed);
    }
    for step in &plan.steps {
        let _ = writeln!(table, "step {:>2}: {}", step.number, step.description);
    }
    let _ = write!(
        table,
        "{}, {} to download, {} installed",
        packages(plan.packages.len() as u64),
        DecimalBytes(download),
        DecimalBytes(installed)
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PlannedPackage, PlannedStep};

    #[test]
    fn control_characters_are_escaped() {
        let table = [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[31mred\u{7}", "\\x1b[31mred\\x07"),
            ("1\u{202e}2\u{200b}", "1\\u{202e}2\\u{200b}"),
            ("a\u{200c}b", "a\u{200c}b"),
            ("50%\r100%", "50%\\x0d100%"),
            (
                "\u{9b}31m \u{7f} \u{85}ü\u{200c}",
                "\\x9b31m \\x7f \\x85ü\u{200c}",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable_line("a\nb\u{1b}"), "a b\\x1b");
    }

    #[test]
    fn an_error_has_its_causes_and_its_hint() {
        let failure = Failure {
            message: "cannot fetch http://m/x".into(),
            causes: vec!["status 404\nNot Found".into(), "why".into()],
            hint: Some("try another mirror".into()),
            class: "network",
            code: 5,
        };
        assert_eq!(
            error(&failure),
            "error: cannot fetch http://m/x\n  caused by: status 404\n  Not Found\n\
             \x20 caused by: why\n\n\
             hint: try another mirror"
        );
    }

    #[test]
    fn the_table_has_totals() {
        let package = PlannedPackage {
            name: "hello".into(),
            version: "2.10-1".into(),
            architecture: "amd64".into(),
            download_bytes: 56_132,
            installed_bytes: 283_648,
            reason: "requested".into(),
        };
        let step = PlannedStep {
            number: 1,
            name: "unpack".into(),
            description: "unpack hello".into(),
        };
        let table = table(&PlannedRun {
            packages: vec![package],
            steps: vec![step],
        });
        let [line, step, totals] = table.lines().collect::<Vec<_>>()[..] else {
            panic!("{table}");
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            ["hello", "2.10-1", "amd64", "283.65", "kB", "requested"]
        );
        assert_eq!(step, "step  1: unpack hello");
        assert_eq!(
            totals,
            "1 package, 56.13 kB to download, 283.65 kB installed"
        );
    }
}
