//! Reads what dpkg prints while it configures: which package it turned to, which failed, and why.
//!
//! dpkg goes on after a package failed, so the first failure is kept when it is printed, before the
//! failures that follow from it. A script may print lines like dpkg's: what is reported of them is
//! limited.

use std::collections::{BTreeSet, VecDeque};
use std::process::ExitStatus;
use std::time::Instant;

use crate::report::{Event, Report, Stage};

use crate::dpkg::script_failure::{Ended, LINES_SHOWN, LastLines, ScriptFailure};
use crate::sandbox::{self, Clock, Exceeded};

use super::Error;

/// How the lines begin that the listener must not miss: dpkg turns to a package, or failed.
pub(super) const BEGINNINGS: [&str; 4] = [
    "dpkg: error processing package ",
    "Setting up ",
    "Processing triggers for ",
    "Removing ",
];

/// How many times dpkg may turn to a package before no more is reported. A script that prints
/// `Setting up x (1)` without end would otherwise fill our memory and the log. A call of dpkg sets
/// up some thousand packages at most, and some of them process triggers several times.
const TURNS_REPORTED: usize = 16_384;

/// The longest name of a package, in bytes. dpkg names files after it (NAME_MAX in limits.h).
const NAME_LIMIT: usize = 255;

/// Follows dpkg's output, line by line.
pub(super) struct Listener<'a> {
    report: &'a Report,
    /// The packages of the call that have not been counted as progress.
    uncounted: BTreeSet<String>,
    current: Option<Current>,
    /// How many times dpkg turned to a package.
    turns: usize,
    /// The last lines since dpkg turned to a package.
    last: VecDeque<String>,
    /// The package of dpkg's line that names a failed one; the reason is on the next line.
    failing: Option<String>,
    failed: Option<Failed>,
}

/// The package that dpkg works on.
struct Current {
    package: String,
    /// Which of its scripts dpkg runs.
    script: &'static str,
    from: Instant,
    /// Whether it counts as progress; processing triggers does not.
    counts: bool,
}

struct Failed {
    package: String,
    reason: String,
    last: Vec<String>,
}

