//! Where verified files are kept: `ALGORITHM/xx/HEX` in a directory that several runs may share.
//!
//! Nothing gets its digest as a name before its bytes had that digest, so no lock is needed: whoever renames last replaces a
//! file by its equal. What is found there is hashed again before it is used. Without a cache, files lose their names at once. What is
//! made of files, and kept beside them, is `derived`'s.

#![expect(clippy::disallowed_methods, reason = "the cache is this file's own")]

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::verified::{Permit, Verified, digest_of, is_steady, open_regular};
use super::{Error, Order, RemoteFile, derived};
use crate::formats::digest::{Algorithm, Digest, Hasher};
use crate::report::Report;

/// Files without a name that may be open at once: a quarter of the usual limit of descriptors.
const HELD: usize = 256;
/// What a killed run left behind is swept after this long without a change.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// A file's time of last use is no finer than this.
const USE: Duration = Duration::from_secs(60 * 60);

/// The cache, or what stands in for it.
#[derive(Debug)]
pub(super) struct FileCache {
    cache: Option<PathBuf>,
    /// Where files grow: on the cache's own file system, so that they can be renamed into it.
    partial: PathBuf,
    /// The cache's directory, locked for sharing as long as files in it may be in use.
    lock: Option<File>,
    held: Arc<AtomicUsize>,
    report: Report,
}

/// What becomes of a file that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It goes into the cache, if there is one.
    Cached,
    /// It is gone when it is dropped.
    Private,
}

impl FileCache {
    /// Makes the directories that are missing.
    pub(super) fn open(
        cache: Option<PathBuf>,
        temporary: &Path,
        report: Report,
    ) -> Result<FileCache, Error> {
        let partial = cache
            .as_ref()
            .map_or_else(|| temporary.to_owned(), |c| c.join("partial"));
        fs::create_dir_all(&partial).map_err(|source| Error::Disk {
            path: partial.clone(),
            source,
        })?;
        if cache.is_some() {
            sweep(&partial);
        }
        let lock = cache
            .as_ref()
            .and_then(|c| File::open(c).ok())
            .filter(|lock| lock.try_lock_shared().is_ok());
        Ok(FileCache {
            cache,
            partial,
            lock,
            held: Arc::default(),
            report,
        })
    }

    /// The file, if it is kept and still is what it was. A damaged one stays until a good one replaces it: to remove it
    /// could remove the good one that another run has just put there.
    pub(super) fn find(&self, order: &Order<'_>) -> Result<Option<Verified>, Error> {
        let wanted = order.wanted;
        let Some(path) = self.path(&wanted.digest) else {
            return Ok(None);
        };
        let damaged = |how: &dyn std::fmt::Display| {
            self.report.warning(format!(
                "{}: the cached file {} {how}; it is fetched again",
                wanted.name,
                path.display()
            ));
            Ok(None)
        };
        let mut file = match open_regular(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return damaged(&format_args!("cannot be read ({e})")),
        };
        let metadata = file.metadata().map_err(|source| Error::Disk {
            path: path.clone(),
            source,
        })?;
        if metadata.len() != wanted.size {
            return damaged(&"is damaged");
        }
        if !is_steady(&metadata) {
            return match self.copy(file, &path.to_string_lossy(), order) {
                Err(e) if e.is_trust() => damaged(&"is damaged"),
                Err(Error::Unreadable { source, .. }) => {
                    damaged(&format_args!("cannot be read ({source})"))
                }
                copied => copied.map(Some),
            };
        }
        match digest_of(
            &mut file,
            wanted.size,
            wanted.digest.algorithm(),
            order.stop,
        )? {
            Ok(found) if found == wanted.digest => {}
            Ok(_) => return damaged(&"is damaged"),
            Err(e) => return damaged(&format_args!("cannot be read ({e})")),
        }
        used_now(&path, &metadata);
        Verified::named(path.clone(), &file, wanted.digest.clone(), None)
            .map(Some)
            .map_err(|source| Error::Disk { path, source })
    }

