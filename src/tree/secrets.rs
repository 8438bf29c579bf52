//! Finds secrets that were made while a tree was built, which every copy of it would share: by the
//! paths that are known for them, and by the private keys in them.

use std::io::Read;

use crate::formats::secret::{KnownSecrets, has_private_key};
use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// How much of a file is searched for a key, in bytes. A key follows at most its certificates.
const SEARCHED: u64 = 64 << 10;

/// dpkg's database, whose files come from packages.
const DATABASE: &str = "var/lib/dpkg";

/// A secret that was made while the tree was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundSecret {
    pub(crate) path: RootPath,
    /// What it is, in words.
    pub(crate) what: String,
}

/// Finds the secrets in files that have changed after `began`, in seconds since the epoch, sorted
/// by path.
pub(crate) fn find(root: &Rootfs, began: i64) -> Result<Vec<FoundSecret>, Error> {
    let known = KnownSecrets::built_in();
    let database = RootPath::known(DATABASE);
    let mut secrets = Vec::new();
    for path in root.files_later_than(began)? {
        if path.is_within(&database) {
            continue;
        }
        let start = start_of(root, &path)?;
        let by_path = known.what(&[b"/", path.as_bytes()].concat());
        let what = match by_path {
            Some(what) if !start.is_empty() => what,
            _ if has_private_key(&start) => "a private key",
            _ => continue,
        };
        let what = what.to_owned();
        secrets.push(FoundSecret { path, what });
    }
    secrets.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(secrets)
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
