//! Opens or creates the directory of a target, and locks it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat};
use rustix::io::Errno;

use super::{Error, io_error, leftover};
use crate::mark::Mark;
use crate::tree::rootfs::Handle;

/// A directory that was empty when it was locked, or that has been emptied.
pub(super) struct LockedDirectory {
    pub(super) directory: OwnedFd,
    pub(super) created: CreatedDirectories,
    /// What a killed run had left in it.
    pub(super) leftover: Option<Mark>,
}

/// The directories that a claim created. Dropping this removes those that are empty.
#[derive(Debug, Default)]
pub(super) struct CreatedDirectories(Vec<Created>);

#[derive(Debug)]
struct Created {
    parent: OwnedFd,
    name: OsString,
}

/// Claims `path`, an absolute path, with its missing parents.
pub(super) fn open_or_create(path: &Path) -> Result<LockedDirectory, Error> {
    let mut created = CreatedDirectories::default();
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        // The root directory, or a path that ends in `..`.
        let directory = rustix::fs::open(path, DIRECTORY, Mode::empty());
        let directory = directory.map_err(|e| io_error("open", path, e))?;
        return lock(directory, created, path);
    };
    let parent = open_parent(parent, path, &mut created)?;
    let directory = open_last(&parent, name, path, &mut created)?;
    let mut locked = lock(directory, created, path)?;
    if let Some(Mark { before: None, .. }) = locked.leftover {
        // The killed run had created it, so this one removes it if it fails.
        let name = name.to_owned();
        locked.created.0.push(Created { parent, name });
    }
    Ok(locked)
}

/// Claims `path`, an absolute path, with its missing parents, whatever is in it.
pub(super) fn open_any(path: &Path) -> Result<LockedDirectory, Error> {
    let mut created = CreatedDirectories::default();
    let directory = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = open_parent(parent, path, &mut created)?;
            open_last(&parent, name, path, &mut created)?
        }
        _ => rustix::fs::open(path, DIRECTORY, Mode::empty())
            .map_err(|e| io_error("open", path, e))?,
    };
    lock_any(&directory, &mut created, path)?;
    Ok(LockedDirectory {
        directory,
        created,
        leftover: None,
    })
}

/// Claims a directory that was just created at `path`.
pub(super) fn adopt(path: &Path) -> Result<LockedDirectory, Error> {
    let failed = |e| io_error("open", path, e);
    let parent = path.parent().unwrap_or(path);
    let parent = rustix::fs::open(parent, ABOVE, Mode::empty()).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_owned();
    let directory =
        rustix::fs::openat(&parent, &*name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            .map_err(failed)?;
    let created = CreatedDirectories(vec![Created { parent, name }]);
    lock(directory, created, path)
}

const ABOVE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Opens the directory above the target, creating what is missing.
fn open_parent(
    parent: &Path,
    target: &Path,
    created: &mut CreatedDirectories,
) -> Result<OwnedFd, Error> {
    match rustix::fs::open(parent, ABOVE, Mode::empty()) {
        Ok(directory) => return Ok(directory),
        Err(Errno::NOENT) => {}
        Err(e) => return Err(io_error("find", target, e)),
    }
    let (Some(above), Some(name)) = (parent.parent(), parent.file_name()) else {
        return Err(io_error("find", target, Errno::NOENT));
    };
    let above = open_parent(above, target, created)?;
    let made = make(&above, name, created)
        .and_then(|_| rustix::fs::openat(&above, name, ABOVE | OFlags::NOFOLLOW, Mode::empty()));
    made.map_err(|e| io_error("create", target, e))
}

/// Opens the target itself, or creates it.
fn open_last(
    parent: &OwnedFd,
    name: &OsStr,
    target: &Path,
    created: &mut CreatedDirectories,
) -> Result<OwnedFd, Error> {
    match Handle::at(parent, name) {
        Err(Errno::NOENT) => {}
        Ok(found) => return open_existing(parent, &found, target),
        Err(e) => return Err(io_error("find", target, e)),
    }
    make(parent, name, created).map_err(|e| io_error("create", target, e))?;
    let found = Handle::at(parent, name).map_err(|e| io_error("open", target, e))?;
    open_existing(parent, &found, target)
}

/// Creates a directory, and notes it unless another process was faster.
fn make(parent: &OwnedFd, name: &OsStr, created: &mut CreatedDirectories) -> Result<(), Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(e) => return Err(e),
    }
    let parent = rustix::io::fcntl_dupfd_cloexec(parent, 0)?;
    let name = name.to_owned();
    created.0.push(Created { parent, name });
    Ok(())
}

