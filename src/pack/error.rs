//! Why a tree cannot be packed.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::oci;
use crate::failure::Class;
use crate::tree::listed::LostContent;
use crate::tree::rootfs;

/// A tree that could not be packed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something in the tree could not be read.
    #[error(transparent)]
    Tree(#[from] rootfs::Error),
    /// Content in the cache, from which an image is packed without a tree.
    #[error(transparent)]
    LostContent(#[from] LostContent),
    /// A sparse file can have any size.
    #[error(
        "{} has {size} bytes; the files of an image may have {limit} bytes together",
        path.display()
    )]
    TooLarge {
        /// The largest file.
        path: PathBuf,
        size: u64,
        limit: u64,
    },
    /// A file changed between the listing of the tree and its reading.
    #[error("{} changed while it was being packed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The archive could not be written or compressed.
    #[error("cannot write the archive")]
    Write {
        /// Why: a full disk, a closed pipe, …
        #[source]
        source: io::Error,
    },
    /// The file of the archive could not be created.
    #[error("{}: cannot {action}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// `create it`, `write it`, …
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// A symlink that another user could have put there to have a file replaced.
    #[error("{} is a symlink of another user (uid {uid})", path.display())]
    ForeignSymlink { path: PathBuf, uid: u32 },
    /// A FIFO in a directory where everybody can create files.
    #[error("{} is not a file, but was put there by another user (uid {uid})", path.display())]
    ForeignFifo { path: PathBuf, uid: u32 },
    /// The archive would be a file of the tree.
    #[error("{} is inside the tree to be packed, {}", output.display(), root.display())]
    Inside {
        /// The archive.
        output: PathBuf,
        /// The tree.
        root: PathBuf,
    },
    /// Two outputs.
    #[error("{} and {} are the same, or one is inside the other", first.display(), second.display())]
    SamePlace { first: PathBuf, second: PathBuf },
    /// The directory of an OCI image layout.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// An OCI image to join.
    #[error(transparent)]
    Read(#[from] oci::ReadError),
    /// No program makes images of this kind.
    #[error("{what} needs {programs} on this host, in a version that can read a tar")]
    NoTool {
        what: &'static str,
        programs: String,
    },
    #[error("{what} can only be written to a regular file, and {} is not one", path.display())]
    NoFile { path: PathBuf, what: &'static str },
    /// The program that makes the image.
    #[error("cannot start {program}")]
    Start {
        program: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{program} failed with {status}: {said}")]
    Tool {
        program: &'static str,
        status: ExitStatus,
        /// What it wrote to its error output.
        said: String,
    },
    /// Needed for the configuration of an OCI image.
    #[error("{} does not say which architecture it has", root.display())]
    NoArchitecture {
        /// The tree.
        root: PathBuf,
    },
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::NoArchitecture { .. } | Error::SamePlace { .. } => Class::Usage,
            Error::NoTool { .. } | Error::NoFile { .. } => Class::Target,
            Error::Start { .. } | Error::Tool { .. } => Class::Target,
            Error::Read(error) => error.class(),
            Error::Tree(_)
            | Error::LostContent(_)
            | Error::TooLarge { .. }
            | Error::Changed { .. }
            | Error::Write { .. }
            | Error::Output { .. }
            | Error::ForeignSymlink { .. }
            | Error::ForeignFifo { .. }
            | Error::Inside { .. }
            | Error::NotEmpty { .. } => Class::Target,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::ForeignSymlink { .. } => {
                Some("remove the symlink, or name the file that it leads to".into())
            }
            Error::ForeignFifo { .. } => Some("remove it, or choose another directory".into()),
            Error::NotEmpty { .. } => Some("name a directory that is absent or empty".into()),
            Error::Read(error) => error.hint(),
            Error::LostContent(_) => Some(
                "`--snapshots none` builds the tree instead of packing it from the cache".into(),
            ),
            Error::TooLarge { .. } => Some("remove it, or make it when the system starts".into()),
            Error::NoTool { .. } => Some("install it, or make a tar and convert that".into()),
            Error::NoArchitecture { .. } => {
                Some("name it with --arch: rbootstrap pack --arch amd64 …".into())
            }
            Error::Tree(_)
            | Error::Changed { .. }
            | Error::Write { .. }
            | Error::Output { .. }
            | Error::NoFile { .. }
            | Error::Start { .. }
            | Error::Tool { .. }
            | Error::SamePlace { .. }
            | Error::Inside { .. } => None,
        }
    }
}
