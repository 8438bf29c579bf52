//! Removal of directories through descriptors: no path, however long, is too long, and no symlink
//! or mount is crossed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::resolve::open_below;

/// How many directories are open at once. What lies deeper is moved up first.
const DEPTH_LIMIT: usize = 64;

/// Removes `name`, with everything below it if it is a directory. The error is of the first entry
/// that cannot be removed. A mount point is one (`EXDEV`), and what is mounted on it stays
/// untouched.
pub(super) fn remove_all(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let Some(directory) = unlink_or_open(parent, name)? else {
        return Ok(());
    };
    empty_directory(directory.as_fd())?;
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Removes everything below a directory.
pub(super) fn empty_directory(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attic = Attic {
        directory,
        count: 0,
    };
    loop {
        let before = attic.count;
        empty(directory, 0, &mut attic)?;
        if attic.count == before {
            return Ok(());
        }
    }
}

/// The names in a directory, in its own order.
pub(super) fn names(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Where directories that lie too deep are moved to: the topmost one, which is emptied again
/// afterwards.
struct Attic<'a> {
    directory: BorrowedFd<'a>,
    count: u64,
}

fn empty(directory: BorrowedFd<'_>, depth: usize, attic: &mut Attic<'_>) -> Result<(), Errno> {
    for name in names(directory)? {
        let Some(below) = unlink_or_open(directory, &name)? else {
            continue;
        };
        if depth == DEPTH_LIMIT {
            attic.take(directory, &name)?;
        } else {
            empty(below.as_fd(), depth + 1, attic)?;
            rustix::fs::unlinkat(directory, &*name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(())
}

/// Removes what is not a directory, and opens a directory. `None` when nothing is there any more.
fn unlink_or_open(parent: BorrowedFd<'_>, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    let refused = match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(None),
        // Linux answers EISDIR for a directory, POSIX and some file systems EPERM.
        Err(error @ (Errno::ISDIR | Errno::PERM)) => error,
        Err(other) => return Err(other),
    };
    match open_below(parent, name) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOTDIR) => Err(refused),
        Err(other) => Err(other),
    }
}

impl Attic<'_> {
    /// Moves a directory here, under a name that is free.
    fn take(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            self.count += 1;
            let new_name = format!(".rbootstrap-removed-{}", self.count);
            match rustix::fs::renameat(parent, name, self.directory, new_name) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                moved => return moved,
            }
        }
    }
}
