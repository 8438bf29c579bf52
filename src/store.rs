//! Downloads and the cache: a URL, a size and a digest become a verified file.
//!
//! No file leaves the store before its size and digest match what a trusted index promises. The
//! exception is [`Store::read_until`], for small files that carry their own signatures. A transient
//! failure is retried, an interrupted download resumes where it stopped, and after a permanent
//! failure the next URL is tried. What a file means, and who promised it, is left to the callers.

mod address;
mod attempts;
mod build_id;
mod cache;
mod client;
mod credentials;
mod derived;
mod directory;
pub(crate) mod downloads;
mod error;
mod eviction;
mod file;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod http;
mod overflow;
mod partial;
mod proxy;
mod reads;
mod redirects;
mod request;
mod room;
mod roots;
mod seen;
mod stop;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;
mod userinfo;
mod verified;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::ClientBuilder;

use self::address::Address;
pub(crate) use self::address::{BadAddress, check_url, encode, file_url};
pub(crate) use self::attempts::{LONGEST_PAUSE, pause_after};
use self::cache::{FileCache, Keep};
pub(crate) use self::client::{HttpClient, TransferLimits};
pub(crate) use self::credentials::{Credentials, Login};
use self::derived::DerivedFiles;
pub(crate) use self::derived::{DerivedKind, DerivedWriter};
pub(crate) use self::error::{Cause, Error, Obstacle};
use self::http::Transport;
pub(crate) use self::http::retry_after;
pub(crate) use self::proxy::Proxies;
use self::reads::RememberedReads;
use self::request::FileRequest;
use self::seen::SeenReleases;
pub(crate) use self::stop::Stop;
pub(crate) use self::userinfo::{hidden, public_mirror, shown, without_login};
pub(crate) use self::verified::{CacheForm, Verified};
#[cfg(test)]
use crate::failure::with_causes;
use crate::formats::digest::Digest;
use crate::report::Report;

/// The pause before the second attempt; it doubles with each further one.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How a store works.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The directory that keeps verified downloads. Without it they are unnamed files in
    /// `temporary`.
    pub(crate) cache: Option<PathBuf>,
    /// The directory that has this host's key for derived files. Without it, or where the key
    /// cannot be made, no derived file is kept.
    pub(crate) state: Option<PathBuf>,
    /// The directory for files that are not cached.
    pub(crate) temporary: PathBuf,
    pub(crate) limits: TransferLimits,
    /// How many times each URL is tried while it fails for transient reasons.
    pub(crate) tries: u32,
    pub(crate) proxies: Proxies,
    pub(crate) credentials: Arc<Credentials>,
}

/// A file that an index promises.
#[derive(Clone, Debug)]
pub(crate) struct RemoteFile {
    /// Its name in messages: `bash:amd64=5.2-1`, `main/binary-amd64/Packages.xz`.
    pub(crate) name: String,
    /// Tried in this order.
    pub(crate) urls: Vec<String>,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

/// A file that nothing but its own content vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unverified {
    /// The URL that it is from.
    pub(crate) url: String,
    pub(crate) content: Vec<u8>,
    /// The time between its first byte and its last.
    pub(crate) took: Duration,
}

/// Fetches files. Threads share one store, its connections and its cache.
#[derive(Debug)]
pub(crate) struct Store {
    cache: FileCache,
    derived: Option<DerivedFiles>,
    seen: Option<SeenReleases>,
    transport: Transport,
    tries: u32,
    first_pause: Duration,
    stop: Stop,
    /// Servers that failed every attempt. Others are tried before them.
    failing: Mutex<BTreeSet<String>>,
    reads: RememberedReads,
    report: Report,
}

impl Store {
    /// Opens a store that sends warnings and details to `report`. The HTTP client takes its proxies
    /// from the environment (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`).
    pub(crate) fn open(options: Options, report: Report) -> Result<Store, Error> {
        let builder = options.proxies.apply(client::builder()?)?;
        Store::with(options, report, builder, FIRST_PAUSE)
    }

