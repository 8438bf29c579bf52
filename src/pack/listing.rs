//! Lists the paths of a tree in the order of the archive, with their status.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags};

use super::{Error, on_host};
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::tree::listed::{ListedEntry, ListedKind, ListedTree};
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::{RootPath, Rootfs};

/// Directories that the running system fills. The archive has them empty.
const EMPTY_DIRECTORIES: [&[u8]; 3] = [b"dev", b"proc", b"sys"];

/// The most bytes of all files. Sparse files, which are packed whole, can be as large as a file
/// system permits: such an image would never be complete.
pub(super) const CONTENT_LIMIT: u64 = 1 << 40;

/// One path of a tree.
#[derive(Debug)]
pub(super) struct TreeEntry {
    pub(super) path: RootPath,
    pub(super) kind: FileType,
    /// Permission bits with setuid, setgid and sticky.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// In bytes.
    size: u64,
    /// In seconds since 1970.
    modified: i64,
    /// Major and minor number.
    pub(super) device: (u32, u32),
    /// The path of an earlier entry that is the same file.
    pub(super) link_to: Option<RootPath>,
    /// Of a directory of the host.
    pub(super) inode: u64,
}

impl TreeEntry {
    fn found(path: RootPath, status: &Statx) -> TreeEntry {
        TreeEntry {
            path,
            kind: FileType::from_raw_mode(status.stx_mode.into()),
            mode: u32::from(status.stx_mode) & 0o7777,
            uid: status.stx_uid,
            gid: status.stx_gid,
            size: status.stx_size,
            modified: status.stx_mtime.tv_sec,
            device: (status.stx_rdev_major, status.stx_rdev_minor),
            link_to: None,
            inode: status.stx_ino,
        }
    }

    fn listed(entry: &ListedEntry) -> TreeEntry {
        let mut size = 0;
        let mut device = (0, 0);
        let kind = match &entry.kind {
            ListedKind::Directory => FileType::Directory,
            ListedKind::File(content) => {
                size = content.size;
                FileType::RegularFile
            }
            ListedKind::Symlink { .. } => FileType::Symlink,
            ListedKind::Node {
                format,
                major,
                minor,
            } => {
                device = (*major, *minor);
                *format
            }
        };
        TreeEntry {
            path: entry.path.clone(),
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size,
            modified: entry.modified,
            device,
            link_to: None,
            inode: 0,
        }
    }

    /// Its modification time in the archive, in seconds since 1970: at most the epoch.
    pub(super) fn modified(&self, epoch: Option<i64>) -> i64 {
        match epoch {
            Some(epoch) => self.modified.min(epoch),
            None => self.modified,
        }
    }

    /// The size of its content in the archive, in bytes.
    pub(super) fn content_size(&self) -> u64 {
        if self.kind == FileType::RegularFile && self.link_to.is_none() {
            self.size
        } else {
            0
        }
    }
}

/// Identifies a file: major and minor number of its device, inode.
type FileId = (u32, u32, u64);

/// Lists a tree: each directory before its content, names in byte order.
#[cfg(test)]
pub(super) fn list(root: &Rootfs, report: &Report) -> Result<Vec<TreeEntry>, Error> {
    list_until(root.into(), &Interrupt::default(), report)
}

