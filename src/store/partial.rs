//! A file that grows until it is the promised one: hashed as it grows, and removed when it is
//! dropped.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::cache::FileCache;
use super::{Error, FileRequest, Verified};
use crate::formats::digest::Hasher;

/// A file on the disk that grows.
#[derive(Debug)]
pub(super) enum GrowingFile {
    /// In the cache, with a temporary name. It is removed when it is dropped.
    Named(NamedTempFile),
    Unnamed(File),
}

/// A file under way. It never grows longer than promised.
pub(super) struct PartialFile<'a> {
    cache: &'a FileCache,
    pub(super) request: &'a FileRequest<'a>,
    /// Its path in the cache. None for a file that is not cached.
    destination: Option<PathBuf>,
    file: GrowingFile,
    hasher: Hasher,
    /// The URL that the bytes are from, without its password.
    pub(super) url: String,
    /// Bytes so far.
    pub(super) written: u64,
    /// Whether it comes from more than one response.
    pub(super) resumed: bool,
    /// What the server calls the version that the bytes are from.
    pub(super) validator: Option<String>,
}

impl GrowingFile {
    fn as_file(&self) -> &File {
        match self {
            GrowingFile::Named(file) => file.as_file(),
            GrowingFile::Unnamed(file) => file,
        }
    }
}

impl<'a> PartialFile<'a> {
    pub(super) fn new(
        cache: &'a FileCache,
        request: &'a FileRequest<'a>,
        destination: Option<PathBuf>,
        file: GrowingFile,
    ) -> PartialFile<'a> {
        PartialFile {
            cache,
            request,
            destination,
            file,
            hasher: Hasher::new(request.wanted.digest.algorithm()),
            url: String::new(),
            written: 0,
            resumed: false,
            validator: None,
        }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8], url: &str) -> Result<(), Error> {
        let written = self.written + bytes.len() as u64;
        if written > self.request.wanted.size {
            return Err(self.request.size_mismatch(url, written, true));
        }
        let mut rest = bytes;
        let room = self.request.wanted.size - self.written;
        let all = self.cache.with_room(room, || {
            while !rest.is_empty() {
                match self.file.as_file().write(rest)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    count => rest = &rest[count..],
                }
            }
            Ok(())
        });
        all.map_err(|e| self.disk(e))?;
        self.hasher.update(bytes);
        self.written = written;
        self.request.reached(written);
        Ok(())
    }

    /// Discards all bytes.
    pub(super) fn restart(&mut self) -> Result<(), Error> {
        let mut file = self.file.as_file();
        let emptied = file.set_len(0).and_then(|()| file.rewind());
        emptied.map_err(|e| self.disk(e))?;
        self.hasher = Hasher::new(self.request.wanted.digest.algorithm());
        self.written = 0;
        self.resumed = false;
        self.validator = None;
        Ok(())
    }

    /// Compares size and digest with the promised ones.
    pub(super) fn check(&self, url: &str) -> Result<(), Error> {
        if self.written != self.request.wanted.size {
            return Err(self.request.size_mismatch(url, self.written, false));
        }
        self.request.check(url, self.hasher.clone().finish())
    }

    /// Checks the file and keeps it.
    pub(super) fn finish(self, url: &str) -> Result<Verified, Error> {
        self.check(url)?;
        self.cache
            .keep(self.file, self.destination, self.request.wanted)
    }

    fn disk(&self, source: io::Error) -> Error {
        self.cache.partial_failed(source)
    }
}
