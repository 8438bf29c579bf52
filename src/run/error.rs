//! The one error over the stages: what class it is of, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::failure::Class;
use crate::formats::suite;
use crate::interrupt::Interrupt;
use crate::tree::{rootfs, target};
use crate::{archive, install, pack, plan, store};

/// Why a run failed. Each stage's own error says what happened; this says in which stage, for the
/// exit code and the hint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The suite files cannot be read.
    #[error(transparent)]
    Suites(#[from] suite::Error),
    /// No suite of that name.
    #[error("there is no suite `{name}`")]
    UnknownSuite {
        /// What was asked for.
        name: String,
        /// Known names like it.
        similar: Vec<String>,
    },
    /// A suite that no file lists needs to be told where it is and whose keys sign it.
    #[error("no suite file lists `{name}`, so it needs {needs}")]
    UnlistedSuite {
        /// What was asked for.
        name: String,
        /// What is missing.
        needs: &'static str,
    },
    /// The suite is not made for the architecture, as far as its file knows.
    #[error("`{suite}` has no mirror for the architecture `{architecture}`")]
    Architecture {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: String,
    },
    /// The host's own architecture is not one that Debian has a name for.
    #[error("the host's architecture `{found}` has no Debian name")]
    HostArchitecture {
        /// What the kernel calls it.
        found: String,
    },
    /// /usr is asked to be merged, or not to be, where that cannot be.
    #[error("`{suite}` cannot be had with --{asked}")]
    MergedUsr {
        /// The suite.
        suite: String,
        /// The option.
        asked: &'static str,
    },
    /// A keyring or a file of sources that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Keys that are none.
    #[error(transparent)]
    Keyring(#[from] archive::KeyringError),
    /// An apt source that is none.
    #[error(transparent)]
    Source(#[from] archive::BadSource),
    /// A pin that apt cannot be told of.
    #[error(transparent)]
    Pin(#[from] archive::Indistinguishable),
    /// Making a tree takes root.
    #[error("not root: a tree has files of many owners")]
    NotRoot,
    /// The target.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// The image's file cannot be written.
    #[error("cannot write {}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output went away.
    #[error("cannot write to standard output")]
    Stdout {
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The cache.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The indexes.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The choice of packages.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// A stanza without which its .debs cannot be fetched safely.
    #[error("the index says nothing by which `{package}` could be verified")]
    Unverifiable {
        /// The package.
        package: String,
    },
    /// The .debs.
    #[error(transparent)]
    Fetch(Arc<store::Error>),
    /// The tree's making.
    #[error(transparent)]
    Install(#[from] install::Error),
    /// The image.
    #[error(transparent)]
    Pack(#[from] pack::Error),
    /// The tree to pack.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    /// A signal stopped the run.
    #[error("interrupted{}", if *kept { "" } else { "; everything is undone" })]
    Interrupted {
        /// Its number.
        signal: u8,
        /// Whether the failed tree stays, as a warning has told.
        kept: bool,
    },
}

impl Error {
    /// The interrupt, if there was one: it is the reason for every failure that follows.
    pub(super) fn or_interrupted(self, interrupt: &Interrupt, kept: bool) -> Error {
        match interrupt.signal() {
            Some(signal) => Error::Interrupted { signal, kept },
            None => self,
        }
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Suites(_)
            | Error::UnknownSuite { .. }
            | Error::UnlistedSuite { .. }
            | Error::Architecture { .. }
            | Error::MergedUsr { .. }
            | Error::Read { .. }
            | Error::Keyring(_)
            | Error::Source(_)
            | Error::Pin(_) => Class::Usage,
            Error::HostArchitecture { .. } => Class::Other,
            Error::NotRoot
            | Error::Target(_)
            | Error::Image { .. }
            | Error::Stdout { .. }
            | Error::Pack(_)
            | Error::Rootfs(_) => Class::Target,
            Error::Unverifiable { .. } => Class::Trust,
            Error::Store(error) => error.class(),
            Error::Fetch(error) => error.class(),
            Error::Archive(error) => error.class(),
            Error::Plan(error) => error.class(),
            Error::Install(error) => error.class(),
            Error::Interrupted { signal, .. } => Class::Interrupted { signal: *signal },
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::UnknownSuite { similar, .. } if similar.is_empty() => Some(
                "`rbootstrap suites` lists the known suites; any other needs a MIRROR and --keyring"
                    .into(),
            ),
            Error::UnknownSuite { similar, .. } => {
                Some(format!("did you mean {}?", similar.join(" or ")))
            }
            Error::UnlistedSuite { .. } => {
                Some("rbootstrap --keyring FILE SUITE TARGET MIRROR".into())
            }
            Error::NotRoot => {
                Some("run it as root; --simulate and --print-debs need no root".into())
            }
            Error::Archive(error) => error.hint(),
            Error::Target(error) => error.hint(),
            Error::Plan(error) => error.hint(),
            Error::Suites(_)
            | Error::Architecture { .. }
            | Error::HostArchitecture { .. }
            | Error::MergedUsr { .. }
            | Error::Read { .. }
            | Error::Keyring(_)
            | Error::Source(_)
            | Error::Pin(_)
            | Error::Image { .. }
            | Error::Stdout { .. }
            | Error::Store(_)
            | Error::Unverifiable { .. }
            | Error::Fetch(_)
            | Error::Install(_)
            | Error::Pack(_)
            | Error::Rootfs(_)
            | Error::Interrupted { .. } => None,
        }
    }
}
