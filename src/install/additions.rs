//! What the user adds to a tree: files, rules for paths, hooks.

use super::debootstrap_tree::HostFile;
use super::hooks::Hooks;
use crate::formats::path_rule::PathRule;
use crate::tree::tidy::Kept;

/// What the user adds to a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Additions {
    /// Files that are written before the setup hooks, where the tree has none.
    pub(crate) files: Vec<HostFile>,
    /// Rules for paths that are not unpacked, which `files` has for the tree's dpkg.
    pub(crate) dpkg_rules: Vec<PathRule>,
    pub(crate) hooks: Hooks,
    /// Whether the indexes are in /var/lib/apt/lists while the hooks run.
    pub(crate) has_lists: bool,
    /// Leaves out the /etc/localtime of the variant buildd, as mmdebstrap does.
    pub(crate) without_localtime: bool,
    /// What is not tidied away.
    pub(crate) kept: Kept,
    /// Whether the .debs of essential packages stay where .debs do.
    pub(crate) essential_archives: bool,
}
