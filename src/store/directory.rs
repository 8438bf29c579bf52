//! The directories of the cache: opened by descriptor below one checked root, never through a
//! symlink.
//!
//! Whoever can write to a directory of the cache could put a symlink in place of a directory, so
//! that files elsewhere are written or removed. So each directory must belong to this user or root,
//! and others must not be able to replace what is in it.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Error;

/// Not 0777: with a umask of 002 the group could write to the directory.
const MODE: u32 = 0o755;
const STICKY: u32 = 0o1000;
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// An open directory of the cache, which has passed the check.
#[derive(Debug)]
pub(super) struct CacheDirectory {
    file: File,
    /// For messages.
    path: PathBuf,
}

/// Why a directory of the cache is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnsafeDirectory {
    /// A symlink or a file.
    NotDirectory,
    /// It belongs to this user, who is neither the running one nor root.
    Owner(u32),
    /// Others can write to it.
    Writable(u32),
}

impl fmt::Display for UnsafeDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnsafeDirectory::NotDirectory => write!(f, "it is not a directory"),
            UnsafeDirectory::Owner(uid) => write!(f, "it belongs to another user (uid {uid})"),
            UnsafeDirectory::Writable(mode) => {
                write!(f, "other users can write to it (mode {mode:04o})")
            }
        }
    }
}

impl CacheDirectory {
    /// Opens the cache's root and creates it where it is missing. Its path may lead through
    /// symlinks.
    pub(super) fn root(path: &Path) -> Result<Arc<CacheDirectory>, Error> {
        let created = DirBuilder::new().recursive(true).mode(MODE).create(path);
        created.map_err(|e| disk(path, e))?;
        let file = File::open(path).map_err(|e| disk(path, e))?;
        CacheDirectory::check(file, path.to_owned()).map(Arc::new)
    }

    /// Opens a directory in this one, if it exists.
    pub(super) fn open(&self, name: impl AsRef<Path>) -> Result<Option<CacheDirectory>, Error> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let flags = FLAGS | OFlags::NOFOLLOW;
        match rustix::fs::openat(&self.file, name, flags, Mode::empty()) {
            Ok(opened) => CacheDirectory::check(opened.into(), path).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(Error::UnsafeCache {
                path,
                problem: UnsafeDirectory::NotDirectory,
            }),
            Err(error) => Err(disk(&path, error.into())),
        }
    }

    /// Opens a directory in this one, and creates it where it is missing.
    pub(super) fn create(&self, name: impl AsRef<Path>) -> Result<CacheDirectory, Error> {
        let name = name.as_ref();
        match rustix::fs::mkdirat(&self.file, name, Mode::from_raw_mode(MODE)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(disk(&self.path.join(name), error.into())),
        }
        let opened = self.open(name)?;
        let removed = || disk(&self.path.join(name), io::ErrorKind::NotFound.into());
        opened.ok_or_else(removed)
    }

    /// Opens a directory further below, if it exists.
    pub(super) fn open_below(&self, relative: &Path) -> Result<Option<CacheDirectory>, Error> {
        let mut found = None;
        for name in relative {
            let parent = found.as_ref().unwrap_or(self);
            let Some(opened) = parent.open(name)? else {
                return Ok(None);
            };
            found = Some(opened);
        }
        Ok(found)
    }

    /// Opens a directory further below, and creates it where it is missing.
    pub(super) fn create_below(&self, relative: &Path) -> Result<CacheDirectory, Error> {
        let mut names = relative.iter();
        let mut found = self.create(names.next().unwrap_or_default())?;
        for name in names {
            found = found.create(name)?;
        }
        Ok(found)
    }

    /// A path to an entry through this directory's descriptor, which stays valid as long as the
    /// directory is open.
    pub(super) fn entry(&self, name: impl AsRef<Path>) -> PathBuf {
        let directory = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        directory.join(name)
    }

    /// The names in this directory.
    pub(super) fn names(&self) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.entry(""))? {
            names.push(entry?.file_name().into());
        }
        Ok(names)
    }

    /// The path, for messages and for opening a verified file again.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor, for locks.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn check(file: File, path: PathBuf) -> Result<CacheDirectory, Error> {
        let metadata = file.metadata().map_err(|e| disk(&path, e))?;
        match problem_of(&metadata) {
            None => Ok(CacheDirectory { file, path }),
            Some(problem) => Err(Error::UnsafeCache { path, problem }),
        }
    }
}

fn problem_of(metadata: &Metadata) -> Option<UnsafeDirectory> {
    let user = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_dir() {
        return Some(UnsafeDirectory::NotDirectory);
    }
    if metadata.uid() != user && metadata.uid() != 0 {
        return Some(UnsafeDirectory::Owner(metadata.uid()));
    }
    // In a sticky directory others can add files, but not replace those of this user.
    (mode & 0o022 != 0 && mode & STICKY == 0).then_some(UnsafeDirectory::Writable(mode))
}

pub(super) fn disk(path: &Path, source: io::Error) -> Error {
    Error::Disk {
        path: path.to_owned(),
        source,
    }
}
