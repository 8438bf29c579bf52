//! The cache of verified files: `ALGORITHM/xx/HEX` in a directory that several runs may share.
//!
//! A file gets its digest as its name only after its bytes had that digest, so no lock is needed:
//! the last rename replaces a file by an equal one. A cached file is hashed again before it is
//! used. Without a cache, files lose their names at once. Files that are derived from others, and
//! kept beside them, are in `derived`.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the store")]

use std::fmt::Display;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::directory::{CacheDirectory, disk};
use super::partial::PartialFile;
use super::verified::{Permit, Verified, digest_of, is_steady, open_regular};
use super::{Error, FileRequest, RemoteFile, derived};
use crate::formats::digest::{Algorithm, Digest};
use crate::report::Report;

/// How many unnamed files may be open at once: a quarter of the usual limit of descriptors.
const UNNAMED_LIMIT: usize = 256;
/// Partial files of killed runs are removed after this long without a change.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// The resolution of a file's time of last use.
const USE: Duration = Duration::from_secs(60 * 60);

/// The cache, or what replaces it.
#[derive(Debug)]
pub(super) struct FileCache {
    /// None without a cache.
    directories: Option<Directories>,
    /// Where files grow without a cache.
    temporary: PathBuf,
    /// Whether the cache's directory has a shared lock as long as its files may be in use.
    is_locked: bool,
    unnamed: Arc<AtomicUsize>,
    report: Report,
}

/// The directories of a cache that stay open.
#[derive(Clone, Debug)]
pub(super) struct Directories {
    pub(super) root: Arc<CacheDirectory>,
    /// Where files grow: on the cache's own file system, so that they can be renamed into it.
    pub(super) partial: Arc<CacheDirectory>,
}

/// What happens to a file once it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is moved into the cache, if there is one.
    Cached,
    /// It is removed when it is dropped.
    Private,
}

/// A cached file as the eviction sees it. The order is that of eviction.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CachedFile {
    used: SystemTime,
    /// Below the cache's root.
    directory: PathBuf,
    name: PathBuf,
    size: u64,
}

impl FileCache {
    /// Opens the cache in `directory` and creates the directories that are missing.
    pub(super) fn open(
        directory: Option<&Path>,
        temporary: &Path,
        report: Report,
    ) -> Result<FileCache, Error> {
        let mut directories = None;
        let mut is_locked = false;
        if let Some(directory) = directory {
            let root = CacheDirectory::root(directory)?;
            let partial = Arc::new(root.create("partial")?);
            sweep(&partial);
            is_locked = root.file().try_lock_shared().is_ok();
            directories = Some(Directories { root, partial });
        } else {
            fs::create_dir_all(temporary).map_err(|e| disk(temporary, e))?;
        }
        Ok(FileCache {
            directories,
            temporary: temporary.to_owned(),
            is_locked,
            unnamed: Arc::default(),
            report,
        })
    }

    /// The directories, if there is a cache.
    pub(super) fn directories(&self) -> Option<Directories> {
        self.directories.clone()
    }