/// As `list`, and fails soon after an interrupt.
pub(super) fn list_until(
    tree: ReadableTree<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Vec<TreeEntry>, Error> {
    let entries = match tree {
        ReadableTree::Directory(root) => list_directory(root, interrupt, report)?,
        ReadableTree::Listed(tree) => list_listed(tree),
    };
    require_finite(tree, &entries)?;
    Ok(entries)
}

/// Fails if the files have more than [`CONTENT_LIMIT`].
fn require_finite(tree: ReadableTree<'_>, entries: &[TreeEntry]) -> Result<(), Error> {
    let mut total: u64 = 0;
    for entry in entries {
        total = total.saturating_add(entry.content_size());
    }
    let largest = entries.iter().max_by_key(|entry| entry.content_size());
    match largest {
        Some(largest) if total > CONTENT_LIMIT => Err(Error::TooLarge {
            path: on_host(tree, &largest.path),
            size: largest.content_size(),
            limit: CONTENT_LIMIT,
        }),
        Some(_) | None => Ok(()),
    }
}

fn list_directory(
    root: &Rootfs,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Vec<TreeEntry>, Error> {
    let top = RootPath::default();
    let status = status_at(root, &top)?;
    let mut lister = Lister {
        root,
        interrupt,
        report,
        mount: mount(&status),
        first: HashMap::new(),
        entries: Vec::new(),
    };
    lister.entries.push(TreeEntry::found(top, &status));
    lister.below(&RootPath::default())?;
    Ok(lister.entries)
}

/// Lists a tree that is a list, which has neither mount points nor sockets.
fn list_listed(tree: &ListedTree) -> Vec<TreeEntry> {
    let mut entries: Vec<TreeEntry> = Vec::new();
    let mut first: HashMap<usize, RootPath> = HashMap::new();
    let mut empty: Option<&RootPath> = None;
    for listed in tree.entries() {
        if empty.is_some_and(|above| listed.path.is_within(above)) {
            continue;
        }
        let mut entry = TreeEntry::listed(listed);
        if entry.kind == FileType::Directory {
            if EMPTY_DIRECTORIES.contains(&listed.path.as_bytes()) {
                empty = Some(&listed.path);
            }
        } else if let Some(file) = listed.file {
            match first.entry(file) {
                Entry::Occupied(first) => entry.link_to = Some(first.get().clone()),
                Entry::Vacant(free) => {
                    free.insert(entry.path.clone());
                }
            }
        }
        entries.push(entry);
    }
    entries
}

struct Lister<'a> {
    root: &'a Rootfs,
    interrupt: &'a Interrupt,
    report: &'a Report,
    mount: u64,
    /// The first path of each file that has several links.
    first: HashMap<FileId, RootPath>,
    entries: Vec<TreeEntry>,
}

impl Lister<'_> {
    fn below(&mut self, directory: &RootPath) -> Result<(), Error> {
        for name in self.root.names(directory)? {
            let go_on = self.interrupt.check();
            go_on.map_err(|source| Error::Write { source })?;
            let name = RootPath::parse(name).map_err(|e| {
                self.root
                    .error(directory, "name what is in it", std::io::Error::other(e))
            })?;
            let path = directory.join(&name);
            let status = status_at(self.root, &path)?;
            self.entry(path, status)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: RootPath, status: Statx) -> Result<(), Error> {
        let entry = TreeEntry::found(path, &status);
        let is_mounted = mount(&status) != self.mount;
        match entry.kind {
            FileType::Directory => {
                let path = entry.path.clone();
                self.entries.push(entry);
                if is_mounted {
                    self.report.detail(format!(
                        "{path} is a mount point: packed as an empty directory"
                    ));
                } else if !EMPTY_DIRECTORIES.contains(&path.as_bytes()) {
                    self.below(&path)?;
                }
            }
            _ if is_mounted => self
                .report
                .warning(format!("{} is a mount point: not packed", entry.path)),
            FileType::Socket => self
                .report
                .warning(format!("{} is a socket: not packed", entry.path)),
            _ => self.file(entry, &status),
        }
        Ok(())
    }

    fn file(&mut self, mut entry: TreeEntry, status: &Statx) {
        if status.stx_nlink > 1 {
            let file = (status.stx_dev_major, status.stx_dev_minor, status.stx_ino);
            match self.first.entry(file) {
                Entry::Occupied(first) => entry.link_to = Some(first.get().clone()),
                Entry::Vacant(free) => {
                    free.insert(entry.path.clone());
                }
            }
        }
        self.entries.push(entry);
    }
}

/// The status of a path, symlinks not followed.
fn status_at(root: &Rootfs, path: &RootPath) -> Result<Statx, Error> {
    let opened = root.open_at(path, OFlags::PATH | OFlags::NOFOLLOW);
    Ok(opened
        .and_then(|opened| status(&opened))
        .map_err(|e| root.error(path, "look at it", e))?)
}

/// The status of an open file.
pub(super) fn status(opened: &OwnedFd) -> Result<Statx, rustix::io::Errno> {
    rustix::fs::statx(
        opened,
        "",
        AtFlags::EMPTY_PATH,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )
}

/// The mount that a file is on; the device on kernels before 5.8, which do not tell. Devices do not
/// tell mounts apart: on an overlay the files of one directory are on several.
fn mount(status: &Statx) -> u64 {
    if StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::MNT_ID) {
        status.stx_mnt_id
    } else {
        rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor)
    }
}
