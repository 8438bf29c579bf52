//! How progress looks: bars on a terminal, plain lines elsewhere, JSON for programs, or nothing.
//!
//! Everything is written to standard error; standard output carries the image. What there is to tell comes from the stages as
//! [`Event`]s.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::report::{Event, Report, Stage};
use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::timings::{self, Step};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// A line for each stage
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing but warnings and errors
    None,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Warnings and errors.
    Quiet,
    /// Notes too.
    Normal,
    /// Details too.
    Verbose,
    /// What the scripts say too.
    Everything,
}

/// What is known of a stage while it runs.
#[derive(Debug)]
struct Course {
    began: Instant,
    took: Option<Duration>,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
}

/// Hears events and shows them.
pub(crate) struct Display {
    how: Progress,
    verbosity: Verbosity,
    bars: MultiProgress,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    courses: BTreeMap<Stage, Course>,
    log: Option<File>,
    steps: Vec<Step>,
}

impl Display {
    /// A display, with a log beside it when one is wanted.
    pub(crate) fn new(how: Progress, verbosity: Verbosity, log: Option<File>) -> Arc<Display> {
        let how = match (how, io::stderr().is_terminal()) {
            _ if verbosity == Verbosity::Quiet && how != Progress::Json => Progress::None,
            (Progress::Auto, false) => Progress::Plain,
            (how, _) => how,
        };
        let bars = match how {
            Progress::Auto => {
                MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10))
            }
            _ => MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        };
        let state = Mutex::new(State {
            log,
            ..State::default()
        });
        Arc::new(Display {
            how,
            verbosity,
            bars,
            began: Instant::now(),
            state,
        })
    }

    /// A report that this display hears.
    pub(crate) fn report(self: &Arc<Display>) -> Report {
        let display = Arc::clone(self);
        Report::new(move |event| display.hear(event))
    }

    /// Takes the bars away, so that what is printed next stands alone.
    pub(crate) fn clear(&self) {
        for course in self.state().courses.values_mut() {
            if let Some(bar) = course.bar.take() {
                bar.finish_and_clear();
            }
        }
    }

    /// The last line's times: each stage that ran, with its share.
    pub(crate) fn times(&self) -> String {
        let state = self.state();
        let shares = state.courses.iter().map(|(stage, course)| {
            let took = course.took.unwrap_or_else(|| course.began.elapsed());
            format!("{} {:.1} s", name(*stage), took.as_secs_f64())
        });
        shares.collect::<Vec<_>>().join(", ")
    }

    /// The page of `--timings`, for a run that was allowed so many threads.
    pub(crate) fn timings(&self, title: &str, jobs: usize) -> String {
        timings::page(&timings::Run {
            title,
            began: self.began,
            took: self.elapsed(),
            jobs,
            steps: &self.state().steps,
        })
    }

    /// How long it has all taken.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Prints a line to standard error above the bars, and logs it.
    pub(crate) fn line(&self, text: &str) {
        self.log(text);
        self.show(text);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn hear(&self, event: Event) {
        if let Event::Span {
            stage,
            item,
            from,
            to,
        } = &event
        {
            self.state().steps.push(Step {
                stage: *stage,
                item: item.clone(),
                from: *from,
                to: *to,
            });
        }
        if self.how == Progress::Json {
            return self.json(&event);
        }
        match &event {
            Event::Note(text) if self.verbosity >= Verbosity::Normal => self.line(text),
            Event::Warning(text) => self.line(&format!("warning: {text}")),
            Event::Detail(text) if self.verbosity >= Verbosity::Verbose => self.line(text),
            Event::Output(text) if self.verbosity >= Verbosity::Everything => self.line(text),
            Event::Note(text) | Event::Detail(text) | Event::Output(text) => self.log(text),
            Event::Began { stage, total } => self.begin(*stage, *total),
            Event::Grew { stage, by } => self.advance(*stage, *by, 0, None),
            Event::Advanced { stage, by } => self.advance(*stage, 0, *by, None),
            Event::Working { stage, item } => self.advance(*stage, 0, 0, Some(item)),
            Event::Ended { stage } => self.end(*stage),
            Event::Span {
                stage,
                item,
                from,
                to,
            } => {
                self.log(&format!(
                    "{} {item}: {:.3} s",
                    name(*stage),
                    (*to - *from).as_secs_f64()
                ));
            }
        }
    }

    fn begin(&self, stage: Stage, total: u64) {
        let bar = (self.how == Progress::Auto).then(|| {
            let bar = self
                .bars
                .add(ProgressBar::new(total).with_style(style(stage)));
            bar.set_prefix(name(stage));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let mut state = self.state();
        let course = state.courses.entry(stage).or_insert_with(|| Course {
            began: Instant::now(),
            took: None,
            total: 0,
            done: 0,
            bar: None,
        });
        course.total += total;
        course.took = None;
        if course.bar.is_none() {
            course.bar = bar;
        }
    }

    fn advance(&self, stage: Stage, grew: u64, by: u64, item: Option<&str>) {
        let mut state = self.state();
        let Some(course) = state.courses.get_mut(&stage) else {
            drop(state);
            self.begin(stage, grew);
            return;
        };
        course.total += grew;
        course.done += by;
        if grew > 0 {
            course.took = None;
        }
        if let Some(bar) = &course.bar {
            bar.set_length(course.total.max(course.done));
            bar.set_position(course.done);
            if let Some(item) = item {
                bar.set_message(item.to_owned());
            }
        }
    }

    fn end(&self, stage: Stage) {
        let mut state = self.state();
        let Some(course) = state.courses.get_mut(&stage) else {
            return;
        };
        if course.took.is_some() {
            return;
        }
        let took = course.began.elapsed();
        course.took = Some(took);
        let began = course.began;
        let amount = if in_bytes(stage) {
            bytes(course.done)
        } else {
            format!("{} packages", course.done)
        };
        if let Some(bar) = &course.bar {
            bar.set_message("");
            bar.finish();
        }
        if stage == Stage::Pack {
            // The one stage that has no spans: an image is written in one go.
            state.steps.push(Step {
                stage,
                item: "image".into(),
                from: began,
                to: began + took,
            });
        }
        drop(state);
        let line = format!(
            "{:<10} {amount} in {:.1} s",
            name(stage),
            took.as_secs_f64()
        );
        self.log(&line);
        if self.how == Progress::Plain {
            self.show(&line);
        }
    }

    fn show(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    fn log(&self, text: &str) {
        if let Some(log) = &mut self.state().log {
            let _ = writeln!(log, "{:9.3} {text}", self.began.elapsed().as_secs_f64());
        }
    }

    fn json(&self, event: &Event) {
        let at = self.began.elapsed().as_secs_f64();
        let (kind, rest) = match event {
            Event::Note(text) => ("note", format!("\"text\":{}", quoted(text))),
            Event::Warning(text) => ("warning", format!("\"text\":{}", quoted(text))),
            Event::Detail(text) => ("detail", format!("\"text\":{}", quoted(text))),
            Event::Output(text) => ("output", format!("\"text\":{}", quoted(text))),
            Event::Began { stage, total } => (
                "began",
                format!("\"stage\":\"{}\",\"total\":{total}", name(*stage)),
            ),
            Event::Grew { stage, by } => (
                "grew",
                format!("\"stage\":\"{}\",\"by\":{by}", name(*stage)),
            ),
            Event::Advanced { stage, by } => (
                "advanced",
                format!("\"stage\":\"{}\",\"by\":{by}", name(*stage)),
            ),
            Event::Working { stage, item } => (
                "working",
                format!("\"stage\":\"{}\",\"item\":{}", name(*stage), quoted(item)),
            ),
            Event::Ended { stage } => ("ended", format!("\"stage\":\"{}\"", name(*stage))),
            Event::Span {
                stage,
                item,
                from,
                to,
            } => {
                let (from, to) = (
                    from.saturating_duration_since(self.began),
                    to.saturating_duration_since(self.began),
                );
                let times = format!(
                    "\"from\":{:.6},\"to\":{:.6}",
                    from.as_secs_f64(),
                    to.as_secs_f64()
                );
                (
                    "span",
                    format!(
                        "\"stage\":\"{}\",\"item\":{},{times}",
                        name(*stage),
                        quoted(item)
                    ),
                )
            }
        };
        self.line(&format!("{{\"at\":{at:.6},\"event\":\"{kind}\",{rest}}}"));
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Indexes => "indexes",
        Stage::Plan => "plan",
        Stage::Download => "download",
        Stage::Decode => "decode",
        Stage::Unpack => "unpack",
        Stage::Configure => "configure",
        Stage::Pack => "pack",
    }
}

fn in_bytes(stage: Stage) -> bool {
    matches!(stage, Stage::Indexes | Stage::Download | Stage::Pack)
}

fn style(stage: Stage) -> ProgressStyle {
    let amounts = if in_bytes(stage) {
        "{bytes:>10} / {total_bytes:<10}"
    } else {
        "{pos:>10} / {len:<10}"
    };
    let template = format!("{{prefix:<10}} [{{bar:30}}] {amounts} {{wide_msg}}");
    // A template that does not parse would be a slip in the line above; the default bar then serves.
    ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// A number of bytes in decimal units, as archives state theirs.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..=999 => format!("{number} B"),
        1_000..=999_999 => format!("{:.1} kB", number as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.2} GB", number as f64 / 1e9),
    }
}

pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_readable() {
        assert_eq!(
            [0, 999, 1500, 75_300_000, 1_500_000_000].map(bytes),
            ["0 B", "999 B", "1.5 kB", "75.3 MB", "1.50 GB"]
        );
    }

    #[test]
    fn json_is_quoted() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
    }

    #[test]
    fn stages_are_timed_and_counted() {
        let display = Display::new(Progress::None, Verbosity::Normal, None);
        let report = display.report();
        report.began(Stage::Unpack, 2);
        report.advanced(Stage::Unpack, 1);
        report.ended(Stage::Unpack);
        assert_eq!(display.times(), "unpack 0.0 s");
        assert_eq!(display.state().courses[&Stage::Unpack].done, 1);
    }
}
