//! `file:` URLs: a mirror on this host.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::cache::Shelf;
use super::stop::Stop;
use super::verified::{Verified, digest_of, is_steady, open_regular};
use super::{Error, Wanted};

/// The file at `path`, verified. It is used where it is when only root and we can write to it; anyone else could change it
/// between the check and the use, so such a file is copied and the copy is verified.
pub(super) fn verify(
    shelf: &Shelf,
    path: &Path,
    url: &str,
    wanted: &Wanted,
    progress: &dyn Fn(u64),
    stop: &Stop,
) -> Result<Verified, Error> {
    let unreadable = |source| unreadable(url, source);
    let path = path.canonicalize().map_err(unreadable)?;
    let mut file = open_regular(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let (name, expected) = (wanted.name.clone(), wanted.size);
    if metadata.len() != wanted.size {
        return Err(Error::SizeMismatch { url: url.to_owned(), name, expected, found: metadata.len(), at_least: false });
    }
    if !is_steady(&metadata) {
        return copy(shelf, file, url, wanted, progress, stop);
    }
    let found = digest_of(&mut file, wanted.size, wanted.digest.algorithm(), stop)?.map_err(unreadable)?;
    if found != wanted.digest {
        return Err(Error::DigestMismatch { url: url.to_owned(), name, expected: wanted.digest.clone(), found });
    }
    progress(wanted.size);
    Verified::named(&path, &file, found, None).map_err(unreadable)
}

/// The whole file at `path`, of at most `limit` bytes.
pub(super) fn read(path: &Path, url: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let file = path.canonicalize().and_then(|p| open_regular(&p)).map_err(|e| unreadable(url, e))?;
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(|e| unreadable(url, e))?;
    if content.len() as u64 > limit {
        return Err(Error::TooLarge { url: url.to_owned(), limit });
    }
    Ok(content)
}

fn copy(shelf: &Shelf, mut file: File, url: &str, wanted: &Wanted, progress: &dyn Fn(u64), stop: &Stop) -> Result<Verified, Error> {
    let mut partial = shelf.partial(wanted)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        stop.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return partial.finish(url),
            Ok(count) => partial.write(&buffer[..count], url, progress)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(url, e)),
        }
    }
}

fn unreadable(url: &str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Missing { url: url.to_owned(), answer: "no such file".to_owned() },
        _ => Error::Unreadable { url: url.to_owned(), source },
    }
}
