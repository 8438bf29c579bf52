//! The cache of verified files: `ALGORITHM/xx/HEX` in a directory that several runs may share.
//!
//! A file gets its digest as its name only after its bytes had that digest, so no lock is needed:
//! the last rename replaces a file by an equal one. A cached file is hashed again before it is
//! used. Without a cache, files lose their names at once. Files that are derived from others, and
//! kept beside them, are in `derived`.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the store")]

use std::fmt::Display;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use super::directory::{CacheDirectory, disk};
use super::eviction::{self, ABANDONED, USE, used_now};
use super::overflow::Overflow;
use super::partial::{GrowingFile, PartialFile};
use super::room::{Room, is_full};
use super::verified::{Permit, Verified, digest_of, is_steady, open_regular};
use super::{Error, FileRequest, RemoteFile};
use crate::formats::digest::Digest;
use crate::report::Report;

/// How many unnamed files may be open at once: a quarter of the usual limit of descriptors.
const UNNAMED_LIMIT: usize = 256;
/// How long a run waits for another one that has the cache to itself for a moment.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// Files for which there is no descriptor left.
    overflow: Overflow,
    report: Report,
}

/// The directories of a cache that stay open.
#[derive(Clone, Debug)]
pub(super) struct Directories {
    pub(super) root: Arc<CacheDirectory>,
    /// Where files grow: on the cache's own file system, so that they can be renamed into it.
    pub(super) partial: Arc<CacheDirectory>,
    pub(super) room: Arc<Room>,
}