    fn with(
        options: Options,
        report: Report,
        builder: ClientBuilder,
        first_pause: Duration,
    ) -> Result<Store, Error> {
        let cache = FileCache::open(options.cache.as_deref(), &options.temporary, report.clone())?;
        let derived = open_derived(&cache, options.state.as_deref(), &report);
        let seen = open_seen(&cache, options.state.as_deref())?;
        let client = HttpClient::open(builder, options.limits)?;
        let transport = Transport::open(client, options.credentials, report.clone());
        Ok(Store {
            cache,
            derived,
            seen,
            transport,
            tries: options.tries.max(1),
            first_pause,
            stop: Stop::new(),
            failing: Mutex::default(),
            reads: RememberedReads::default(),
            report,
        })
    }

    /// Returns the verified file: from the cache, or else from the first URL that has it.
    /// `progress` is called with the number of new bytes as they arrive, and with the size at once
    /// for a file from the cache.
    pub(crate) fn file_until(
        &self,
        wanted: &RemoteFile,
        progress: &dyn Fn(u64),
        stop: &Stop,
    ) -> Result<Verified, Error> {
        stop.check()?;
        let request = FileRequest::new(wanted, progress, stop);
        if let Some(found) = self.cache.find(&request)? {
            request.reached(wanted.size);
            return Ok(found);
        }
        if wanted.urls.is_empty() {
            let name = wanted.name.clone();
            return Err(Error::NoUrl { name });
        }
        let mut partial = None;
        let (_, verified) = self.first_that_works(&wanted.urls, stop, |attempt| {
            let url = match attempt.address {
                Address::File(path) => {
                    return file::verify(&self.cache, path, attempt.shown, &request);
                }
                Address::Web(url) => url,
            };
            let mut growing = match partial.take() {
                Some(growing) => growing,
                None => self.cache.partial(&request, Keep::Cached)?,
            };
            match self.download(url, attempt, &mut growing) {
                Ok(()) => growing.finish(attempt.shown),
                Err(error) => {
                    partial = Some(growing);
                    Err(error)
                }
            }
        })?;
        Ok(verified)
    }

    /// Returns a verified .deb like [`Store::file_until`], or its decoded form where the cache has
    /// it.
    pub(crate) fn deb_until(
        &self,
        wanted: &RemoteFile,
        progress: &dyn Fn(u64),
        stop: &Stop,
    ) -> Result<Verified, Error> {
        stop.check()?;
        match self.derived(DerivedKind::Package, &wanted.digest) {
            Some(found) => {
                progress(wanted.size);
                Ok(found)
            }
            None => self.file_until(wanted, progress, stop),
        }
    }

    /// Reads a small file that no index promises (InRelease), of at most `limit` bytes, from the
    /// first URL that has it. It never comes from the cache; [`Store::reads`] has it read
    /// once only.
    pub(crate) fn read_until(
        &self,
        urls: &[String],
        limit: u64,
        stop: &Stop,
    ) -> Result<Unverified, Error> {
        self.reads.get_or(urls, || {
            let read = self.first_that_works(urls, stop, |attempt| match attempt.address {
                Address::File(path) => {
                    Ok((file::read(path, attempt.shown, limit)?, Duration::ZERO))
                }
                Address::Web(url) => self.read_web(url, attempt.shown, limit, stop),
            });
            let (url, (content, took)) = read?;
            Ok(Unverified { url, content, took })
        })
    }

    /// What [`Store::read_until`] has read, for the runs that share this store.
    pub(crate) fn reads(&self) -> &RememberedReads {
        &self.reads
    }

    /// Returns the kept file of that kind that was derived from what has the digest `of`, if its
    /// seal is right.
    pub(crate) fn derived(&self, kind: DerivedKind, of: &Digest) -> Option<Verified> {
        self.derived.as_ref()?.find(kind, of)
    }

    /// Whether a file of that kind is kept, whose seal is not checked here.
    pub(crate) fn has_derived(&self, kind: DerivedKind, of: &Digest) -> bool {
        let derived = self.derived.as_ref();
        derived.is_some_and(|derived| derived.has(kind, of))
    }

