//! A file that gets its name only when it is complete.
//!
//! Until then it has no name, so that a run that is killed leaves nothing. Where a file system has
//! no unnamed files, it has a temporary name and a mark, and the next image in that directory
//! removes it.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::mark;

/// The prefix of temporary names. The process's number and a further number follow.
const PREFIX: &str = ".rbootstrap-image.";

/// A file in an open directory. Dropped without [`TemporaryFile::give_name`], it is gone.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    directory: OwnedFd,
    file: File,
    /// `None` for a file without a name, or with its final one.
    name: Option<String>,
}

impl TemporaryFile {
    /// Creates a file with the mode that the umask leaves, for writing and reading.
    pub(super) fn create(directory: BorrowedFd<'_>) -> Result<TemporaryFile, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
        let mode = Mode::from_raw_mode(0o666);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(&directory, c".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => {
                return Ok(TemporaryFile {
                    directory,
                    file: file.into(),
                    name: None,
                });
            }
            // The answers of file systems and of kernels without unnamed files.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
            Err(e) => return Err(e),
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (name, file) = numbered(|name| rustix::fs::openat(&directory, name, flags, mode))?;
        // Locked as long as this process lives.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        mark::set(&file, None);
        Ok(TemporaryFile {
            directory,
            file: file.into(),
            name: Some(name),
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the complete file its name in `directory`, which is on the same file system, and
    /// replaces what has that name.
    pub(super) fn give_name(&mut self, directory: impl AsFd, name: &OsStr) -> Result<(), Errno> {
        let directory = directory.as_fd();
        if self.name.is_none() {
            match link(&self.file, directory, name) {
                Err(Errno::EXIST) => {}
                linked => return linked,
            }
            // A file that exists can be replaced only by one that has a name.
            mark::set(&self.file, None);
            let linked =
                numbered(|name| link(&self.file, self.directory.as_fd(), OsStr::new(name)));
            self.name = Some(linked?.0);
        }
        if let Some(temporary) = &self.name {
            rustix::fs::renameat(&self.directory, temporary, directory, name)?;
            // A mark on a complete image is never looked for.
            let _ = mark::clear(&self.file);
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = rustix::fs::unlinkat(&self.directory, name, AtFlags::empty());
        }
    }
}

/// Gives an unnamed file a name.
fn link(file: &File, directory: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = AtFlags::SYMLINK_FOLLOW;
    rustix::fs::linkat(CWD, unnamed, directory, name, flags)
}

/// Calls `make` with temporary names until one is free.
fn numbered<T>(make: impl Fn(&str) -> Result<T, Errno>) -> Result<(String, T), Errno> {
    let process = std::process::id();
    let mut number = 0;
    loop {
        let name = format!("{PREFIX}{process}.{number}");
        match make(&name) {
            Err(Errno::EXIST) if number < 1000 => number += 1,
            made => return made.map(|made| (name, made)),
        }
    }
}

/// Removes what killed runs have left in a directory.
pub(super) fn sweep(directory: BorrowedFd<'_>) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(directory, c".", flags, Mode::empty());
    let Ok(entries) = opened.and_then(Dir::new) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_bytes().starts_with(PREFIX.as_bytes()) && is_abandoned(directory, name) {
            let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
        }
    }
}

/// Whether a file has the mark of a process that has ended.
fn is_abandoned(directory: BorrowedFd<'_>, name: &CStr) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened: Result<OwnedFd, Errno> = rustix::fs::openat(directory, name, flags, Mode::empty());
    let Ok(file) = opened else {
        return false;
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    let found = mark::find(&file);
    found.is_some_and(|mark| mark.maker.has_ended(file.as_fd()))
}
