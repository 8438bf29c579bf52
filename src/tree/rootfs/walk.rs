//! Walks over everything in a tree, each directory before its content, names in byte order.
//!
//! Symlinks are not followed. A mount point is an error: what is mounted is not the tree's.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};
use rustix::io::Errno;

use super::{AsFd, Error, Inode, RootPath, Rootfs, remove, resolve};
use crate::interrupt::Interrupt;

/// How deep directories are entered: one is open at each level.
const DEPTH_LIMIT: usize = 200;

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// What a walk has come to.
pub(crate) struct WalkedEntry<'w> {
    pub(crate) path: &'w RootPath,
    pub(crate) status: &'w Statx,
    /// The directory that it is in, and that one's inode.
    pub(crate) above: BorrowedFd<'w>,
    pub(crate) above_inode: Inode,
    pub(crate) name: &'w CStr,
    /// A directory, open for reading.
    pub(crate) directory: Option<BorrowedFd<'w>>,
}

/// What a walk does with an entry. False where it does not enter a directory.
type Visitor<'v> = dyn FnMut(&WalkedEntry<'_>) -> Result<bool, Error> + 'v;

struct TreeWalk<'w, 'v> {
    root: &'w Rootfs,
    interrupt: &'w Interrupt,
    visit: &'w mut Visitor<'v>,
    mount: u64,
}

/// A directory that a walk is in.
struct WalkedDirectory<'w> {
    path: &'w RootPath,
    opened: &'w OwnedFd,
    inode: Inode,
    depth: usize,
}

impl WalkedEntry<'_> {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.status.stx_mode.into())
    }
}

impl Rootfs {
    /// Calls `visit` with the root and everything below it.
    pub(crate) fn walk(&self, interrupt: &Interrupt, visit: &mut Visitor<'_>) -> Result<(), Error> {
        let path = RootPath::default();
        let failed = |e| self.error(&path, "look at it", e);
        let opened = resolve::open_below(self.as_fd(), c".").map_err(failed)?;
        let status = status_at(opened.as_fd(), c".").map_err(failed)?;
        let mut walk = TreeWalk {
            root: self,
            interrupt,
            visit,
            mount: status.stx_mnt_id,
        };
        let enters = (walk.visit)(&WalkedEntry {
            path: &path,
            status: &status,
            above: opened.as_fd(),
            above_inode: Inode::of(&status),
            name: c".",
            directory: Some(opened.as_fd()),
        })?;
        match enters {
            true => walk.below(&WalkedDirectory {
                path: &path,
                opened: &opened,
                inode: Inode::of(&status),
                depth: 0,
            }),
            false => Ok(()),
        }
    }
}

impl TreeWalk<'_, '_> {
    fn below(&mut self, directory: &WalkedDirectory<'_>) -> Result<(), Error> {
        let here = directory.path;
        let root = self.root;
        let names = remove::names(directory.opened.as_fd());
        let mut names = names.map_err(|e| root.error(here, "list the directory", e))?;
        names.sort_unstable();
        let heard = self.interrupt.check();
        heard.map_err(|e| root.error(here, "look at what is in it", e))?;
        for name in names {
            self.entry(directory, &name)?;
        }
        Ok(())
    }

    fn entry(&mut self, directory: &WalkedDirectory<'_>, name: &CString) -> Result<(), Error> {
        let path = directory.path.entry(name.as_bytes());
        let root = self.root;
        let failed = |e| root.error(&path, "look at it", e);
        let above = directory.opened.as_fd();
        let status = status_at(above, name).map_err(failed)?;
        if status.stx_mnt_id != self.mount {
            return Err(failed(Errno::XDEV));
        }
        let is_directory = FileType::from_raw_mode(status.stx_mode.into()) == FileType::Directory;
        if is_directory && directory.depth >= DEPTH_LIMIT {
            return Err(failed(Errno::NAMETOOLONG));
        }
        let opened = match is_directory {
            true => Some(resolve::open_below(above, name).map_err(failed)?),
            false => None,
        };
        let enters = (self.visit)(&WalkedEntry {
            path: &path,
            status: &status,
            above,
            above_inode: directory.inode,
            name,
            directory: opened.as_ref().map(AsFd::as_fd),
        })?;
        match opened {
            Some(opened) if enters => self.below(&WalkedDirectory {
                path: &path,
                opened: &opened,
                inode: Inode::of(&status),
                depth: directory.depth + 1,
            }),
            _ => Ok(()),
        }
    }
}

/// The status of an entry. Before Linux 5.8 the mount is not told: there it is 0 for all.
fn status_at(directory: BorrowedFd<'_>, name: &CStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let mut status = rustix::fs::statx(directory, name, flags, WANTED)?;
    if status.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        status.stx_mnt_id = 0;
    }
    Ok(status)
}
