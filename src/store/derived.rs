//! Files that are derived from verified ones and cost time to make again: decoded packages,
//! indexes, plans, snapshots of installations.
//!
//! No index promises the digest of a derived file, so it bears a seal: a keyed hash of its content,
//! of what it was derived from and of the program that derived it. The key belongs to this host and
//! is not in the cache, so that a cache that others can write to, or that was copied from
//! elsewhere, is trusted no further than its downloads are. A file with a wrong seal counts as
//! absent.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the store")]

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

use super::build_id::program_identity;
use super::cache::Directories;
use super::eviction::used_now;
use super::room::Writing;
use super::verified::{Verified, is_steady, open_regular};
use crate::formats::deb::CopyWriter;
use crate::formats::digest::Digest;

/// The directory in the cache.
pub(super) const DIRECTORY: &str = "derived";
/// The key's name in the state directory.
pub(super) const KEY: &str = "cache.key";
pub(super) const KEY_LENGTH: usize = 32;
/// The length of the seal at the end of a file, in bytes.
const SEAL_LENGTH: u64 = 32;

/// A kind of derived file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DerivedKind {
    /// A .deb's members, decoded.
    Package,
    /// The fields of an index that are read.
    Index,
    /// A plan.
    Plan,
    /// The state of a tree after a step of an installation.
    Snapshot,
}

impl DerivedKind {
    fn directory(self) -> &'static str {
        match self {
            DerivedKind::Package => "package",
            DerivedKind::Index => "index",
            DerivedKind::Plan => "plan",
            DerivedKind::Snapshot => "snapshot",
        }
    }

    /// The mode of its files. A tree has files that only root may read (/etc/shadow).
    fn mode(self) -> u32 {
        match self {
            DerivedKind::Package | DerivedKind::Index | DerivedKind::Plan => 0o644,
            DerivedKind::Snapshot => 0o600,
        }
    }
}

/// The derived files of a cache.
#[derive(Debug)]
pub(super) struct DerivedFiles {
    directories: Directories,
    key: [u8; KEY_LENGTH],
    /// Identifies this program: another version may derive something else.
    program: String,
}

impl DerivedFiles {
    /// Opens the derived files of a cache, sealed with the key in `state`. A missing key is made.
    pub(super) fn open(directories: Directories, state: &Path) -> io::Result<DerivedFiles> {
        let key = key(state)?;
        let program = program_identity()?;
        let program = format!("{} {program}", env!("CARGO_PKG_VERSION"));
        Ok(DerivedFiles {
            directories,
            key,
            program,
        })
    }

    /// Finds the file of that kind that was derived from what has the digest `of`.
    pub(super) fn find(&self, kind: DerivedKind, of: &Digest) -> Option<Verified> {
        let found = self.open_checked(kind, of)?;
        let seal = Seal(self.hasher(kind, of));
        let path = self.directories.root.path().join(relative(kind, of));
        let path = path.join(of.hexadecimal());
        Verified::derived(path, &found.file, Box::new(seal), found.length).ok()
    }

    /// Reads the whole file of that kind, through the descriptor whose seal was checked.
    pub(super) fn read(&self, kind: DerivedKind, of: &Digest) -> Option<Vec<u8>> {
        let mut found = self.open_checked(kind, of)?;
        found.file.rewind().ok()?;
        let mut content = Vec::with_capacity(usize::try_from(found.length).ok()?);
        let read = found.file.take(found.length).read_to_end(&mut content);
        (read.ok()? as u64 == found.length).then_some(content)
    }

    /// Removes a file of that kind. A failure is ignored: the file is still valid.
    pub(super) fn remove(&self, kind: DerivedKind, of: &Digest) {
        let directory = self.directories.root.open_below(&relative(kind, of));
        if let Ok(Some(directory)) = directory {
            let _: io::Result<()> = fs::remove_file(directory.entry(of.hexadecimal()));
        }
    }

    /// Whether there is a file of that kind, whose seal is not checked here.
    pub(super) fn has(&self, kind: DerivedKind, of: &Digest) -> bool {
        let directory = self.directories.root.open_below(&relative(kind, of));
        let Ok(Some(directory)) = directory else {
            return false;
        };
        fs::symlink_metadata(directory.entry(of.hexadecimal())).is_ok_and(|found| found.is_file())
    }

    fn open_checked(&self, kind: DerivedKind, of: &Digest) -> Option<CheckedFile> {
        let root = &self.directories.root;
        let directory = root.open_below(&relative(kind, of)).ok()??;
        let mut file = open_regular(&directory.entry(of.hexadecimal())).ok()?;
        let metadata = file.metadata().ok()?;
        let length = Seal(self.hasher(kind, of)).check(&mut file).ok()??;
        used_now(&file, &metadata);
        Some(CheckedFile { file, length })
    }

