//! A file whose size and digest matched, and how it stays that file until it is read.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempPath;

use super::Error;
use super::stop::Stop;
use crate::formats::digest::{Algorithm, Digest, Hasher};

/// A file whose size and digest matched. Made nowhere else but in the store.
#[derive(Debug)]
pub(crate) struct Verified {
    size: u64,
    digest: Digest,
    encoding: Encoding,
    place: Place,
}

/// Whether a file is what was promised, or was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// It is, byte for byte.
    Original,
    /// It was made of what has the digest, by this program on this host.
    Decoded,
}

/// Where the bytes are. A path costs no descriptor, so that thousands of files fit a limit of 1,024.
#[derive(Debug)]
enum Place {
    /// Without a name; nobody else can reach it.
    Held { file: File, _permit: Permit },
    /// Behind a name, unchanged as long as it has this identity.
    Named {
        path: PathBuf,
        identity: Identity,
        _temporary: Option<TempPath>,
    },
}

impl Verified {
    /// A reader at the start, with an offset of its own. A file that changed since it was verified is verified again.
    pub(crate) fn open(&self) -> io::Result<File> {
        match &self.place {
            // dup would share the offset; this opens the file anew.
            Place::Held { file, .. } => File::open(format!("/proc/self/fd/{}", file.as_raw_fd())),
            Place::Named { path, identity, .. } => {
                let mut file = open_regular(path)?;
                if Identity::of(&file.metadata()?) == *identity {
                    return Ok(file);
                }
                if self.holds_for(&mut file)? {
                    file.rewind()?;
                    return Ok(file);
                }
                let changed = format!("{} changed since it was verified", path.display());
                Err(io::Error::new(io::ErrorKind::InvalidData, changed))
            }
        }
    }

    /// Its length in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// What it is.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its digest, or that of what it was made of.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// `file` at `path`, steady, whose digest its caller has just found to be `digest`.
    pub(super) fn named(
        path: PathBuf,
        file: &File,
        digest: Digest,
        temporary: Option<TempPath>,
    ) -> io::Result<Verified> {
        let metadata = file.metadata()?;
        let place = Place::Named {
            path,
            identity: Identity::of(&metadata),
            _temporary: temporary,
        };
        Ok(Verified {
            size: metadata.len(),
            digest,
            encoding: Encoding::Original,
            place,
        })
    }

    /// The first `size` bytes of `file` at `path`, steady, whose seal its caller has just found to be right.
    pub(super) fn derived(
        path: PathBuf,
        file: &File,
        digest: Digest,
        size: u64,
    ) -> io::Result<Verified> {
        let place = Place::Named {
            path,
            identity: Identity::of(&file.metadata()?),
            _temporary: None,
        };
        Ok(Verified {
            size,
            digest,
            encoding: Encoding::Decoded,
            place,
        })
    }

    /// `file`, which has no name and whose digest its caller has just found to be `digest`.
    pub(super) fn held(file: File, permit: Permit, size: u64, digest: Digest) -> Verified {
        Verified {
            size,
            digest,
            encoding: Encoding::Original,
            place: Place::Held {
                file,
                _permit: permit,
            },
        }
    }

    fn holds_for(&self, file: &mut File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        if self.encoding == Encoding::Decoded
            || metadata.len() != self.size
            || !is_steady(&metadata)
        {
            return Ok(false);
        }
        let mut hasher = Hasher::new(self.digest.algorithm());
        io::copy(&mut file.take(self.size), &mut hasher)?;
        Ok(hasher.finish() == self.digest)
    }
}

/// What changes when a file does. A change time cannot be set, so a rewritten file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
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
    /// A permit, unless `bound` of them are out already.
    pub(super) fn take(out: &Arc<AtomicUsize>, bound: usize) -> Option<Permit> {
        if out.fetch_add(1, Ordering::Relaxed) < bound {
            return Some(Permit(Arc::clone(out)));
        }
        out.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a regular file; neither a FIFO nor a link at the end of the path can lead astray.
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

/// Whether only root and we can write to the file, so that it stays what it was when it was hashed.
pub(super) fn is_steady(metadata: &Metadata) -> bool {
    let us = rustix::process::geteuid().as_raw();
    (metadata.uid() == us || metadata.uid() == 0) && metadata.mode() & 0o022 == 0
}

/// The digest of at most `limit` bytes of `file`, read from where it is.
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
