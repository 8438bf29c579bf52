//! Restores the tree of a snapshot in a directory that has the base: packages' files come from the
//! staging directory, everything else from the snapshot.
//!
//! Nothing runs in the tree meanwhile. Existing directories stay, since the sandbox has mounts on
//! some of them; everything else that exists is replaced.

mod made_times;
mod others;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::dpkg::staging::{self, Node, Staged, StagedPackages};
use crate::dpkg::{NamedFile, PlacedFiles};
use crate::formats::package_key::PackageKey;
use crate::interrupt::Interrupt;
use crate::tree::STAGING;
use crate::tree::rootfs::{
    self, Handle, HeldDirectories, HeldDirectory, RootPath, Rootfs, set_attributes,
};

use super::{Error, SavedEntry, SavedKind, SavedTime, Snapshot};
pub(super) use made_times::MadeTimes;

/// What exists in a tree before it is restored.
pub(in crate::install) struct Existing {
    /// Each is removed with all below it.
    removed: Vec<RootPath>,
    kept: BTreeSet<RootPath>,
}

/// A tree that is being restored.
pub(in crate::install) struct Restoration<'a> {
    root: &'a Rootfs,
    snapshot: &'a Snapshot,
    staging: &'a StagedPackages,
    pub(in crate::install) interrupt: Interrupt,
    times: MadeTimes,
    directories: HeldDirectories,
    /// The entries of each package.
    placed: HashMap<PackageKey, Vec<usize>>,
    existing: Existing,
    buffer: Vec<u8>,
}

/// Finds what the tree of a snapshot replaces. Changes nothing.
pub(in crate::install) fn existing(
    root: &Rootfs,
    snapshot: &Snapshot,
    interrupt: &Interrupt,
) -> Result<Existing, rootfs::Error> {
    let mut saved: HashMap<&RootPath, &SavedEntry> = HashMap::new();
    for entry in &snapshot.entries {
        saved.insert(&entry.path, entry);
    }
    let staging = RootPath::known(STAGING);
    let mut existing = Existing {
        removed: Vec::new(),
        kept: BTreeSet::new(),
    };
    root.walk(interrupt, &mut |found| {
        if *found.path == staging {
            return Ok(false);
        }
        let kind = saved.get(found.path).map(|entry| &entry.kind);
        let stays = match kind {
            Some(SavedKind::Directory) => found.directory.is_some(),
            Some(SavedKind::Node {
                format,
                major,
                minor,
            }) => {
                let device = (found.status.stx_rdev_major, found.status.stx_rdev_minor);
                found.kind().as_raw_mode() == *format && device == (*major, *minor)
            }
            _ => false,
        };
        match stays {
            true => existing.kept.insert(found.path.clone()),
            false => {
                existing.removed.push(found.path.clone());
                false
            }
        };
        Ok(stays)
    })?;
    Ok(existing)
}

/// Waits until packages are staged, and fails if one of them lacks a file that the snapshot takes
/// from it. Changes nothing.
pub(in crate::install) fn require_files(
    snapshot: &Snapshot,
    staging: &StagedPackages,
    packages: &[PackageKey],
) -> Result<(), Error> {
    staging.wait_for(packages)?;
    let mut files = Vec::new();
    for package in &snapshot.header.packages {
        let known = staging.files_of(package);
        let package = package.clone();
        files.push(known.ok_or(Error::Package { package })?);
    }
    for entry in &snapshot.entries {
        if let SavedKind::Placed(origin) = entry.kind {
            let of = origin.package as usize;
            // Each is moved, so that it is there once.
            let is_there = files
                .get_mut(of)
                .map(|files| files.remove(&origin.content.number));
            if is_there != Some(true) {
                let path = entry.path.clone();
                return Err(Error::File { path });
            }
        }
    }
    Ok(())
}

