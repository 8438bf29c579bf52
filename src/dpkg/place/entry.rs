//! Which entries of a package are placed, in which order, where, and with which owner and mode.

use crate::dpkg::Diversions;
use crate::dpkg::staging::{Node, Staged};
use crate::dpkg::state::State;
use crate::formats::deb::Kind;
use crate::tree::rootfs::RootPath;

use super::files::Attributes;

/// Which entries of a package are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryFilter {
    All,
    /// Directories are there already.
    ExceptDirectories,
    /// What a preinst has diverted since the package was placed.
    Diverted,
}

impl EntryFilter {
    pub(super) fn includes(self, node: &Node, staged: &Staged, diversions: &Diversions) -> bool {
        match self {
            EntryFilter::All => true,
            EntryFilter::ExceptDirectories => node.entry.kind != Kind::Directory,
            EntryFilter::Diverted => is_diverted(node, staged, diversions),
        }
    }
}

/// Whether an entry that is in the tree goes elsewhere by now.
pub(crate) fn is_diverted(node: &Node, staged: &Staged, diversions: &Diversions) -> bool {
    let place = diversions.place(&node.path, &staged.package.name);
    place.is_some() && !node.left_out && !node.yielded
}

/// The order in which the entries of a package are placed: dpkg defers links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    Plain,
    HardLinks,
    Symlinks,
}

impl Round {
    /// The round in which an entry is placed; none for the root.
    pub(super) fn of(node: &Node) -> Option<Round> {
        if node.path.is_root() {
            return None;
        }
        match node.entry.kind {
            Kind::HardLink => Some(Round::HardLinks),
            Kind::Symlink => Some(Round::Symlinks),
            Kind::Directory | Kind::File | Kind::Character | Kind::Block | Kind::Fifo => {
                Some(Round::Plain)
            }
        }
    }
}

/// The path of an entry in the tree, diversions applied.
pub(super) fn place_of<'p>(
    node: &'p Node,
    staged: &Staged,
    diversions: &'p Diversions,
) -> &'p RootPath {
    let diverted = diversions.place(&node.path, &staged.package.name);
    diverted.unwrap_or(&node.path)
}

/// Owner, group, mode and time of an entry: names come before numbers, and a statoverride before
/// both.
pub(super) fn attributes(node: &Node, state: &State) -> Attributes {
    let entry = &node.entry;
    let users = &state.users;
    let own = Attributes {
        uid: users.user(&entry.user).unwrap_or(entry.uid),
        gid: users.group(&entry.group).unwrap_or(entry.gid),
        mode: entry.mode,
        modified: entry.modified,
    };
    let Some(overridden) = state.overrides.of(&node.path) else {
        return own;
    };
    let Some((uid, gid)) = overridden.ids(users) else {
        return own;
    };
    Attributes {
        uid,
        gid,
        mode: overridden.mode,
        ..own
    }
}
