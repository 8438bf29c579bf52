//! Why a lock cannot be read or used.

use std::io;
use std::path::PathBuf;

use crate::failure::Class;
use crate::formats::lock::{BadLock, SIZE_LIMIT};

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has more than {SIZE_LIMIT} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is not a valid lock", path.display())]
    Bad {
        path: PathBuf,
        #[source]
        source: BadLock,
    },
    #[error("{}: `{field}` is {locked}, but this run has {given}", path.display())]
    Mismatch {
        path: PathBuf,
        field: &'static str,
        locked: String,
        given: String,
    },
    #[error(
        "{} was written for other installation steps than those of this run: `key` does not match",
        path.display()
    )]
    Key { path: PathBuf },
    #[error("{} and {} record different releases of `{suite}`", first.display(), second.display())]
    OtherRelease {
        first: PathBuf,
        second: PathBuf,
        suite: String,
    },
}

impl Error {
    /// The class that decides the exit code.
    pub(in crate::run) fn class(&self) -> Class {
        match self {
            Error::Read { .. } => Class::Usage,
            Error::TooLarge { .. }
            | Error::Bad { .. }
            | Error::Mismatch { .. }
            | Error::Key { .. }
            | Error::OtherRelease { .. } => Class::Trust,
        }
    }

    /// What the user can do about it.
    pub(in crate::run) fn hint(&self) -> Option<String> {
        match self {
            Error::Mismatch { .. } => {
                Some("give the same as the run that wrote the lock, or make a new lock".into())
            }
            Error::Key { .. } => Some(
                "give the hooks and the options for apt and dpkg of the run that wrote it, or make a \
                 new lock with --lock"
                    .into(),
            ),
            Error::OtherRelease { .. } => {
                Some("make the images from the same state of the archive (--snapshot)".into())
            }
            Error::Read { .. }
            | Error::TooLarge { .. }
            | Error::Bad { .. } => None,
        }
    }
}
