//! Lists the tree of a snapshot, so that an image can be packed without the tree: the content of
//! its files is in the packages' decoded copies and in the snapshot.
//!
//! A tree that cannot be listed is restored. What is packed is the same.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::process::{Resource, getrlimit};

use crate::formats::deb::{self, data_of_copy};
use crate::formats::package_key::PackageKey;
use crate::store::{CacheForm, Verified};
use crate::tree::listed::{ContentFile, ContentRange, ListedEntry, ListedKind, ListedTree};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::restore::MadeTimes;
use super::{SavedEntry, SavedKind, Snapshot};

/// How many descriptors the rest of the program may use.
const OTHER_DESCRIPTORS: u64 = 200;

/// Why a tree is restored instead of listed.
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
    /// The tree that is not restored, for messages.
    pub(in crate::install) root: &'a Rootfs,
    /// The files of the packages in the tree.
    pub(in crate::install) packages: &'a HashMap<PackageKey, Arc<Verified>>,
    /// When the tree would be restored, in nanoseconds since the epoch.
    pub(in crate::install) now: i64,
}

impl Snapshot {
    /// Fails if the tree must be restored: if a package's file is later than `until`, in seconds
    /// since the epoch, as what the run makes is, or if there are too many packages to be held
    /// open.
    pub(in crate::install) fn require_listable(&self, until: i64) -> Result<(), NotListed> {
        let limit = getrlimit(Resource::Nofile).current;
        self.require_listable_within(limit, until)
    }

    /// As `require_listable`, with a limit of open files; `None` for no limit.
    fn require_listable_within(&self, limit: Option<u64>, until: i64) -> Result<(), NotListed> {
        let packages = self.header.packages.len() as u64;
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
    files: Vec<ContentFile>,
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
        files.push(snapshot.content);
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
            contents.files.push(ContentFile {
                file,
                path: decoded.path().to_owned(),
                package: Some(package.to_string()),
            });
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dpkg::StagedOrigin;
    use crate::dpkg::staging::StagedContent;
    use crate::install::snapshot::SavedTime;
    use crate::install::snapshot::tests::snapshot;

    const STAND_IN: &str = "usr/sbin/start-stop-daemon";

    fn saved(path: &str, kind: SavedKind, seconds: i64) -> SavedEntry {
        SavedEntry {
            path: RootPath::parse(path).unwrap(),
            kind,
            uid: 0,
            gid: 0,
            mode: 0o644,
            modified: SavedTime::whole(seconds),
            attributes: Vec::new(),
        }
    }

    fn placed(at: u64, size: u64) -> SavedKind {
        let content = StagedContent {
            number: 1,
            at,
            size,
        };
        let package = 0;
        SavedKind::Placed(StagedOrigin { package, content })
    }

    #[test]
    fn a_tree_with_later_files_or_more_packages_than_descriptors_is_restored() {
        let stored = SavedKind::Stored { at: 0, size: 0 };
        let entries = vec![
            saved("", SavedKind::Directory, 90),
            saved("made", stored, 90),
            saved("shipped", placed(0, 1), 50),
        ];
        let snapshot = snapshot(entries, STAND_IN);
        let later = "/shipped is later than the run";
        let many = "too many packages for the limit of open files";
        let table = [
            (None, 50, ""),
            (None, 49, later),
            (Some(OTHER_DESCRIPTORS + 1), 50, ""),
            (Some(OTHER_DESCRIPTORS), 50, many),
        ];
        for (limit, until, expected) in table {
            let found = snapshot.require_listable_within(limit, until);
            let found = found.map_or_else(|reason| reason.to_string(), |()| String::new());
            assert_eq!(found, expected, "{limit:?} {until}");
        }
    }

    #[test]
    fn content_that_is_not_in_the_decoded_package_is_noticed() {
        let tree = tempfile::tempdir().unwrap();
        let root = Rootfs::open(tree.path()).unwrap();
        let lister = TreeLister {
            root: &root,
            packages: &HashMap::new(),
            now: 0,
        };
        let contents = OpenContents {
            files: vec![ContentFile::empty()],
            data: Vec::from([Range {
                start: 512,
                end: 522,
            }]),
        };
        let range = |at, size| ContentRange {
            within: 0,
            at,
            size,
        };
        let table = [
            ((0, 10), Some(range(512, 10))),
            ((9, 1), Some(range(521, 1))),
            ((10, 0), Some(range(522, 0))),
            ((9, 2), None),
            ((u64::MAX, 1), None),
            ((5, u64::MAX), None),
        ];
        for ((at, size), expected) in table {
            let found = lister.kind(&saved("f", placed(at, size), 0), &contents);
            match expected {
                Some(range) => assert_eq!(found.unwrap(), ListedKind::File(range)),
                None => assert_eq!(
                    found.unwrap_err().to_string(),
                    "/f is not in the decoded copy of its package"
                ),
            }
        }
    }

    #[test]
    fn a_tree_whose_package_is_not_decoded_is_restored() {
        let root = Rootfs::open(Path::new("/")).unwrap();
        let lister = TreeLister {
            root: &root,
            packages: &HashMap::new(),
            now: 0,
        };
        let reason = lister.list(snapshot(Vec::new(), STAND_IN)).unwrap_err();
        assert_eq!(reason.to_string(), "a:amd64=1 is not decoded in the cache");
    }
}
