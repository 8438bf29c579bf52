//! Options on what is reported and how, and the files that are written beside the result.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgAction, Args};

use super::error::Error;
use crate::ui::progress::{Display, Progress, Verbosity};

/// Options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reporting")]
pub(super) struct ReportingArgs {
    /// Show details; given twice, also the output of scripts
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Show only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Show progress as auto, plain, json or none
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        hide_possible_values = true,
        env = "RBOOTSTRAP_PROGRESS"
    )]
    progress: Progress,

    /// Write a log of the run to this file
    #[arg(long, global = true, value_name = "FILE", env = "RBOOTSTRAP_LOG")]
    log: Option<PathBuf>,

    /// Write a page that shows where the time went
    #[arg(long, global = true, value_name = "FILE.html")]
    pub(super) timings: Option<PathBuf>,
}

impl ReportingArgs {
    pub(super) fn display(&self) -> Arc<Display> {
        Display::new(self.progress, self.verbosity())
    }

    /// Creates the log, if there is to be one.
    pub(super) fn open_log(&self, display: &Display) -> Result<(), Error> {
        if let Some(path) = &self.log {
            display.log_to(create(path)?);
        }
        Ok(())
    }

    fn verbosity(&self) -> Verbosity {
        match self.verbose {
            0 if self.quiet => Verbosity::Warnings,
            0 => Verbosity::Notes,
            1 => Verbosity::Details,
            2.. => Verbosity::ScriptOutput,
        }
    }
}

/// Whether a command line that clap refuses asks for JSON. clap stops at the first error, which may
/// be before `--progress`, so this looks at the words themselves. `variable` is
/// RBOOTSTRAP_PROGRESS.
pub(super) fn asks_for_json(
    words: impl Iterator<Item = OsString>,
    variable: Option<OsString>,
) -> bool {
    let mut value = variable;
    let mut options = words.take_while(|word| word != "--");
    while let Some(option) = options.next() {
        if option == "--progress" {
            value = options.next();
        } else if let Some(given) = option.to_str().and_then(|o| o.strip_prefix("--progress=")) {
            value = Some(given.into());
        }
    }
    value.is_some_and(|value| value == "json")
}

/// Writes a whole page.
pub(super) fn write(path: &Path, page: &str) -> Result<(), Error> {
    let mut file = create(path)?;
    file.write_all(page.as_bytes())
        .map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
}

#[expect(
    clippy::disallowed_methods,
    reason = "logs and pages are the user's own files, never files of the tree"
)]
fn create(path: &Path) -> Result<File, Error> {
    File::create(path).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_command_line_can_ask_for_json() {
        let table = [
            ("rbootstrap --bogus --progress json", true),
            ("rbootstrap --variant=fat --progress=json", true),
            ("rbootstrap --progress=json --progress plain", false),
            ("rbootstrap -- --progress json", false),
            ("rbootstrap --progress", false),
        ];
        for (line, expected) in table {
            let words = line.split(' ').map(OsString::from);
            assert_eq!(asks_for_json(words, None), expected, "{line}");
        }
        let words = || ["rbootstrap"].map(OsString::from).into_iter();
        assert!(asks_for_json(words(), Some("json".into())));
        assert!(!asks_for_json(words(), Some("plain".into())));
    }
}
