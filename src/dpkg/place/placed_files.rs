//! Remembers which staged file lies where in the tree, so that it can be told later whether it is
//! unchanged.
//!
//! A file is unchanged if it is the same inode under the same name, with the same size and the same
//! times of its last change. A change within the same tick of the file system's clock would have
//! the same time, so [`PlacedFiles::settle`] waits for the next tick before scripts run. Where the
//! clock cannot be relied on, nothing counts as unchanged.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Stat, Statx};

use crate::dpkg::staging::{StagedContent, StagingDirectory};
use crate::formats::package_key::PackageKey;
use crate::tree::rootfs::Inode;

/// How long a tick may last.
const LONGEST_TICK: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_micros(500);
/// How much less than the monotonic clock the file system's may advance.
const LAG: i128 = 20_000_000;

/// The files that were placed and, for each, where it is from.
#[derive(Debug, Default)]
pub(crate) struct PlacedFiles {
    files: RefCell<HashMap<PlaceInTree, PlacedFile>>,
    packages: RefCell<Vec<PackageKey>>,
    /// The latest time of a change of a placed file, in nanoseconds since the epoch.
    latest: Cell<i128>,
    /// The last time that the file system's clock gave, and when it had been read.
    seen: Cell<Option<(i128, Instant)>>,
    is_unreliable: Cell<bool>,
}

/// A name in a directory, which symlinks may lead to under several paths.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PlaceInTree {
    /// The directory.
    above: Inode,
    name: Box<[u8]>,
}

/// A file when it was placed.
#[derive(Clone, Copy, Debug)]
struct PlacedFile {
    inode: Inode,
    size: u64,
    /// In nanoseconds since the epoch.
    modified: i128,
    changed: i128,
    origin: StagedOrigin,
}

/// A staged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StagedOrigin {
    /// The position of its package in [`PlacedFiles::packages`].
    pub(crate) package: u32,
    pub(crate) content: StagedContent,
}

/// A file under one of its names.
pub(crate) struct NamedFile<'n> {
    /// The directory.
    pub(crate) above: Inode,
    pub(crate) name: &'n [u8],
    pub(crate) status: Stat,
}

impl PlacedFiles {
    /// Remembers a staged file, which has just been placed.
    pub(crate) fn placed(
        &self,
        package: &PackageKey,
        content: StagedContent,
        file: &NamedFile<'_>,
    ) {
        let origin = StagedOrigin {
            package: self.position(package),
            content,
        };
        self.remember(origin, file);
    }

    /// The staged file that a file is, if nothing has changed it.
    pub(crate) fn origin(&self, above: Inode, name: &[u8], status: &Statx) -> Option<StagedOrigin> {
        let key = PlaceInTree {
            above,
            name: name.into(),
        };
        let files = self.files.borrow();
        let known = files.get(&key)?;
        let found = PlacedFile {
            inode: Inode::of(status),
            size: status.stx_size,
            modified: time(status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec),
            changed: time(status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec),
            origin: known.origin,
        };
        found.is_same(known).then_some(known.origin)
    }

    /// As [`PlacedFiles::origin`], by another kind of status.
    pub(crate) fn origin_of(&self, file: &NamedFile<'_>) -> Option<StagedOrigin> {
        let key = PlaceInTree {
            above: file.above,
            name: file.name.into(),
        };
        let files = self.files.borrow();
        let known = files.get(&key)?;
        let found = PlacedFile::new(known.origin, &file.status);
        (found.is_same(known)).then_some(known.origin)
    }

    /// Remembers another name of a file, which has changed by that.
    pub(crate) fn linked(&self, origin: StagedOrigin, file: &NamedFile<'_>) {
        self.remember(origin, file);
    }

    /// The packages of the files.
    pub(crate) fn packages(&self) -> Vec<PackageKey> {
        self.packages.borrow().clone()
    }

    /// Waits until a change has another time than those of all placed files.
    pub(crate) fn settle(&self, staging: &StagingDirectory) {
        if self.is_unreliable.get() || self.latest.get() == 0 {
            return;
        }
        let until = Instant::now() + LONGEST_TICK;
        loop {
            // Before the look: on a busy host this thread may wait for a processor after it.
            let at = Instant::now();
            if self.is_past(staging) {
                break;
            }
            if self.is_unreliable.get() || at > until {
                self.is_unreliable.set(true);
                return;
            }
            thread::sleep(PAUSE);
        }
        self.latest.set(0);
    }

    /// Whether all that was remembered can be relied on.
    pub(crate) fn is_reliable(&self, staging: &StagingDirectory) -> bool {
        self.settle(staging);
        self.look_at_clock(staging);
        !self.is_unreliable.get()
    }

    fn is_past(&self, staging: &StagingDirectory) -> bool {
        self.look_at_clock(staging)
            .is_some_and(|now| now > self.latest.get())
    }

