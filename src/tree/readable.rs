//! A tree whose files are read and packed: a directory of the host, or a list.

use std::ffi::CString;
use std::io;
use std::path::Path;

use crate::tree::listed::{ListedKind, ListedTree};
use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// A tree.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadableTree<'t> {
    Directory(&'t Rootfs),
    Listed(&'t ListedTree),
}

impl<'t> From<&'t Rootfs> for ReadableTree<'t> {
    fn from(root: &'t Rootfs) -> ReadableTree<'t> {
        ReadableTree::Directory(root)
    }
}

impl<'t> ReadableTree<'t> {
    /// Where the tree is on the host, or would be. For messages only.
    pub(crate) fn path(self) -> &'t Path {
        match self {
            ReadableTree::Directory(root) => root.path(),
            ReadableTree::Listed(tree) => tree.path(),
        }
    }

    /// The directory of the host, if there is one.
    pub(crate) fn directory(self) -> Option<&'t Rootfs> {
        match self {
            ReadableTree::Directory(root) => Some(root),
            ReadableTree::Listed(_) => None,
        }
    }

    /// An error about a path.
    pub(crate) fn error(
        self,
        path: &RootPath,
        action: &'static str,
        source: impl Into<io::Error>,
    ) -> Error {
        Error {
            root: self.path().to_owned(),
            path: path.clone(),
            action,
            source: source.into(),
        }
    }

    /// The content of a regular file, through symlinks; `None` when nothing is there.
    pub(crate) fn read(self, path: &RootPath) -> Result<Option<Vec<u8>>, Error> {
        match self {
            ReadableTree::Directory(root) => root.read(path),
            ReadableTree::Listed(tree) => {
                let content = tree.read(path);
                content.map_err(|e| self.error(path, "read it", e))
            }
        }
    }

    /// Whether a path exists, be it a dangling symlink.
    pub(crate) fn exists(self, path: &RootPath) -> Result<bool, Error> {
        match self {
            ReadableTree::Directory(root) => root.exists(path),
            ReadableTree::Listed(tree) => {
                let exists = tree.exists(path);
                exists.map_err(|e| self.error(path, "look at it", e))
            }
        }
    }

    /// Whether a path is a directory or a symlink to one inside the tree.
    pub(crate) fn is_directory(self, path: &RootPath) -> Result<bool, Error> {
        match self {
            ReadableTree::Directory(root) => root.is_directory(path),
            ReadableTree::Listed(tree) => Ok(tree.is_directory(path)),
        }
    }

    /// The names in a directory, sorted by byte; none when it does not exist.
    pub(crate) fn names(self, path: &RootPath) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            ReadableTree::Directory(root) => root.names(path),
            ReadableTree::Listed(tree) => {
                let names = tree.names(path);
                names.map_err(|e| self.error(path, "list the directory", e))
            }
        }
    }

    /// The target of a symlink; `None` when nothing is there or it is not a symlink.
    pub(crate) fn read_link(self, path: &RootPath) -> Result<Option<Vec<u8>>, Error> {
        match self {
            ReadableTree::Directory(root) => {
                let target = root.read_link(path)?;
                Ok(target.map(CString::into_bytes))
            }
            ReadableTree::Listed(tree) => Ok(match tree.entry(path).map(|entry| &entry.kind) {
                Some(ListedKind::Symlink { target }) => Some(target.clone()),
                _ => None,
            }),
        }
    }
}