impl<'a> Restoration<'a> {
    pub(in crate::install) fn new(
        root: &'a Rootfs,
        snapshot: &'a Snapshot,
        staging: &'a StagedPackages,
        now: i64,
    ) -> Restoration<'a> {
        let mut placed: HashMap<PackageKey, Vec<usize>> = HashMap::new();
        for (at, entry) in snapshot.entries.iter().enumerate() {
            if let SavedKind::Placed(origin) = entry.kind
                && let Some(package) = snapshot.header.packages.get(origin.package as usize)
            {
                placed.entry(package.clone()).or_default().push(at);
            }
        }
        let times = MadeTimes::new(&snapshot.header, now);
        Restoration {
            root,
            snapshot,
            staging,
            interrupt: Interrupt::default(),
            times,
            directories: HeldDirectories::new(),
            placed,
            existing: Existing {
                removed: Vec::new(),
                kept: BTreeSet::new(),
            },
            buffer: Vec::new(),
        }
    }

    /// Removes what is in the way, and creates the directories.
    pub(in crate::install) fn restore_directories(
        &mut self,
        existing: Existing,
    ) -> Result<(), Error> {
        self.existing = existing;
        for path in &self.existing.removed {
            self.root.remove_tree(path)?;
        }
        let snapshot = self.snapshot;
        for entry in &snapshot.entries {
            if entry.kind != SavedKind::Directory || self.existing.kept.contains(&entry.path) {
                continue;
            }
            let failed = failing(self.root, entry, "create the directory");
            let parent = self.parent(&entry.path)?;
            let made = rustix::fs::mkdirat(parent, entry.path.name(), Mode::RWXU);
            made.map_err(failed)?;
        }
        Ok(())
    }

    /// Moves the files of one package to their paths.
    pub(in crate::install) fn restore_package(
        &mut self,
        package: &PackageKey,
    ) -> Result<(), Error> {
        let staged = self.staging.take(package)?;
        let Some(entries) = self.placed.remove(package) else {
            return Ok(());
        };
        let directory = self.staging.directory().package(&staged);
        let directory =
            directory.map_err(|e| crate::dpkg::unpack::Error::staging(&staged.package.name, e))?;
        let nodes = by_number(&staged);
        let snapshot = self.snapshot;
        for at in entries {
            self.check_interrupt()?;
            let entry = &snapshot.entries[at];
            if let SavedKind::Placed(origin) = entry.kind {
                let node = nodes.get(&origin.content.number).copied();
                self.restore_placed(entry, node, &directory)?;
            }
        }
        Ok(())
    }

    fn check_interrupt(&self) -> Result<(), Error> {
        match self.interrupt.cause() {
            Some(_) => Err(crate::dpkg::unpack::Error::Stopped.into()),
            None => Ok(()),
        }
    }

    fn restore_placed(
        &mut self,
        entry: &SavedEntry,
        node: Option<&Node>,
        directory: &OwnedFd,
    ) -> Result<(), Error> {
        let failed = failing(self.root, entry, "move a file here");
        let Some(node) = node else {
            return Err(failed(Errno::NOENT));
        };
        let number = node.number;
        let creator = self.staging.directory().creator;
        let owner = Some((entry.uid, entry.gid)).filter(|owner| *owner != creator);
        let is_special = owner.is_some() && entry.mode & 0o6000 != 0;
        let has_mode = node.entry.mode & 0o7777 == entry.mode;
        let mode = Some(entry.mode).filter(|_| is_special || !has_mode);
        if owner.is_some() || mode.is_some() {
            staging::set_owner_and_mode(directory, number, owner, mode).map_err(&failed)?;
        }
        let is_timely = entry.modified == SavedTime::whole(node.entry.modified);
        let time = self.times.of(entry.modified);
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        let moved = rustix::fs::renameat(directory, number.to_string(), parent, name);
        moved.map_err(&failed)?;
        if !is_timely {
            let set = rustix::fs::utimensat(parent, name, &time, AtFlags::SYMLINK_NOFOLLOW);
            set.map_err(failed)?;
        }
        Ok(())
    }

    /// Sets the owners, modes, attributes and times of directories, once everything is in them.
    pub(in crate::install) fn finish_directories(&mut self) -> Result<(), Error> {
        let snapshot = self.snapshot;
        for entry in &snapshot.entries {
            if entry.kind != SavedKind::Directory {
                continue;
            }
            let failed = failing(
                self.root,
                entry,
                "set the owner, mode or time of the directory",
            );
            let time = self.times.of(entry.modified);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let opened = self.root.open_at(&entry.path, flags).map_err(&failed)?;
            let handle = Handle::of_file(&opened).map_err(&failed)?;
            set_owner_and_mode(&handle, entry).map_err(&failed)?;
            set_attributes(&opened, &entry.attributes).map_err(&failed)?;
            rustix::fs::futimens(&opened, &time).map_err(failed)?;
        }
        Ok(())
    }

    /// Remembers the files of packages.
    pub(in crate::install) fn remember(&mut self, placed: &PlacedFiles) -> Result<(), Error> {
        let snapshot = self.snapshot;
        for entry in &snapshot.entries {
            let of = match &entry.kind {
                SavedKind::Link { to } => &snapshot.entries[*to].kind,
                own => own,
            };
            let SavedKind::Placed(origin) = of else {
                continue;
            };
            let failed = failing(self.root, entry, "look at it");
            let held = self.held(&entry.path)?;
            let above = held.inode;
            let name = entry.path.name();
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let status = rustix::fs::statat(&held.directory, name, flags).map_err(failed)?;
            let package = &snapshot.header.packages[origin.package as usize];
            let file = NamedFile {
                above,
                name,
                status,
            };
            placed.placed(package, origin.content, &file);
        }
        Ok(())
    }

    /// The directory above a path.
    fn parent(&mut self, path: &RootPath) -> Result<BorrowedFd<'_>, Error> {
        Ok(self.held(path)?.directory.as_fd())
    }

    fn held(&mut self, path: &RootPath) -> Result<&HeldDirectory, Error> {
        let root = self.root;
        let held = self
            .directories
            .above(path, root, |above| root.directory(above))?;
        Ok(held)
    }
}

/// The entries of a package that have content.
fn by_number(staged: &Staged) -> HashMap<u32, &Node> {
    let mut nodes = HashMap::new();
    for node in &staged.nodes {
        if node.is_staged() {
            nodes.insert(node.number, node);
        }
    }
    nodes
}

fn set_owner_and_mode(handle: &Handle, entry: &SavedEntry) -> Result<(), Errno> {
    set_owner(handle, entry)?;
    let has_mode = handle.stat().st_mode & 0o7777 == entry.mode;
    // A change of owner clears setuid.
    match has_mode && entry.mode & 0o6000 == 0 {
        true => Ok(()),
        false => handle.set_mode(entry.mode),
    }
}

fn set_owner(handle: &Handle, entry: &SavedEntry) -> Result<(), Errno> {
    let found = handle.stat();
    match (found.st_uid, found.st_gid) == (entry.uid, entry.gid) {
        true => Ok(()),
        false => handle.set_owner(entry.uid, entry.gid),
    }
}

fn rootfs_error(root: &Rootfs, entry: &SavedEntry, source: io::Error) -> Error {
    root.error(&entry.path, "write it", source).into()
}

fn failing<'e>(
    root: &'e Rootfs,
    entry: &'e SavedEntry,
    action: &'static str,
) -> impl Fn(Errno) -> Error + use<'e> {
    move |e| root.error(&entry.path, action, e).into()
}
