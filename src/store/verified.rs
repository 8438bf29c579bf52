//! A file whose size and digest matched, and that stays unchanged until it is read.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempPath;

use super::Error;
use super::derived::Seal;
use super::stop::Stop;
use crate::formats::digest::{Algorithm, Digest, Hasher};

/// A file whose size and digest matched. Only the store makes one.
#[derive(Debug)]
pub(crate) struct Verified {
    size: u64,
    check: Check,
    location: Storage,
}

/// How the content is checked again.
#[derive(Debug)]
enum Check {
    /// The promised file has this digest.
    Digest(Digest),
    /// A file decoded from the promised one ends with this seal.
    Seal(Box<Seal>),
}

/// How a verified file relates to the promised one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheForm {
    /// It is the promised file, byte for byte.
    Original,
    /// This program decoded it from the promised file, on this host.
    Decoded,
}

/// Where the bytes are. A path costs no descriptor, so that thousands of files fit a limit of
/// 1,024.
#[derive(Debug)]
enum Storage {
    /// A file without a name, which no other process can open.
    Unnamed { file: File, _permit: Permit },
    /// A path, whose file is unchanged as long as it has this identity.
    Named {
        path: PathBuf,
        identity: FileIdentity,
        _temporary: Option<TempPath>,
    },
}

impl Verified {
    /// Opens the file with an offset of its own. A file that changed since it was verified is
    /// verified again: another run may have replaced it by an equal one.
    pub(crate) fn open(&self) -> io::Result<File> {
        match &self.location {
            // Not dup, which would share the offset.
            Storage::Unnamed { file, .. } => {
                File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
            }
            Storage::Named { path, identity, .. } => {
                let mut file = open_regular(path)?;
                if FileIdentity::of(&file.metadata()?) == *identity {
                    return Ok(file);
                }
                if self.is_unchanged(&mut file)? {
                    file.rewind()?;
                    return Ok(file);
                }
                let reason = format!("{} changed since it was verified", path.display());
                Err(io::Error::new(io::ErrorKind::InvalidData, reason))
            }
        }
    }

    /// Where it is, for messages; empty for a file without a name.
    pub(crate) fn path(&self) -> &Path {
        match &self.location {
            Storage::Unnamed { .. } => Path::new(""),
            Storage::Named { path, .. } => path,
        }
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn form(&self) -> CacheForm {
        match self.check {
            Check::Digest(_) => CacheForm::Original,
            Check::Seal(_) => CacheForm::Decoded,
        }
    }

    /// A steady `file` at `path`, whose digest the caller has just found to be `digest`.
    pub(super) fn named(
        path: PathBuf,
        file: &File,
        digest: Digest,
        temporary: Option<TempPath>,
    ) -> io::Result<Verified> {
        let metadata = file.metadata()?;
        let location = Storage::Named {
            path,
            identity: FileIdentity::of(&metadata),
            _temporary: temporary,
        };
        Ok(Verified {
            size: metadata.len(),
            check: Check::Digest(digest),
            location,
        })
    }

    /// The first `size` bytes of a steady `file` at `path`, whose seal the caller has just
    /// verified.
    pub(super) fn derived(
        path: PathBuf,
        file: &File,
        seal: Box<Seal>,
        size: u64,
    ) -> io::Result<Verified> {
        let location = Storage::Named {
            path,
            identity: FileIdentity::of(&file.metadata()?),
            _temporary: None,
        };
        Ok(Verified {
            size,
            check: Check::Seal(seal),
            location,
        })
    }

    /// A `file` without a name, whose digest the caller has just found to be `digest`.
    pub(super) fn unnamed(file: File, permit: Permit, size: u64, digest: Digest) -> Verified {
        Verified {
            size,
            check: Check::Digest(digest),
            location: Storage::Unnamed {
                file,
                _permit: permit,
            },
        }
    }

    fn is_unchanged(&self, file: &mut File) -> io::Result<bool> {
        let digest = match &self.check {
            Check::Digest(digest) => digest,
            Check::Seal(seal) => return Ok(seal.check(file)? == Some(self.size)),
        };
        let metadata = file.metadata()?;
        if metadata.len() != self.size || !is_steady(&metadata) {
            return Ok(false);
        }
        let mut hasher = Hasher::new(digest.algorithm());
        io::copy(&mut file.take(self.size), &mut hasher)?;
        Ok(hasher.finish() == *digest)
    }
}

/// Values that change when a file does. A change time cannot be set, so it reveals that a file was
/// rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> FileIdentity {
        FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The right to keep one descriptor open.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl Permit {
    /// Takes a permit unless `bound` are taken already.
    pub(super) fn take(taken: &Arc<AtomicUsize>, bound: usize) -> Option<Permit> {
        if taken.fetch_add(1, Ordering::Relaxed) < bound {
            return Some(Permit(Arc::clone(taken)));
        }
        taken.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a regular file. Neither blocks on a FIFO nor follows a symlink at the end of the path.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// Whether only root and this user can write to the file, so that it stays as it was when it was
/// hashed.
pub(super) fn is_steady(metadata: &Metadata) -> bool {
    let user = rustix::process::geteuid().as_raw();
    (metadata.uid() == user || metadata.uid() == 0) && metadata.mode() & 0o022 == 0
}

/// The digest of at most `limit` bytes of `file`, from its current offset.
pub(super) fn digest_of(
    file: &mut File,
    limit: u64,
    algorithm: Algorithm,
    stop: &Stop,
) -> Result<io::Result<Digest>, Error> {
    let mut hasher = Hasher::new(algorithm);
    let mut file = file.take(limit);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        stop.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Ok(hasher.finish())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Ok(Err(e)),
        }
    }
}
