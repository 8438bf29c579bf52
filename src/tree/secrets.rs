//! Finds secrets that were made while a tree was built, which every copy of it would share: by the
//! paths that are known for them, and by the private keys in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use rustix::fs::OFlags;

use crate::formats::secret::{KnownSecrets, has_private_key};
use crate::interrupt::Interrupt;
use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// How much of a file is searched for a key, in bytes. A key follows at most its certificates.
pub(crate) const SEARCHED: u64 = 64 << 10;

/// dpkg's database, whose files come from packages.
const DATABASE: &str = "var/lib/dpkg";

/// A secret that was made while the tree was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundSecret {
    pub(crate) path: RootPath,
    /// What it is, in words.
    pub(crate) what: String,
    /// Whether its package does not work without the file, which is therefore never removed.
    pub(crate) stays: bool,
}

/// Tells whether files are secrets.
pub(crate) struct SecretSearch {
    known: KnownSecrets,
    database: RootPath,
}

impl SecretSearch {
    pub(crate) fn new() -> SecretSearch {
        SecretSearch {
            known: KnownSecrets::built_in(),
            database: RootPath::known(DATABASE),
        }
    }

    /// What secret a file is, in words, by its path and the first [`SEARCHED`] bytes of its content.
    pub(crate) fn what(&self, path: &RootPath, start: &[u8]) -> Option<&str> {
        if self.passes_over(path) {
            return None;
        }
        let by_path = self.known.what(&absolute(path));
        match by_path {
            Some(what) if !start.is_empty() => Some(what),
            _ if has_private_key(start) => Some("a private key"),
            _ => None,
        }
    }

    fn passes_over(&self, path: &RootPath) -> bool {
        path.is_within(&self.database)
    }
}

/// Finds the secrets in files that have changed after `began`, in seconds since the epoch, sorted
/// by path.
pub(crate) fn find(
    root: &Rootfs,
    began: i64,
    interrupt: &Interrupt,
) -> Result<Vec<FoundSecret>, Error> {
    let search = SecretSearch::new();
    let mut secrets = Vec::new();
    for path in root.files_later_than(began, interrupt)? {
        let heard = interrupt.check();
        heard.map_err(|e| root.error(&path, "read it", e))?;
        if search.passes_over(&path) {
            continue;
        }
        let start = start_of(root, &path)?;
        if let Some(what) = search.what(&path, &start) {
            secrets.push(FoundSecret {
                what: what.to_owned(),
                stays: search.known.stays(&absolute(&path)),
                path,
            });
        }
    }
    secrets.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(secrets)
}

/// Removes secrets, or puts in their place what their owner fills later. Symlinks beside one that
/// lead to nothing now go too: those of certificates, by their hashes.
pub(crate) fn remove(root: &Rootfs, found: &[FoundSecret]) -> Result<(), Error> {
    let known = KnownSecrets::built_in();
    // What links lead to, by the directory.
    let mut removed: BTreeMap<RootPath, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for FoundSecret { path, .. } in found {
        let absolute = absolute(path);
        match known.instead(&absolute) {
            Some(content) => rewrite(root, path, content)?,
            None => {
                root.remove(path)?;
                let targets = removed.entry(path.parent()).or_default();
                targets.insert(path.name().to_vec());
                targets.insert(absolute);
            }
        }
    }
    for (directory, targets) in &removed {
        remove_links(root, directory, targets)?;
    }
    Ok(())
}

/// Replaces a file's content; owner and mode stay.
fn rewrite(root: &Rootfs, path: &RootPath, content: &str) -> Result<(), Error> {
    root.truncate(path)?;
    let Some(handle) = root.handle(path)? else {
        return Ok(());
    };
    let file = handle.open(OFlags::WRONLY).map_err(std::io::Error::from);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|e| root.error(path, "write it", e))
}

/// Removes the symlinks in a directory that lead to one of `targets`.
fn remove_links(
    root: &Rootfs,
    directory: &RootPath,
    targets: &BTreeSet<Vec<u8>>,
) -> Result<(), Error> {
    for name in root.names(directory)? {
        let link = directory.entry(&name);
        let target = root.read_link(&link)?;
        if target.is_some_and(|target| targets.contains(target.to_bytes())) {
            root.remove(&link)?;
        }
    }
    Ok(())
}

/// A path as it is in the tree, with its leading slash.
fn absolute(path: &RootPath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

/// The first bytes of a file.
fn start_of(root: &Rootfs, path: &RootPath) -> Result<Vec<u8>, Error> {
    let mut start = Vec::new();
    if let Some(file) = root.open_file(path)? {
        let read = file.take(SEARCHED).read_to_end(&mut start);
        read.map_err(|e| root.error(path, "read it", e))?;
    }
    Ok(start)
}
