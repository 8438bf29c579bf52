//! Removal of directories through descriptors: no path, however long, is too long, and no symlink
//! or mount is crossed.
//!
//! What cannot be removed does not keep the rest from being removed. [`Remains`] says what stays
//! and why.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, IFlags, Mode, OFlags};
use rustix::io::Errno;

use super::resolve::open_below;
use crate::interrupt::Interrupt;

/// How many directories are open at once. What lies deeper is moved up first.
const DEPTH_LIMIT: usize = 64;

/// What a removal has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remains {
    /// The first entry that could not be removed, below the directory that was to be removed.
    pub(crate) path: Vec<u8>,
    pub(crate) reason: Errno,
    /// Whether the entry, or the directory that contains it, is immutable or append-only
    /// (chattr(1)).
    pub(crate) is_immutable: bool,
    /// How many entries could not be removed, without the directories that contain them.
    pub(crate) count: u64,
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Path::new(OsStr::from_bytes(&self.path));
        write!(f, "`{}` stays: ", path.display())?;
        if self.is_immutable {
            write!(f, "it is immutable (chattr -i makes it removable)")?;
        } else if self.reason == Errno::XDEV {
            write!(f, "a file system is mounted there")?;
        } else {
            write!(f, "{}", std::io::Error::from(self.reason))?;
        }
        match self.count {
            0 | 1 => Ok(()),
            count => write!(f, ", and {} more", count - 1),
        }
    }
}

/// Removes `name`, with everything below it if it is a directory. A mount point stays (`EXDEV`),
/// and what is mounted on it stays untouched.
pub(crate) fn remove_all(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Remains> {
    remove_all_until(parent, name, &Interrupt::default())
}

/// As [`remove_all`], until an interrupt: then the rest stays (`EINTR`).
pub(crate) fn remove_all_until(
    parent: BorrowedFd<'_>,
    name: &CStr,
    interrupt: &Interrupt,
) -> Result<(), Remains> {
    let mut removal = Removal::new(parent, interrupt);
    let opened = unlink_or_open(parent, name);
    let Some(directory) = removal.note(opened, parent, name).flatten() else {
        return removal.result();
    };
    empty_until(directory.as_fd(), None, interrupt)?;
    let removed = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
    removal.note(removed, parent, name);
    removal.result()
}

/// Removes everything in a directory, which is open for reading, except the entry `spared`.
pub(crate) fn empty_directory(
    directory: BorrowedFd<'_>,
    spared: Option<&CStr>,
) -> Result<(), Remains> {
    empty_until(directory, spared, &Interrupt::default())
}

fn empty_until(
    directory: BorrowedFd<'_>,
    spared: Option<&CStr>,
    interrupt: &Interrupt,
) -> Result<(), Remains> {
    let mut moved = 0;
    loop {
        let mut removal = Removal::new(directory, interrupt);
        removal.moved = moved;
        let listed = names(directory);
        for name in removal.note(listed, directory, c"").unwrap_or_default() {
            if Some(&*name) != spared {
                removal.remove(directory, &name, 0);
            }
        }
        if removal.moved == moved {
            return removal.result();
        }
        moved = removal.moved;
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

/// One pass over a directory.
struct Removal<'a> {
    /// Directories that lie too deep are moved here, to be emptied in the next pass.
    top: BorrowedFd<'a>,
    interrupt: &'a Interrupt,
    moved: u64,
    /// The directories on the way to the current entry.
    above: Vec<CString>,
    remains: Option<Remains>,
}

impl<'a> Removal<'a> {
    fn new(top: BorrowedFd<'a>, interrupt: &'a Interrupt) -> Removal<'a> {
        Removal {
            top,
            interrupt,
            moved: 0,
            above: Vec::new(),
            remains: None,
        }
    }

    /// Removes one entry. False if anything of it stays.
    fn remove(&mut self, parent: BorrowedFd<'_>, name: &CStr, depth: usize) -> bool {
        let opened = match self.interrupt.cause() {
            Some(_) => Err(Errno::INTR),
            None => unlink_or_open(parent, name),
        };
        let below = match self.note(opened, parent, name) {
            None => return false,
            Some(None) => return true,
            Some(Some(below)) => below,
        };
        if depth == DEPTH_LIMIT {
            let moved = self.move_up(parent, name);
            self.note(moved, parent, name);
            return true;
        }
        self.above.push(name.to_owned());
        let is_empty = self.empty(below.as_fd(), depth + 1);
        self.above.pop();
        // The remains of a directory have been noted one by one.
        is_empty && {
            let removed = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
            self.note(removed, parent, name).is_some()
        }
    }

    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> bool {
        let listed = names(directory);
        let Some(names) = self.note(listed, directory, c"") else {
            return false;
        };
        let mut is_empty = true;
        for name in names {
            is_empty &= self.remove(directory, &name, depth);
        }
        is_empty
    }

    /// Moves a directory to the top, under a name that is free.
    fn move_up(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            self.moved += 1;
            let new_name = format!(".rbootstrap-removed-{}", self.moved);
            match rustix::fs::renameat(parent, name, self.top, new_name) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                moved => return moved,
            }
        }
    }

    /// Notes the failure of an entry.
    fn note<T>(
        &mut self,
        result: Result<T, Errno>,
        parent: BorrowedFd<'_>,
        name: &CStr,
    ) -> Option<T> {
        let reason = match result {
            Ok(value) => return Some(value),
            Err(reason) => reason,
        };
        if let Some(remains) = &mut self.remains {
            remains.count += 1;
            return None;
        }
        let mut path = Vec::new();
        for name in self
            .above
            .iter()
            .map(|name| name.to_bytes())
            .chain([name.to_bytes()])
        {
            path.extend_from_slice(if path.is_empty() { b"" } else { b"/" });
            path.extend_from_slice(name);
        }
        self.remains = Some(Remains {
            path,
            reason,
            is_immutable: reason == Errno::PERM && is_immutable(parent, name),
            count: 1,
        });
        None
    }

    fn result(self) -> Result<(), Remains> {
        self.remains.map_or(Ok(()), Err)
    }
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

/// Whether an entry or its directory has a flag that forbids its removal.
fn is_immutable(parent: BorrowedFd<'_>, name: &CStr) -> bool {
    let forbids = IFlags::IMMUTABLE | IFlags::APPEND;
    let flags_of = |fd: BorrowedFd<'_>| rustix::fs::ioctl_getflags(fd).unwrap_or(IFlags::empty());
    if flags_of(parent).intersects(forbids) {
        return true;
    }
    // Opened only if it is a file or a directory: a device acts on being opened.
    let Ok(found) = super::Handle::at(parent, name) else {
        return false;
    };
    let opened = match found.kind() {
        rustix::fs::FileType::RegularFile => found.open(OFlags::RDONLY).map(OwnedFd::from),
        rustix::fs::FileType::Directory => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(&found, c".", flags, Mode::empty())
        }
        _ => return false,
    };
    opened.is_ok_and(|opened| flags_of(opened.as_fd()).intersects(forbids))
}
