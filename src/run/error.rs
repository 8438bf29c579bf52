//! The one error over the stages: what class it is of, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::archive::BadRelease;
use crate::dpkg::{configure, unpack};
use crate::formats::suite;
use crate::tree::{apt, rootfs, target};
use crate::{archive, dpkg, install, pack, plan, sandbox, store};

/// Why a run failed. Each stage's own error says what happened; this says in which stage, for the exit code and the hint.
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
    Pin(#[from] apt::Indistinguishable),
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
    /// A signal asked to stop.
    #[error("interrupted; everything is undone")]
    Interrupted {
        /// Its number.
        signal: i32,
    },
}

/// The classes of failure that exit codes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Anything else.
    Other,
    /// The command line is wrong.
    Usage,
    /// A signature, a digest, an expired or future index.
    Trust,
    /// The packages asked for cannot be installed together.
    Packages,
    /// The network or the mirror.
    Network,
    /// The target, the disk, or what the host permits.
    Target,
    /// A maintainer script or dpkg failed.
    Script,
    /// A signal, by its number.
    Interrupted(u8),
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Suites(_)
            | Error::Read { .. }
            | Error::Keyring(_)
            | Error::Source(_)
            | Error::Pin(_) => Class::Usage,
            Error::UnknownSuite { .. }
            | Error::UnlistedSuite { .. }
            | Error::Architecture { .. }
            | Error::MergedUsr { .. } => Class::Usage,
            Error::HostArchitecture { .. } => Class::Other,
            Error::NotRoot
            | Error::Target(_)
            | Error::Image { .. }
            | Error::Stdout { .. }
            | Error::Pack(_)
            | Error::Rootfs(_) => Class::Target,
            Error::Unverifiable { .. } => Class::Trust,
            Error::Store(error) => of_store(error),
            Error::Fetch(error) => of_store(error),
            Error::Archive(error) => of_archive(error),
            Error::Plan(_) => Class::Packages,
            Error::Install(error) => of_install(error),
            Error::Interrupted { signal } => Class::Interrupted(u8::try_from(*signal).unwrap_or(0)),
        }
    }

    /// The next step, where there is one.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::UnknownSuite { similar, .. } if !similar.is_empty() => Some(format!("did you mean {}?", similar.join(" or "))),
            Error::UnknownSuite { .. } => {
                Some("`rbootstrap suites` lists those that are known; any other needs a MIRROR and a --keyring".into())
            }
            Error::UnlistedSuite { .. } => Some("rbootstrap --keyring FILE SUITE TARGET MIRROR".into()),
            Error::NotRoot => Some("run it as root, or ask for --simulate or --print-debs, which need no root".into()),
            Error::Archive(archive::Error::Release { source: BadRelease::Expired { .. }, .. }) => {
                Some("a mirror that is behind or a snapshot can be accepted with --no-check-valid-until".into())
            }
            Error::Target(target::Error::NotEmpty { .. }) => Some("name a directory that is empty or does not exist yet".into()),
            _ => None,
        }
    }
}

fn of_store(error: &store::Error) -> Class {
    match error {
        _ if error.is_trust() => Class::Trust,
        _ if error.is_disk() => Class::Target,
        _ => Class::Network,
    }
}

fn of_archive(error: &archive::Error) -> Class {
    match error {
        _ if error.is_trust() => Class::Trust,
        archive::Error::Fetch { source, .. } => of_store(source),
        _ if error.is_network() => Class::Network,
        _ => Class::Usage,
    }
}

fn of_install(error: &install::Error) -> Class {
    match error {
        install::Error::Unpack(error) => of_unpack(error),
        install::Error::Configure(configure::Error::Sandbox(error))
        | install::Error::Sandbox(error) => of_chroot(error),
        install::Error::Configure(configure::Error::Rootfs(_)) | install::Error::Rootfs(_) => {
            Class::Target
        }
        install::Error::Database(error) => of_dpkg(error),
        install::Error::Configure(_) => Class::Script,
    }
}

/// A package that dpkg would not unpack is dpkg's failure; a tree that cannot be written is the target's.
fn of_unpack(error: &unpack::Error) -> Class {
    match error {
        unpack::Error::Fetch { source, .. } => of_store(source),
        unpack::Error::Staging { .. } | unpack::Error::Tree { .. } | unpack::Error::Place(_) => {
            Class::Target
        }
        unpack::Error::Box { source, .. } => of_chroot(source),
        unpack::Error::Control { source, .. } => of_dpkg(source),
        unpack::Error::Database(error) => of_dpkg(error),
        _ => Class::Script,
    }
}

fn of_chroot(error: &sandbox::Error) -> Class {
    match error {
        // No such program, or one without its interpreter: what the packages brought, not what the host permits.
        sandbox::Error::NotFound { .. } | sandbox::Error::Exec { .. } => Class::Script,
        _ => Class::Target,
    }
}

/// What a package's database members say wrongly is the package's; the rest is the tree's.
fn of_dpkg(error: &dpkg::Error) -> Class {
    match error {
        dpkg::Error::Tree(_) => Class::Target,
        _ => Class::Script,
    }
}
