//! What changes the tree: writes, creates, moves and removes by path.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{
    Directory, Error, Handle, Remains, RootPath, Rootfs, absent_is_none, modified_now, remove,
};

impl Rootfs {
    /// Writes a whole file with this mode, replacing what was there: readers see the old or the new
    /// content.
    pub(crate) fn write(&self, path: &RootPath, content: &[u8], mode: u32) -> Result<(), Error> {
        self.write_with(path, &mut |file| file.write_all(content), mode)
    }

    /// Writes a file with what `content` has from where it is, as [`Rootfs::write`] does.
    pub(crate) fn write_from(
        &self,
        path: &RootPath,
        content: &mut File,
        mode: u32,
    ) -> Result<(), Error> {
        self.write_with(path, &mut |file| io::copy(content, file).map(drop), mode)
    }

    /// Writes a file with what `fill` writes to it, as [`Rootfs::write`] does.
    pub(crate) fn write_with(
        &self,
        path: &RootPath,
        fill: &mut dyn FnMut(&mut File) -> io::Result<()>,
        mode: u32,
    ) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let temporary = [path.name(), b".rbootstrap-new"].concat();
        let temporary = OsStr::from_bytes(&temporary);
        let written = write_new(&parent, temporary, fill, mode);
        let moved =
            written.and_then(|()| Ok(rustix::fs::renameat(&parent, temporary, &parent, &*name)?));
        moved.map_err(|e| {
            let _ = rustix::fs::unlinkat(&parent, temporary, AtFlags::empty());
            self.error(path, "write it", e)
        })
    }

    /// Opens a regular file for writing at its end, or creates it. Anything else that is there, a
    /// symlink too, is an error.
    pub(crate) fn open_log(&self, path: &RootPath) -> Result<File, Error> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::APPEND;
        let new = flags | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let opened = match rustix::fs::openat(&parent, &*name, new | OFlags::NOFOLLOW, mode) {
            Err(Errno::EXIST) => Handle::at(&parent, &*name).and_then(|found| found.open(flags)),
            created => created.map(File::from),
        };
        opened.map_err(|e| match e {
            Errno::INVAL => self.error(path, "open it", io::Error::other("not a regular file")),
            other => self.error(path, "open it", other),
        })
    }

    /// Empties a regular file in place, so that its owner and mode stay.
    pub(crate) fn truncate(&self, path: &RootPath) -> Result<(), Error> {
        let Some(handle) = self.handle(path)? else {
            return Ok(());
        };
        let emptied = handle.open(OFlags::WRONLY | OFlags::TRUNC);
        emptied
            .map(drop)
            .map_err(|e| self.error(path, "empty it", e))
    }

    /// Creates one directory with this mode. One that exists, or a symlink to one, stays as it is.
    /// True when it is new.
    pub(crate) fn make_directory(&self, path: &RootPath, mode: u32) -> Result<bool, Error> {
        if path.is_root() {
            return Ok(false);
        }
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, &*name, Mode::from_raw_mode(mode)) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.is_directory(path)? => return Ok(false),
            Err(e) => return Err(self.error(path, "create the directory", e)),
        }
        let set = Handle::at(&parent, &*name).and_then(|handle| handle.set_mode(mode));
        set.map_err(|e| self.error(path, "set the mode", e))?;
        Ok(true)
    }

    /// Creates one directory with this mode in the place of whatever is there, so that it is empty
    /// and nobody has chosen where it is.
    pub(crate) fn make_new_directory(&self, path: &RootPath, mode: u32) -> Result<(), Error> {
        self.remove_tree(path)?;
        match self.make_directory(path, mode)? {
            true => Ok(()),
            false => Err(self.error(path, "create the directory", Errno::EXIST)),
        }
    }

    /// Creates a directory and its missing parents, all with mode 0755.
    pub(crate) fn make_directories(&self, path: &RootPath) -> Result<(), Error> {
        if path.is_root() || self.is_directory(path)? {
            return Ok(());
        }
        self.make_directories(&path.parent())?;
        self.make_directory(path, 0o755).map(drop)
    }

    /// Creates a symlink to `target`, which is not checked. What exists already is an error.
    pub(crate) fn symlink(&self, target: &[u8], path: &RootPath) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let made = rustix::fs::symlinkat(OsStr::from_bytes(target), &parent, &*name);
        made.map_err(|e| self.error(path, "create the symlink", e))
    }

    /// Creates a character or block device, or a FIFO, with this mode.
    pub(crate) fn make_node(
        &self,
        path: &RootPath,
        kind: FileType,
        mode: u32,
        device: u64,
    ) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let made = rustix::fs::mknodat(&parent, &*name, kind, Mode::from_raw_mode(mode), device);
        let set = made
            .and_then(|()| Handle::at(&parent, &*name))
            .and_then(|handle| handle.set_mode(mode));
        set.map_err(|e| self.error(path, "create the device node", e))
    }

    /// Moves a file to `to`, replacing a file there.
    pub(crate) fn rename(&self, from: &RootPath, to: &RootPath) -> Result<(), Error> {
        let (from_parent, from_name) = self.parent(from)?;
        let (to_parent, to_name) = self.parent(to)?;
        let moved = rustix::fs::renameat(&from_parent, &*from_name, &to_parent, &*to_name);
        moved.map_err(|e| self.error(to, "move a file here", e))
    }

    /// Sets the modification time of `path` to now.
    pub(crate) fn touch(&self, path: &RootPath) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let touched = rustix::fs::utimensat(&parent, &*name, &modified_now(), flags);
        touched.map_err(|e| self.error(path, "set its time", e))
    }

    /// Removes a file, symlink or device. True when something was there.
    pub(crate) fn remove(&self, path: &RootPath) -> Result<bool, Error> {
        let Some((parent, name)) = self.parent_if_there(path)? else {
            return Ok(false);
        };
        let removed = rustix::fs::unlinkat(&parent, &*name, AtFlags::empty());
        match absent_is_none(removed) {
            Ok(found) => Ok(found.is_some()),
            Err(e) => Err(self.error(path, "remove it", e)),
        }
    }

    /// Removes a directory with everything below it, or a file. Mount points are never crossed: one
    /// is an error.
    pub(crate) fn remove_tree(&self, path: &RootPath) -> Result<(), Error> {
        let Some((parent, name)) = self.parent_if_there(path)? else {
            return Ok(());
        };
        remove::remove_all(parent.as_fd(), &name).map_err(|e| self.not_removed(path, &e))
    }

    fn not_removed(&self, path: &RootPath, remains: &Remains) -> Error {
        match remains.reason {
            Errno::XDEV => self.error(path, "remove it with what is mounted in it", Errno::BUSY),
            other => self.error(path, "remove it", other),
        }
    }

    /// Sets the owner and, if given, the mode of `path` itself; the mode of a symlink is left
    /// alone.
    pub(crate) fn set_owner_and_mode(
        &self,
        path: &RootPath,
        uid: u32,
        gid: u32,
        mode: Option<u32>,
    ) -> Result<(), Error> {
        let Some(handle) = self.handle(path)? else {
            return Err(self.error(path, "set the owner", Errno::NOENT));
        };
        let set = match mode {
            Some(mode) => handle.set_owner_and_mode(uid, gid, mode),
            None => handle.set_owner(uid, gid),
        };
        set.map_err(|e| self.error(path, "set the owner and mode", e))
    }
}

/// Creates a file, replacing one of that name.
fn write_new(
    directory: &Directory,
    name: &OsStr,
    fill: &mut dyn FnMut(&mut File) -> io::Result<()>,
    mode: u32,
) -> Result<(), io::Error> {
    absent_is_none(rustix::fs::unlinkat(directory, name, AtFlags::empty()))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o600))?;
    let mut file = File::from(file);
    fill(&mut file)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(())
}
