//! Writes a snapshot of a tree in which nothing runs.
//!
//! No snapshot is kept of a tree that cannot be restored exactly, or that has a secret which was
//! made while it was built.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fs::{FileType, Mode, OFlags, Statx};
use rustix::io::Errno;

use crate::dpkg::{PlacedFiles, StagedOrigin};
use crate::formats::deb::ExtendedAttribute;
use crate::formats::secret;
use crate::interrupt::Interrupt;
use crate::store::DerivedWriter;
use crate::tree::STAGING;
use crate::tree::rootfs::{self, Inode, RootPath, Rootfs, WalkedEntry};
use crate::tree::secrets::{SEARCHED, SecretSearch};

use super::{MAGIC, SavedEntry, SavedKind, SavedTime, SnapshotHeader, encoding};

/// The most content that a snapshot may have, in bytes.
const CONTENT_LIMIT: u64 = 1 << 30;
/// Files that are private in every system. They hold a secret only if their content shows one.
const KNOWN_PRIVATE: [&str; 12] = [
    "etc/group-",
    "etc/gshadow",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "root/.bashrc",
    "root/.profile",
    "var/cache/debconf/passwords.dat",
    "var/cache/ldconfig/aux-cache",
];
/// How many bytes are written at once.
const CHUNK: usize = 256 << 10;

/// Tells which paths packages list.
pub(in crate::install) type IsShipped<'s> = dyn Fn(&RootPath) -> bool + 's;

/// A tree to capture, and what is known about it.
pub(in crate::install) struct Capture<'a> {
    pub(in crate::install) root: &'a Rootfs,
    pub(in crate::install) interrupt: &'a Interrupt,
    pub(in crate::install) placed: &'a PlacedFiles,
    /// Tells which paths packages list. Set if every file that only some users can read must be one
    /// of these.
    pub(in crate::install) is_shipped: Option<&'a IsShipped<'a>>,
    /// The attributes that the root directory had before the run, which are not the tree's.
    pub(in crate::install) before: &'a [ExtendedAttribute],
    pub(in crate::install) header: SnapshotHeader,
}

/// Why no snapshot is kept.
#[derive(Debug, thiserror::Error)]
pub(in crate::install) enum NotKept {
    #[error("{path} is {what}")]
    Secret { path: RootPath, what: String },
    #[error("only some users can read {path}, and no package lists it")]
    Private { path: RootPath },
    #[error("{path} is a socket")]
    Socket { path: RootPath },
    #[error("{path} changed while it was read")]
    Changing { path: RootPath },
    #[error("it would be larger than {CONTENT_LIMIT} bytes")]
    TooLarge,
    #[error("the cache cannot keep it")]
    Cache,
    #[error("the clock of its file system cannot be relied on")]
    Clock,
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// The size of a snapshot.
#[derive(Clone, Copy, Debug)]
pub(in crate::install) struct Captured {
    pub(in crate::install) paths: usize,
    /// In bytes.
    pub(in crate::install) content: u64,
}

/// A snapshot that is being written.
struct Capturing<'a> {
    root: &'a Rootfs,
    interrupt: &'a Interrupt,
    placed: &'a PlacedFiles,
    is_shipped: Option<&'a IsShipped<'a>>,
    /// Directories that only some may enter.
    closed: Vec<RootPath>,
    before: &'a [ExtendedAttribute],
    header: &'a SnapshotHeader,
    secrets: SecretSearch,
    staging: RootPath,
    writer: DerivedWriter,
    buffer: Vec<u8>,
    /// The bytes of content so far.
    content: u64,
    entries: Vec<SavedEntry>,
    /// The first entry of each file that has several names.
    first: HashMap<Inode, usize>,
    /// The packages' files that entries refer to.
    used: HashSet<StagedOrigin>,
    refusal: Option<NotKept>,
}

