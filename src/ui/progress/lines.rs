//! debootstrap's lines: `I:` for what is done, `W:` and `E:` for what is wrong.
//!
//! Information goes to standard output, where callers count lines; the rest to standard error.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::report::{Event, Stage};

use super::text::printable;

/// Where debootstrap's lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStyle {
    /// Information on standard output.
    Debootstrap,
    /// All on standard error: standard output has data.
    AllOnStderr,
    /// Nothing.
    Silent,
}

/// Prints events as debootstrap's lines.
pub(super) struct Lines {
    style: LineStyle,
    /// Whether what dpkg and scripts say is shown.
    verbose: bool,
    /// Phases that were named, each once.
    named: BTreeSet<&'static str>,
}

impl Lines {
    pub(super) fn new(style: LineStyle, verbose: bool) -> Lines {
        Lines {
            style,
            verbose,
            named: BTreeSet::new(),
        }
    }

    pub(super) fn show(&mut self, event: &Event) {
        if self.style == LineStyle::Silent {
            return;
        }
        match event {
            Event::Note(text) => self.inform(text),
            Event::Warning(text) => complain("W", text),
            Event::Output(text) if self.verbose => self.inform(text),
            Event::Working { stage, item } => self.working(*stage, item),
            Event::Span { stage, item, .. } => self.ended(*stage, item),
            Event::Failed(failure) => {
                complain("E", &failure.message);
                for cause in &failure.causes {
                    complain("E", cause);
                }
                if let Some(hint) = &failure.hint {
                    complain("E", hint);
                }
            }
            Event::Detail(_)
            | Event::Output(_)
            | Event::Began { .. }
            | Event::Grew { .. }
            | Event::Advanced { .. }
            | Event::Ended { .. }
            | Event::Planned(_)
            | Event::Finished(_) => {}
        }
    }

    fn working(&mut self, stage: Stage, item: &str) {
        match stage {
            Stage::Download => self.inform(&format!("Retrieving {}", package(item))),
            Stage::Indexes => self.inform(&format!("Retrieving {item}")),
            Stage::Unpack => {
                self.phase("Installing core packages...");
                self.inform(&format!("Unpacking {item}..."));
            }
            Stage::Configure => self.inform(&format!("Configuring {item}...")),
            Stage::Plan | Stage::Decode | Stage::Pack | Stage::Push => {}
        }
    }

    fn ended(&mut self, stage: Stage, item: &str) {
        match stage {
            Stage::Download => self.inform(&format!("Validating {}", package(item))),
            Stage::Indexes => self.inform(&format!("Validating {item}")),
            Stage::Plan => self.phase("Resolving dependencies of base packages..."),
            Stage::Decode => self.inform(&format!("Extracting {item}...")),
            Stage::Unpack | Stage::Configure | Stage::Pack | Stage::Push => {}
        }
    }

    fn phase(&mut self, text: &'static str) {
        if self.named.insert(text) {
            self.inform(text);
        }
    }

    fn inform(&self, text: &str) {
        let text = printable(text);
        // A reader that is gone is no reason to fail.
        let _ = match self.style {
            LineStyle::Debootstrap => writeln!(io::stdout().lock(), "I: {text}"),
            LineStyle::AllOnStderr => writeln!(io::stderr().lock(), "I: {text}"),
            LineStyle::Silent => Ok(()),
        };
    }
}

fn complain(letter: &str, text: &str) {
    let text = printable(text);
    for line in text.lines() {
        let _ = writeln!(io::stderr().lock(), "{letter}: {line}");
    }
}

/// A download as debootstrap names it: `bash:amd64=5.2-1` is `bash 5.2-1`.
fn package(item: &str) -> String {
    let Some((name, version)) = item.split_once('=') else {
        return item.to_owned();
    };
    let name = name.split(':').next().unwrap_or(name);
    format!("{name} {version}")
}
