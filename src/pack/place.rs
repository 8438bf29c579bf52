//! Where an image is written: an open directory and a name in it.
//!
//! Another user may have put a symlink in the image's place, so that a file of the host is
//! replaced. So the symlinks at the end of the path are followed one by one, and only those that
//! belong to root or to this user. From then on all work is in the open directory, and a symlink
//! that appears there later is replaced, not followed.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Error;
use super::output::error;
use crate::tree::rootfs::{Handle, Rootfs};

/// As many symlinks as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// As many directories as a path can name.
const DEPTH_LIMIT: usize = 4096;
const STICKY: u32 = 0o1000;
/// `PROC_SUPER_MAGIC` of linux/magic.h.
const PROC: u64 = 0x9fa0;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The place of an image.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) path: PathBuf,
    directory: OwnedFd,
    pub(super) name: OsString,
    /// What is there now.
    pub(super) found: Option<Handle>,
}

impl Place {
    /// Finds the place that `path` names.
    pub(crate) fn find(path: &Path) -> Result<Place, Error> {
        let mut place = Place::open(CWD, path, path)?;
        for _ in 0..LINK_LIMIT {
            match place.link()? {
                Some(link) => place = Place::open(place.directory(), &link, path)?,
                None => return Ok(place),
            }
        }
        Err(error(path, "find it", Errno::LOOP))
    }

    /// As the user named it, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, for measuring its file system.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Whether the image is written into a FIFO, a device or a socket, which stays.
    pub(crate) fn is_special(&self) -> bool {
        let kind = self.found.as_ref().map(Handle::kind);
        kind.is_some_and(|kind| kind != FileType::RegularFile && kind != FileType::Directory)
    }

    /// Opens the directory of `at`, relative to `base`, and what is there.
    fn open(base: BorrowedFd<'_>, at: &Path, path: &Path) -> Result<Place, Error> {
        let Some(name) = at.file_name() else {
            return Err(error(path, "create it", Errno::ISDIR));
        };
        let parent = match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = rustix::fs::openat(base, parent, DIRECTORY, Mode::empty());
        let directory = directory.map_err(|e| error(path, "find its directory", e))?;
        let found = match Handle::at(&directory, name) {
            Ok(found) => Some(found),
            Err(Errno::NOENT) => None,
            Err(e) => return Err(error(path, "find it", e)),
        };
        Ok(Place {
            path: path.to_owned(),
            directory,
            name: name.to_owned(),
            found,
        })
    }

    /// Where a symlink in this place leads to. `None` if there is no symlink.
    fn link(&mut self) -> Result<Option<PathBuf>, Error> {
        let Some(found) = &self.found else {
            return Ok(None);
        };
        let stat = *found.stat();
        if found.kind() != FileType::Symlink {
            self.refuse_foreign_fifo(&stat)?;
            return Ok(None);
        }
        let failed = |e| error(&self.path, "follow the symlink", e);
        if is_proc(&self.directory) {
            return self.open_descriptor();
        }
        // A further name of a symlink can be planted like the symlink itself.
        if !is_trusted(stat.st_uid) || stat.st_nlink > 1 {
            return Err(Error::ForeignSymlink {
                path: self.path.clone(),
                uid: stat.st_uid,
            });
        }
        let link = rustix::fs::readlinkat(found, c"", Vec::new()).map_err(failed)?;
        Ok(Some(OsStr::from_bytes(link.to_bytes()).into()))
    }

    /// Follows a link of /proc to an open file, which the kernel alone can do: /dev/stdout leads to
    /// one. A regular file is then found by its path.
    fn open_descriptor(&mut self) -> Result<Option<PathBuf>, Error> {
        let failed = |e| error(&self.path, "follow the symlink", e);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.directory, &self.name, flags, Mode::empty());
        let opened = opened.map_err(failed)?;
        let handle = Handle::new(opened).map_err(failed)?;
        if handle.kind() == FileType::RegularFile && handle.stat().st_nlink > 0 {
            let own = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
            let path = rustix::fs::readlink(own, Vec::new()).map_err(failed)?;
            return Ok(Some(OsStr::from_bytes(path.to_bytes()).into()));
        }
        self.found = Some(handle);
        Ok(None)
    }

    /// In a directory where everybody can create files, a FIFO of another user was put there to
    /// read the image (`fs.protected_fifos` in proc_sys_fs(5)).
    fn refuse_foreign_fifo(&self, stat: &Stat) -> Result<(), Error> {
        if !self.is_special() || is_trusted(stat.st_uid) {
            return Ok(());
        }
        let directory = rustix::fs::fstat(&self.directory);
        let directory = directory.map_err(|e| error(&self.path, "find its directory", e))?;
        if directory.st_mode & STICKY == 0 || directory.st_uid == stat.st_uid {
            return Ok(());
        }
        Err(Error::ForeignFifo {
            path: self.path.clone(),
            uid: stat.st_uid,
        })
    }

    /// Fails if the place is below a tree.
    pub(super) fn refuse_inside(&self, tree: &Rootfs) -> Result<(), Error> {
        let is_inside = self.is_in(tree);
        if is_inside.map_err(|e| error(&self.path, "find its directory", e))? {
            return Err(Error::Inside {
                output: self.path.clone(),
                root: tree.path().to_owned(),
            });
        }
        Ok(())
    }

    /// Fails if two of these paths lead to one place, or one to a place below another.
    pub(crate) fn require_distinct(paths: &[&Path]) -> Result<(), Error> {
        let mut places: Vec<Place> = Vec::new();
        for path in paths {
            let place = Place::find(path)?;
            for other in &places {
                if place.conflicts(other) || other.conflicts(&place) {
                    return Err(Error::SamePlace {
                        first: other.path.clone(),
                        second: place.path,
                    });
                }
            }
            places.push(place);
        }
        Ok(())
    }

    /// Whether the other place is this one, or a directory that this one is below.
    fn conflicts(&self, other: &Place) -> bool {
        let is_below = match &other.found {
            Some(found) if found.kind() == FileType::Directory => self.is_in(found),
            Some(_) | None => Ok(false),
        };
        let directories = [
            rustix::fs::fstat(&self.directory),
            rustix::fs::fstat(&other.directory),
        ];
        let is_equal = match directories {
            [Ok(own), Ok(others)] => is_same(&own, &others) && self.name == other.name,
            [_, _] => false,
        };
        is_equal || is_below.unwrap_or(false)
    }

    /// Whether the place is below a directory.
    fn is_in(&self, root: impl AsFd) -> Result<bool, Errno> {
        let root = rustix::fs::fstat(root)?;
        let mut at = rustix::fs::openat(&self.directory, c".", DIRECTORY, Mode::empty())?;
        let mut stat = rustix::fs::fstat(&at)?;
        for _ in 0..DEPTH_LIMIT {
            if is_same(&stat, &root) {
                return Ok(true);
            }
            at = rustix::fs::openat(&at, c"..", DIRECTORY, Mode::empty())?;
            let above = rustix::fs::fstat(&at)?;
            if is_same(&above, &stat) {
                break;
            }
            stat = above;
        }
        Ok(false)
    }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    one.st_dev == other.st_dev && one.st_ino == other.st_ino
}

/// Whether a user may redirect what this process writes.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

fn is_proc(directory: &OwnedFd) -> bool {
    let found = rustix::fs::fstatfs(directory);
    found.is_ok_and(|found| found.f_type as u64 == PROC)
}

#[cfg(test)]
mod tests;
