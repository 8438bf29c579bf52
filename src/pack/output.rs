//! The file of an archive, which appears under its name only when it is complete.
//!
//! Until then it has no name, so that a run that is killed leaves nothing. Where a file system has
//! no unnamed files, it has a temporary name and a mark, and the next image in that directory
//! removes it.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::Error;
use super::place::Place;
use crate::mark;
use crate::tree::rootfs::Rootfs;

/// The prefix of temporary names. The process's number and a further number follow.
const PREFIX: &str = ".rbootstrap-image.";

/// A file that is being written. It is removed if it is dropped before [`OutputFile::finish`].
#[derive(Debug)]
pub(super) struct OutputFile {
    place: Place,
    file: File,
    naming: Naming,
}

/// Which name the file has until it is complete.
#[derive(Debug)]
enum Naming {
    /// Its own: a FIFO or a device is written in place.
    Final,
    Unnamed,
    Temporary(String),
}

impl OutputFile {
    /// Creates the file in the directory of its final name, with the mode that the umask leaves.
    pub(super) fn create(place: Place, root: &Rootfs) -> Result<OutputFile, Error> {
        if place.is_special() {
            return OutputFile::in_place(place);
        }
        let is_inside = place.is_in(root);
        if is_inside.map_err(|e| error(&place.path, "find its directory", e))? {
            return Err(Error::Inside {
                output: place.path,
                root: root.path().to_owned(),
            });
        }
        let kind = place.found.as_ref().map(|found| found.kind());
        if kind == Some(FileType::Directory) {
            return Err(error(&place.path, "create it", Errno::ISDIR));
        }
        sweep(&place);
        match create(&place) {
            Ok((file, naming)) => Ok(OutputFile {
                place,
                file,
                naming,
            }),
            Err(e) => Err(error(&place.path, "create it", e)),
        }
    }

    /// Opens a FIFO, a device or a socket.
    fn in_place(place: Place) -> Result<OutputFile, Error> {
        let opened = match &place.found {
            Some(found) => found.open_special(OFlags::WRONLY),
            None => Err(Errno::NOENT),
        };
        match opened {
            Ok(file) => Ok(OutputFile {
                place,
                file,
                naming: Naming::Final,
            }),
            Err(e) => Err(error(&place.path, "open it", e)),
        }
    }

    /// Gives the complete file its name and replaces the file that had it.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let named = self.give_name();
        named.map_err(|e| error(&self.place.path, "give it its name", e))
    }

    fn give_name(&mut self) -> Result<(), Errno> {
        if let Naming::Final = self.naming {
            return Ok(());
        }
        if let Naming::Unnamed = self.naming {
            if self.place.found.is_none() {
                match link(&self.file, &self.place, &self.place.name) {
                    Err(Errno::EXIST) => {}
                    linked => return linked,
                }
            }
            // A file that exists can be replaced only by one that has a name.
            mark::set(&self.file, None);
            let linked = numbered(|name| link(&self.file, &self.place, OsStr::new(name)));
            self.naming = Naming::Temporary(linked?.0);
        }
        if let Naming::Temporary(name) = &self.naming {
            let directory = self.place.directory();
            rustix::fs::renameat(directory, name, directory, &self.place.name)?;
            // A mark on a complete image is never looked for.
            let _ = mark::clear(&self.file);
            self.naming = Naming::Final;
        }
        Ok(())
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Naming::Temporary(name) = &self.naming {
            let directory = self.place.directory();
            let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
        }
    }
}

/// Creates the file without a name, or with a temporary one.
fn create(place: &Place) -> Result<(File, Naming), Errno> {
    let mode = Mode::from_raw_mode(0o666);
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(place.directory(), c".", flags | OFlags::TMPFILE, mode) {
        Ok(file) => return Ok((file.into(), Naming::Unnamed)),
        // The answers of file systems and of kernels without unnamed files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
        Err(e) => return Err(e),
    }
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let (name, file) = numbered(|name| rustix::fs::openat(place.directory(), name, flags, mode))?;
    // Locked as long as this process lives.
    let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
    mark::set(&file, None);
    Ok((file.into(), Naming::Temporary(name)))
}

/// Gives an unnamed file a name.
fn link(file: &File, place: &Place, name: &OsStr) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = AtFlags::SYMLINK_FOLLOW;
    rustix::fs::linkat(CWD, unnamed, place.directory(), name, flags)
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

/// Removes what killed runs have left in the directory.
fn sweep(place: &Place) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(place.directory(), c".", flags, Mode::empty());
    let Ok(entries) = opened.and_then(Dir::new) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_bytes().starts_with(PREFIX.as_bytes()) && is_abandoned(place, name) {
            let _ = rustix::fs::unlinkat(place.directory(), name, AtFlags::empty());
        }
    }
}

/// Whether a file has the mark of a process that has ended.
fn is_abandoned(place: &Place, name: &CStr) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened: Result<OwnedFd, Errno> =
        rustix::fs::openat(place.directory(), name, flags, Mode::empty());
    let Ok(file) = opened else {
        return false;
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    let found = mark::find(&file);
    found.is_some_and(|mark| mark.maker.has_ended(file.as_fd()))
}

pub(super) fn error(path: &Path, action: &'static str, source: Errno) -> Error {
    Error::Output {
        path: path.to_owned(),
        action,
        source: source.into(),
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
