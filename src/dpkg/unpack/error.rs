//! What can go wrong with a package on its way into the tree.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use crate::dpkg;
use crate::failure::Class;
use crate::formats::deb::{self, TarError};
use crate::sandbox;
use crate::store;
use crate::tree::rootfs::{self, BadPath, RootPath};

use super::STAGING;

/// A package that could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A package could not be fetched; which one is in the cause, for the first that fails ends the wait for all.
    #[error("cannot fetch the packages")]
    Fetch {
        /// Why.
        #[source]
        source: Arc<store::Error>,
    },
    /// The file that the index promised for a package is another package's.
    #[error("the file of package `{package}` is that of `{found}`")]
    Other {
        /// The package, with version and architecture.
        package: String,
        /// What the file says it is.
        found: String,
    },
    /// It is no sound .deb.
    #[error("package `{package}` cannot be read")]
    Deb {
        /// The package.
        package: String,
        /// What is wrong with it.
        #[source]
        source: deb::Error,
    },
    /// Its control members contradict the format.
    #[error("package `{package}` cannot be unpacked")]
    Control {
        /// The package.
        package: String,
        /// What is wrong with it.
        #[source]
        source: dpkg::Error,
    },
    /// Its name or architecture is none.
    #[error("`{name}` is not the name of a package and an architecture")]
    Name {
        /// Both, with a colon between them.
        name: String,
    },
    /// It has an entry that could lead out of the tree.
    #[error("package `{package}` cannot be unpacked")]
    Path {
        /// The package.
        package: String,
        /// The path.
        #[source]
        source: BadPath,
    },
    /// Its files could not be decoded to the disk.
    #[error("package `{package}`: cannot write below /{STAGING}")]
    Staging {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One of its files could not be laid into the tree.
    #[error("package `{package}` cannot be unpacked")]
    Tree {
        /// The package.
        package: String,
        /// What could not be done.
        #[source]
        source: rootfs::Error,
    },
    /// Two packages ship the same path, and neither replaces the other.
    #[error(
        "package `{package}` is trying to overwrite {path}, which is also in package `{other}`"
    )]
    Overwrite {
        /// The path.
        path: RootPath,
        /// The package that came second,
        package: String,
        /// and the one that came first.
        other: String,
    },
    /// Two architectures of a package ship the same path with different content.
    #[error("package `{package}` is trying to overwrite {path}, which is different in `{other}`")]
    Different {
        /// The path.
        path: RootPath,
        /// The package that came second,
        package: String,
        /// and the one that came first, with its architecture.
        other: String,
    },
    /// It ships a path that another package's file has been diverted to.
    #[error(
        "package `{package}` is trying to overwrite {path}, which is the diverted version of {from}"
    )]
    Diverted {
        /// The path.
        path: RootPath,
        /// The package.
        package: String,
        /// Where the other file was.
        from: RootPath,
    },
    /// Its preinst failed, or the postrm of one that disappears.
    #[error(
        "the {script} of package `{package}` failed ({status}){}",
        last_words(output)
    )]
    Script {
        /// The package.
        package: String,
        /// `preinst`, `postrm`
        script: &'static str,
        /// How the script ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// One of its scripts could not be run.
    #[error("the {script} of package `{package}` cannot be run")]
    Box {
        /// The package.
        package: String,
        /// `preinst`, `postrm`
        script: &'static str,
        /// Why.
        #[source]
        source: sandbox::Error,
    },
    /// The database could not be read or written.
    #[error(transparent)]
    Database(#[from] dpkg::Error),
    /// The staging place could not be made or removed.
    #[error(transparent)]
    Place(#[from] rootfs::Error),
    /// The threads that stage have ended before their work, or the package was asked for twice.
    #[error("unpacking was stopped")]
    Stopped,
}

/// How many lines of a failed script's output its error shows.
const LINES_SHOWN: usize = 20;

/// The last lines of what a script wrote, for behind the error that names it.
fn last_words(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let last: Vec<String> = lines[lines.len().saturating_sub(LINES_SHOWN)..]
        .iter()
        .map(|line| format!("\n    {line}"))
        .collect();
    if last.is_empty() {
        String::new()
    } else {
        format!("; its output ended with{}", last.concat())
    }
}

impl Error {
    /// The class that decides the exit code. A package that cannot be unpacked counts as a failure of dpkg.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Fetch { source } => source.class(),
            Error::Staging { .. } | Error::Tree { .. } | Error::Place(_) => Class::Target,
            Error::Box { source, .. } => source.class(),
            Error::Control { source, .. } | Error::Database(source) => source.class(),
            Error::Other { .. }
            | Error::Deb { .. }
            | Error::Name { .. }
            | Error::Path { .. }
            | Error::Overwrite { .. }
            | Error::Different { .. }
            | Error::Diverted { .. }
            | Error::Script { .. } => Class::Script,
            Error::Stopped => Class::Other,
        }
    }

    pub(super) fn tree(package: &str, source: rootfs::Error) -> Error {
        Error::Tree {
            package: package.into(),
            source,
        }
    }

    pub(super) fn staging(package: &str, source: impl Into<io::Error>) -> Error {
        Error::Staging {
            package: package.into(),
            source: source.into(),
        }
    }

    pub(super) fn data(package: &str, source: TarError) -> Error {
        Error::Deb {
            package: package.into(),
            source: deb::Error::data(source),
        }
    }
}
