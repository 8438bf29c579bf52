//! Finds the paths of a tree that are newer than a given time, and sets their modification times.
//!
//! Files that a run makes have the time at which it made them, which differs from run to run. Files
//! of packages have the times that the packages ship. Nothing runs in the tree meanwhile. Symlinks
//! are not followed, and mount points are skipped with everything below them, since what is mounted
//! may be the host's.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{AsFd, Error, RootPath, Rootfs, modified_at, remove, resolve};
use crate::interrupt::Interrupt;

/// The length that no path given to the kernel reaches (PATH_MAX), in bytes.
const PATH_LIMIT: usize = 4096;

/// A directory on the way down.
struct Level {
    found: Stat,
    /// Its directories that are still to be entered.
    pending: Vec<CString>,
}

/// The names that lead to a directory.
#[derive(Default)]
struct Way {
    names: Vec<CString>,
    /// Of the path, in bytes.
    length: usize,
}

/// Called by a walk for each path that is newer than its time.
type Visit<'v> = dyn FnMut(Visited<'_>) -> Result<(), Errno> + 'v;

/// An entry of a directory that `way` leads to.
struct Visited<'w> {
    way: &'w Way,
    directory: BorrowedFd<'w>,
    name: &'w CStr,
    found: Stat,
}

/// A walk over a tree, to what has a modification time later than `after`.
struct TimesWalk<'w, 'v> {
    after: i64,
    visit: &'w mut Visit<'v>,
    interrupt: &'w Interrupt,
    way: Way,
}

impl Rootfs {
    /// Sets every modification time later than `after` to `to`, both in seconds since the epoch.
    pub(crate) fn set_times(
        &self,
        after: i64,
        to: i64,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let times = modified_at(to);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let mut visit = |visited: Visited<'_>| {
            rustix::fs::utimensat(visited.directory, visited.name, &times, flags)
        };
        let mut walk = TimesWalk::new(after, &mut visit, interrupt);
        let walked = walk.run(self.as_fd());
        walked.map_err(|e| self.error(&walk.way.path(), "set the times in it", e))
    }

    /// The regular files whose modification time is later than `seconds` since the epoch, without
    /// those whose path is longer than the kernel takes.
    pub(crate) fn files_later_than(
        &self,
        seconds: i64,
        interrupt: &Interrupt,
    ) -> Result<Vec<RootPath>, Error> {
        let mut later = Vec::new();
        let mut visit = |visited: Visited<'_>| {
            let kind = FileType::from_raw_mode(visited.found.st_mode);
            let name = visited.name.to_bytes();
            if kind == FileType::RegularFile && visited.way.length + name.len() + 1 < PATH_LIMIT {
                later.push(visited.way.path().entry(name));
            }
            Ok(())
        };
        let mut walk = TimesWalk::new(seconds, &mut visit, interrupt);
        let walked = walk.run(self.as_fd());
        walked.map_err(|e| self.error(&walk.way.path(), "look at what is in it", e))?;
        Ok(later)
    }
}

impl Way {
    fn push(&mut self, name: CString) {
        self.length += name.as_bytes().len() + 1;
        self.names.push(name);
    }

    fn pop(&mut self) {
        if let Some(name) = self.names.pop() {
            self.length -= name.as_bytes().len() + 1;
        }
    }

    fn path(&self) -> RootPath {
        RootPath::of_entries(&self.names)
    }
}

impl<'w, 'v> TimesWalk<'w, 'v> {
    fn new(after: i64, visit: &'w mut Visit<'v>, interrupt: &'w Interrupt) -> TimesWalk<'w, 'v> {
        TimesWalk {
            after,
            visit,
            interrupt,
            way: Way::default(),
        }
    }

    /// Visits a directory and all below it. After an error, the way leads to where that was.
    fn run(&mut self, top: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut current = open(top, c".")?;
        let found = rustix::fs::fstat(&current)?;
        self.visit_if_later(current.as_fd(), c".", found)?;
        let pending = self.visit_entries(current.as_fd())?;
        let mut levels = vec![Level { found, pending }];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.pending.pop() {
                if let Some(below) = self.enter(&current, name)? {
                    let found = rustix::fs::fstat(&below)?;
                    let pending = self.visit_entries(below.as_fd())?;
                    levels.push(Level { found, pending });
                    current = below;
                }
            } else {
                levels.pop();
                self.way.pop();
                if let Some(above) = levels.last() {
                    current = open_above(&current, &above.found)?;
                }
            }
        }
        Ok(())
    }

    /// Visits and opens a directory, unless it is a mount point.
    fn enter(&mut self, above: &OwnedFd, name: CString) -> Result<Option<OwnedFd>, Errno> {
        let opened = resolve::open_below(above.as_fd(), &name);
        if matches!(opened, Err(Errno::XDEV)) {
            return Ok(None);
        }
        if let Ok(below) = &opened {
            self.visit_if_later(above.as_fd(), &name, rustix::fs::fstat(below)?)?;
        }
        self.way.push(name);
        opened.map(Some)
    }

    /// Visits the entries of a directory that are not directories. Returns the names of those that
    /// are.
    fn visit_entries(&mut self, directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
        let mut directories = Vec::new();
        for name in remove::names(directory)? {
            if self.interrupt.cause().is_some() {
                return Err(Errno::INTR);
            }
            let found = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                directories.push(name);
            } else if found.st_mtime > self.after && !resolve::is_mount_point(directory, &name)? {
                self.visit_if_later(directory, &name, found)?;
            }
        }
        Ok(directories)
    }

    fn visit_if_later(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        found: Stat,
    ) -> Result<(), Errno> {
        if found.st_mtime <= self.after {
            return Ok(());
        }
        let way = &self.way;
        (self.visit)(Visited {
            way,
            directory,
            name,
            found,
        })
    }
}

