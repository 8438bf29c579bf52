//! Reads the answers to debconf's questions (`--preseed FILE`), and names the lines that debconf
//! will not take before anything is downloaded.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::request::System;
use crate::bounded;
use crate::failure::Class;
use crate::formats::selections::{BadLine, BadSelection, Selections};
use crate::install::Preseed;
use crate::plan::Plan;
use crate::report::Report;

/// The largest file, in bytes. Dumps of whole systems (debconf-get-selections) have 300 KB.
const SIZE_LIMIT: u64 = 16 << 20;

/// Answers that cannot be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}, the value of --preseed", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has more than {SIZE_LIMIT} bytes", path.display())]
    TooLarge { path: PathBuf },
    /// A line on which debconf-set-selections fails.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        problem: BadSelection,
    },
    #[error("--preseed has no effect with --variant={variant}, which configures nothing")]
    NothingConfigured { variant: &'static str },
    #[error("--preseed needs the package debconf, which is not among the packages")]
    NoDebconf,
}

impl Error {
    /// The class that decides the exit code.
    pub(super) fn class(&self) -> Class {
        match self {
            Error::Read { .. }
            | Error::TooLarge { .. }
            | Error::Line { .. }
            | Error::NothingConfigured { .. } => Class::Usage,
            Error::NoDebconf => Class::Packages,
        }
    }

    /// What the user can do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Error::Line { .. } => Some("debconf-set-selections(1) describes the format".to_owned()),
            Error::NoDebconf => Some("--include debconf adds it".to_owned()),
            Error::Read { .. } | Error::TooLarge { .. } | Error::NothingConfigured { .. } => None,
        }
    }
}

/// Reads the files of answers. `None` if the user names none.
pub(super) fn read(system: &System, report: &Report) -> Result<Option<Preseed>, Error> {
    if system.preseed.is_empty() {
        return Ok(None);
    }
    if !system.variant.configures() {
        return Err(Error::NothingConfigured {
            variant: system.variant.name(),
        });
    }
    let mut files = Vec::new();
    let mut known = BTreeSet::new();
    for path in &system.preseed {
        let content = read_file(path)?;
        let (selections, bad) = Selections::read(content, &mut known);
        tell(path, bad, report)?;
        files.push(selections);
    }
    Ok(Some(Preseed { files }))
}

/// Reads a file, a pipe, or standard input for `-`.
fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let read = match path.as_os_str() == "-" {
        true => bounded::read(io::stdin().lock(), SIZE_LIMIT),
        false => File::open(path).and_then(|file| bounded::read(file, SIZE_LIMIT)),
    };
    let path = path.to_owned();
    match read {
        Err(source) => Err(Error::Read { path, source }),
        Ok(None) => Err(Error::TooLarge { path }),
        Ok(Some(content)) => Ok(content),
    }
}

/// Warns of lines that debconf skips. Fails for one that debconf fails on; others are warned of.
fn tell(path: &Path, bad: Vec<BadLine>, report: &Report) -> Result<(), Error> {
    let mut first = None;
    for BadLine { line, problem } in bad {
        let is_skipped = match problem {
            BadSelection::UnknownType { .. } => true,
            BadSelection::Incomplete | BadSelection::FlagOfUnknown { .. } => false,
        };
        if is_skipped {
            let path = path.display();
            report.warning(format!(
                "{path}, line {line}: {problem}; debconf skips the line"
            ));
            continue;
        }
        if first.is_some() {
            report.warning(format!("{}, line {line}: {problem}", path.display()));
            continue;
        }
        first = Some(Error::Line {
            path: path.to_owned(),
            line,
            problem,
        });
    }
    first.map_or(Ok(()), Err)
}

/// Fails if there are answers and no debconf to take them.
pub(super) fn require_debconf(preseed: Option<&Preseed>, plan: &Plan) -> Result<(), Error> {
    let mut packages = plan.packages().iter();
    match preseed {
        Some(_) if !packages.any(|chosen| chosen.package().name == "debconf") => {
            Err(Error::NoDebconf)
        }
        Some(_) | None => Ok(()),
    }
}
