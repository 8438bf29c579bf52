//! The directories of packages that are placed together, and the symlinks that must be there before
//! or with them.

use std::collections::HashMap;

use crate::dpkg::staging::{Node, Staged};
use crate::dpkg::state::State;
use crate::dpkg::unpack::Error;
use crate::formats::deb::Kind;
use crate::tree::rootfs::RootPath;

use super::contradiction::entry_error;
use super::files::led_to;
use super::{Placer, attributes};

/// The last entry for each directory.
pub(super) type LastEntries<'s> = HashMap<RootPath, LastEntry<'s>>;

/// The entry that sets a directory's owner, mode and time.
pub(super) struct LastEntry<'s> {
    /// Its package's position.
    at: usize,
    node: &'s Node,
    /// Whether the package ships it outside /usr, where it was merged into /usr.
    pub(super) is_alias: bool,
}

impl Placer<'_> {
    /// Places the top-level symlinks of all packages, then all directories. Of several entries for
    /// a directory the last one sets owner, mode and time, as for tar.
    pub(crate) fn place_directories(&mut self, all: &[Staged], state: &State) -> Result<(), Error> {
        for staged in all {
            self.place_top_symlinks(staged, state)?;
        }
        let merged = self.merge_usr(all)?;
        let mut last = LastEntries::new();
        for (at, staged) in all.iter().enumerate() {
            for node in &staged.nodes {
                if node.entry.kind != Kind::Directory || node.left_out {
                    continue;
                }
                self.check_interrupt()?;
                let place = merged.place(&node.path);
                let is_alias = place != node.path;
                let before = last.get(&place);
                let is_new = before.is_none();
                // What is in /usr is there first: only then is the rest moved to it.
                if is_new || !is_alias || before.is_some_and(|before| before.is_alias) {
                    last.insert(place, LastEntry { at, node, is_alias });
                }
                if is_new && !node.path.is_root() {
                    let made = self.files.directory(&node.path, attributes(node, state));
                    made.map_err(|e| entry_error(staged, node, e))?;
                }
            }
        }
        self.place_links_to_directories(all, &last, state)?;
        let changed = merged.changed_directories(all, &last);
        for (path, LastEntry { at, node, .. }) in &last {
            let mut attributes = attributes(node, state);
            if path.is_root() {
                // The target is there before any package: for dpkg its owner and mode stay.
                attributes = attributes.of_root();
            }
            let set = self.files.set_directory_attributes(path, attributes);
            set.map_err(|e| Error::tree(&all[*at].package.name, e))?;
        }
        for path in changed {
            self.root.touch(&path)?;
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
            let mut runs = Runs::of(staged);
            for link in &staged.nodes {
                self.check_interrupt()?;
                if link.entry.kind != Kind::Symlink || link.left_out {
                    continue;
                }
                let above = link.path.parent();
                let Some(setter) = last.get(&above) else {
                    continue;
                };
                let is_before_its_time = if setter.at == at {
                    runs.is_unbroken(setter.node, link)
                } else {
                    setter.at > at
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
        made.map_err(|e| entry_error(staged, node, e))
    }
}

/// How far the entries of a package that are inside a directory follow its own without a break.
struct Runs<'s> {
    /// The entries in the archive's order.
    nodes: Vec<&'s Node>,
    /// For the number of a directory's entry the number of the first entry after it that is
    /// outside.
    breaks: HashMap<u32, u32>,
}

impl<'s> Runs<'s> {
    fn of(staged: &'s Staged) -> Runs<'s> {
        let mut nodes: Vec<&Node> = staged.nodes.iter().collect();
        nodes.sort_by_key(|node| node.number);
        Runs {
            nodes,
            breaks: HashMap::new(),
        }
    }

    /// Whether all entries between a directory's and a link's are inside that directory.
    fn is_unbroken(&mut self, directory: &Node, link: &Node) -> bool {
        if let Some(end) = self.breaks.get(&directory.number) {
            return link.number <= *end;
        }
        let start = directory.number as usize + 1;
        let mut after = self.nodes.iter().skip(start);
        let outside = after.find(|node| !node.path.is_within(&directory.path));
        let end = outside.map_or(u32::MAX, |node| node.number);
        self.breaks.insert(directory.number, end);
        link.number <= end
    }
}
