//! `file:` URLs: a mirror on this host.
//!
//! A file that only root and this user can write to is used where it is. Another user could change
//! any other file between the check and the use, so that it is copied and the copy is verified.

use std::io;
use std::path::Path;

use super::cache::FileCache;
use super::verified::{Verified, digest_of, is_steady, open_regular};
use super::{Error, FileRequest};
use crate::bounded;

/// Verifies the file at `path`.
pub(super) fn verify(
    cache: &FileCache,
    path: &Path,
    url: &str,
    request: &FileRequest<'_>,
) -> Result<Verified, Error> {
    let unreadable = |source| unreadable(url, source);
    let path = path.canonicalize().map_err(unreadable)?;
    let mut file = open_regular(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let wanted = request.wanted;
    if metadata.len() != wanted.size {
        return Err(request.size_mismatch(url, metadata.len(), false));
    }
    if !is_steady(&metadata) {
        return cache.copy(file, url, request);
    }
    let found = digest_of(
        &mut file,
        wanted.size,
        wanted.digest.algorithm(),
        request.stop,
    )?
    .map_err(unreadable)?;
    request.check(url, found)?;
    request.reached(wanted.size);
    Verified::named(path, &file, wanted.digest.clone(), None).map_err(unreadable)
}

/// Reads a whole file of at most `limit` bytes.
pub(super) fn read(path: &Path, url: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let file = path
        .canonicalize()
        .and_then(|p| open_regular(&p))
        .map_err(|e| unreadable(url, e))?;
    let content = bounded::read(file, limit).map_err(|e| unreadable(url, e))?;
    content.ok_or_else(|| Error::TooLarge {
        url: url.to_owned(),
        limit,
    })
}

fn unreadable(url: &str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Missing {
            url: url.to_owned(),
            answer: "no such file".to_owned(),
        },
        _ => Error::Unreadable {
            url: url.to_owned(),
            source,
        },
    }
}
