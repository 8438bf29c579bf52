//! A file that gets its name only when it is complete.
//!
//! Until then it has no name, so that a run that is killed leaves nothing. Where a file system has
//! no unnamed files, it has a temporary name and a mark, and the next image in that directory
//! removes it.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock};
use rustix::io::Errno;

use crate::mark;

/// The prefix of temporary names. The process's number and a further number follow.
const PREFIX: &str = ".rbootstrap-image.";

/// A file in an open directory. Dropped before it has its final name, it is gone.
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
                Err(Errno::EXIST) => self.take_temporary_name()?,
                linked => return linked,
            }
        }
        if let Some(temporary) = &self.name {
            rustix::fs::renameat(&self.directory, temporary, directory, name)?;
            self.has_final_name();
        }
        Ok(())
    }

    /// Gives the complete file its name in its own directory. What has that name gets it again if
    /// the result is dropped.
    pub(super) fn publish(mut self, name: &OsStr) -> Result<PublishedFile, Errno> {
        let replaced = self.take_place(name)?;
        Ok(PublishedFile {
            directory: self.directory.try_clone().map_err(|_| Errno::MFILE)?,
            name: name.to_owned(),
            replaced,
            is_settled: false,
        })
    }

    /// Gives the file its name. `None` if nothing else had it, or it cannot get it again.
    fn take_place(&mut self, name: &OsStr) -> Result<Option<ReplacedFile>, Errno> {
        let found = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_file = found.is_ok_and(|found| is_regular(found.st_mode));
        if !is_file {
            let directory = self.directory.try_clone().map_err(|_| Errno::MFILE)?;
            return self.give_name(directory, name).map(|()| None);
        }
        if self.name.is_none() {
            self.take_temporary_name()?;
        }
        let Some(temporary) = self.name.clone() else {
            return Err(Errno::NOENT);
        };
        let replaced = ReplacedFile::mark(&self.directory, name, temporary);
        match exchange(&self.directory, OsStr::new(&replaced.name), name) {
            Ok(()) => {
                self.has_final_name();
                Ok(Some(replaced))
            }
            // The file system cannot exchange names.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                replaced.unmark();
                rustix::fs::renameat(&self.directory, &replaced.name, &self.directory, name)?;
                self.has_final_name();
                Ok(None)
            }
            Err(e) => {
                replaced.unmark();
                Err(e)
            }
        }
    }

    /// A file that exists can be replaced only by one that has a name.
    fn take_temporary_name(&mut self) -> Result<(), Errno> {
        mark::set(&self.file, None);
        let linked = numbered(|name| link(&self.file, self.directory.as_fd(), OsStr::new(name)));
        self.name = Some(linked?.0);
        Ok(())
    }

    fn has_final_name(&mut self) {
        // A mark on a complete image is never looked for.
        let _ = mark::clear(&self.file);
        self.name = None;
    }
}

/// A file under its final name. Dropped without [`PublishedFile::keep`], it is gone, and what had the
/// name before has it again.
#[derive(Debug)]
pub(super) struct PublishedFile {
    directory: OwnedFd,
    name: OsString,
    replaced: Option<ReplacedFile>,
    is_settled: bool,
}

/// What had the name before.
#[derive(Debug)]
struct ReplacedFile {
    /// The name that it has for now.
    name: String,
    /// `None` if it cannot be read, so that a later run cannot remove it either.
    file: Option<OwnedFd>,
}

impl ReplacedFile {
    /// Marks a file that is going to have the name `temporary`, so that it is removed if this run
    /// is killed.
    fn mark(directory: &OwnedFd, name: &OsStr, temporary: String) -> ReplacedFile {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::empty()).ok();
        if let Some(file) = &file {
            // Locked as long as this process lives.
            let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
            mark::set(file, None);
        }
        ReplacedFile {
            name: temporary,
            file,
        }
    }

    /// The file may have other names.
    fn unmark(&self) {
        if let Some(file) = &self.file {
            let _ = mark::clear(file);
        }
    }
}

impl PublishedFile {
    /// Leaves the file under its name.
    pub(super) fn keep(mut self) {
        self.is_settled = true;
        if let Some(replaced) = &self.replaced {
            replaced.unmark();
            let _ = rustix::fs::unlinkat(&self.directory, &replaced.name, AtFlags::empty());
        }
    }
}

impl Drop for PublishedFile {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let mut own = self.name.as_os_str();
        if let Some(replaced) = &self.replaced
            && exchange(&self.directory, OsStr::new(&replaced.name), &self.name).is_ok()
        {
            replaced.unmark();
            own = OsStr::new(&replaced.name);
        }
        let _ = rustix::fs::unlinkat(&self.directory, own, AtFlags::empty());
    }
}

fn exchange(directory: &OwnedFd, one: &OsStr, other: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(directory, one, directory, other, RenameFlags::EXCHANGE)
}

fn is_regular(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::RegularFile
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
