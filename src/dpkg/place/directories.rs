//! The directories of packages that are placed together, and the symlinks that must be there before
//! or with them.

use std::collections::HashMap;

use crate::dpkg::staging::{Node, Staged};
use crate::dpkg::state::State;
use crate::dpkg::unpack::Error;
use crate::formats::deb::Kind;
use crate::tree::rootfs::RootPath;

use super::files::led_to;
use super::{Placer, attributes};

/// The last entry for each directory, with its package's position.
type LastEntries<'s> = HashMap<&'s RootPath, (usize, &'s Node)>;

impl Placer<'_> {
    /// Places the top-level symlinks of all packages, then all directories. Of several entries for
    /// a directory the last one sets owner, mode and time, as for tar.
    pub(crate) fn place_directories(&mut self, all: &[Staged], state: &State) -> Result<(), Error> {
        for staged in all {
            self.place_top_symlinks(staged, state)?;
        }
        let mut last = LastEntries::new();
        for (at, staged) in all.iter().enumerate() {
            for node in &staged.nodes {
                if node.entry.kind != Kind::Directory || node.left_out {
                    continue;
                }
                let is_new = last.insert(&node.path, (at, node)).is_none();
                if is_new && !node.path.is_root() {
                    let made = self.files.directory(&node.path, attributes(node, state));
                    made.map_err(|e| Error::tree(&staged.package.name, e))?;
                }
            }
        }
        self.place_links_to_directories(all, &last, state)?;
        for (path, (at, node)) in last {
            let attributes = attributes(node, state);
            let set = self.files.set_directory_attributes(path, attributes);
            set.map_err(|e| Error::tree(&all[at].package.name, e))?;
        }
        Ok(())
    }

    /// Where the top-level symlinks make a merged /usr, everything else goes through them.
    fn place_top_symlinks(&mut self, staged: &Staged, state: &State) -> Result<(), Error> {
        for node in &staged.nodes {
            if node.entry.kind == Kind::Symlink && node.path.parent().is_root() {
                self.place_symlink(staged, node, state)?;
            }
        }
        Ok(())
    }

    /// Places the symlinks to directories that do not change the time of the directory they are in.
    ///
    /// mmdebstrap unpacks the essential packages with tar, then again with dpkg. tar sets a
    /// directory's time when the archive has left it, so a symlink counts that comes later; dpkg
    /// leaves a symlink alone that leads to the same directory.
    fn place_links_to_directories(
        &mut self,
        all: &[Staged],
        last: &LastEntries<'_>,
        state: &State,
    ) -> Result<(), Error> {
        for (at, staged) in all.iter().enumerate() {
            for link in &staged.nodes {
                if link.entry.kind != Kind::Symlink || link.left_out {
                    continue;
                }
                let above = link.path.parent();
                let Some(&(setter, directory)) = last.get(&above) else {
                    continue;
                };
                let is_before_its_time = if setter == at {
                    is_within_between(staged, directory, link)
                } else {
                    setter > at
                };
                let target = led_to(&link.path, &link.entry.target);
                if is_before_its_time && self.root.is_directory(&target)? {
                    self.place_symlink(staged, link, state)?;
                }
            }
        }
        Ok(())
    }

    fn place_symlink(&mut self, staged: &Staged, node: &Node, state: &State) -> Result<(), Error> {
        let attributes = attributes(node, state);
        let made = self
            .files
            .symlink(&node.entry.target, &node.path, attributes);
        made.map_err(|e| Error::tree(&staged.package.name, e))
    }
}

/// Whether all entries between a directory's and a link's are inside that directory.
fn is_within_between(staged: &Staged, directory: &Node, link: &Node) -> bool {
    let mut nodes = staged.nodes.iter();
    nodes.all(|node| {
        let is_between = node.number > directory.number && node.number < link.number;
        !is_between || node.path.is_within(&directory.path)
    })
}
