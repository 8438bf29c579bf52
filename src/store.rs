//! URL + size + digest → a verified file; the cache; HTTP. (contract; body to come)
use crate::{digest::Digest, report::Report};
use std::{fs::File, path::PathBuf, time::Duration};

#[derive(Clone, Debug)]
pub struct Options {
    /// where verified downloads are kept; None: nowhere (anonymous temporary files below temporary_dir)
    pub cache: Option<PathBuf>,
    pub temporary: PathBuf,
    /// no byte for this long: the connection is given up
    pub stall: Duration,
    /// attempts for a failure that may pass
    pub tries: u32,
}
/// Reads URLs. Cheap to share between threads (&Store is Sync).
#[derive(Debug)]
pub struct Store;
/// A file that an index promises.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// what to call it in messages: `bash 5.2-1 (amd64)`, `main/binary-amd64/Packages.xz`
    pub name: String,
    /// tried in turn
    pub urls: Vec<String>,
    pub size: u64,
    pub digest: Digest,
}
/// A file whose size and digest matched. Made nowhere else.
#[derive(Debug)]
pub struct Verified {
    _file: File,
}
impl Verified {
    /// A reader at the start of its own (independent offset, e.g. pread-based or reopened).
    pub fn open(&self) -> std::io::Result<File> {
        unimplemented!()
    }
    pub fn size(&self) -> u64 {
        unimplemented!()
    }
}
#[derive(Debug, thiserror::Error)]
#[error("store")]
pub struct Error; // real one: enum { Missing{url}, Refused{url,source}, Status{url,status}, Stalled, Short, SizeMismatch, DigestMismatch{url,expected,found}, Disk{path,source}, BadUrl, Cancelled, TooLarge{url,limit} }
impl Store {
    pub fn open(_options: Options, _report: Report) -> Result<Store, Error> {
        unimplemented!()
    }
    /// A small file without a promise (InRelease): the first of `urls` that answers, at most `limit` bytes. Also says which URL gave it.
    pub fn read(&self, _urls: &[String], _limit: u64) -> Result<(String, Vec<u8>), Error> {
        unimplemented!()
    }
    /// A verified file: from the cache, else the first URL that gives it. `progress` hears of bytes as they come (and of all at once for a cached one).
    pub fn file(&self, _wanted: &Wanted, _progress: &dyn Fn(u64)) -> Result<Verified, Error> {
        unimplemented!()
    }
    /// Makes everything under way stop with Error::Cancelled (Ctrl-C).
    pub fn cancel(&self) {
        unimplemented!()
    }
}
