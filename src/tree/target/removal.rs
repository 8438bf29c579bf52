//! Removes a tree that is not needed any more.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::{Error, claim, io_error};
use crate::interrupt::Interrupt;
use crate::tree::rootfs::{Handle, RootPath, Rootfs, remove_all_until};

/// What every tree has from its first step on.
const DATABASE: &str = "var/lib/dpkg";

/// Removes a tree, which must not be in use. Other directories are refused, unless they are empty;
/// what is mounted in the tree stays.
pub(crate) fn remove(path: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    let absolute = std::path::absolute(path).map_err(|source| Error::Io {
        action: "find",
        path: path.into(),
        source,
    })?;
    let path = path.to_owned();
    let Some(parent) = absolute.parent() else {
        return Err(Error::RunningSystem { path });
    };
    let Some(name) = absolute.file_name() else {
        return Err(Error::NotAName { path });
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent, flags, Mode::empty());
    let parent = parent.map_err(|e| io_error("find", &path, e))?;
    let found = Handle::at(&parent, name).map_err(|e| io_error("find", &path, e))?;
    if found.kind() != FileType::Directory {
        return Err(Error::NotADirectory { path });
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(&found, c".", flags, Mode::empty());
    let directory = directory.map_err(|e| io_error("open", &path, e))?;
    claim::refuse_system(&directory, &path)?;
    let tree = directory.try_clone().map_err(|source| Error::Io {
        action: "open",
        path: path.clone(),
        source,
    })?;
    let root = Rootfs::from_directory(tree, &path);
    let is_tree = root.is_directory(&RootPath::known(DATABASE))?;
    if !is_tree && claim::refuse_content(&directory, &path).is_err() {
        return Err(Error::NotATree { path });
    }
    claim::lock_directory(&directory, &path)?;
    let name = CString::new(name.as_bytes()).map_err(|_| Error::NotAName { path: path.clone() })?;
    let removed = remove_all_until(parent.as_fd(), &name, interrupt);
    removed.map_err(|remains| Error::Remains { path, remains })
}