impl<'a> Listener<'a> {
    /// Follows a call of dpkg for these packages.
    pub(super) fn new(report: &'a Report, names: &[String]) -> Listener<'a> {
        Listener {
            report,
            uncounted: names.iter().cloned().collect(),
            current: None,
            turns: 0,
            last: VecDeque::new(),
            failing: None,
            failed: None,
        }
    }

    pub(super) fn read_line(&mut self, line: &str) -> Clock {
        let [error, set_up, triggers, remove] = BEGINNINGS;
        let mut clock = Clock::Continues;
        if let Some(package) = self.failing.take() {
            self.note_failure(package, line.trim());
        } else if let Some(package) = between(line, error, " (") {
            self.failing = Some(package.into());
            return Clock::Continues;
        } else if let Some(package) = between(line, set_up, " (") {
            let counts = self.count(package);
            clock = self.turn_to(package, "postinst", counts);
        } else if let Some(package) = between(line, triggers, " (") {
            clock = self.turn_to(package, "postinst", false);
        } else if let Some(package) = between(line, remove, " (") {
            // dpkg does not say which of the two it runs.
            clock = self.turn_to(package, "prerm or postrm", false);
        }
        self.last.push_back(line.into());
        if self.last.len() > LINES_SHOWN {
            self.last.pop_front();
        }
        clock
    }

    /// Reports that the last package is done.
    pub(super) fn finish(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        if self.is_flooded() {
            return;
        }
        self.report.send(Event::Span {
            stage: Stage::Configure,
            item: current.package,
            from: current.from,
            to: Instant::now(),
        });
        let advanced = u64::from(current.counts);
        self.report.advanced(Stage::Configure, advanced);
    }

    /// The error for a call of dpkg that failed.
    pub(super) fn failure(self, status: ExitStatus) -> Error {
        let Some(failed) = self.failed else {
            return Error::Dpkg {
                status,
                output: LastLines::of(self.last.into()),
            };
        };
        let output = LastLines::of(failed.last);
        match script_in(&failed.reason) {
            Some((script, ended)) => Error::Script(ScriptFailure {
                package: failed.package,
                script,
                ended: Ended::With(ended.into()),
                output,
            }),
            None => Error::Package {
                package: failed.package,
                reason: failed.reason,
                output,
            },
        }
    }

    /// The error for a call of dpkg that was killed because of a limit, with the end of its output.
    pub(super) fn exceeded(self, limit: Exceeded, output: Vec<u8>) -> Error {
        match self.current {
            Some(Current {
                package, script, ..
            }) => Error::Script(ScriptFailure {
                package,
                script,
                ended: Ended::Exceeding(limit),
                output: LastLines::of(self.last.into()),
            }),
            None => Error::Sandbox(sandbox::Error::Exceeded { limit, output }),
        }
    }

    /// Whether a package of the call is set up for the first time. dpkg names it without its
    /// architecture where that is clear.
    fn count(&mut self, package: &str) -> bool {
        let qualified = format!("{package}:");
        let mut rest = self.uncounted.range(qualified.clone()..);
        let found = match self.uncounted.contains(package) {
            true => Some(package.to_owned()),
            false => rest.next().filter(|n| n.starts_with(&qualified)).cloned(),
        };
        found.is_some_and(|name| self.uncounted.remove(&name))
    }

    /// Whether there were more turns than are reported.
    fn is_flooded(&self) -> bool {
        self.turns > TURNS_REPORTED
    }

    fn turn_to(&mut self, package: &str, script: &'static str, counts: bool) -> Clock {
        self.finish();
        self.turns += 1;
        self.last.clear();
        self.current = Some(Current {
            package: package.into(),
            script,
            from: Instant::now(),
            counts,
        });
        if self.is_flooded() {
            return Clock::Continues;
        }
        self.report.send(Event::Working {
            stage: Stage::Configure,
            item: package.into(),
        });
        Clock::Restarts
    }

    /// Keeps the first failed script, which is the cause; a package whose dependencies are not
    /// configured only follows from it. Without a failed script, keeps the first failure.
    fn note_failure(&mut self, package: String, reason: &str) {
        let is_better = match &self.failed {
            None => true,
            Some(known) => script_in(&known.reason).is_none() && script_in(reason).is_some(),
        };
        if is_better {
            self.failed = Some(Failed {
                package,
                reason: reason.into(),
                last: self.last.iter().cloned().collect(),
            });
        }
    }
}

/// The package's name between two texts at the beginning of a line.
fn between<'t>(line: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let rest = line.strip_prefix(before)?;
    let (name, _) = rest.split_once(after)?;
    let is_name = (1..=NAME_LIMIT).contains(&name.len()) && !name.contains(char::is_whitespace);
    is_name.then_some(name)
}

