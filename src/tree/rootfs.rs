//! The only door into the target tree.
//!
//! A [`Rootfs`] is an open directory, a [`RootPath`] a path inside it. The kernel resolves every
//! path with the tree as its root (`openat2` with `RESOLVE_IN_ROOT`; `resolve` where it is
//! missing), so no symlink in a package leads outside. Owners and modes are set through descriptors
//! ([`Handle`]), and only regular files are read. Which files go where is left to the callers.

mod attributes;
mod changes;
mod handle;
mod held;
mod inode;
mod remove;
pub(super) mod resolve;
mod times;
mod walk;

#[cfg(test)]
mod tests;

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use crate::bounded;
use crate::formats::deb::ExtendedAttribute;

pub(crate) use super::path::{BadPath, RootPath};
pub(crate) use attributes::{all_attributes, attributes, kept_attributes, set_attributes};
pub(crate) use handle::Handle;
pub(crate) use held::{HeldDirectories, HeldDirectory};
pub(crate) use inode::Inode;
pub(crate) use remove::{Remains, empty_directory, remove_all_until};
pub(crate) use walk::WalkedEntry;

/// The most bytes that are read from one file of the tree: enough for dpkg's status of every
/// package of a release.
pub(crate) const READ_LIMIT: u64 = 256 << 20;

/// The target tree.
#[derive(Debug)]
pub(crate) struct Rootfs {
    directory: OwnedFd,
    path: PathBuf,
}

/// A directory of the tree, held open.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

