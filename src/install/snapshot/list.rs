//! Makes a list of the tree of a snapshot, of which an image can be packed: the content of its
//! files is in the packages' decoded copies and in the snapshot.
//!
//! A tree that cannot be listed is laid. What is packed is the same.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::process::{Resource, getrlimit};

use crate::formats::deb::{self, data_of_copy};
use crate::formats::package_key::PackageKey;
use crate::store::{CacheForm, Verified};
use crate::tree::listed::{ContentRange, ListedEntry, ListedKind, ListedTree};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::lay::MadeTimes;
use super::{SavedEntry, SavedKind, Snapshot};

/// How many descriptors are left to the rest of the program.
const OTHER_DESCRIPTORS: u64 = 200;

/// Why a tree is laid instead.
#[derive(Debug, thiserror::Error)]
pub(in crate::install) enum NotListed {
    #[error("{package} is not decoded in the cache")]
    NotDecoded { package: PackageKey },
    #[error("{path} is later than the run")]
    Later { path: RootPath },
    #[error("{path} is not in the decoded copy of its package")]
    Content { path: RootPath },
    #[error("too many packages for the limit of open files")]
    Descriptors,
    #[error("a decoded package cannot be read")]
    Copy(#[from] deb::Error),
    #[error("a file of the cache cannot be opened")]
    Open(#[from] io::Error),
}

/// What a list is made of.
pub(in crate::install) struct TreeLister<'a> {
    /// The tree that is not laid, for messages.
    pub(in crate::install) root: &'a Rootfs,
    /// The files of the packages in the tree.
    pub(in crate::install) packages: &'a HashMap<PackageKey, Arc<Verified>>,
    /// When the tree would be laid, in nanoseconds since the epoch.
    pub(in crate::install) now: i64,
}

impl Snapshot {
    /// Fails if the tree must be laid: if a package's file is later than `until`, in seconds since
    /// the epoch, as what the run makes is, or if there are too many packages to be held open.
    pub(in crate::install) fn require_listable(&self, until: i64) -> Result<(), NotListed> {
        let packages = self.header.packages.len() as u64;
        let limit = getrlimit(Resource::Nofile).current;
        if limit.is_some_and(|limit| packages + OTHER_DESCRIPTORS > limit) {
            return Err(NotListed::Descriptors);
        }
        for saved in &self.entries {
            let is_placed = matches!(saved.kind, SavedKind::Placed(_));
            if is_placed && saved.modified.seconds > until {
                let path = saved.path.clone();
                return Err(NotListed::Later { path });
            }
        }
        Ok(())
    }
}

/// The files with content, and where the packages' data members are in theirs.
struct OpenContents {
    files: Vec<File>,
    data: Vec<Range<u64>>,
}

impl TreeLister<'_> {
    /// Lists the tree of a snapshot.
    pub(in crate::install) fn list(self, snapshot: Snapshot) -> Result<ListedTree, NotListed> {
        let times = MadeTimes::new(&snapshot.header, self.now);
        let contents = self.open(&snapshot)?;
        let mut entries: Vec<ListedEntry> = Vec::with_capacity(snapshot.entries.len());
        for saved in &snapshot.entries {
            let SavedKind::Link { to } = saved.kind else {
                let kind = self.kind(saved, &contents)?;
                entries.push(ListedEntry {
                    path: saved.path.clone(),
                    kind,
                    uid: saved.uid,
                    gid: saved.gid,
                    mode: saved.mode,
                    modified: times.of(saved.modified).last_modification.tv_sec,
                    attributes: saved.attributes.clone(),
                    file: None,
                });
                continue;
            };
            entries[to].file = Some(to);
            let path = saved.path.clone();
            let first = entries[to].clone();
            entries.push(ListedEntry { path, ..first });
        }
        let mut files = contents.files;
        files.push(snapshot.file);
        Ok(ListedTree::new(self.root.path(), entries, files))
    }

    fn kind(&self, saved: &SavedEntry, contents: &OpenContents) -> Result<ListedKind, NotListed> {
        let path = || saved.path.clone();
        Ok(match &saved.kind {
            // The positions of links have been checked: none leads to a link.
            SavedKind::Directory | SavedKind::Link { .. } => ListedKind::Directory,
            SavedKind::Placed(origin) => {
                let package = origin.package as usize;
                let size = origin.content.size;
                let data = &contents.data[package];
                let at = data.start.checked_add(origin.content.at);
                let at = at.filter(|at| {
                    let end = at.checked_add(size);
                    end.is_some_and(|end| end <= data.end)
                });
                ListedKind::File(ContentRange {
                    within: package,
                    at: at.ok_or_else(|| NotListed::Content { path: path() })?,
                    size,
                })
            }
            SavedKind::Stored { at, size } => ListedKind::File(ContentRange {
                within: contents.files.len(),
                at: *at,
                size: *size,
            }),
            SavedKind::Symlink { target } => ListedKind::Symlink {
                target: target.clone(),
            },
            SavedKind::Node {
                format,
                major,
                minor,
            } => ListedKind::Node {
                format: FileType::from_raw_mode(*format),
                major: *major,
                minor: *minor,
            },
        })
    }

    /// Opens the decoded packages that the tree has files of. They are held open: another run may
    /// remove them from the cache.
    fn open(&self, snapshot: &Snapshot) -> Result<OpenContents, NotListed> {
        let packages = &snapshot.header.packages;
        let mut contents = OpenContents {
            files: Vec::new(),
            data: Vec::new(),
        };
        for package in packages {
            let found = self.packages.get(package);
            let decoded = found.filter(|found| found.form() == CacheForm::Decoded);
            let Some(decoded) = decoded else {
                let package = package.clone();
                return Err(NotListed::NotDecoded { package });
            };
            let file = decoded.open()?;
            contents.data.push(data_of_copy(&file, decoded.size())?);
            contents.files.push(file);
        }
        Ok(contents)
    }
}