    /// Finds a cached file and verifies it again. A damaged one stays until a good one replaces it:
    /// to remove it could remove the good one that another run has just put there.
    pub(super) fn find(&self, request: &FileRequest<'_>) -> Result<Option<Verified>, Error> {
        let wanted = request.wanted;
        let Some(directories) = &self.directories else {
            return Ok(None);
        };
        let name = wanted.digest.hexadecimal();
        let relative = relative(&wanted.digest);
        let path = directories.root.path().join(&relative).join(&name);
        let directory = match directories.root.open_below(&relative) {
            Ok(Some(directory)) => directory,
            Ok(None) => return Ok(None),
            Err(e) => return self.unusable(wanted, &path, &format_args!("is not used ({e})")),
        };
        let mut file = match open_regular(&directory.entry(&name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return self.unreadable(wanted, &path, &e),
        };
        let metadata = file.metadata().map_err(|e| disk(&path, e))?;
        if metadata.len() != wanted.size {
            return self.damaged(wanted, &path);
        }
        if !is_steady(&metadata) {
            return match self.copy(file, &path.to_string_lossy(), request) {
                Err(error) if error.is_trust() => self.damaged(wanted, &path),
                Err(Error::Unreadable { source, .. }) => self.unreadable(wanted, &path, &source),
                copied => copied.map(Some),
            };
        }
        let algorithm = wanted.digest.algorithm();
        match digest_of(&mut file, wanted.size, algorithm, request.stop)? {
            Ok(found) if found == wanted.digest => {}
            Ok(_) => return self.damaged(wanted, &path),
            Err(e) => return self.unreadable(wanted, &path, &e),
        }
        used_now(&file, &metadata);
        let verified = Verified::named(path.clone(), &file, wanted.digest.clone(), None);
        verified.map(Some).map_err(|e| disk(&path, e))
    }

    fn damaged(&self, wanted: &RemoteFile, path: &Path) -> Result<Option<Verified>, Error> {
        self.unusable(wanted, path, &"is damaged")
    }

    fn unreadable(
        &self,
        wanted: &RemoteFile,
        path: &Path,
        error: &io::Error,
    ) -> Result<Option<Verified>, Error> {
        self.unusable(wanted, path, &format_args!("cannot be read ({error})"))
    }

    /// Warns that a cached file is not used.
    fn unusable(
        &self,
        wanted: &RemoteFile,
        path: &Path,
        problem: &dyn Display,
    ) -> Result<Option<Verified>, Error> {
        self.report.warning(format!(
            "{}: the cached file {} {problem}; it is fetched again",
            wanted.name,
            path.display()
        ));
        Ok(None)
    }

    /// Starts a file that grows until it is the wanted one.
    pub(super) fn partial<'a>(
        &'a self,
        request: &'a FileRequest<'a>,
        keep: Keep,
    ) -> Result<PartialFile<'a>, Error> {
        let destination = match keep {
            Keep::Cached => self.path(&request.wanted.digest),
            Keep::Private => None,
        };
        // Not 0666: with a umask of 002 the group could change a verified file.
        let mode = if destination.is_some() { 0o644 } else { 0o600 };
        let file = tempfile::Builder::new()
            .prefix(".rbootstrap-")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(self.growing())
            .map_err(|e| self.partial_failed(e))?;
        Ok(PartialFile::new(self, request, destination, file))
    }

    /// Copies a `file` that other users can change, and verifies the copy.
    pub(super) fn copy(
        &self,
        mut file: File,
        url: &str,
        request: &FileRequest<'_>,
    ) -> Result<Verified, Error> {
        let mut partial = self.partial(request, Keep::Private)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            request.stop.check()?;
            match file.read(&mut buffer) {
                Ok(0) => return partial.finish(url),
                Ok(count) => partial.write(&buffer[..count], url)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Unreadable {
                        url: url.to_owned(),
                        source,
                    });
                }
            }
        }
    }

    /// Moves a verified file to its path in the cache, or removes its name if it has no
    /// `destination`.
    pub(super) fn keep(
        &self,
        file: NamedTempFile,
        destination: Option<PathBuf>,
        wanted: &RemoteFile,
    ) -> Result<Verified, Error> {
        let digest = wanted.digest.clone();
        let (Some(path), Some(directories)) = (destination, &self.directories) else {
            let (file, name) = file.into_parts();
            let Some(permit) = Permit::take(&self.unnamed, UNNAMED_LIMIT) else {
                return Verified::named(name.to_path_buf(), &file, digest, Some(name))
                    .map_err(|e| self.partial_failed(e));
            };
            name.close().map_err(|e| self.partial_failed(e))?;
            return Ok(Verified::unnamed(file, permit, wanted.size, digest));
        };
        let directory = directories.root.create_below(&relative(&digest))?;
        let entry = directory.entry(digest.hexadecimal());
        // No fsync: after a crash the file may be damaged, and `find` detects that.
        let file = file.persist(entry).map_err(|e| disk(&path, e.error))?;
        Verified::named(path.clone(), &file, digest, None).map_err(|e| disk(&path, e))
    }

    /// See [`Store::trim`](super::Store::trim).
    pub(super) fn trim(&self, bound: u64) -> Result<u64, Error> {
        let Some(directories) = self.directories.as_ref().filter(|_| self.is_locked) else {
            return Ok(0);
        };
        let root = &directories.root;
        let is_alone = root.file().try_lock().is_ok();
        let spared = if is_alone { Duration::ZERO } else { USE };
        let trimmed = trim(root, bound, spared);
        // Where locks do not work, no run relies on them.
        let _ = root.file().lock_shared();
        trimmed
    }

    /// See [`Store::size`](super::Store::size).
    pub(super) fn size(&self) -> Result<(usize, u64), Error> {
        let Some(directories) = &self.directories else {
            return Ok((0, 0));
        };
        let files = files(&directories.root)?;
        Ok((files.len(), total_size(&files)))
    }

    /// The error of a file that is under way.
    pub(super) fn partial_failed(&self, source: io::Error) -> Error {
        let directories = self.directories.as_ref();
        let path = directories.map_or(&*self.temporary, |d| d.partial.path());
        disk(path, source)
    }

    /// The directory where files grow.
    fn growing(&self) -> PathBuf {
        let directories = self.directories.as_ref();
        directories.map_or_else(|| self.temporary.clone(), |d| d.partial.entry(""))
    }

    fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let root = &self.directories.as_ref()?.root;
        Some(
            root.path()
                .join(relative(digest))
                .join(digest.hexadecimal()),
        )
    }
}

/// The directory of a download below the cache's root.
fn relative(digest: &Digest) -> PathBuf {
    let name = digest.hexadecimal();
    [digest.algorithm().field(), &name[..2]].iter().collect()
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

/// Removes what killed runs left behind. Another run may do the same, so failures are ignored.
fn sweep(directory: &CacheDirectory) {
    let Ok(names) = directory.names() else {
        return;
    };
    for name in names {
        let path = directory.entry(name);
        let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes files that were not used within `spared`, the least recently used first, until at most
/// `bound` bytes are left.
fn trim(root: &CacheDirectory, bound: u64, spared: Duration) -> Result<u64, Error> {
    let mut files = files(root)?;
    files.sort();
    let before = total_size(&files);
    let mut left = before;
    for file in files {
        if left <= bound || file.used.elapsed().unwrap_or_default() < spared {
            break;
        }
        if let Some(directory) = root.open_below(&file.directory)? {
            match fs::remove_file(directory.entry(&file.name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(disk(&directory.path().join(&file.name), e));
                }
                _ => {}
            }
        }
        left -= file.size;
    }
    Ok(before - left)
}

/// All files of a cache.
fn files(root: &CacheDirectory) -> Result<Vec<CachedFile>, Error> {
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

fn total_size(files: &[CachedFile]) -> u64 {
    files.iter().map(|file| file.size).sum()
}
