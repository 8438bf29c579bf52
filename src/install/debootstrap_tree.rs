//! The options of a tree that has what debootstrap's trees have, and how far such a run goes.

use crate::tree::rootfs::{self, RootPath, Rootfs};

/// A file that the tree gets from this host, unless it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFile {
    pub(crate) path: RootPath,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

impl HostFile {
    pub(super) fn write_if_missing(&self, root: &Rootfs) -> Result<(), rootfs::Error> {
        if !root.exists(&self.path)? {
            root.make_directories(&self.path.parent())?;
            root.write(&self.path, &self.content, self.mode)?;
        }
        Ok(())
    }
}

/// The options of a tree that has what debootstrap's trees have: nothing is tidied away, and the
/// .debs and their indexes stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DebootstrapOptions {
    /// Files that are written before any package, where the tree has none: the host's resolv.conf
    /// and hostname.
    pub(crate) files: Vec<HostFile>,
    /// Whether the .debs and indexes are all that is made.
    pub(crate) only_downloads: bool,
    /// Whether /debootstrap stays.
    pub(crate) keeps_directory: bool,
}