/// What happens to a file once it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is moved into the cache, if there is one.
    Cached,
    /// It is removed when it is dropped.
    Private,
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
            is_locked = lock(&root, &partial);
            directories = Some(Directories {
                root,
                partial,
                room: Arc::default(),
            });
        } else {
            fs::create_dir_all(temporary).map_err(|e| disk(temporary, e))?;
        }
        Ok(FileCache {
            directories,
            temporary: temporary.to_owned(),
            is_locked,
            unnamed: Arc::default(),
            overflow: Overflow::new(temporary),
            report,
        })
    }

    /// The cache's root, or where files grow without a cache.
    pub(super) fn directory(&self) -> &Path {
        let directories = self.directories.as_ref();
        directories.map_or(&*self.temporary, |d| d.root.path())
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
        directories.room.is_used(&name);
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
        let created = match destination {
            Some(_) => self.with_room(request.wanted.size, || self.create_named()),
            // A run that is killed leaves nothing.
            None => tempfile::tempfile_in(self.growing()).map(GrowingFile::Unnamed),
        };
        let file = created.map_err(|e| self.partial_failed(e))?;
        Ok(PartialFile::new(self, request, destination, file))
    }

    fn create_named(&self) -> io::Result<GrowingFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".rbootstrap-");
        // Not 0666: with a umask of 002 the group could change a verified file.
        builder.permissions(Permissions::from_mode(0o644));
        builder.tempfile_in(self.growing()).map(GrowingFile::Named)
    }

    /// Repeats a write to the cache while room for it can be made.
    pub(super) fn with_room<T>(
        &self,
        bytes: u64,
        mut write: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.directories {
            Some(directories) => directories.with_room(bytes, &self.report, write),
            None => write(),
        }
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

    /// Moves a verified file to its `destination` in the cache. A file without one stays unnamed.
    pub(super) fn keep(
        &self,
        file: GrowingFile,
        destination: Option<PathBuf>,
        wanted: &RemoteFile,
    ) -> Result<Verified, Error> {
        let digest = wanted.digest.clone();
        let file = match file {
            GrowingFile::Unnamed(file) => return self.keep_unnamed(file, wanted),
            GrowingFile::Named(file) => file,
        };
        let (Some(path), Some(directories)) = (destination, &self.directories) else {
            return Err(self.partial_failed(io::ErrorKind::NotFound.into()));
        };
        let below = relative(&digest);
        let name = digest.hexadecimal();
        directories.room.is_used(&name);
        let directory = loop {
            let changes = directories.room.changes();
            match directories.root.create_below(&below) {
                Err(Error::Disk { source, .. })
                    if is_full(&source) && directories.has_made_room(changes, 0, &self.report) => {}
                created => break created?,
            }
        };
        let mut file = Some(file);
        // No fsync: after a crash the file may be damaged, and `find` detects that.
        let kept = self.with_room(0, || {
            let Some(growing) = file.take() else {
                return Err(io::ErrorKind::NotFound.into());
            };
            growing.persist(directory.entry(&name)).map_err(|e| {
                file = Some(e.file);
                e.error
            })
        });
        let file = kept.map_err(|e| disk(&path, e))?;
        Verified::named(path.clone(), &file, digest, None).map_err(|e| disk(&path, e))
    }

    /// Keeps a file without a name, or gives it one where too many files are open.
    fn keep_unnamed(&self, file: File, wanted: &RemoteFile) -> Result<Verified, Error> {
        let digest = wanted.digest.clone();
        if let Some(permit) = Permit::take(&self.unnamed, UNNAMED_LIMIT) {
            return Ok(Verified::unnamed(file, permit, wanted.size, digest));
        }
        if let Ok(name) = self.overflow.name(&file) {
            let named = Verified::named(name.to_path_buf(), &file, digest, Some(name));
            return named.map_err(|e| self.partial_failed(e));
        }
        // Some file systems cannot give an unnamed file a name.
        match Permit::take(&self.unnamed, usize::MAX) {
            Some(permit) => Ok(Verified::unnamed(file, permit, wanted.size, digest)),
            None => Err(self.partial_failed(io::ErrorKind::QuotaExceeded.into())),
        }
    }

    /// See [`Store::trim`](super::Store::trim).
    pub(super) fn trim(&self, bound: u64) -> Result<u64, Error> {
        let Some(directories) = self.directories.as_ref().filter(|_| self.is_locked) else {
            return Ok(0);
        };
        let root = &directories.root;
        let is_alone = root.file().try_lock().is_ok();
        if is_alone {
            eviction::sweep(&directories.partial, Duration::ZERO);
        }
        let spared = if is_alone { Duration::ZERO } else { USE };
        let trimmed = eviction::trim(root, bound, spared);
        // Where locks do not work, no run relies on them.
        let _ = root.file().lock_shared();
        trimmed
    }

    /// See [`Store::size`](super::Store::size).
    pub(super) fn size(&self) -> Result<(usize, u64), Error> {
        let Some(directories) = &self.directories else {
            return Ok((0, 0));
        };
        let files = eviction::files(&directories.root)?;
        Ok((files.len(), eviction::total_size(&files)))
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

    /// The size of the partial files, in bytes.
    pub(super) fn under_way(&self) -> u64 {
        let directories = self.directories.as_ref();
        directories.map_or(0, |d| eviction::size_of(&d.partial))
    }

    /// Whether the cache has a file of that digest and size, which is not verified here.
    pub(super) fn has(&self, wanted: &RemoteFile) -> bool {
        let Some(directories) = &self.directories else {
            return false;
        };
        let directory = directories.root.open_below(&relative(&wanted.digest));
        let Ok(Some(directory)) = directory else {
            return false;
        };
        let entry = directory.entry(wanted.digest.hexadecimal());
        fs::symlink_metadata(entry).is_ok_and(|found| found.len() == wanted.size)
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

/// Locks the cache as long as its files may be in use, and removes what killed runs have left.
/// Where locks do not work, or somebody holds one, the run goes on without.
fn lock(root: &CacheDirectory, partial: &CacheDirectory) -> bool {
    match root.file().try_lock() {
        // No other run uses the cache.
        Ok(()) => eviction::sweep(partial, Duration::ZERO),
        Err(_) => eviction::sweep(partial, ABANDONED),
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match root.file().try_lock_shared() {
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            locked => return locked.is_ok(),
        }
    }
}
