//! Reads what dpkg prints while it configures: which package it turned to, which failed, and why.
//!
//! dpkg goes on after a package failed, so the first failure is kept when it is printed, before the
//! failures that follow from it. A script may print lines like dpkg's: what is reported of them is
//! limited.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::process::ExitStatus;
use std::time::Instant;

use crate::report::{Event, Report, Stage};

use crate::dpkg::script_failure::{Ended, LINES_SHOWN, LastLines, ScriptFailure};
use crate::sandbox::{Clock, Exceeded};

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

    /// The error for a call of dpkg that was killed because of a limit. The last script is not to
    /// blame where all of them together took too long.
    pub(super) fn exceeded(self, limit: Exceeded) -> Error {
        let output = LastLines::of(self.last.into());
        match (limit, self.current) {
            (Exceeded::Time(_) | Exceeded::Memory(_), Some(current)) => {
                Error::Script(ScriptFailure {
                    package: current.package,
                    script: current.script,
                    ended: Ended::Exceeding(limit),
                    output,
                })
            }
            (Exceeded::TotalTime(_), _) | (_, None) => Error::Exceeded { limit, output },
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
