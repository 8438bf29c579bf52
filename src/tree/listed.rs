//! A tree that is not on a disk: a list of its paths, with the content of its files as ranges of
//! other files.
//!
//! A known system is packed from such a list, without a directory. Where the list and the files
//! are from is left to the caller.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::formats::deb::ExtendedAttribute;
use crate::tree::rootfs::resolve::{LINK_LIMIT, components};
use crate::tree::rootfs::{READ_LIMIT, RootPath};

/// The paths of a tree.
#[derive(Debug)]
pub(crate) struct ListedTree {
    /// The directory that the tree would be in, for messages.
    path: PathBuf,
    /// Each directory before its content, names in byte order.
    entries: Vec<ListedEntry>,
    /// Have the content.
    files: Vec<ContentFile>,
}

/// A file of the cache that has the content of files.
#[derive(Debug)]
pub(crate) struct ContentFile {
    pub(crate) file: File,
    /// Where it is in the cache, for messages.
    pub(crate) path: PathBuf,
    /// Whose files it has, such as `libc6:amd64 2.41-12`; `None` for a snapshot.
    pub(crate) package: Option<String>,
}

#[cfg(test)]
impl ContentFile {
    /// An empty file.
    pub(crate) fn empty() -> ContentFile {
        ContentFile {
            file: tempfile::tempfile().unwrap(),
            path: "/cache/empty".into(),
            package: None,
        }
    }
}

/// Content that cannot be read from the cache.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read {}, {} with the content of {path}",
    file.display(),
    meaning(package.as_deref())
)]
pub(crate) struct LostContent {
    /// In the cache.
    file: PathBuf,
    /// See [`ContentFile`].
    package: Option<String>,
    /// In the tree.
    path: RootPath,
    #[source]
    source: io::Error,
}

