//! Why a package could not be unpacked.

use std::io;
use std::sync::Arc;

use crate::dpkg;
use crate::dpkg::script_failure::ScriptFailure;
use crate::failure::Class;
use crate::formats::deb::{self, TarError};
use crate::formats::package_key::PackageKey;
use crate::sandbox;
use crate::store;
use crate::tree::STAGING;
use crate::tree::rootfs::{self, BadPath, RootPath};

/// A package that could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A package could not be fetched. The cause names it: the first failure ends the wait for all.
    #[error("cannot fetch the packages")]
    Fetch {
        #[source]
        source: Arc<store::Error>,
    },
    /// The file that the index promised for a package is another package's.
    #[error("the .deb of package {package} contains {found}")]
    OtherPackage {
        package: PackageKey,
        found: PackageKey,
    },
    /// Its .deb is damaged or malformed.
    #[error("package `{package}` cannot be read")]
    Deb {
        package: String,
        #[source]
        source: deb::Error,
    },
    /// Its control members contradict the format.
    #[error("package `{package}` cannot be unpacked")]
    Control {
        package: String,
        #[source]
        source: dpkg::Error,
    },
    /// Its name or architecture is malformed.
    #[error("`{name}` is not the name of a package and an architecture")]
    Name { name: String },
    /// It has an entry that could lead out of the tree.
    #[error("package `{package}` cannot be unpacked")]
    Path {
        package: String,
        #[source]
        source: BadPath,
    },
    /// It ships a device that no package has.
    #[error("package `{package}` cannot be unpacked: {path} is a {kind} device, {major}:{minor}")]
    Device {
        package: String,
        path: RootPath,
        /// `character` or `block`
        kind: &'static str,
        major: u32,
        minor: u32,
    },
    /// Its symlink leads nowhere, or further than any path.
    #[error("package `{package}` cannot be unpacked: the symlink {path} has no valid target")]
    Symlink { package: String, path: RootPath },
    /// An entry's path is below another entry that is no directory, or is a directory's.
    #[error(
        "package `{package}` cannot be unpacked: its entry {path} contradicts its entry {other}"
    )]
    Contradiction {
        package: String,
        path: RootPath,
        other: RootPath,
        #[source]
        source: Box<rootfs::Error>,
    },
    /// A hard link leads to a path that is neither in the package nor a file of the tree.
    #[error(
        "package `{package}` cannot be unpacked: {path} is a hard link to {target}, which is not a file"
    )]
    HardLink {
        package: String,
        path: RootPath,
        target: RootPath,
        #[source]
        source: Box<rootfs::Error>,
    },
    /// Its files could not be written to the staging directory.
    #[error("package `{package}`: cannot write below /{STAGING}")]
    Staging {
        package: String,
        #[source]
        source: io::Error,
    },
    /// One of its files could not be placed in the tree.
    #[error("package `{package}` cannot be unpacked")]
    Tree {
        package: String,
        #[source]
        source: rootfs::Error,
    },
    /// Two packages ship the same path, and neither replaces the other.
    #[error(
        "package `{package}` is trying to overwrite {path}, which is also in package `{other}`"
    )]
    Overwrite {
        path: RootPath,
        /// The second package.
        package: String,
        /// The first package, with its version.
        other: String,
    },
    /// Two architectures of a package ship the same path with different content.
    #[error("package `{package}` is trying to overwrite {path}, which is different in `{other}`")]
    Different {
        path: RootPath,
        /// The second package.
        package: String,
        /// The first package, with its architecture.
        other: String,
    },
    /// It ships a path that another package's file has been diverted to.
    #[error(
        "package `{package}` is trying to overwrite {path}, which is the diverted version of {from}"
    )]
    Diverted {
        path: RootPath,
        package: String,
        /// The path of the other package's file.
        from: RootPath,
    },
    /// Its preinst failed, or the postrm of a package that disappears.
    #[error(transparent)]
    Script(#[from] ScriptFailure),
    /// One of its scripts could not be run.
    #[error("the {script} script of {package} cannot be run")]
    Sandbox {
        package: String,
        /// `preinst`, `postrm`
        script: &'static str,
        #[source]
        source: sandbox::Error,
    },
    #[error(transparent)]
    Database(#[from] dpkg::Error),
    /// The staging directory could not be made or removed.
    #[error(transparent)]
    StagingDirectory(#[from] rootfs::Error),
    /// The threads that stage packages could not be started.
    #[error("cannot start threads for unpacking")]
    Threads {
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// The same, of a thread that stages packages.
    #[error(transparent)]
    InThread(Arc<Error>),
    /// Staging has ended before this package, or the package was taken before.
    #[error("unpacking was stopped")]
    Stopped,
}

impl Error {
    /// The class that decides the exit code. A malformed package is the archive's fault; packages
    /// that ship the same path are dpkg's to refuse.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Fetch { source } => source.class(),
            Error::Staging { .. }
            | Error::Tree { .. }
            | Error::StagingDirectory(_)
            | Error::Threads { .. } => Class::Target,
            Error::Sandbox { source, .. } => source.class(),
            Error::Database(source) => source.class(),
            Error::Deb { source, .. } => source.class(),
            Error::OtherPackage { .. }
            | Error::Control { .. }
            | Error::Name { .. }
            | Error::Path { .. }
            | Error::Device { .. }
            | Error::Symlink { .. }
            | Error::Contradiction { .. }
            | Error::HardLink { .. } => Class::Trust,
            Error::Overwrite { .. }
            | Error::Different { .. }
            | Error::Diverted { .. }
            | Error::Script(_) => Class::Script,
            Error::InThread(error) => error.class(),
            Error::Stopped => Class::Other,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Sandbox { source, .. } => source.hint(),
            Error::InThread(error) => error.hint(),
            Error::Script(failure) => failure.hint(),
            Error::Fetch { .. }
            | Error::Staging { .. }
            | Error::Tree { .. }
            | Error::StagingDirectory(_)
            | Error::Threads { .. }
            | Error::Control { .. }
            | Error::Database(_)
            | Error::OtherPackage { .. }
            | Error::Deb { .. }
            | Error::Name { .. }
            | Error::Path { .. }
            | Error::Device { .. }
            | Error::Symlink { .. }
            | Error::Contradiction { .. }
            | Error::HardLink { .. }
            | Error::Overwrite { .. }
            | Error::Different { .. }
            | Error::Diverted { .. }
            | Error::Stopped => None,
        }
    }

    pub(crate) fn tree(package: &str, source: rootfs::Error) -> Error {
        Error::Tree {
            package: package.into(),
            source,
        }
    }

    pub(crate) fn staging(package: &str, source: impl Into<io::Error>) -> Error {
        Error::Staging {
            package: package.into(),
            source: source.into(),
        }
    }

    pub(crate) fn data(package: &str, source: TarError) -> Error {
        Error::Deb {
            package: package.into(),
            source: deb::Error::data(source),
        }
    }
}