/// The script that dpkg blames, and how it ended: `installed x package post-installation script
/// subprocess returned error exit status 1`, before dpkg 1.19 `subprocess installed
/// post-installation script returned error exit status 1`.
fn script_in(reason: &str) -> Option<(&'static str, &str)> {
    const SCRIPTS: [(&str, &str); 4] = [
        ("post-installation script", "postinst"),
        ("pre-installation script", "preinst"),
        ("pre-removal script", "prerm"),
        ("post-removal script", "postrm"),
    ];
    let mut scripts = SCRIPTS.into_iter();
    let (_, script) = scripts.find(|(words, _)| reason.contains(words))?;
    let status = reason.find("exit status ");
    let ended = status.or_else(|| reason.find("signal ("));
    Some((script, ended.map_or(reason, |at| &reason[at..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::sync::{Arc, Mutex};

    fn error(output: &str) -> Error {
        let report = Report::silent();
        let mut listener = Listener::new(&report, &[]);
        for line in output.lines() {
            listener.read_line(line);
        }
        listener.failure(ExitStatus::from_raw(256))
    }

    #[test]
    fn the_script_that_failed_is_named_and_not_what_follows() {
        let error = error(
            "Setting up a (1) ...\nfine\nSetting up b:amd64 (2-1) ...\nI try\nI fail\n\
             dpkg: error processing package b:amd64 (--configure):\n \
             installed b:amd64 package post-installation script subprocess returned error exit \
             status 3\n\
             dpkg: dependency problems prevent configuration of c:\n c depends on b.\n\n\
             dpkg: error processing package c (--configure):\n \
             dependency problems - leaving unconfigured\n\
             Errors were encountered while processing:\n b:amd64\n c\n",
        );
        assert_eq!(
            error.to_string(),
            "the postinst script of b:amd64 failed with exit status 3"
        );
        let Error::Script(ScriptFailure { output, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            output.unwrap().lines(),
            ["Setting up b:amd64 (2-1) ...", "I try", "I fail"]
        );
    }

    #[test]
    fn every_wording_is_understood() {
        let table = [
            (
                "subprocess installed post-installation script returned error exit status 10",
                "the postinst script of p failed with exit status 10",
            ),
            (
                "installed p package post-installation script subprocess was killed by signal \
                 (Killed), core dumped",
                "the postinst script of p failed with signal (Killed), core dumped",
            ),
            (
                "dependency problems - leaving unconfigured",
                "dpkg could not configure p: dependency problems - leaving unconfigured",
            ),
            (
                "package p is not ready for configuration\n\
                 cannot configure (current status 'not-installed')",
                "dpkg could not configure p: package p is not ready for configuration",
            ),
        ];
        for (reason, expected) in table {
            assert_eq!(
                error(&format!(
                    "dpkg: error processing package p (--configure):\n {reason}\n"
                ))
                .to_string(),
                expected
            );
        }
        let dpkg = error(
            "dpkg: error: parsing file '/var/lib/dpkg/status' near line 3:\n\
             \x20missing 'package' field\n",
        );
        let Error::Dpkg {
            output: Some(output),
            ..
        } = &dpkg
        else {
            panic!("{dpkg:?}");
        };
        assert_eq!(output.lines().len(), 2);
    }

    /// The events that a listener sends for these lines.
    fn events<'t>(names: &[&str], lines: impl IntoIterator<Item = &'t str>) -> Vec<String> {
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        let report = Report::new(move |event| {
            heard.lock().unwrap().push(match event {
                Event::Working { item, .. } => format!("at {item}"),
                Event::Advanced { by, .. } => format!("+{by}"),
                Event::Span { item, .. } => format!("did {item}"),
                other => format!("{other:?}"),
            })
        });
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let mut listener = Listener::new(&report, &names);
        for line in lines {
            listener.read_line(line);
        }
        listener.finish();
        drop(report);
        Arc::into_inner(events).unwrap().into_inner().unwrap()
    }

    #[test]
    fn packages_count_once_and_triggers_never() {
        let lines = [
            "Setting up a (1) ...",
            "Setting up the loudspeaker (x)",
            "Setting up x",
            "Removing /etc/x",
            "Processing triggers for a (1) ...",
            "Removing c (1) ...",
            "Setting up b (2) ...",
            "Setting up a (1) ...",
            "Setting up d (1) ...",
        ];
        assert_eq!(
            events(&["a", "b:amd64", "b-doc"], lines),
            [
                "at a", "did a", "+1", "at a", "did a", "+0", "at c", "did c", "+0", "at b",
                "did b", "+1", "at a", "did a", "+0", "at d", "did d", "+0"
            ]
        );
    }

    #[test]
    fn names_that_no_package_has_are_no_turns() {
        let long = format!("Setting up {} (1) ...", "x".repeat(NAME_LIMIT + 1));
        assert_eq!(events(&[], [&*long, "Setting up  (1) ..."]), [""; 0]);
    }

    #[test]
    fn a_flood_of_turns_is_not_reported() {
        let flood = vec!["Setting up you (1) ..."; 3 * TURNS_REPORTED];
        let events = events(&["you"], flood);
        assert_eq!(events.len(), 3 * TURNS_REPORTED);
        let counted = events.iter().filter(|event| *event == "+1").count();
        assert_eq!(counted, 1);
    }

    #[test]
    fn a_flood_does_not_restart_the_clock_and_failures_are_still_named() {
        let report = Report::silent();
        let mut listener = Listener::new(&report, &[]);
        for _ in 0..TURNS_REPORTED {
            assert_eq!(listener.read_line("Setting up x (1) ..."), Clock::Restarts);
        }
        assert_eq!(listener.read_line("Setting up y (1) ..."), Clock::Continues);
        let limit = Exceeded::Time(std::time::Duration::from_secs(2));
        assert_eq!(
            listener.exceeded(limit, Vec::new()).to_string(),
            "the postinst script of y did not end within 2 s"
        );
    }
}