    /// A file that grows until it is what is wanted.
    pub(super) fn partial<'a>(
        &'a self,
        order: &'a Order<'a>,
        keep: Keep,
    ) -> Result<Partial<'a>, Error> {
        let destination = self
            .path(&order.wanted.digest)
            .filter(|_| keep == Keep::Cached);
        // Not 0666: a umask of 002 would let the group change what was verified.
        let mode = if destination.is_some() { 0o644 } else { 0o600 };
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(".rbootstrap-")
            .permissions(Permissions::from_mode(mode));
        let file = builder
            .tempfile_in(&self.partial)
            .map_err(|source| Error::Disk {
                path: self.partial.clone(),
                source,
            })?;
        let hasher = Hasher::new(order.wanted.digest.algorithm());
        Ok(Partial {
            cache: self,
            order,
            destination,
            file,
            hasher,
            written: 0,
            resumed: false,
            validator: None,
        })
    }

    /// A copy that nobody but us can change of a `file` that others can.
    pub(super) fn copy(
        &self,
        mut file: File,
        url: &str,
        order: &Order<'_>,
    ) -> Result<Verified, Error> {
        let mut partial = self.partial(order, Keep::Private)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            order.stop.check()?;
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

    /// See [`Store::trim`](super::Store::trim).
    pub(super) fn trim(&self, bound: u64) -> Result<u64, Error> {
        let (Some(cache), Some(lock)) = (&self.cache, &self.lock) else {
            return Ok(0);
        };
        let alone = lock.try_lock().is_ok();
        let trimmed = trim(cache, bound, if alone { Duration::ZERO } else { USE });
        // Where locks do not work, nobody relies on them.
        let _ = lock.lock_shared();
        trimmed.map_err(|source| Error::Disk {
            path: cache.clone(),
            source,
        })
    }

    /// See [`Store::size`](super::Store::size).
    pub(super) fn size(&self) -> Result<(usize, u64), Error> {
        let Some(cache) = &self.cache else {
            return Ok((0, 0));
        };
        let files = files(cache).map_err(|source| Error::Disk {
            path: cache.clone(),
            source,
        })?;
        Ok((files.len(), files.iter().map(|(_, _, size)| size).sum()))
    }

    fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let name = digest.hexadecimal();
        self.cache.as_ref().map(|c| {
            c.join(digest.algorithm().field())
                .join(&name[..2])
                .join(&name)
        })
    }

    /// Gives a file that was compared its place.
    fn keep(
        &self,
        file: NamedTempFile,
        destination: Option<PathBuf>,
        wanted: &RemoteFile,
    ) -> Result<Verified, Error> {
        let disk = |path: &Path, source| Error::Disk {
            path: path.to_owned(),
            source,
        };
        let (digest, size) = (wanted.digest.clone(), wanted.size);
        let Some(path) = destination else {
            let (file, name) = file.into_parts();
            return Ok(match Permit::take(&self.held, HELD) {
                Some(permit) => {
                    name.close().map_err(|e| disk(&self.partial, e))?;
                    Verified::held(file, permit, size, digest)
                }
                None => Verified::named(name.to_path_buf(), &file, digest, Some(name))
                    .map_err(|e| disk(&self.partial, e))?,
            });
        };
        let directory = path.parent().unwrap_or(&self.partial);
        fs::create_dir_all(directory).map_err(|e| disk(directory, e))?;
        // No fsync: after a crash the file may be damaged, which `find` sees.
        let file = file.persist(&path).map_err(|e| disk(&path, e.error))?;
        Verified::named(path.clone(), &file, digest, None).map_err(|e| disk(&path, e))
    }
}

/// A file under way: hashed as it grows, gone when it is dropped, and never longer than promised.
pub(super) struct Partial<'a> {
    cache: &'a FileCache,
    /// What it is to become.
    pub(super) order: &'a Order<'a>,
    destination: Option<PathBuf>,
    file: NamedTempFile,
    hasher: Hasher,
    /// Bytes so far.
    pub(super) written: u64,
    /// Whether it comes from more than one answer.
    pub(super) resumed: bool,
    /// What the server calls the version that the bytes are from.
    pub(super) validator: Option<String>,
}

impl Partial<'_> {
    /// Takes the next bytes in.
    pub(super) fn write(&mut self, bytes: &[u8], url: &str) -> Result<(), Error> {
        let written = self.written + bytes.len() as u64;
        if written > self.order.wanted.size {
            return Err(self.order.size_mismatch(url, written, true));
        }
        self.file.write_all(bytes).map_err(|e| self.disk(e))?;
        self.hasher.update(bytes);
        self.written = written;
        self.order.reached(written);
        Ok(())
    }

    /// Forgets all bytes.
    pub(super) fn restart(&mut self) -> Result<(), Error> {
        let file = self.file.as_file_mut();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .map_err(|e| self.disk(e))?;
        self.hasher = Hasher::new(self.order.wanted.digest.algorithm());
        (self.written, self.resumed, self.validator) = (0, false, None);
        Ok(())
    }

    /// Compares what has come.
    pub(super) fn check(&self, url: &str) -> Result<(), Error> {
        if self.written != self.order.wanted.size {
            return Err(self.order.size_mismatch(url, self.written, false));
        }
        self.order.check(url, self.hasher.clone().finish())
    }

    /// Compares what has come, and keeps it.
    pub(super) fn finish(self, url: &str) -> Result<Verified, Error> {
        self.check(url)?;
        self.cache
            .keep(self.file, self.destination, self.order.wanted)
    }

    fn disk(&self, source: io::Error) -> Error {
        Error::Disk {
            path: self.cache.partial.clone(),
            source,
        }
    }
}

/// Notes that a file was used. Only the order in which files are evicted depends on it.
pub(super) fn used_now(path: &Path, metadata: &Metadata) {
    let now = SystemTime::now();
    if metadata
        .modified()
        .is_ok_and(|m| now.duration_since(m).is_ok_and(|age| age > USE))
    {
        let _ = File::open(path).and_then(|f| f.set_modified(now));
    }
}

/// Removes what killed runs left behind. Whatever fails here, another run may have done.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|m| m.modified())
            .ok()
            .and_then(|m| m.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes files unused for at least `spared`, the one longest unused first, until at most `bound` bytes are left.
fn trim(cache: &Path, bound: u64, spared: Duration) -> io::Result<u64> {
    let mut files = files(cache)?;
    files.sort();
    let mut left: u64 = files.iter().map(|(_, _, size)| size).sum();
    let before = left;
    for (used, path, size) in files {
        if left <= bound || used.elapsed().unwrap_or_default() < spared {
            break;
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => left -= size,
        }
    }
    Ok(before - left)
}

/// All files of a cache: when each was used last, where it is, and how long it is in bytes.
fn files(cache: &Path) -> io::Result<Vec<(SystemTime, PathBuf, u64)>> {
    let mut shelves: Vec<PathBuf> = Algorithm::STRONGEST_FIRST
        .map(|algorithm| cache.join(algorithm.field()))
        .into();
    shelves.extend(entries(&cache.join(derived::DIRECTORY))?);
    let mut files = Vec::new();
    for cache in shelves {
        for directory in entries(&cache)? {
            for path in entries(&directory)? {
                match fs::symlink_metadata(&path) {
                    Ok(metadata) => files.push((metadata.modified()?, path, metadata.len())),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
        }
    }
    Ok(files)
}

/// The paths in a directory that may not exist.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}
