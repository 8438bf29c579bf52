//! The files that a release promises.

use std::collections::BTreeMap;

use super::BadRelease;
use crate::formats::digest::{Algorithm, Digest};
use crate::formats::stanza::Fields;

/// What a release promises of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct PromisedFile {
    /// In bytes.
    pub(in crate::archive) size: u64,
    pub(in crate::archive) digest: Digest,
}

/// The files with the strongest digests that the release has. MD5 and SHA-1 are ignored: a release
/// without others is rejected.
pub(super) fn strongest_list(
    all: &Fields<'_>,
) -> Result<BTreeMap<String, PromisedFile>, BadRelease> {
    let mut files = BTreeMap::new();
    for algorithm in Algorithm::STRONGEST_FIRST {
        let Some(list) = all.one(algorithm.field()) else {
            continue;
        };
        for line in list.lines().filter(|line| !line.trim().is_empty()) {
            let Some((path, file)) = promised_file(algorithm, line) else {
                let line = line.trim().chars().take(200).collect();
                return Err(BadRelease::File { line });
            };
            files.insert(path, file);
        }
        return Ok(files);
    }
    Err(BadRelease::NoStrongDigests)
}

/// Parses a line of a list of files: digest, size, path.
fn promised_file(algorithm: Algorithm, line: &str) -> Option<(String, PromisedFile)> {
    let mut words = line.split_ascii_whitespace();
    let digest = Digest::parse(algorithm, words.next()?).ok()?;
    let size = words.next()?.parse().ok()?;
    let path = words.next()?.to_owned();
    match words.next() {
        Some(_) => None,
        None => Some((path, PromisedFile { size, digest })),
    }
}
