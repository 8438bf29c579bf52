//! Finds paths by their modification times, and sets these.
//!
//! What a run makes has the time of its making, which differs in each run; what packages ship has
//! their times. Nothing runs in the tree any more, and neither symlinks nor mounts are followed.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{AsFd, Error, RootPath, Rootfs, modified_at, remove};

/// The length that no path given to the kernel reaches (PATH_MAX), in bytes.
const PATH_LIMIT: usize = 4096;

/// A directory on the way down.
struct Level {
    found: Stat,
    /// Its directories that are still to be entered.
    pending: Vec<CString>,
}

/// What a walk does with an entry of a directory.
type Visit<'v> = dyn FnMut(Visited<'_>) -> Result<(), Errno> + 'v;

/// An entry of a directory, which the names `way` lead to.
struct Visited<'w> {
    way: &'w [CString],
    directory: BorrowedFd<'w>,
    name: &'w CStr,
    found: Stat,
}

impl Rootfs {
    /// Sets every modification time later than `after` to `to`, both in seconds since the epoch.
    pub(crate) fn set_times(&self, after: i64, to: i64) -> Result<(), Error> {
        let times = modified_at(to);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        self.walk("set the times in it", &mut |visited| {
            if visited.found.st_mtime > after {
                rustix::fs::utimensat(visited.directory, visited.name, &times, flags)?;
            }
            Ok(())
        })
    }

    /// The regular files whose modification time is later than `seconds` since the epoch, without
    /// those whose path is longer than the kernel takes.
    pub(crate) fn files_later_than(&self, seconds: i64) -> Result<Vec<RootPath>, Error> {
        let mut later = Vec::new();
        self.walk("look at what is in it", &mut |visited| {
            let kind = FileType::from_raw_mode(visited.found.st_mode);
            if visited.found.st_mtime > seconds && kind == FileType::RegularFile {
                let path = path_of(visited.way).entry(visited.name.to_bytes());
                if path.as_bytes().len() < PATH_LIMIT {
                    later.push(path);
                }
            }
            Ok(())
        })?;
        Ok(later)
    }

    /// Visits the root and everything below it. `action` is what fails, for messages.
    fn walk(&self, action: &'static str, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut way = Vec::new();
        let walked = walk_below(self.as_fd(), visit, &mut way);
        walked.map_err(|e| self.error(&path_of(&way), action, e))
    }
}

fn path_of(way: &[CString]) -> RootPath {
    let mut path = RootPath::default();
    for name in way {
        path = path.entry(name.to_bytes());
    }
    path
}

/// Visits a directory, `.`, and all below it. `way` is where the walk has come to.
fn walk_below(
    top: BorrowedFd<'_>,
    visit: &mut Visit<'_>,
    way: &mut Vec<CString>,
) -> Result<(), Errno> {
    let mut current = open(top, c".")?;
    let found = rustix::fs::fstat(&current)?;
    visit(Visited {
        way,
        directory: current.as_fd(),
        name: c".",
        found,
    })?;
    let device = found.st_dev;
    let pending = visit_entries(current.as_fd(), device, visit, way)?;
    let mut levels = vec![Level { found, pending }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pending.pop() {
            let below = open(&current, &name);
            way.push(name);
            current = below?;
            let found = rustix::fs::fstat(&current)?;
            let pending = visit_entries(current.as_fd(), device, visit, way)?;
            levels.push(Level { found, pending });
        } else {
            levels.pop();
            way.pop();
            if let Some(above) = levels.last() {
                current = open_above(&current, &above.found)?;
            }
        }
    }
    Ok(())
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

/// Visits a directory's entries. Returns the names of those that are directories of the tree's file
/// system, `device`.
fn visit_entries(
    directory: BorrowedFd<'_>,
    device: u64,
    visit: &mut Visit<'_>,
    way: &[CString],
) -> Result<Vec<CString>, Errno> {
    let mut directories = Vec::new();
    for name in remove::names(directory)? {
        let found = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        visit(Visited {
            way,
            directory,
            name: &name,
            found,
        })?;
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind == FileType::Directory && found.st_dev == device {
            directories.push(name);
        }
    }
    Ok(directories)
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
        root.set_times(LATEST, LATEST).unwrap();
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
        root.set_times(LATEST, LATEST).unwrap();
        let time = |path: &str| tree.join(path).symlink_metadata().unwrap().mtime();
        for path in ["", "a", "a/b", "a/b/link", "a/new"] {
            assert_eq!(time(path), LATEST, "{path}");
        }
        assert_eq!(time("a/old"), 1);
        assert!(outside.metadata().unwrap().mtime() > LATEST);
    }
}