    /// Removes a derived file, if it is there.
    pub(crate) fn forget(&self, kind: DerivedKind, of: &Digest) {
        if let Some(derived) = &self.derived {
            derived.remove(kind, of);
        }
    }

    /// Reads a whole derived file.
    pub(crate) fn get(&self, kind: DerivedKind, of: &Digest) -> Option<Vec<u8>> {
        self.derived.as_ref()?.read(kind, of)
    }

    /// Keeps a whole derived file where possible.
    pub(crate) fn put(&self, kind: DerivedKind, of: &Digest, content: &[u8]) {
        let Some(mut writer) = self.derived_writer(kind, of) else {
            return;
        };
        let kept = writer.write_all(content).and_then(|()| writer.keep());
        if let Err(error) = kept {
            not_kept(&self.report, &error);
        }
    }

    /// Starts a derived file. None where derived files are not kept.
    pub(crate) fn derived_writer(&self, kind: DerivedKind, of: &Digest) -> Option<DerivedWriter> {
        match self.derived.as_ref()?.writer(kind, of) {
            Ok(writer) => Some(writer),
            Err(error) => {
                not_kept(&self.report, &error);
                None
            }
        }
    }

    /// The newest date of a release of the source that a run with this cache has used, in seconds
    /// since the epoch.
    pub(crate) fn newest_release(&self, source: &str) -> Option<i64> {
        self.seen.as_ref()?.newest(source)
    }

    /// Remembers the date of a release of the source, where dates are kept.
    pub(crate) fn saw_release(&self, source: &str, date: i64) {
        let Some(seen) = &self.seen else {
            return;
        };
        if let Err(error) = seen.saw(source, date) {
            let reason = format!("the date of {source} is not remembered: {error}");
            self.report.detail(reason);
        }
    }

    /// Removes files from the cache, the least recently used first, until at most `bound` bytes are
    /// left, and returns the bytes freed. Call it when no file of this store is in use. While other
    /// runs share the cache, files used within the last hour stay.
    pub(crate) fn trim(&self, bound: u64) -> Result<u64, Error> {
        self.cache.trim(bound)
    }

    /// The number of files in the cache and their size in bytes.
    pub(crate) fn size(&self) -> Result<(usize, u64), Error> {
        self.cache.size()
    }

    /// Ends all requests, present and future, with [`Error::Cancelled`].
    pub(crate) fn cancel(&self) {
        self.stop.stop();
    }

    /// A stop for some requests only; [`Store::cancel`] ends those too.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.child()
    }

    /// The login that is sent with requests for a URL: its own, or that of an entry of auth.conf.
    pub(crate) fn login(&self, url: &str) -> Option<Login> {
        match Address::parse(url) {
            Ok(Address::Web(parsed)) => {
                let own = userinfo::login_of(&parsed);
                own.or_else(|| self.transport.login(&parsed))
            }
            Ok(Address::File(_)) | Err(_) => None,
        }
    }

    /// How many times each URL is tried while it fails for transient reasons.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// Waits for `time`, or fails once `stop` is stopped.
    pub(crate) fn wait(&self, time: Duration, stop: &Stop) -> Result<(), Error> {
        self.transport.pause(time, stop)
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the derived files, if there are a cache and a key.
fn open_derived(cache: &FileCache, state: Option<&Path>, report: &Report) -> Option<DerivedFiles> {
    let directories = cache.directories()?;
    match DerivedFiles::open(directories, state?) {
        Ok(derived) => Some(derived),
        Err(error) => {
            let reason = format!("decoded files are not kept: there is no key: {error}");
            report.detail(reason);
            None
        }
    }
}

/// Opens the memory of dates, if there are a cache and a key. `open_derived` reports a missing key.
fn open_seen(cache: &FileCache, state: Option<&Path>) -> Result<Option<SeenReleases>, Error> {
    match (cache.directories(), state) {
        (Some(directories), Some(state)) => SeenReleases::open(directories, state),
        _ => Ok(None),
    }
}

fn not_kept(report: &Report, error: &std::io::Error) {
    report.detail(format!("a derived file is not kept: {error}"));
}
