//! What there is to pack: every path of the tree, in the order of the archive, with what is known of it without reading it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, StatxFlags};

use super::Error;
use crate::report::Report;
use crate::tree::rootfs::{RootPath, Rootfs};

/// Directories that the running system fills: they are packed, what is below them is not.
const LEFT_EMPTY: [&[u8]; 3] = [b"dev", b"proc", b"sys"];

/// One path.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: RootPath,
    pub(super) status: Statx,
    /// The path of an earlier entry that is the same file.
    pub(super) link_to: Option<RootPath>,
}

impl Entry {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.status.stx_mode.into())
    }

    /// How many bytes of content the archive has for it.
    pub(super) fn content_size(&self) -> u64 {
        if self.kind() == FileType::RegularFile && self.link_to.is_none() {
            self.status.stx_size
        } else {
            0
        }
    }
}

/// Device and inode.
type File = (u32, u32, u64);

/// The tree in the archive's order: a directory, then what is below it, names by byte.
pub(super) fn list(root: &Rootfs, report: &Report) -> Result<Vec<Entry>, Error> {
    let top = RootPath::default();
    let status = look(root, &top)?;
    let mut listing = Listing {
        root,
        report,
        mount: mount(&status),
        first: HashMap::new(),
        entries: Vec::new(),
    };
    listing.entries.push(Entry {
        path: top,
        status,
        link_to: None,
    });
    listing.below(&RootPath::default())?;
    Ok(listing.entries)
}

struct Listing<'a> {
    root: &'a Rootfs,
    report: &'a Report,
    mount: u64,
    /// Under which path a file with several links came first.
    first: HashMap<File, RootPath>,
    entries: Vec<Entry>,
}

impl Listing<'_> {
    fn below(&mut self, directory: &RootPath) -> Result<(), Error> {
        for name in self.root.names(directory)? {
            // A name from a directory is a single component, which is what `parse` takes.
            let name = RootPath::parse(name).map_err(|e| {
                self.root
                    .error(directory, "name what is in it", std::io::Error::other(e))
            })?;
            let path = directory.join(&name);
            let status = look(self.root, &path)?;
            self.entry(path, status)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: RootPath, status: Statx) -> Result<(), Error> {
        let entry = Entry {
            link_to: None,
            path,
            status,
        };
        let elsewhere = mount(&entry.status) != self.mount;
        match entry.kind() {
            FileType::Directory => {
                let path = entry.path.clone();
                self.entries.push(entry);
                if elsewhere {
                    self.report.detail(format!(
                        "{path} is a mount point: packed as an empty directory"
                    ));
                } else if !LEFT_EMPTY.contains(&path.as_bytes()) {
                    self.below(&path)?;
                }
            }
            _ if elsewhere => self.report.warning(format!(
                "{} is mounted from elsewhere: not packed",
                entry.path
            )),
            FileType::Socket => self
                .report
                .warning(format!("{} is a socket: not packed", entry.path)),
            _ => self.file(entry),
        }
        Ok(())
    }

    fn file(&mut self, mut entry: Entry) {
        let status = &entry.status;
        if status.stx_nlink > 1 {
            let file = (status.stx_dev_major, status.stx_dev_minor, status.stx_ino);
            match self.first.get(&file) {
                Some(first) => entry.link_to = Some(first.clone()),
                None => drop(self.first.insert(file, entry.path.clone())),
            }
        }
        self.entries.push(entry);
    }
}

/// What is at `path` itself.
fn look(root: &Rootfs, path: &RootPath) -> Result<Statx, Error> {
    let opened = root.open_at(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty());
    Ok(opened
        .and_then(|opened| status(&opened))
        .map_err(|e| root.error(path, "look at it", e))?)
}

/// What an open file is.
pub(super) fn status(opened: &OwnedFd) -> Result<Statx, rustix::io::Errno> {
    rustix::fs::statx(
        opened,
        "",
        AtFlags::EMPTY_PATH,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )
}

/// Which mount a file is on; its device on kernels before 5.8, which do not say. The mount is what counts: on an overlay the files
/// of one directory lie on several devices.
fn mount(status: &Statx) -> u64 {
    if StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::MNT_ID) {
        status.stx_mnt_id
    } else {
        rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor)
    }
}