    /// The time of the file system's clock, in nanoseconds since the epoch. A clock that was set
    /// back gives times twice.
    fn look_at_clock(&self, staging: &StagingDirectory) -> Option<i128> {
        let from = Instant::now();
        let Ok(now) = staging.clock() else {
            self.is_unreliable.set(true);
            return None;
        };
        if let Some((before, then)) = self.seen.get() {
            // At least this much, however long each look took.
            let passed = from.saturating_duration_since(then).as_nanos();
            let passed = i128::try_from(passed).unwrap_or(i128::MAX);
            if now - before < passed - passed / 1000 - LAG {
                self.is_unreliable.set(true);
            }
        }
        self.seen.set(Some((now, Instant::now())));
        Some(now)
    }

    fn position(&self, package: &PackageKey) -> u32 {
        let mut packages = self.packages.borrow_mut();
        if packages.last() != Some(package) {
            if let Some(at) = packages.iter().position(|known| known == package) {
                return at as u32;
            }
            packages.push(package.clone());
        }
        packages.len() as u32 - 1
    }

    fn remember(&self, origin: StagedOrigin, file: &NamedFile<'_>) {
        let key = PlaceInTree {
            above: file.above,
            name: file.name.into(),
        };
        let placed = PlacedFile::new(origin, &file.status);
        self.latest.set(self.latest.get().max(placed.changed));
        self.files.borrow_mut().insert(key, placed);
    }
}

impl PlacedFile {
    fn new(origin: StagedOrigin, status: &Stat) -> PlacedFile {
        PlacedFile {
            inode: Inode::of_stat(status),
            size: status.st_size as u64,
            modified: time(status.st_mtime, status.st_mtime_nsec as u32),
            changed: time(status.st_ctime, status.st_ctime_nsec as u32),
            origin,
        }
    }

    fn is_same(&self, other: &PlacedFile) -> bool {
        self.inode == other.inode
            && self.size == other.size
            && self.modified == other.modified
            && self.changed == other.changed
    }
}

/// A time in nanoseconds since the epoch.
fn time(seconds: i64, nanoseconds: u32) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, StatxFlags};

    use super::*;
    use crate::formats::version::Version;
    use crate::tree::rootfs::{RootPath, Rootfs};

    fn content() -> StagedContent {
        StagedContent {
            number: 3,
            at: 0,
            size: 1,
        }
    }

    /// What is done to a file.
    type Change = fn(&Path);

    fn key() -> PackageKey {
        PackageKey::new("a", "all", &Version::parse("1").unwrap())
    }

    /// Any directory.
    fn above() -> Inode {
        Inode::of_stat(&rustix::fs::stat("/").unwrap())
    }

    fn is_known(placed: &PlacedFiles, path: &Path) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let status = rustix::fs::statx(CWD, path, flags, StatxFlags::BASIC_STATS).unwrap();
        placed.origin(above(), b"file", &status).is_some()
    }

    /// Changes the content, then restores the modification time.
    fn change_in_secret(path: &Path) {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(b"B").unwrap();
        file.set_modified(before).unwrap();
    }

    #[test]
    #[ignore = "needs root"]
    fn a_file_is_unchanged_until_something_changes_it() {
        let table: [(&str, Change, bool); 6] = [
            ("nothing", |_| {}, true),
            ("read", |path| drop(fs::read(path).unwrap()), true),
            ("content", change_in_secret, false),
            (
                "another file",
                |path| {
                    let copy = path.with_extension("copy");
                    fs::copy(path, &copy).unwrap();
                    fs::rename(copy, path).unwrap();
                },
                false,
            ),
            (
                "mode",
                |path| {
                    let mut mode = fs::metadata(path).unwrap().permissions();
                    mode.set_readonly(true);
                    fs::set_permissions(path, mode).unwrap();
                },
                false,
            ),
            (
                "another name",
                |path| fs::hard_link(path, path.with_extension("link")).unwrap(),
                false,
            ),
        ];
        for (name, change, expected) in table {
            let directory = tempfile::tempdir().unwrap();
            let root = Rootfs::open(directory.path()).unwrap();
            let staging = StagingDirectory::for_tests(&root);
            let path = directory.path().join("file");
            fs::write(&path, "A").unwrap();
            let placed = PlacedFiles::default();
            let found = root.metadata(&RootPath::known("file")).unwrap().unwrap();
            let file = NamedFile {
                above: above(),
                name: b"file",
                status: found,
            };
            placed.placed(&key(), content(), &file);
            placed.settle(&staging);
            change(&path);
            assert_eq!(is_known(&placed, &path), expected, "{name}");
            assert!(placed.is_reliable(&staging), "{name}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn a_clock_that_goes_back_is_not_relied_on() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        let staging = StagingDirectory::for_tests(&root);
        let placed = PlacedFiles::default();
        assert!(placed.is_reliable(&staging));
        let (now, at) = placed.seen.get().unwrap();
        placed.seen.set(Some((now + 1_000_000_000, at)));
        assert!(!placed.is_reliable(&staging));
        let later = PlacedFiles::default();
        later.latest.set(now + 1_000_000_000);
        assert!(!later.is_reliable(&staging));
    }
}
