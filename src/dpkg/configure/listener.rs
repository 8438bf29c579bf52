//! Reads what dpkg prints while it configures: which package it turned to, which failed, and why.
//!
//! dpkg goes on after a package failed, so the first failure is kept when it is printed, before the
//! failures that follow from it.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::time::Instant;

use crate::report::{Event, Report, Stage};

use crate::dpkg::script_failure::{LINES_SHOWN, LastLines, ScriptFailure};

use super::Error;

pub(super) struct Listener<'a> {
    report: &'a Report,
    /// the package under way, and since when; whether it counts, which triggers do not
    current: Option<(String, Instant, bool)>,
    last: VecDeque<String>,
    /// set by dpkg's line that names a package; its reason is on the next line
    awaited: Option<String>,
    failed: Option<Failed>,
}

struct Failed {
    package: String,
    reason: String,
    last: Vec<String>,
}

impl<'a> Listener<'a> {
    pub(super) fn new(report: &'a Report) -> Listener<'a> {
        Listener {
            report,
            current: None,
            last: VecDeque::new(),
            awaited: None,
            failed: None,
        }
    }

    pub(super) fn read_line(&mut self, line: &str) {
        if let Some(package) = self.awaited.take() {
            self.note_failure(package, line.trim());
        } else if let Some(package) = between(line, "dpkg: error processing package ", " (") {
            self.awaited = Some(package.into());
            return;
        } else if let Some(package) = between(line, "Setting up ", " (") {
            self.turn_to(package, true);
        } else if let Some(package) = between(line, "Processing triggers for ", " (") {
            self.turn_to(package, false);
        }
        self.last.push_back(line.into());
        if self.last.len() > LINES_SHOWN {
            self.last.pop_front();
        }
    }

    /// The last package is done too.
    pub(super) fn finish(&mut self) {
        if let Some((item, from, counts)) = self.current.take() {
            self.report.send(Event::Span {
                stage: Stage::Configure,
                item,
                from,
                to: Instant::now(),
            });
            self.report.advanced(Stage::Configure, counts.into());
        }
    }

    pub(super) fn failure(self, status: ExitStatus) -> Error {
        let Some(Failed {
            package,
            reason,
            last,
        }) = self.failed
        else {
            return Error::Dpkg {
                status,
                output: LastLines::of(self.last.into()),
            };
        };
        let output = LastLines::of(last);
        match script_in(&reason) {
            Some((script, ended)) => Error::Script(ScriptFailure {
                package,
                script,
                ended: ended.into(),
                output,
            }),
            None => Error::Package {
                package,
                reason,
                output,
            },
        }
    }

    fn turn_to(&mut self, package: &str, counts: bool) {
        self.finish();
        self.last.clear();
        self.current = Some((package.into(), Instant::now(), counts));
        self.report.send(Event::Working {
            stage: Stage::Configure,
            item: package.into(),
        });
    }

    /// The first failing script is the cause; a package without its dependencies only follows from one.
    fn note_failure(&mut self, package: String, reason: &str) {
        let is_first_script = self
            .failed
            .as_ref()
            .is_none_or(|failed| script_in(&failed.reason).is_none())
            && script_in(reason).is_some();
        if self.failed.is_none() || is_first_script {
            self.failed = Some(Failed {
                package,
                reason: reason.into(),
                last: self.last.iter().cloned().collect(),
            });
        }
    }
}

fn between<'t>(line: &'t str, before: &str, after: &str) -> Option<&'t str> {
    line.strip_prefix(before)?
        .split(after)
        .next()
        .filter(|name| !name.is_empty() && !name.contains(' '))
}

/// The script that dpkg blames, and how it ended: `installed x package post-installation script subprocess returned error exit
/// status 1`, before dpkg 1.19 `subprocess installed post-installation script returned error exit status 1`.
fn script_in(reason: &str) -> Option<(&'static str, &str)> {
    const SCRIPTS: [(&str, &str); 4] = [
        ("post-installation script", "postinst"),
        ("pre-installation script", "preinst"),
        ("pre-removal script", "prerm"),
        ("post-removal script", "postrm"),
    ];
    let (_, script) = SCRIPTS
        .into_iter()
        .find(|(words, _)| reason.contains(words))?;
    let ended = ["exit status ", "signal ("]
        .into_iter()
        .find_map(|words| reason.find(words));
    Some((script, ended.map_or(reason, |at| &reason[at..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::sync::{Arc, Mutex};

    fn error(output: &str) -> Error {
        let report = Report::silent();
        let mut listener = Listener::new(&report);
        output.lines().for_each(|line| listener.read_line(line));
        listener.failure(ExitStatus::from_raw(256))
    }

    #[test]
    fn the_script_that_failed_is_named_and_not_what_follows() {
        let error = error(
            "Setting up a (1) ...\nfine\nSetting up b:amd64 (2-1) ...\nI try\nI fail\ndpkg: error processing package b:amd64 (--configure):\n \
             installed b:amd64 package post-installation script subprocess returned error exit status 3\n\
             dpkg: dependency problems prevent configuration of c:\n c depends on b.\n\ndpkg: error processing package c (--configure):\n \
             dependency problems - leaving unconfigured\nErrors were encountered while processing:\n b:amd64\n c\n",
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
                "installed p package post-installation script subprocess was killed by signal (Killed), core dumped",
                "the postinst script of p failed with signal (Killed), core dumped",
            ),
            (
                "dependency problems - leaving unconfigured",
                "dpkg could not configure p: dependency problems - leaving unconfigured",
            ),
            (
                "package p is not ready for configuration\ncannot configure (current status 'not-installed')",
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
            "dpkg: error: parsing file '/var/lib/dpkg/status' near line 3:\n missing 'package' field\n",
        );
        assert!(
            matches!(&dpkg, Error::Dpkg { output, .. } if output.as_ref().is_some_and(|output| output.lines().len() == 2)),
            "{dpkg:?}"
        );
    }

    #[test]
    fn packages_count_once_and_triggers_never() {
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
        let mut listener = Listener::new(&report);
        for line in [
            "Setting up a (1) ...",
            "Setting up the loudspeaker (x)",
            "Processing triggers for a (1) ...",
            "Setting up b (2) ...",
        ] {
            listener.read_line(line);
        }
        listener.finish();
        assert_eq!(
            *events.lock().unwrap(),
            [
                "at a", "did a", "+1", "at a", "did a", "+0", "at b", "did b", "+1"
            ]
        );
    }
}
