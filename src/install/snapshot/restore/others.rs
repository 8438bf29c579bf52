//! Restores what is not a package's file: files from the snapshot, symlinks, devices, hard links.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, makedev};

use crate::install::snapshot::{Error, SavedEntry, SavedKind};
use crate::tree::rootfs::{Handle, set_attributes};

use super::{Restoration, failing, rootfs_error, set_owner, set_owner_and_mode};

/// How many bytes are copied at once.
const CHUNK: usize = 128 << 10;

impl Restoration<'_> {
    /// Restores what is not a package's file: stored files, symlinks, devices, hard links.
    pub(in crate::install) fn restore_others(&mut self) -> Result<(), Error> {
        let snapshot = self.snapshot;
        for entry in &snapshot.entries {
            self.check_interrupt()?;
            match &entry.kind {
                SavedKind::Directory | SavedKind::Placed(_) => {}
                SavedKind::Stored { at, size } => self.restore_stored(entry, *at, *size)?,
                SavedKind::Symlink { target } => self.restore_symlink(entry, target)?,
                SavedKind::Link { to } => self.restore_link(entry, *to)?,
                SavedKind::Node {
                    format,
                    major,
                    minor,
                } => {
                    let kind = FileType::from_raw_mode(*format);
                    self.restore_node(entry, kind, makedev(*major, *minor))?;
                }
            }
        }
        Ok(())
    }

    fn restore_stored(&mut self, entry: &SavedEntry, at: u64, size: u64) -> Result<(), Error> {
        let failed = failing(self.root, entry, "write it");
        let time = self.times.of(entry.modified);
        let parent = self.parent(&entry.path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let created = rustix::fs::openat(parent, entry.path.name(), flags, mode);
        let mut file = File::from(created.map_err(&failed)?);
        self.copy(&mut file, at, size)
            .map_err(|e| rootfs_error(self.root, entry, e))?;
        let handle = Handle::of_file(&file).map_err(&failed)?;
        set_owner_and_mode(&handle, entry).map_err(&failed)?;
        set_attributes(&file, &entry.attributes).map_err(&failed)?;
        rustix::fs::futimens(&file, &time).map_err(failed)
    }

    /// Copies content of the snapshot.
    fn copy(&mut self, file: &mut File, mut at: u64, size: u64) -> io::Result<()> {
        let end = at + size;
        while at < end {
            let wanted = (end - at).min(CHUNK as u64) as usize;
            self.buffer.resize(wanted, 0);
            self.snapshot
                .content
                .file
                .read_exact_at(&mut self.buffer, at)?;
            file.write_all(&self.buffer)?;
            at += wanted as u64;
        }
        Ok(())
    }

    fn restore_symlink(&mut self, entry: &SavedEntry, target: &[u8]) -> Result<(), Error> {
        let failed = failing(self.root, entry, "create the symlink");
        let time = self.times.of(entry.modified);
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        rustix::fs::symlinkat(target, parent, name).map_err(&failed)?;
        let handle = Handle::at(parent, name).map_err(&failed)?;
        set_owner(&handle, entry).map_err(&failed)?;
        let set = rustix::fs::utimensat(parent, name, &time, AtFlags::SYMLINK_NOFOLLOW);
        set.map_err(failed)
    }

    fn restore_link(&mut self, entry: &SavedEntry, to: usize) -> Result<(), Error> {
        let failed = failing(self.root, entry, "create the hard link");
        let first = &self.snapshot.entries[to];
        let above = self.parent(&first.path)?.try_clone_to_owned();
        let above = above.map_err(|e| rootfs_error(self.root, first, e))?;
        let parent = self.parent(&entry.path)?;
        let flags = AtFlags::empty();
        let linked = rustix::fs::linkat(above, first.path.name(), parent, entry.path.name(), flags);
        linked.map_err(failed)
    }

    fn restore_node(
        &mut self,
        entry: &SavedEntry,
        kind: FileType,
        device: u64,
    ) -> Result<(), Error> {
        let failed = failing(self.root, entry, "create the device node");
        let time = self.times.of(entry.modified);
        let is_there = self.existing.kept.contains(&entry.path);
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        if !is_there {
            let made = rustix::fs::mknodat(parent, name, kind, Mode::RUSR | Mode::WUSR, device);
            made.map_err(&failed)?;
        }
        let handle = Handle::at(parent, name).map_err(&failed)?;
        let set = handle.set_owner_and_mode(entry.uid, entry.gid, entry.mode);
        set.map_err(&failed)?;
        let set = rustix::fs::utimensat(parent, name, &time, AtFlags::SYMLINK_NOFOLLOW);
        set.map_err(failed)
    }
}
