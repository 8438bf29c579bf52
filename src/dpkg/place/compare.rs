//! Compares an entry with what the tree has at its path.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{FileType, OFlags};

use crate::dpkg::staging::{Node, open_content};
use crate::dpkg::unpack::Error;
use crate::formats::deb::Kind;
use crate::tree::rootfs::RootPath;

use super::files::led_to;
use super::{Placement, Placer};

impl Placer<'_> {
    /// Whether the tree has a directory at the path of an entry, or, where the entry is a symlink,
    /// one that leads to the same directory. dpkg leaves both alone, whichever packages list them.
    pub(super) fn is_directory_there(
        &self,
        placement: &Placement<'_>,
        node: &Node,
        place: &RootPath,
    ) -> Result<bool, Error> {
        let found = self.root.metadata(place);
        let found = found.map_err(|e| Error::tree(&placement.staged.package.name, e))?;
        let Some(found) = found else {
            return Ok(false);
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => Ok(true),
            FileType::Symlink if node.entry.kind == Kind::Symlink => {
                let directory = self.directory_id(place);
                let target = self.directory_id(&led_to(place, &node.entry.target));
                Ok(directory.is_some() && directory == target)
            }
            _ => Ok(false),
        }
    }

    /// The device and inode of the directory that a path leads to.
    fn directory_id(&self, path: &RootPath) -> Option<(u64, u64)> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory = self.root.open_at(path, flags).ok()?;
        let found = rustix::fs::fstat(directory).ok()?;
        Some((found.st_dev, found.st_ino))
    }

    /// Whether an entry that another architecture of the package has too is the same in both.
    pub(super) fn is_same(
        &self,
        placement: &Placement<'_>,
        node: &Node,
        place: &RootPath,
    ) -> Result<bool, Error> {
        let name = &placement.staged.package.name;
        match node.entry.kind {
            Kind::Symlink => {
                let there = self.root.read_link(place);
                let there = there.map_err(|e| Error::tree(name, e))?;
                Ok(there.is_none_or(|there| there.as_bytes() == node.entry.target))
            }
            Kind::File => {
                let Ok(Some(there)) = self.root.open_file(place) else {
                    return Ok(true);
                };
                let staged = open_content(&placement.directory, node.number);
                let staged = staged.map_err(|e| Error::staging(name, e))?;
                are_equal(there, staged).map_err(|e| Error::staging(name, e))
            }
            _ => Ok(true),
        }
    }
}

/// Whether two files have the same content.
fn are_equal(mut one: File, mut other: File) -> io::Result<bool> {
    let mut a = vec![0; 64 << 10];
    let mut b = vec![0; 64 << 10];
    loop {
        let read = one.read(&mut a)?;
        if read == 0 {
            return Ok(other.read(&mut b[..1])? == 0);
        }
        match other.read_exact(&mut b[..read]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            done => done?,
        }
        if a[..read] != b[..read] {
            return Ok(false);
        }
    }
}