/// What a file of the cache is.
fn meaning(package: Option<&str>) -> String {
    match package {
        Some(package) => format!("the decoded {package}"),
        None => "a snapshot".to_owned(),
    }
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedEntry {
    pub(crate) path: RootPath,
    pub(crate) kind: ListedKind,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// In seconds since the epoch.
    pub(crate) modified: i64,
    pub(crate) attributes: Vec<ExtendedAttribute>,
    /// The same for all names of one file; None for a file with one name.
    pub(crate) file: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListedKind {
    Directory,
    File(ContentRange),
    Symlink {
        target: Vec<u8>,
    },
    /// A device or a FIFO.
    Node {
        format: FileType,
        major: u32,
        minor: u32,
    },
}

/// Where the content of a file is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// The position of the file that has it.
    pub(crate) within: usize,
    pub(crate) at: u64,
    pub(crate) size: u64,
}

impl ListedTree {
    /// `path` is the directory that the tree would be in.
    pub(crate) fn new(
        path: &Path,
        mut entries: Vec<ListedEntry>,
        files: Vec<ContentFile>,
    ) -> ListedTree {
        entries.sort_by(|one, other| in_archive(&one.path, &other.path));
        ListedTree {
            path: path.to_owned(),
            entries,
            files,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Each directory before its content, names in byte order.
    pub(crate) fn entries(&self) -> &[ListedEntry] {
        &self.entries
    }

    /// The entry of a path, symlinks not followed.
    pub(crate) fn entry(&self, path: &RootPath) -> Option<&ListedEntry> {
        self.position(path).map(|at| &self.entries[at])
    }

    /// Sets every modification time later than `after` to `to`, both in seconds since the epoch.
    pub(crate) fn set_times(&mut self, after: i64, to: i64) {
        for entry in &mut self.entries {
            if entry.modified > after {
                entry.modified = to;
            }
        }
    }

    /// The file that has the content of a range.
    pub(crate) fn content(&self, range: ContentRange) -> io::Result<&File> {
        match self.files.get(range.within) {
            Some(found) => Ok(&found.file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The error of a file's content that cannot be read.
    pub(crate) fn lost(
        &self,
        entry: &ListedEntry,
        range: ContentRange,
        source: io::Error,
    ) -> LostContent {
        let file = self.files.get(range.within);
        LostContent {
            file: file.map_or(self.path.clone(), |file| file.path.clone()),
            package: file.and_then(|file| file.package.clone()),
            path: entry.path.clone(),
            source,
        }
    }

    /// The content of a regular file, through symlinks; `None` when nothing is there.
    pub(super) fn read(&self, path: &RootPath) -> io::Result<Option<Vec<u8>>> {
        let Some(entry) = self.follow(path, LastLink::Followed)? else {
            return Ok(None);
        };
        let ListedKind::File(range) = entry.kind else {
            return Err(io::Error::other("not a regular file"));
        };
        if range.size > READ_LIMIT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = vec![0; usize::try_from(range.size).map_err(io::Error::other)?];
        let read = self
            .content(range)
            .and_then(|file| file.read_exact_at(&mut content, range.at));
        match read {
            Ok(()) => Ok(Some(content)),
            Err(source) => Err(io::Error::other(self.lost(entry, range, source))),
        }
    }

    /// Whether a path exists, be it a dangling symlink.
    pub(super) fn exists(&self, path: &RootPath) -> io::Result<bool> {
        Ok(self.follow(path, LastLink::Kept)?.is_some())
    }

    /// Whether a path is a directory or a symlink to one.
    pub(super) fn is_directory(&self, path: &RootPath) -> bool {
        let found = self.follow(path, LastLink::Followed).ok().flatten();
        found.is_some_and(|entry| entry.kind == ListedKind::Directory)
    }

    /// The names in a directory, sorted by byte; none when it does not exist.
    pub(super) fn names(&self, path: &RootPath) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        let Some(directory) = self.follow(path, LastLink::Followed)? else {
            return Ok(names);
        };
        let above = &directory.path;
        let from = self.position(above).map_or(0, |at| at + 1);
        for entry in &self.entries[from..] {
            if !entry.path.is_within(above) {
                break;
            }
            if entry.path.parent() == *above {
                names.push(entry.path.name().to_vec());
            }
        }
        Ok(names)
    }

    fn position(&self, path: &RootPath) -> Option<usize> {
        let found = self
            .entries
            .binary_search_by(|entry| in_archive(&entry.path, path));
        found.ok()
    }

    /// The entry that a path leads to, as the kernel would find it with the tree as root.
    fn follow(&self, path: &RootPath, last: LastLink) -> Result<Option<&ListedEntry>, Errno> {
        let mut here = RootPath::default();
        let mut rest = components(path.as_bytes());
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            match &name[..] {
                b"." => continue,
                b".." => {
                    here = here.parent();
                    continue;
                }
                _ => {}
            }
            let next = here.entry(&name);
            let is_last = rest.is_empty();
            match self.entry(&next).map(|entry| &entry.kind) {
                None => return Ok(None),
                Some(ListedKind::Symlink { target }) if last == LastLink::Followed || !is_last => {
                    links += 1;
                    if links > LINK_LIMIT {
                        return Err(Errno::LOOP);
                    }
                    if target.first() == Some(&b'/') {
                        here = RootPath::default();
                    }
                    let mut target = components(target);
                    target.append(&mut rest);
                    rest = target;
                }
                // Nothing is below a file.
                Some(kind) if !is_last && *kind != ListedKind::Directory => return Ok(None),
                Some(_) => here = next,
            }
        }
        Ok(self.entry(&here))
    }
}

/// Whether a symlink at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastLink {
    Followed,
    Kept,
}

/// The order of an archive.
fn in_archive(one: &RootPath, other: &RootPath) -> Ordering {
    let is_slash = |byte: &u8| *byte == b'/';
    let one = one.as_bytes().split(is_slash);
    one.cmp(other.as_bytes().split(is_slash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: ListedKind) -> ListedEntry {
        ListedEntry {
            path: RootPath::parse(path).unwrap(),
            kind,
            uid: 0,
            gid: 0,
            mode: 0o644,
            modified: 5,
            attributes: Vec::new(),
            file: None,
        }
    }

    fn link(path: &str, target: &str) -> ListedEntry {
        let target = target.into();
        entry(path, ListedKind::Symlink { target })
    }

    fn tree() -> ListedTree {
        let content = ContentRange {
            within: 0,
            at: 2,
            size: 3,
        };
        let entries = vec![
            entry("usr/lib/os-release", ListedKind::File(content)),
            entry("usr-x", ListedKind::File(content)),
            entry("", ListedKind::Directory),
            entry("usr", ListedKind::Directory),
            entry("usr/lib", ListedKind::Directory),
            entry("etc", ListedKind::Directory),
            link("lib", "usr/lib"),
            link("etc/os-release", "../lib/./os-release"),
            link("etc/absolute", "/lib/os-release"),
            link("etc/loop", "loop"),
            link("etc/nothing", "../../../nowhere"),
            link("etc/slash", "/usr/lib/os-release/"),
            link("etc/back", "/usr/lib/os-release/../os-release"),
            link("etc/round", "/lib/../lib/os-release"),
        ];
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"..abc..", 0).unwrap();
        let file = ContentFile {
            file,
            path: "/cache/a".into(),
            package: None,
        };
        ListedTree::new(Path::new("/t"), entries, vec![file])
    }

    #[test]
    fn paths_lead_where_the_kernel_would_go() {
        let tree = tree();
        let table = [
            ("usr/lib/os-release", Ok(Some("abc"))),
            ("lib/os-release", Ok(Some("abc"))),
            ("etc/os-release", Ok(Some("abc"))),
            ("etc/absolute", Ok(Some("abc"))),
            ("etc/nothing", Ok(None)),
            ("etc/os-release/below", Ok(None)),
            ("etc/slash", Ok(None)),
            ("etc/back", Ok(None)),
            ("etc/round", Ok(Some("abc"))),
            ("absent", Ok(None)),
            ("etc/loop", Err(Some(Errno::LOOP.raw_os_error()))),
            ("usr", Err(None)),
        ];
        for (path, expected) in table {
            let found = tree.read(&RootPath::parse(path).unwrap());
            let found = found.map_err(|error| error.raw_os_error());
            let expected = expected.map(|text| text.map(|text| text.as_bytes().to_vec()));
            assert_eq!(found, expected, "{path}");
        }
        assert!(tree.exists(&RootPath::known("etc/nothing")).unwrap());
        assert!(tree.is_directory(&RootPath::known("lib")));
        assert!(!tree.is_directory(&RootPath::known("etc/loop")));
    }

    #[test]
    fn entries_are_in_the_order_of_an_archive() {
        let tree = tree();
        let mut paths = Vec::new();
        for entry in tree.entries() {
            paths.push(entry.path.to_string());
        }
        assert!(paths.is_sorted_by_key(|path| {
            let names = path.trim_matches('/').split('/');
            names.map(str::to_owned).collect::<Vec<_>>()
        }));
        let names = tree.names(&RootPath::known("lib")).unwrap();
        assert_eq!(names, [b"os-release".to_vec()]);
        let names = tree.names(&RootPath::default()).unwrap();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(tree.names(&RootPath::known("absent")).unwrap().is_empty());
    }
}
