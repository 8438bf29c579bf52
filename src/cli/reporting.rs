//! Options on what is reported and how, and the files that are written beside the result.

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
    /// Show details; twice, also what the scripts print
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

    /// Write everything that happens to this file
    #[arg(long, global = true, value_name = "FILE", env = "RBOOTSTRAP_LOG")]
    log: Option<PathBuf>,

    /// Write a page that shows where the time went
    #[arg(long, global = true, value_name = "FILE.html")]
    pub(super) timings: Option<PathBuf>,
}

impl ReportingArgs {
    pub(super) fn display(&self) -> Result<Arc<Display>, Error> {
        let log = match &self.log {
            Some(path) => Some(create(path)?),
            None => None,
        };
        Ok(Display::new(self.progress, self.verbosity(), log))
    }

    fn verbosity(&self) -> Verbosity {
        match self.verbose {
            0 if self.quiet => Verbosity::Quiet,
            0 => Verbosity::Normal,
            1 => Verbosity::Verbose,
            2.. => Verbosity::Everything,
        }
    }
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
