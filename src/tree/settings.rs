//! What a profile changes in a finished tree: what it removes, directories and files that it makes.

use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// Changes to a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProfileChanges {
    pub(crate) removed: Vec<RootPath>,
    pub(crate) directories: Vec<RootPath>,
    pub(crate) files: Vec<AddedFile>,
}

/// A file that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddedFile {
    pub(crate) path: RootPath,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) content: String,
}

impl ProfileChanges {
    /// Makes the changes.
    pub(crate) fn apply(&self, root: &Rootfs) -> Result<(), Error> {
        for path in &self.removed {
            root.remove_tree(path)?;
        }
        for path in &self.directories {
            root.make_directories(path)?;
        }
        for file in &self.files {
            root.make_directories(&file.path.parent())?;
            root.write(&file.path, file.content.as_bytes(), file.mode)?;
        }
        Ok(())
    }
}
