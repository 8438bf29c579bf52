//! Limits the modification times in a tree.
//!
//! What a run makes has the time of its making, which differs in each run; what packages ship has
//! their times. Nothing runs in the tree any more, and neither symlinks nor mounts are followed.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use rustix::io::Errno;

use super::{AsFd, Error, RootPath, Rootfs, modified_at, remove};

impl Rootfs {
    /// Sets every modification time after `latest`, in seconds since the epoch, to `latest`.
    pub(crate) fn limit_times(&self, latest: i64) -> Result<(), Error> {
        let top = RootPath::default();
        let limited = limit(self.as_fd(), c".", latest);
        let found = limited.map_err(|e| self.error(&top, "set its time", e))?;
        let mut pending = vec![top];
        while let Some(path) = pending.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let opened = self.open_at(&path, flags);
            let below =
                opened.and_then(|directory| limit_entries(directory.as_fd(), latest, found.st_dev));
            let below = below.map_err(|e| self.error(&path, "set the times in it", e))?;
            pending.extend(below.iter().map(|name| path.entry(name)));
        }
        Ok(())
    }
}

/// Limits the times of a directory's entries. Returns the names of those that are directories of
/// the tree's file system, `device`.
fn limit_entries(
    directory: BorrowedFd<'_>,
    latest: i64,
    device: u64,
) -> Result<Vec<Vec<u8>>, Errno> {
    let mut directories = Vec::new();
    for name in remove::names(directory)? {
        let found = limit(directory, &name, latest)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind == FileType::Directory && found.st_dev == device {
            directories.push(name.into_bytes());
        }
    }
    Ok(directories)
}

/// Limits the time of an entry.
fn limit(directory: BorrowedFd<'_>, name: &CStr, latest: i64) -> Result<Stat, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let found = rustix::fs::statat(directory, name, flags)?;
    if found.st_mtime > latest {
        rustix::fs::utimensat(directory, name, &modified_at(latest), flags)?;
    }
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    const LATEST: i64 = 1_700_000_000;

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
        root.limit_times(LATEST).unwrap();
        let time = |path: &str| tree.join(path).symlink_metadata().unwrap().mtime();
        for path in ["", "a", "a/b", "a/b/link", "a/new"] {
            assert_eq!(time(path), LATEST, "{path}");
        }
        assert_eq!(time("a/old"), 1);
        assert!(outside.metadata().unwrap().mtime() > LATEST);
    }
}