fn open_existing(parent: &OwnedFd, found: &Handle, target: &Path) -> Result<OwnedFd, Error> {
    let failed = |e| io_error("open", target, e);
    match found.kind() {
        FileType::Directory => {
            rustix::fs::openat(found, c".", DIRECTORY, Mode::empty()).map_err(failed)
        }
        FileType::Symlink => {
            let uid = found.stat().st_uid;
            // Another user could point it at any empty directory, which would then become root's.
            if uid != 0 && uid != rustix::process::geteuid().as_raw() {
                let path = target.to_owned();
                return Err(Error::ForeignSymlink { path, uid });
            }
            let link = rustix::fs::readlinkat(found, c"", Vec::new()).map_err(failed)?;
            match rustix::fs::openat(parent, &*link, DIRECTORY, Mode::empty()) {
                Err(Errno::NOTDIR) => Err(not_a_directory(target)),
                Err(Errno::NOENT) => Err(Error::DanglingSymlink {
                    path: target.to_owned(),
                    leads_to: PathBuf::from(OsString::from_vec(link.into_bytes())),
                }),
                opened => opened.map_err(|e| io_error("find", target, e)),
            }
        }
        _ => Err(not_a_directory(target)),
    }
}

fn not_a_directory(target: &Path) -> Error {
    Error::NotADirectory {
        path: target.to_owned(),
    }
}

/// Locks a directory that is not the running system's root, and that is empty or holds what a
/// killed run has left, which is removed. One that another run holds, or has filled, stays, even if
/// this claim created it.
fn lock(
    directory: OwnedFd,
    mut created: CreatedDirectories,
    target: &Path,
) -> Result<LockedDirectory, Error> {
    lock_any(&directory, &mut created, target)?;
    let leftover = leftover::remove_from(&directory, target)?;
    refuse_content(&directory, target)?;
    Ok(LockedDirectory {
        directory,
        created,
        leftover,
    })
}

/// Checks that a directory is not the running system's root.
pub(super) fn refuse_system(directory: &OwnedFd, target: &Path) -> Result<(), Error> {
    let found = fstat(directory).map_err(|e| io_error("look at", target, e))?;
    let system = rustix::fs::stat(c"/").map_err(|e| io_error("find", target, e))?;
    if found.st_dev == system.st_dev && found.st_ino == system.st_ino {
        let path = target.to_owned();
        return Err(Error::RunningSystem { path });
    }
    Ok(())
}

/// Locks a directory that is not the running system's root.
fn lock_any(
    directory: &OwnedFd,
    created: &mut CreatedDirectories,
    target: &Path,
) -> Result<(), Error> {
    refuse_system(directory, target)?;
    let locked = lock_directory(directory, target);
    if let Err(Error::Busy { .. }) = locked {
        created.keep();
    }
    locked
}

/// Locks a directory, unless another run has.
pub(super) fn lock_directory(directory: &OwnedFd, target: &Path) -> Result<(), Error> {
    match leftover::lock(directory) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(Error::Busy {
            path: target.to_owned(),
        }),
        Err(e) => Err(io_error("lock", target, e)),
    }
}

/// Checks that a directory is empty, except for an empty `lost+found`.
pub(super) fn refuse_content(directory: &OwnedFd, target: &Path) -> Result<(), Error> {
    let failed = |e| io_error("list", target, e);
    let Some(found) = first_name(directory.as_fd(), "lost+found").map_err(failed)? else {
        return match is_empty_below(directory) {
            true => Ok(()),
            false => Err(not_empty(target, "lost+found".into())),
        };
    };
    Err(not_empty(target, found))
}

fn not_empty(target: &Path, found: OsString) -> Error {
    Error::NotEmpty {
        path: target.to_owned(),
        found,
    }
}

/// Whether there is no `lost+found`, or an empty one.
fn is_empty_below(directory: &OwnedFd) -> bool {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    match rustix::fs::openat(directory, c"lost+found", flags, Mode::empty()) {
        Ok(found) => first_name(found.as_fd(), ".") == Ok(None),
        Err(e) => e == Errno::NOENT,
    }
}

/// A name in a directory other than `allowed`.
fn first_name(directory: BorrowedFd<'_>, allowed: &str) -> Result<Option<OsString>, Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && name != allowed.as_bytes() {
            return Ok(Some(OsString::from_vec(name.to_vec())));
        }
    }
    Ok(None)
}

impl CreatedDirectories {
    /// Whether the target existed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets them stay.
    pub(super) fn keep(&mut self) {
        self.0.clear();
    }

    /// Removes those that are empty.
    pub(super) fn remove(&mut self) {
        while let Some(Created { parent, name }) = self.0.pop() {
            let _ = rustix::fs::unlinkat(parent, &*name, AtFlags::REMOVEDIR);
        }
    }
}

impl Drop for CreatedDirectories {
    fn drop(&mut self) {
        self.remove();
    }
}
