//! The files of a cache by their time of last use, and their removal.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the store")]

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::directory::{CacheDirectory, disk};
use super::{Error, derived};
use crate::formats::digest::Algorithm;

/// Partial files are removed after this long without a change if other runs share the cache.
pub(super) const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// The resolution of a file's time of last use.
pub(super) const USE: Duration = Duration::from_secs(60 * 60);

/// A cached file as the eviction sees it. The order is that of eviction.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CachedFile {
    used: SystemTime,
    /// Below the cache's root.
    directory: PathBuf,
    pub(super) name: PathBuf,
    /// In bytes.
    pub(super) size: u64,
}

impl CachedFile {
    pub(super) fn is_derived(&self) -> bool {
        self.directory.starts_with(derived::DIRECTORY)
    }

    /// Whether no run has used it within the resolution of that time.
    pub(super) fn is_idle(&self) -> bool {
        self.used.elapsed().is_ok_and(|age| age > USE)
    }
}

/// Sets a file's time of last use, by which files are evicted.
pub(super) fn used_now(file: &File, metadata: &Metadata) {
    let now = SystemTime::now();
    let Ok(used) = metadata.modified() else {
        return;
    };
    if now.duration_since(used).is_ok_and(|age| age > USE) {
        let _ = file.set_modified(now);
    }
}

/// Removes partial files that have not changed for so long. Another run may do the same, so
/// failures are ignored.
pub(super) fn sweep(directory: &CacheDirectory, spared: Duration) {
    let Ok(names) = directory.names() else {
        return;
    };
    for name in names {
        let path = directory.entry(name);
        let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
        // A time in the future is as good as none.
        let age = modified.map(|modified| modified.elapsed().unwrap_or_default());
        if age.is_ok_and(|age| age >= spared) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes one file. False if another run has removed it.
pub(super) fn remove(root: &CacheDirectory, file: &CachedFile) -> Result<bool, Error> {
    let Some(directory) = root.open_below(&file.directory)? else {
        return Ok(false);
    };
    match fs::remove_file(directory.entry(&file.name)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(disk(&directory.path().join(&file.name), e)),
    }
}

/// Removes files that were not used within `spared`, the least recently used first, until at most
/// `bound` bytes are left.
pub(super) fn trim(root: &CacheDirectory, bound: u64, spared: Duration) -> Result<u64, Error> {
    let mut files = files(root)?;
    files.sort();
    let before = total_size(&files);
    let mut left = before;
    for file in files {
        if left <= bound || file.used.elapsed().unwrap_or_default() < spared {
            break;
        }
        remove(root, &file)?;
        left -= file.size;
    }
    Ok(before - left)
}

/// All files of a cache.
pub(super) fn files(root: &CacheDirectory) -> Result<Vec<CachedFile>, Error> {
    let mut tops = Vec::new();
    if let Some(derived) = root.open(derived::DIRECTORY)? {
        for name in derived.names().map_err(|e| disk(derived.path(), e))? {
            tops.push(Path::new(derived::DIRECTORY).join(name));
        }
    }
    for algorithm in Algorithm::STRONGEST_FIRST {
        tops.push(PathBuf::from(algorithm.field()));
    }
    let mut files = Vec::new();
    for top in tops {
        let Some(directory) = root.open_below(&top)? else {
            continue;
        };
        for name in directory.names().map_err(|e| disk(directory.path(), e))? {
            if let Some(below) = directory.open(&name)? {
                add_files(&below, &top.join(name), &mut files)
                    .map_err(|e| disk(below.path(), e))?;
            }
        }
    }
    Ok(files)
}

/// Adds the files in `directory`, which is at `relative` below the root.
fn add_files(
    directory: &CacheDirectory,
    relative: &Path,
    files: &mut Vec<CachedFile>,
) -> io::Result<()> {
    for name in directory.names()? {
        let metadata = match fs::symlink_metadata(directory.entry(&name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        files.push(CachedFile {
            used: metadata.modified()?,
            directory: relative.to_owned(),
            name,
            size: metadata.len(),
        });
    }
    Ok(())
}

pub(super) fn total_size(files: &[CachedFile]) -> u64 {
    files.iter().map(|file| file.size).sum()
}

/// The size of the files in one directory, in bytes.
pub(super) fn size_of(directory: &CacheDirectory) -> u64 {
    let mut files = Vec::new();
    // What cannot be listed counts as nothing.
    let _ = add_files(directory, Path::new(""), &mut files);
    total_size(&files)
}
