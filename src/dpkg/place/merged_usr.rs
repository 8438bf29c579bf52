//! A merged /usr for packages that ship files outside it, made as they are placed together.
//!
//! As debootstrap and mmdebstrap's hook merged-usr do it: the packages are extracted, then what is
//! in /bin, /sbin and /lib* is moved into /usr, and symlinks take their place. Here the symlinks
//! come first. What a move would have changed has the same time: a directory of /usr into which
//! something is moved.

use std::collections::BTreeSet;

use crate::dpkg::staging::Staged;
use crate::dpkg::unpack::Error;
use crate::formats::deb::Kind;
use crate::tree::rootfs::RootPath;

use super::Placer;
use super::directories::LastEntries;

/// The directories in / that are merged where a package ships them.
const MERGED: [&str; 7] = ["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

/// The directories in / that are symlinks into /usr.
pub(super) struct Merged(Vec<RootPath>);

impl Placer<'_> {
    /// Makes the symlinks for the directories that packages ship, with what they lead to. None
    /// where /usr is not merged here.
    pub(super) fn merge_usr(&self, all: &[Staged]) -> Result<Merged, Error> {
        let mut merged = Vec::new();
        if !self.merges_usr {
            return Ok(Merged(merged));
        }
        for name in MERGED {
            let path = RootPath::known(name);
            if ships(all, &path) && !self.root.exists(&path)? {
                let target = below_usr(&path);
                self.root.make_directories(&target)?;
                self.root.symlink(target.as_bytes(), &path)?;
                merged.push(path);
            }
        }
        Ok(Merged(merged))
    }
}

impl Merged {
    /// Where a path of a package is.
    pub(super) fn place(&self, path: &RootPath) -> RootPath {
        if self.0.iter().any(|merged| path.is_within(merged)) {
            return below_usr(path);
        }
        path.clone()
    }

    /// The directories of /usr that a move would have changed. What is below a directory that /usr
    /// does not have is moved with it.
    pub(super) fn changed_directories(
        &self,
        all: &[Staged],
        last: &LastEntries<'_>,
    ) -> BTreeSet<RootPath> {
        let in_usr = |path: &RootPath| last.get(path).is_some_and(|entry| !entry.is_alias);
        let mut changed = BTreeSet::new();
        if self.0.is_empty() {
            return changed;
        }
        for node in all.iter().flat_map(|staged| &staged.nodes) {
            let place = self.place(&node.path);
            if node.left_out || place == node.path {
                continue;
            }
            let is_merged = node.entry.kind == Kind::Directory && in_usr(&place);
            let above = place.parent();
            if !is_merged && in_usr(&above) {
                changed.insert(above);
            }
        }
        changed
    }
}

/// Whether a package ships a directory, or something in it.
fn ships(all: &[Staged], directory: &RootPath) -> bool {
    let mut nodes = all.iter().flat_map(|staged| &staged.nodes);
    nodes.any(|node| {
        let is_below = node.path.is_within(directory) && node.path != *directory;
        let is_it = node.path == *directory && node.entry.kind == Kind::Directory;
        !node.left_out && (is_below || is_it)
    })
}

fn below_usr(path: &RootPath) -> RootPath {
    RootPath::known("usr").join(path)
}