/// An operation in the tree that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action}", root.join(path.to_string().trim_start_matches('/')).display())]
pub(crate) struct Error {
    /// Where the tree is on the host.
    pub(crate) root: PathBuf,
    pub(crate) path: RootPath,
    /// `create the directory`, `read it`, …
    pub(crate) action: &'static str,
    #[source]
    pub(crate) source: io::Error,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Rootfs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Rootfs {
    /// Opens a tree whose root directory exists.
    pub(crate) fn open(path: &Path) -> Result<Rootfs, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(directory) => Ok(Rootfs::from_directory(directory, path)),
            Err(e) => Err(Error {
                root: path.into(),
                path: RootPath::default(),
                action: "open the tree",
                source: e.into(),
            }),
        }
    }

    /// Takes an open directory as the tree. `path` is where it lies on the host, for messages.
    pub(crate) fn from_directory(directory: OwnedFd, path: &Path) -> Rootfs {
        Rootfs {
            directory,
            path: path.to_owned(),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Rootfs> {
        Ok(Rootfs {
            directory: self.directory.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// Where the tree lies on the host. For messages only: another process may have put another
    /// directory there.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about `path`, for callers that work on descriptors themselves.
    pub(crate) fn error(
        &self,
        path: &RootPath,
        action: &'static str,
        source: impl Into<io::Error>,
    ) -> Error {
        Error {
            root: self.path.clone(),
            path: path.clone(),
            action,
            source: source.into(),
        }
    }

    /// Opens `path` with `flags`, following symlinks inside the tree. For directories and `O_PATH`
    /// descriptors; files are opened by [`open_file`](Rootfs::open_file).
    pub(crate) fn open_at(&self, path: &RootPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        resolve::open_inside(self.directory.as_fd(), path.as_bytes(), flags)
    }

    /// Opens a directory, through symlinks that stay inside the tree.
    pub(crate) fn directory(&self, path: &RootPath) -> Result<Directory, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_at(path, flags) {
            Ok(directory) => Ok(Directory(directory)),
            Err(e) => Err(self.error(path, "open the directory", e)),
        }
    }

    /// The extended attributes of the tree's root directory that belong to the tree.
    pub(crate) fn root_attributes(&self) -> Result<Vec<ExtendedAttribute>, Error> {
        let opened = resolve::open_below(self.as_fd(), c".");
        let found = opened.and_then(attributes);
        found.map_err(|e| self.error(&RootPath::default(), "read the attributes of it", e))
    }

    /// Opens `path` itself, not following a last symlink; `None` when nothing is there.
    pub(crate) fn handle(&self, path: &RootPath) -> Result<Option<Handle>, Error> {
        let opened = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW);
        let handle = absent_is_none(opened.and_then(Handle::new));
        handle.map_err(|e| self.error(path, "look at it", e))
    }

    /// The metadata of `path` itself, not following a last symlink; `None` when nothing is there.
    pub(crate) fn metadata(&self, path: &RootPath) -> Result<Option<Stat>, Error> {
        let handle = self.handle(path)?;
        Ok(handle.map(|handle| *handle.stat()))
    }

    /// Whether `path` exists, be it a dangling symlink.
    pub(crate) fn exists(&self, path: &RootPath) -> Result<bool, Error> {
        Ok(self.handle(path)?.is_some())
    }

    /// Whether `path` is a directory or a symlink to one inside the tree. Only what shows that
    /// there is none counts as no: where the question cannot be answered, that is the error.
    pub(crate) fn is_directory(&self, path: &RootPath) -> Result<bool, Error> {
        match self.open_at(path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(e) => Err(self.error(path, "look at it", e)),
        }
    }

    /// Opens a regular file for reading, through symlinks inside the tree; `None` when nothing is
    /// there. Anything else is an error and is not opened: a device may never end, or act on being
    /// opened.
    pub(crate) fn open_file(&self, path: &RootPath) -> Result<Option<File>, Error> {
        let found = self.open_at(path, OFlags::PATH);
        let opened = found
            .and_then(Handle::new)
            .and_then(|handle| handle.open(OFlags::RDONLY));
        absent_is_none(opened).map_err(|e| self.unreadable(path, e))
    }

    /// The content of a regular file; `None` when nothing is there.
    pub(crate) fn read(&self, path: &RootPath) -> Result<Option<Vec<u8>>, Error> {
        self.read_up_to(path, READ_LIMIT)
    }

    fn read_up_to(&self, path: &RootPath, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.open_file(path)? else {
            return Ok(None);
        };
        match bounded::read(file, limit) {
            Ok(Some(content)) => Ok(Some(content)),
            Ok(None) => Err(self.error(path, "read it", io::ErrorKind::FileTooLarge)),
            Err(error) => Err(self.error(path, "read it", error)),
        }
    }

    fn unreadable(&self, path: &RootPath, error: Errno) -> Error {
        match error {
            Errno::INVAL => self.error(path, "read it", io::Error::other("not a regular file")),
            other => self.error(path, "read it", other),
        }
    }

    /// The target of a symlink; `None` when nothing is there or it is not a symlink.
    pub(crate) fn read_link(&self, path: &RootPath) -> Result<Option<CString>, Error> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::readlinkat(&parent, &*name, Vec::new()) {
            Ok(target) => Ok(Some(target)),
            Err(Errno::NOENT | Errno::INVAL | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(self.error(path, "read the symlink", e)),
        }
    }

    /// The names in a directory, sorted by byte; none when it does not exist.
    pub(crate) fn names(&self, path: &RootPath) -> Result<Vec<Vec<u8>>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = self.open_at(path, flags);
        let found = opened.and_then(|directory| remove::names(directory.as_fd()));
        let found = absent_is_none(found).map_err(|e| self.error(path, "list the directory", e))?;
        let mut names = Vec::new();
        for name in found.unwrap_or_default() {
            names.push(name.into_bytes());
        }
        names.sort();
        Ok(names)
    }

    /// The directory that contains `path`, open, and the name there. Not for the root itself.
    pub(crate) fn parent(&self, path: &RootPath) -> Result<(Directory, CString), Error> {
        let name = CString::new(path.name()).map_err(|e| self.error(path, "name it", e))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_at(&path.parent(), flags) {
            Ok(parent) => Ok((Directory(parent), name)),
            Err(e) => Err(self.error(path, "open the directory above it", e)),
        }
    }

    fn parent_if_there(&self, path: &RootPath) -> Result<Option<(Directory, CString)>, Error> {
        use io::ErrorKind::{NotADirectory, NotFound};
        match self.parent(path) {
            Ok(found) => Ok(Some(found)),
            Err(e) if matches!(e.source.kind(), NotFound | NotADirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A modification time for `utimensat` that leaves the access time alone.
pub(crate) fn modified_at(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        },
    }
}

/// The current time as a modification time.
pub(crate) fn modified_now() -> Timestamps {
    let mut times = modified_at(0);
    times.last_modification.tv_nsec = UTIME_NOW;
    times
}

fn absent_is_none<T>(found: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}
