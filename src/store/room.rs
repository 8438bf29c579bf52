//! Room on the cache's disk: decoded copies, which are optional, give way to downloads, which are
//! not.
//!
//! When a download finds the disk full, derived files are removed, the least recently used first,
//! then downloads that nothing has used for an hour. From then on the store writes no derived
//! files. A run that has found a copy which is then removed fetches the .deb instead, so this harms
//! no run that shares the cache.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cache::Directories;
use super::eviction::{self, CachedFile};
use super::{DerivedKind, RemoteFile, Store};
use crate::report::Report;

/// At least this much is removed at once, in bytes.
const LEAST: u64 = 4 << 20;
/// How long derived files under way may take to notice that the disk is full.
const GIVING_UP: Duration = Duration::from_secs(5);

/// What is not in the cache of some files that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) files: u64,
    /// What is still to be written, in bytes.
    pub(crate) bytes: u64,
}

/// What a store knows of the room on its disk.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Whether derived files give way.
    is_tight: AtomicBool,
    /// How many derived files are being written.
    writers: AtomicUsize,
    /// How many times room has been made, here or by a derived file that has ended.
    changes: AtomicUsize,
    /// The names of the downloads that this store has found or made.
    used: Mutex<HashSet<PathBuf>>,
    /// Held while files are removed.
    turn: Mutex<()>,
}

/// Counts a derived file that is being written.
#[derive(Debug)]
pub(super) struct Writing(Arc<Room>);

impl Store {
    /// The directory that downloads are written to.
    pub(crate) fn directory(&self) -> &Path {
        self.cache.directory()
    }

    /// What of these .debs the cache does not have.
    pub(crate) fn missing(&self, debs: &[RemoteFile]) -> Missing {
        let mut missing = Missing { files: 0, bytes: 0 };
        for deb in debs {
            let derived = self.derived.as_ref();
            let is_decoded =
                derived.is_some_and(|derived| derived.has(DerivedKind::Package, &deb.digest));
            if !is_decoded && !self.cache.has(deb) {
                missing.files += 1;
                missing.bytes = missing.bytes.saturating_add(deb.size);
            }
        }
        missing.bytes = missing.bytes.saturating_sub(self.cache.under_way());
        missing
    }

    /// Removes `bytes` of files that this run does not need from the cache, decoded copies first.
    /// From now on no copies are written. False if nothing was removed.
    pub(crate) fn make_room(&self, bytes: u64) -> bool {
        let directories = self.cache.directories();
        directories.is_some_and(|d| d.make_room(bytes, &self.report))
    }

    /// Writes no decoded copies from now on.
    pub(crate) fn keep_no_copies(&self) {
        if let Some(directories) = self.cache.directories() {
            directories.room.tighten();
        }
    }
}

impl Room {
    /// Counts a derived file that is about to be written. None where there is no room for one.
    pub(super) fn begin_writing(self: &Arc<Room>) -> Option<Writing> {
        // Counted before the check, so that `make_room` sees every writer that passes it.
        self.writers.fetch_add(1, Ordering::SeqCst);
        if self.is_tight() {
            self.writers.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        Some(Writing(Arc::clone(self)))
    }

    pub(super) fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) fn is_tight(&self) -> bool {
        self.is_tight.load(Ordering::SeqCst)
    }

    /// Has derived files give way from now on.
    pub(super) fn tighten(&self) {
        self.is_tight.store(true, Ordering::SeqCst);
    }

    /// Notes a download that must stay.
    pub(super) fn is_used(&self, name: impl Into<PathBuf>) {
        self.used().insert(name.into());
    }

    fn used(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::SeqCst);
        self.0.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Writing {
    /// Fails once there is no room for derived files.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.0.is_tight() {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    /// Notes that writing failed.
    pub(super) fn failed(&self, error: &io::Error) {
        if is_full(error) {
            self.0.tighten();
        }
    }
}

impl Directories {
    /// Repeats a write as long as it fails for lack of room and room can be made. `bytes` is how
    /// much it needs at most.
    pub(super) fn with_room<T>(
        &self,
        bytes: u64,
        report: &Report,
        mut write: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let changes = self.room.changes();
            match write() {
                Err(error) if is_full(&error) && self.has_made_room(changes, bytes, report) => {}
                written => return written,
            }
        }
    }

    /// Makes room. True too if room has been made since [`Room::changes`] was `before`.
    pub(super) fn has_made_room(&self, before: usize, bytes: u64, report: &Report) -> bool {
        self.make_room(bytes, report) || self.room.changes() != before
    }

    /// Removes files that are not needed, `bytes` in size or more. False if nothing was removed.
    pub(super) fn make_room(&self, bytes: u64, report: &Report) -> bool {
        let room = &self.room;
        let _turn = room.turn.lock().unwrap_or_else(PoisonError::into_inner);
        room.tighten();
        // Before the files are listed: a derived file that is finished in between is not among
        // them.
        let writing = room.writers.load(Ordering::SeqCst);
        let mut freed = 0;
        for file in self.evictable() {
            if freed >= bytes.max(LEAST) {
                break;
            }
            if eviction::remove(&self.root, &file).is_ok() {
                // An empty file frees its inode.
                freed += file.size.max(1);
            }
        }
        if freed > 0 {
            room.changes.fetch_add(1, Ordering::SeqCst);
            report.detail(format!(
                "the disk of the cache {} is full: {:.1} MB that this run does not need were removed",
                self.root.path().display(),
                freed as f64 / 1e6
            ));
            return true;
        }
        self.wait_for_writers(writing)
    }

    /// The files that may be removed, in the order in which they are.
    fn evictable(&self) -> Vec<CachedFile> {
        let mut files = eviction::files(&self.root).unwrap_or_default();
        files.sort();
        let (mut evictable, downloads): (Vec<_>, Vec<_>) =
            files.into_iter().partition(CachedFile::is_derived);
        let used = self.room.used();
        for file in downloads {
            if !used.contains(&file.name) && file.is_idle() {
                evictable.push(file);
            }
        }
        evictable
    }

    /// Waits until one of the derived files that were being written before is finished or has given
    /// up. False if there were none.
    fn wait_for_writers(&self, before: usize) -> bool {
        let writers = &self.room.writers;
        let until = Instant::now() + GIVING_UP;
        while before > 0 && Instant::now() < until {
            if writers.load(Ordering::SeqCst) < before {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

/// Whether a write failed because a disk, a quota or the number of inodes is exhausted.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
