//! Directories of a tree that are held open, so that the way to each is resolved once.

use std::collections::HashMap;

use nix::sys::resource::{Resource, getrlimit};

use super::{Directory, Error, Inode, RootPath, Rootfs};

/// How many are held open at once, if the limit of open files permits.
const HELD_OPEN: usize = 128;

/// Directories of a tree, by their paths without the slash at the beginning.
#[derive(Debug)]
pub(crate) struct HeldDirectories {
    directories: HashMap<Box<[u8]>, HeldDirectory>,
    limit: usize,
}

/// A directory that is held open.
#[derive(Debug)]
pub(crate) struct HeldDirectory {
    pub(crate) directory: Directory,
    pub(crate) inode: Inode,
}

impl HeldDirectories {
    pub(crate) fn new() -> HeldDirectories {
        let (open_files, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, 0));
        // A quarter of the limit: the rest is for downloads, staging and scripts.
        let quarter = usize::try_from(open_files / 4).unwrap_or(usize::MAX);
        HeldDirectories {
            directories: HashMap::new(),
            limit: quarter.min(HELD_OPEN),
        }
    }

    /// Closes all.
    pub(crate) fn clear(&mut self) {
        self.directories.clear();
    }

    /// The directory above `path`, which `open` opens unless it is held.
    pub(crate) fn above(
        &mut self,
        path: &RootPath,
        root: &Rootfs,
        open: impl FnOnce(&RootPath) -> Result<Directory, Error>,
    ) -> Result<&HeldDirectory, Error> {
        let whole = path.as_bytes();
        let above = &whole[..(whole.len() - path.name().len()).saturating_sub(1)];
        if !self.directories.contains_key(above) {
            if self.directories.len() >= self.limit {
                self.directories.clear();
            }
            let parent = path.parent();
            let directory = open(&parent)?;
            let found = rustix::fs::fstat(&directory);
            let found = found.map_err(|e| root.error(&parent, "look at it", e))?;
            let inode = Inode::of_stat(&found);
            let held = HeldDirectory { directory, inode };
            self.directories.insert(above.into(), held);
        }
        Ok(&self.directories[above])
    }
}
