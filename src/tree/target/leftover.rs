//! What killed runs have left: found by its mark, and removed only if its maker has ended.
//!
//! A run locks its target and each of its temporary directories for as long as it lives, and marks
//! them. So what bears a valid mark and is not locked is left over. Nothing else is touched: a
//! directory of another user, one without a mark, or one whose mark was made for another inode.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat};
use rustix::io::Errno;

use super::Error;
use crate::mark::{self, Mark};
use crate::tree::rootfs::{Remains, empty_directory};

/// How long the sandbox of a killed run may take to end. It holds the run's lock until then.
const END: Duration = Duration::from_secs(2);

/// What a killed run has left, and what became of it.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    /// The number of the process that made it.
    pub(crate) process: Option<u32>,
    pub(crate) remains: Option<Remains>,
}

/// Locks a directory, which another run may hold. One that a run was making which has been killed
/// is waited for, briefly.
pub(super) fn lock(directory: &OwnedFd) -> Result<(), Errno> {
    let until = Instant::now() + END;
    loop {
        match flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < until && is_orphan(directory) => {
                thread::sleep(Duration::from_millis(10));
            }
            locked => return locked,
        }
    }
}

/// The mark of a directory whose maker has ended.
fn orphan(directory: &OwnedFd) -> Option<Mark> {
    let mark = mark::find(directory)?;
    mark.maker.has_ended(directory).then_some(mark)
}

fn is_orphan(directory: &OwnedFd) -> bool {
    orphan(directory).is_some()
}

/// Removes what a killed run has left in a locked target, and returns its mark.
pub(super) fn remove_from(directory: &OwnedFd, path: &Path) -> Result<Option<Mark>, Error> {
    let Some(mark) = orphan(directory) else {
        return Ok(None);
    };
    let spared = mark.before.map(|_| c"lost+found");
    match empty_directory(directory.as_fd(), spared) {
        Ok(()) => Ok(Some(mark)),
        Err(remains) => Err(Error::Leftover {
            path: path.to_owned(),
            remains,
        }),
    }
}

/// Removes the temporary directories of killed runs in `parent`.
pub(crate) fn sweep(parent: &Path) -> Vec<Leftover> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut removed = Vec::new();
    let Ok(opened) = rustix::fs::open(parent, flags, Mode::empty()) else {
        return removed;
    };
    let Ok(entries) = Dir::read_from(&opened) else {
        return removed;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.to_bytes().starts_with(mark::PREFIX.as_bytes()) {
            continue;
        }
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Ok(directory) = rustix::fs::openat(&opened, name, flags, Mode::empty()) else {
            continue;
        };
        let Some(process) = abandoned(&directory) else {
            continue;
        };
        let emptied = match process {
            Some(_) => empty_directory(directory.as_fd(), None),
            None => Ok(()),
        };
        let unlinked = rustix::fs::unlinkat(&opened, name, AtFlags::REMOVEDIR);
        if process.is_none() && unlinked.is_err() {
            continue;
        }
        removed.push(Leftover {
            path: parent.join(OsStr::from_bytes(name.to_bytes())),
            process,
            remains: emptied.err(),
        });
    }
    removed
}

/// Locks a temporary directory if its maker has ended, and returns the maker's number; `None`
/// inside where it was killed before it had marked the directory.
fn abandoned(directory: &OwnedFd) -> Option<Option<u32>> {
    let found = fstat(directory).ok()?;
    if found.st_uid != rustix::process::geteuid().as_raw() {
        return None;
    }
    let is_unmarked = found.st_mode & 0o7777 == mark::UNMARKED;
    if !is_unmarked && !is_orphan(directory) {
        return None;
    }
    lock(directory).ok()?;
    match orphan(directory) {
        Some(mark) => Some(Some(mark.maker.number)),
        None => is_unmarked.then_some(None),
    }
}

#[cfg(test)]
mod tests;