impl Capture<'_> {
    /// Writes the snapshot to the cache.
    pub(in crate::install) fn write(self, writer: DerivedWriter) -> Result<Captured, NotKept> {
        let mut capturing = Capturing {
            root: self.root,
            interrupt: self.interrupt,
            placed: self.placed,
            is_shipped: self.is_shipped,
            closed: Vec::new(),
            before: self.before,
            header: &self.header,
            secrets: SecretSearch::new(),
            staging: RootPath::known(STAGING),
            writer,
            buffer: Vec::with_capacity(CHUNK),
            content: 0,
            entries: Vec::new(),
            first: HashMap::new(),
            used: HashSet::new(),
            refusal: None,
        };
        let walked = self.root.walk(self.interrupt, &mut |found| {
            let visited = capturing.visit(found);
            visited.map_err(|reason| {
                capturing.refusal = Some(reason);
                self.root.error(found.path, "keep it", Errno::CANCELED)
            })
        });
        if let Some(reason) = capturing.refusal.take() {
            return Err(reason);
        }
        walked?;
        capturing.finish()
    }
}

impl Capturing<'_> {
    /// Saves an entry. False for a directory that is not the tree's.
    fn visit(&mut self, found: &WalkedEntry<'_>) -> Result<bool, NotKept> {
        if *found.path == self.staging {
            return Ok(false);
        }
        let status = found.status;
        let mut entry = SavedEntry {
            path: found.path.clone(),
            kind: SavedKind::Directory,
            uid: status.stx_uid,
            gid: status.stx_gid,
            mode: u32::from(status.stx_mode) & 0o7777,
            modified: self.time(status),
            attributes: Vec::new(),
        };
        if let Some(directory) = found.directory {
            if entry.mode & 0o001 == 0 {
                self.closed.push(found.path.clone());
            }
            let attributes = rootfs::attributes(directory);
            entry.attributes = attributes.map_err(|e| self.unreadable(found, e))?;
            if found.path.is_root() {
                let before = self.before;
                entry.attributes.retain(|own| !before.contains(own));
            }
        } else if let Some(to) = self.link(found) {
            entry.kind = SavedKind::Link { to };
        } else {
            self.save(found, &mut entry)?;
        }
        self.entries.push(entry);
        Ok(true)
    }

    fn unreadable(&self, found: &WalkedEntry<'_>, error: Errno) -> rootfs::Error {
        self.root.error(found.path, "read it", error)
    }

    /// The first entry of a file that has come before under another name.
    fn link(&mut self, found: &WalkedEntry<'_>) -> Option<usize> {
        if found.status.stx_nlink < 2 {
            return None;
        }
        let here = self.entries.len();
        let first = *self.first.entry(Inode::of(found.status)).or_insert(here);
        if first == here {
            return None;
        }
        if let Some(origin) = self.unused_origin(found) {
            self.entries[first].kind = SavedKind::Placed(origin);
        }
        Some(first)
    }

    /// The packages' file that a file is, unless another file is it too: a package can be placed
    /// twice, under names that a diversion changes.
    fn unused_origin(&mut self, found: &WalkedEntry<'_>) -> Option<StagedOrigin> {
        let name = found.name.to_bytes();
        let origin = self.placed.origin(found.above_inode, name, found.status)?;
        self.used.insert(origin).then_some(origin)
    }

    /// Saves anything but a directory.
    fn save(&mut self, found: &WalkedEntry<'_>, entry: &mut SavedEntry) -> Result<(), NotKept> {
        let status = found.status;
        entry.kind = match found.kind() {
            FileType::RegularFile => match self.unused_origin(found) {
                Some(origin) => SavedKind::Placed(origin),
                None => self.store(found, entry)?,
            },
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(found.above, found.name, Vec::new());
                let target = target.map_err(|e| self.unreadable(found, e))?;
                let target = target.into_bytes();
                SavedKind::Symlink { target }
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => SavedKind::Node {
                format: found.kind().as_raw_mode(),
                major: status.stx_rdev_major,
                minor: status.stx_rdev_minor,
            },
            FileType::Directory | FileType::Socket | FileType::Unknown => {
                let path = found.path.clone();
                return Err(NotKept::Socket { path });
            }
        };
        Ok(())
    }

    /// The modification time of an entry, and whether it is one of this run.
    fn time(&self, status: &Statx) -> SavedTime {
        let time = status.stx_mtime;
        let nanoseconds = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        let made = i128::from(self.header.made_from)..=i128::from(self.header.made_until);
        SavedTime {
            seconds: time.tv_sec,
            nanoseconds: time.tv_nsec,
            is_made: made.contains(&nanoseconds),
        }
    }

    /// Writes the content of a file.
    fn store(
        &mut self,
        found: &WalkedEntry<'_>,
        entry: &mut SavedEntry,
    ) -> Result<SavedKind, NotKept> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(found.above, found.name, flags, Mode::empty());
        let mut file = File::from(opened.map_err(|e| self.unreadable(found, e))?);
        let attributes = rootfs::attributes(&file);
        entry.attributes = attributes.map_err(|e| self.unreadable(found, e))?;
        let at = self.content;
        let size = found.status.stx_size;
        if size > 0 && self.is_private(entry) {
            let path = entry.path.clone();
            return Err(NotKept::Private { path });
        }
        if size > CONTENT_LIMIT - at.min(CONTENT_LIMIT) {
            return Err(NotKept::TooLarge);
        }
        // Passwords may be on any line, and are looked for in the first chunk only.
        if size > CHUNK as u64 && secret::may_have_passwords(entry.path.as_bytes()) {
            let what = "a list with passwords that is too large to search".to_owned();
            let path = entry.path.clone();
            return Err(NotKept::Secret { path, what });
        }
        let mut left = size;
        while left > 0 {
            let wanted = left.min(CHUNK as u64);
            self.read(&mut file, wanted, found)?;
            let heard = self.interrupt.check();
            heard.map_err(|e| self.root.error(found.path, "read it", e))?;
            if left == size {
                self.refuse_secret(found.path, wanted)?;
            }
            left -= wanted;
        }
        let now = rustix::fs::fstat(&file).map_err(|e| self.unreadable(found, e))?;
        let changed = &found.status.stx_ctime;
        if (now.st_ctime, now.st_ctime_nsec as u32) != (changed.tv_sec, changed.tv_nsec)
            || now.st_ino != found.status.stx_ino
            || now.st_size as u64 != size
        {
            let path = found.path.clone();
            return Err(NotKept::Changing { path });
        }
        Ok(SavedKind::Stored { at, size })
    }

    /// Whether a file may be a secret that a script has made: others may not read it, and no
    /// package lists it.
    fn is_private(&self, entry: &SavedEntry) -> bool {
        let Some(is_shipped) = self.is_shipped else {
            return false;
        };
        let mut closed = self.closed.iter();
        let is_hidden = entry.mode & 0o004 == 0 || closed.any(|above| entry.path.is_within(above));
        let mut known = KNOWN_PRIVATE.iter();
        is_hidden
            && !known.any(|known| known.as_bytes() == entry.path.as_bytes())
            && !is_shipped(&entry.path)
    }

    /// Reads `wanted` bytes, which are then the last in the buffer.
    fn read(
        &mut self,
        file: &mut File,
        wanted: u64,
        found: &WalkedEntry<'_>,
    ) -> Result<(), NotKept> {
        if self.buffer.len() as u64 + wanted > CHUNK as u64 {
            self.writer.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        let read = Read::by_ref(file)
            .take(wanted)
            .read_to_end(&mut self.buffer);
        let read = read.map_err(|e| self.root.error(found.path, "read it", e))?;
        self.content += read as u64;
        match read as u64 == wanted {
            true => Ok(()),
            false => Err(NotKept::Changing {
                path: found.path.clone(),
            }),
        }
    }

    /// Fails for a secret, whose first bytes are the last `length` in the buffer.
    fn refuse_secret(&self, path: &RootPath, length: u64) -> Result<(), NotKept> {
        let start = &self.buffer[self.buffer.len() - length as usize..];
        let searched = &start[..start.len().min(SEARCHED as usize)];
        let what = match secret::has_answered_password(path.as_bytes(), start) {
            true => Some("an answer to a question for a password"),
            false if secret::has_password(path.as_bytes(), start) => Some("a list with passwords"),
            false => self.secrets.what(path, searched),
        };
        match what {
            Some(what) => Err(NotKept::Secret {
                path: path.clone(),
                what: what.to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Captured, NotKept> {
        let list = encoding::encode(self.header, &self.entries);
        for bytes in [
            self.buffer.as_slice(),
            &list,
            &self.content.to_le_bytes(),
            MAGIC,
        ] {
            self.writer.write_all(bytes)?;
        }
        self.writer.keep()?;
        Ok(Captured {
            paths: self.entries.len(),
            content: self.content,
        })
    }
}