    /// Starts a file of that kind.
    pub(super) fn writer(&self, kind: DerivedKind, of: &Digest) -> io::Result<DerivedWriter> {
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(".rbootstrap-")
            .permissions(Permissions::from_mode(kind.mode()));
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let writing = self.directories.room.begin_writing().ok_or_else(full)?;
        let file = builder.tempfile_in(self.directories.partial.entry(""));
        let file = file.inspect_err(|e| writing.failed(e))?;
        Ok(DerivedWriter {
            file,
            writing,
            hasher: self.hasher(kind, of),
            directories: self.directories.clone(),
            relative: relative(kind, of),
            name: of.hexadecimal(),
        })
    }

    fn hasher(&self, kind: DerivedKind, of: &Digest) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [
            kind.directory(),
            &self.program,
            of.algorithm().field(),
            &of.hexadecimal(),
        ] {
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part.as_bytes());
        }
        hasher
    }
}

/// The directory of a derived file below the cache's root.
fn relative(kind: DerivedKind, of: &Digest) -> PathBuf {
    let name = of.hexadecimal();
    [DIRECTORY, kind.directory(), &name[..2]].iter().collect()
}

/// An open derived file whose seal is right.
struct CheckedFile {
    file: File,
    /// The length without the seal, in bytes.
    length: u64,
}

/// Checks the seal of one derived file: a keyed hash that has taken in what the file is derived
/// from.
#[derive(Debug)]
pub(super) struct Seal(blake3::Hasher);

impl Seal {
    /// Returns the length of the content of a `file` at its start, or None if the seal is wrong or
    /// if others can write to the file.
    pub(super) fn check(&self, file: &mut File) -> io::Result<Option<u64>> {
        let metadata = file.metadata()?;
        let Some(length) = metadata.len().checked_sub(SEAL_LENGTH) else {
            return Ok(None);
        };
        if !is_steady(&metadata) {
            return Ok(None);
        }
        let mut hasher = self.0.clone();
        let mut buffer = vec![0; (length as usize).clamp(1, 256 << 10)];
        let mut left = length;
        while left > 0 {
            let wanted = buffer.len().min(left as usize);
            file.read_exact(&mut buffer[..wanted])?;
            hasher.update(&buffer[..wanted]);
            left -= wanted as u64;
        }
        let mut seal = [0; SEAL_LENGTH as usize];
        file.read_exact(&mut seal)?;
        Ok((hasher.finalize() == seal).then_some(length))
    }
}

/// A derived file under way. It is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct DerivedWriter {
    file: NamedTempFile,
    /// Dropped after `file`: what it counts is on the disk until then.
    writing: Writing,
    hasher: blake3::Hasher,
    /// Behind `file`, whose path needs them until it is dropped.
    directories: Directories,
    /// Its directory below the cache's root.
    relative: PathBuf,
    name: String,
}

impl DerivedWriter {
    /// Seals the file and moves it to its path.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        let seal = self.hasher.finalize();
        self.file.write_all(seal.as_bytes())?;
        let created = self.directories.root.create_below(&self.relative);
        let directory = created.map_err(io::Error::other)?;
        // No fsync: after a crash the seal is wrong.
        self.file.persist(directory.entry(&self.name))?;
        Ok(())
    }
}

impl CopyWriter for DerivedWriter {
    fn keep(self: Box<Self>) -> io::Result<()> {
        DerivedWriter::keep(*self)
    }
}

impl Write for DerivedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writing.check()?;
        let written = self.file.write(bytes);
        let written = written.inspect_err(|e| self.writing.failed(e))?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The key in `state`, which only this user can read or write.
pub(super) fn key(state: &Path) -> io::Result<[u8; KEY_LENGTH]> {
    let path = state.join(KEY);
    match read_key(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    fs::create_dir_all(state)?;
    let mut key = [0; KEY_LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    match write_key(state, &path, &key) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => read_key(&path),
        written => written.map(|()| key),
    }
}

/// Writes the key, which appears under its name when it is complete, unless another run is faster.
fn write_key(state: &Path, path: &Path, key: &[u8]) -> io::Result<()> {
    // Without a name a run that is killed leaves nothing.
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(state, flags, Mode::RUSR | Mode::WUSR) {
        let mut file = File::from(file);
        file.write_all(key)?;
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = AtFlags::SYMLINK_FOLLOW;
        return Ok(rustix::fs::linkat(CWD, unnamed, CWD, path, flags)?);
    }
    // tempfile creates it with mode 0600.
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(".rbootstrap-").tempfile_in(state)?;
    file.write_all(key)?;
    file.persist_noclobber(path).map_err(|e| e.error)?;
    Ok(())
}

fn read_key(path: &Path) -> io::Result<[u8; KEY_LENGTH]> {
    let mut file = open_regular(path)?;
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 != 0 || !is_steady(&metadata) || metadata.len() != KEY_LENGTH as u64
    {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is readable by others, or not a key", path.display()),
        ));
    }
    let mut key = [0; KEY_LENGTH];
    file.read_exact(&mut key)?;
    Ok(key)
}
