//! One file, directory, symlink or device of the tree, held by a descriptor.
//!
//! Owner and mode are set through the descriptor, so a process that exchanges the name for a
//! symlink meanwhile cannot redirect them to a file outside the tree.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::path::Arg;

/// An inode of the tree. The descriptor is `O_PATH`, so opening it has no effect on a device or a
/// FIFO.
#[derive(Debug)]
pub(crate) struct Handle {
    descriptor: OwnedFd,
    stat: Stat,
}

impl Handle {
    /// Opens `name`, an entry of `directory`, without following a symlink.
    pub(crate) fn at(directory: impl AsFd, name: impl Arg) -> Result<Handle, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Handle::new(rustix::fs::openat(directory, name, flags, Mode::empty())?)
    }

    /// Takes a descriptor that was opened with `O_PATH`.
    pub(crate) fn new(descriptor: OwnedFd) -> Result<Handle, Errno> {
        let stat = rustix::fs::fstat(&descriptor)?;
        Ok(Handle { descriptor, stat })
    }

    /// Another descriptor for an open file or directory.
    pub(crate) fn of_file(opened: impl AsFd) -> Result<Handle, Errno> {
        Handle::new(rustix::io::fcntl_dupfd_cloexec(opened, 0)?)
    }

    /// Its metadata when it was opened.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Sets the owner and then the mode, because a change of owner clears setuid. A symlink has no
    /// mode: `mode` is ignored.
    pub(crate) fn set_owner_and_mode(&self, uid: u32, gid: u32, mode: u32) -> Result<(), Errno> {
        self.set_owner(uid, gid)?;
        if self.kind() == FileType::Symlink {
            return Ok(());
        }
        self.set_mode(mode)
    }

    /// Sets the owner, a symlink's too.
    pub(crate) fn set_owner(&self, uid: u32, gid: u32) -> Result<(), Errno> {
        let uid = Some(Uid::from_raw(uid));
        let gid = Some(Gid::from_raw(gid));
        rustix::fs::chownat(&self.descriptor, c"", uid, gid, AtFlags::EMPTY_PATH)
    }

    /// Sets the mode. On a symlink this is an error.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        if self.kind() == FileType::Symlink {
            return Err(Errno::LOOP);
        }
        rustix::fs::chmod(self.magic_link(), Mode::from_raw_mode(mode))
    }

    /// Opens a regular file for reading or writing; everything else is an error.
    pub(crate) fn open(&self, flags: OFlags) -> Result<File, Errno> {
        match self.kind() {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::ISDIR),
            _ => return Err(Errno::INVAL),
        }
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::open(self.magic_link(), flags, Mode::empty()).map(File::from)
    }

    /// Opens a FIFO or a device of the host; waits for the reader of a FIFO.
    pub(crate) fn open_special(&self, flags: OFlags) -> Result<File, Errno> {
        let flags = flags | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::open(self.magic_link(), flags, Mode::empty()).map(File::from)
    }

    /// A link to this very inode, whatever its name in the tree means now. An `O_PATH` descriptor
    /// has no other way to be reopened, or to have its mode set before Linux 6.6.
    fn magic_link(&self) -> String {
        format!("/proc/self/fd/{}", self.descriptor.as_raw_fd())
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