/// Opens a directory by its name, or as `..` of the one below it: no path is too long, and only one
/// is open at a time.
fn open(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// Opens the directory above, which must be the one that the walk came from.
fn open_above(directory: &OwnedFd, expected: &Stat) -> Result<OwnedFd, Errno> {
    let above = open(directory, c"..")?;
    let found = rustix::fs::fstat(&above)?;
    if found.st_dev != expected.st_dev || found.st_ino != expected.st_ino {
        return Err(Errno::STALE);
    }
    Ok(above)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    const LATEST: i64 = 1_700_000_000;

    #[test]
    fn a_path_may_be_longer_than_the_kernel_takes() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        let name = CString::new("x".repeat(200)).unwrap();
        let mut opened = vec![OwnedFd::from(fs::File::open(directory.path()).unwrap())];
        for _ in 0..100 {
            let above = opened.last().unwrap();
            rustix::fs::mkdirat(above, &name, Mode::RWXU).unwrap();
            opened.push(open(above, &name).unwrap());
        }
        root.set_times(LATEST, LATEST, &Interrupt::default())
            .unwrap();
        for directory in opened {
            assert_eq!(rustix::fs::fstat(directory).unwrap().st_mtime, LATEST);
        }
    }

    #[test]
    fn no_time_is_after_the_latest() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(tree.join("a/new"), "x").unwrap();
        fs::write(tree.join("a/old"), "x").unwrap();
        symlink(&outside, tree.join("a/b/link")).unwrap();
        let old = modified_at(1);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, tree.join("a/old"), &old, flags).unwrap();
        let root = Rootfs::open(&tree).unwrap();
        root.set_times(LATEST, LATEST, &Interrupt::default())
            .unwrap();
        let time = |path: &str| tree.join(path).symlink_metadata().unwrap().mtime();
        for path in ["", "a", "a/b", "a/b/link", "a/new"] {
            assert_eq!(time(path), LATEST, "{path}");
        }
        assert_eq!(time("a/old"), 1);
        assert!(outside.metadata().unwrap().mtime() > LATEST);
    }

    /// An interrupted walk fails.
    #[test]
    fn a_file_beyond_the_longest_path_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        let name = CString::new("x".repeat(200)).unwrap();
        let mut last = OwnedFd::from(fs::File::open(directory.path()).unwrap());
        let mut expected = 0;
        for depth in 0..40 {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            rustix::fs::openat(&last, c"file", flags, Mode::RWXU).unwrap();
            expected += usize::from(depth * 201 + 4 < PATH_LIMIT);
            rustix::fs::mkdirat(&last, &name, Mode::RWXU).unwrap();
            last = open(&last, &name).unwrap();
        }
        let interrupt = Interrupt::default();
        let later = root.files_later_than(LATEST, &interrupt).unwrap();
        assert_eq!(later.len(), expected);
        interrupt.raise(2);
        assert!(root.files_later_than(LATEST, &interrupt).is_err());
        assert!(root.set_times(LATEST, LATEST, &interrupt).is_err());
    }

    /// A bind mount is of the same file system.
    #[test]
    #[ignore = "needs root"]
    fn what_is_mounted_keeps_its_times() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        for name in ["tree/mnt", "tree/own", "outside"] {
            fs::create_dir_all(place(name)).unwrap();
        }
        for name in ["tree/file", "tree/own/file", "outside/file", "outside-file"] {
            fs::write(place(name), "x").unwrap();
        }
        let pairs = [("outside", "tree/mnt"), ("outside-file", "tree/file")];
        for (from, to) in pairs {
            rustix::mount::mount_bind(place(from), place(to)).unwrap();
        }
        let root = Rootfs::open(&place("tree")).unwrap();
        let interrupt = Interrupt::default();
        let later = root.files_later_than(LATEST, &interrupt);
        let set = root.set_times(LATEST, LATEST, &interrupt);
        for (_, to) in pairs {
            rustix::mount::unmount(place(to), rustix::mount::UnmountFlags::DETACH).unwrap();
        }
        set.unwrap();
        assert_eq!(later.unwrap(), [RootPath::known("own/file")]);
        let time = |name: &str| place(name).metadata().unwrap().mtime();
        for name in ["tree", "tree/own", "tree/own/file"] {
            assert_eq!(time(name), LATEST, "{name}");
        }
        for name in ["outside", "outside/file", "outside-file"] {
            assert!(time(name) > LATEST, "{name}");
        }
    }
}
