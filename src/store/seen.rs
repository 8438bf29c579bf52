//! The newest date of each source that a run has used, so that an older release is noticed.
//!
//! One small file per source in the cache: `releases/HEX`, where HEX is a hash of the source's
//! name, with the host's key: hosts that share a cache remember for themselves. Whoever could
//! change a file could let a replay pass, so it is sealed with the key; a file without the right
//! seal counts as absent. Unlike derived files it outlives the program's
//! version and the limit of the cache's size.

#![expect(clippy::disallowed_methods, reason = "the cache belongs to the store")]

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::cache::Directories;
use super::directory::CacheDirectory;
use super::verified::open_regular;
use super::{Error, derived};
use crate::bounded;

/// The directory in the cache.
const DIRECTORY: &str = "releases";

/// How many sources are remembered. With more, the least recently changed are forgotten: each
/// snapshot of an archive is a source of its own.
const REMEMBERED: usize = 4096;

/// The largest file, in bytes.
const FILE_LIMIT: u64 = 16 << 10;

/// The dates that a cache remembers.
#[derive(Debug)]
pub(super) struct SeenReleases {
    directories: Directories,
    /// The file of the host's key, by which runs lock each other out: no other user can open it.
    key_file: PathBuf,
    key: [u8; derived::KEY_LENGTH],
}

impl SeenReleases {
    /// Opens the memory of a cache, sealed with the key in `state`. None without a key. Fails if
    /// another user could change the memory.
    pub(super) fn open(
        directories: Directories,
        state: &Path,
    ) -> Result<Option<SeenReleases>, Error> {
        directories.root.open(DIRECTORY)?;
        let Ok(key) = derived::key(state) else {
            return Ok(None);
        };
        Ok(Some(SeenReleases {
            directories,
            key,
            key_file: state.join(derived::KEY),
        }))
    }

    /// The newest date of the source, in seconds since the epoch.
    pub(super) fn newest(&self, source: &str) -> Option<i64> {
        let directory = self.directories.root.open(DIRECTORY).ok()??;
        self.read(&directory, source)
    }

    /// Remembers a date unless a newer one is known.
    pub(super) fn saw(&self, source: &str, date: i64) -> io::Result<()> {
        let lock = File::open(&self.key_file)?;
        // Without a lock, of two runs at once the last one decides.
        let _ = lock.lock();
        let directory = self.directories.root.create(DIRECTORY);
        let directory = directory.map_err(io::Error::other)?;
        if self
            .read(&directory, source)
            .is_some_and(|known| known >= date)
        {
            return Ok(());
        }
        let mut file = tempfile::Builder::new()
            .prefix(".rbootstrap-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(self.directories.partial.entry(""))?;
        file.write_all(self.text(source, date).as_bytes())?;
        // After a crash an empty file would forget the date.
        file.as_file().sync_data()?;
        file.persist(directory.entry(self.name(source)))?;
        forget_oldest(&directory)
    }

    fn read(&self, directory: &CacheDirectory, source: &str) -> Option<i64> {
        let file = open_regular(&directory.entry(self.name(source))).ok()?;
        let text = bounded::read_text(file, FILE_LIMIT).ok()??;
        let date = text.lines().find_map(|line| line.strip_prefix("Date: "))?;
        let date = date.parse().ok()?;
        (text == self.text(source, date)).then_some(date)
    }

    /// The name of a source's file.
    fn name(&self, source: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"the file of a source\n");
        hasher.update(source.as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// The content of a source's file.
    fn text(&self, source: &str, date: i64) -> String {
        let said = format!("Source: {source}\nDate: {date}\n");
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"the newest release that was used\n");
        hasher.update(said.as_bytes());
        format!("{said}Seal: {}\n", hasher.finalize().to_hex())
    }
}

fn forget_oldest(directory: &CacheDirectory) -> io::Result<()> {
    let names = directory.names()?;
    if names.len() <= REMEMBERED {
        return Ok(());
    }
    let mut files = Vec::new();
    for name in names {
        let path = directory.entry(name);
        files.push((fs::symlink_metadata(&path)?.modified()?, path));
    }
    files.sort();
    for (_, path) in &files[..files.len() - REMEMBERED] {
        fs::remove_file(path)?;
    }
    Ok(())
}
