//! A request for one file: what is promised of it, its progress, and what stops it.

use std::cell::Cell;

use super::{Error, RemoteFile, Stop};
use crate::formats::digest::Digest;

/// A wanted file, its progress and its stop.
pub(super) struct FileRequest<'a> {
    pub(super) wanted: &'a RemoteFile,
    /// Called with the number of new bytes.
    progress: &'a dyn Fn(u64),
    /// The bytes reported so far. They are not reported again after a restart.
    reported: Cell<u64>,
    pub(super) stop: &'a Stop,
}

impl<'a> FileRequest<'a> {
    pub(super) fn new(
        wanted: &'a RemoteFile,
        progress: &'a dyn Fn(u64),
        stop: &'a Stop,
    ) -> FileRequest<'a> {
        FileRequest {
            wanted,
            progress,
            reported: Cell::new(0),
            stop,
        }
    }

    /// Reports that so many bytes are here.
    pub(super) fn reached(&self, bytes: u64) {
        let reported = self.reported.get();
        if bytes > reported {
            self.reported.set(bytes);
            (self.progress)(bytes - reported);
        }
    }

    /// The error for a file of `found` bytes, or of more if `at_least`.
    pub(super) fn size_mismatch(&self, url: &str, found: u64, at_least: bool) -> Error {
        Error::SizeMismatch {
            url: url.to_owned(),
            name: self.wanted.name.clone(),
            expected: self.wanted.size,
            found,
            at_least,
        }
    }

    /// Compares the digest of what has arrived with the promised one.
    pub(super) fn check(&self, url: &str, found: Digest) -> Result<(), Error> {
        if found == self.wanted.digest {
            return Ok(());
        }
        Err(Error::DigestMismatch {
            url: url.to_owned(),
            name: self.wanted.name.clone(),
            expected: self.wanted.digest.clone(),
            found,
        })
    }
}
