//! Why a directory cannot be the target.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::tree::rootfs::{self, Remains};

/// What a read-only container needs; docker's default is noexec and nodev.
const FOR_CONTAINERS: &str = "in a container: docker run --tmpfs /tmp:exec,dev";

/// Why a directory cannot be the target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "the target {} is not empty: it contains `{}`",
        path.display(),
        Path::new(found).display()
    )]
    NotEmpty { path: PathBuf, found: OsString },
    #[error("the target {} is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    /// Of a user who is not mapped in this user namespace, which has all rights over the others.
    #[error("the target {} belongs to another user", path.display())]
    Foreign { path: PathBuf },
    #[error("the target {} is a symlink of another user (uid {uid})", path.display())]
    ForeignSymlink { path: PathBuf, uid: u32 },
    #[error(
        "the target {} is a symlink to {}, which does not exist",
        path.display(),
        leads_to.display()
    )]
    DanglingSymlink { path: PathBuf, leads_to: PathBuf },
    #[error("the target {} is being built by another run", path.display())]
    Busy { path: PathBuf },
    #[error(
        "the target {} was left by a run that was killed, and cannot be emptied: {remains}",
        path.display()
    )]
    Leftover { path: PathBuf, remains: Remains },
    /// A directory that is to be removed.
    #[error("{} is not a tree: it has no var/lib/dpkg", path.display())]
    NotATree { path: PathBuf },
    /// A path that is to be removed and ends with no name.
    #[error("{} is not the name of a tree", path.display())]
    NotAName { path: PathBuf },
    #[error("{} could not be removed: {remains}", path.display())]
    Remains { path: PathBuf, remains: Remains },
    #[error("the target {} is the root of the running system", path.display())]
    RunningSystem { path: PathBuf },
    #[error(
        "the target {} is on a file system mounted noexec: maintainer scripts cannot run there",
        path.display()
    )]
    NoExec { path: PathBuf },
    /// Packages ship names that differ only in case.
    #[error("the target {} is on a case-insensitive file system", path.display())]
    CaseInsensitive { path: PathBuf },
    #[error("the target {} is on a file system without {feature}", path.display())]
    Unfit {
        path: PathBuf,
        feature: &'static str,
        #[source]
        source: io::Error,
    },
    /// The directory for the tree of an image.
    #[error("cannot create a temporary directory in {}", parent.display())]
    Temporary {
        parent: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} the target {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

impl Error {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NotEmpty { .. } => {
                Some("name a directory that is empty or does not exist yet".into())
            }
            Error::Temporary { source, .. }
                if source.kind() == io::ErrorKind::ReadOnlyFilesystem =>
            {
                Some(format!(
                    "set TMPDIR to another directory, which must have room for the tree; \
                     {FOR_CONTAINERS}"
                ))
            }
            Error::Temporary { .. } => {
                Some("set TMPDIR to another directory, which must have room for the tree".into())
            }
            Error::Foreign { .. } => {
                Some("name a directory of your own, or one that does not exist yet".into())
            }
            Error::DanglingSymlink { .. } => {
                Some("remove the symlink, or create the directory that it leads to".into())
            }
            Error::ForeignSymlink { .. } => {
                Some("name the directory that the symlink leads to".into())
            }
            Error::NoExec { .. } => Some(format!(
                "choose another directory (TMPDIR for an image), or allow programs to run there: \
                 mount -o remount,exec; {FOR_CONTAINERS}"
            )),
            Error::CaseInsensitive { .. } | Error::Unfit { .. } => Some(
                "choose a directory on a Linux file system: ext4, XFS, Btrfs, tmpfs; an image may \
                 be written anywhere"
                    .into(),
            ),
            Error::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Some("choose a directory that is not mounted read-only".into())
            }
            Error::NotATree { .. } => Some("remove other directories with rm -r".into()),
            Error::NotAName { .. } => Some("name the tree itself, without `..` at the end".into()),
            Error::NotADirectory { .. }
            | Error::Remains { .. }
            | Error::Busy { .. }
            | Error::Leftover { .. }
            | Error::RunningSystem { .. }
            | Error::Io { .. }
            | Error::Rootfs(_) => None,
        }
    }
}

pub(super) fn io_error(action: &'static str, path: &Path, error: Errno) -> Error {
    Error::Io {
        action,
        path: path.to_owned(),
        source: error.into(),
    }
}
