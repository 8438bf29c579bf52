//! URL + size + digest → a verified file; the cache; HTTP.
//!
//! Nothing leaves the store before its size and digest matched what a trusted index promises, but for the small files without
//! a promise ([`Store::read`]) that bear signatures of their own. What may pass is tried again, what broke off goes on where it
//! stopped, and what fails for good is asked of the next URL. What a file means, and who promised it, is for others to know.

mod address;
mod cache;
mod derived;
pub(crate) mod downloads;
mod error;
mod file;
mod http;
mod roots;
mod stop;
#[cfg(test)]
pub(crate) mod tests;
mod verified;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{ClientBuilder, Url};

use self::address::{Address, server_of};
pub(crate) use self::address::{encode, shown};
use self::cache::{FileCache, Keep, Partial};
use self::derived::Derived;
pub(crate) use self::derived::{DerivedKind, DerivedWriter};
pub(crate) use self::error::{Cause, Error, Obstacle};
use self::http::{Answer, Request, Transport};
pub(crate) use self::stop::Stop;
pub(crate) use self::verified::{Encoding, Verified};
use crate::formats::digest::Digest;
use crate::report::Report;

/// An attempt that brought this many bytes is not counted: a large file over a flaky line gets there in the end.
const HEADWAY: u64 = 1 << 20;
/// The first pause before another try; it doubles from there.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, whatever a server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a store works.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where verified downloads are kept; without it nowhere: they are files without names below `temporary`.
    pub(crate) cache: Option<PathBuf>,
    /// Where this host's key for derived files is; without it, or where it cannot be made, nothing derived is kept.
    pub(crate) state: Option<PathBuf>,
    /// Where files are made when there is no cache.
    pub(crate) temporary: PathBuf,
    /// A connection that brings no byte for this long is given up, and so is one that brings less than 1 KiB/s for twice as long.
    pub(crate) stall: Duration,
    /// How often a request is made that fails for what may pass, for each URL.
    pub(crate) tries: u32,
}

/// A file that an index promises.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    /// What to call it in messages: `bash:amd64=5.2-1`, `main/binary-amd64/Packages.xz`.
    pub(crate) name: String,
    /// Tried in turn.
    pub(crate) urls: Vec<String>,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its digest.
    pub(crate) digest: Digest,
}

/// A wanted file, and who is to hear of it.
struct Order<'a> {
    wanted: &'a RemoteFile,
    /// Hears of bytes, of each once.
    progress: &'a dyn Fn(u64),
    /// How many it has heard of; a fresh start does not take them back.
    heard: Cell<u64>,
    stop: &'a Stop,
}

impl Order<'_> {
    /// Tells that so many bytes are here, if it is news.
    fn reached(&self, bytes: u64) {
        let heard = self.heard.replace(self.heard.get().max(bytes));
        if bytes > heard {
            (self.progress)(bytes - heard);
        }
    }

    fn size_mismatch(&self, url: &str, found: u64, at_least: bool) -> Error {
        Error::SizeMismatch {
            url: url.to_owned(),
            name: self.wanted.name.clone(),
            expected: self.wanted.size,
            found,
            at_least,
        }
    }

    /// Compares a digest.
    fn check(&self, url: &str, found: Digest) -> Result<(), Error> {
        if found == self.wanted.digest {
            return Ok(());
        }
        let (name, expected) = (self.wanted.name.clone(), self.wanted.digest.clone());
        Err(Error::DigestMismatch {
            url: url.to_owned(),
            name,
            expected,
            found,
        })
    }
}

/// Reads URLs. Threads share one store, its connections and its cache.
#[derive(Debug)]
pub(crate) struct Store {
    cache: FileCache,
    derived: Option<Derived>,
    transport: Transport,
    tries: u32,
    pause: Duration,
    stop: Stop,
    /// Servers that failed after every try: others are asked before them.
    failing: Mutex<BTreeSet<String>>,
    report: Report,
}

/// A file that nothing vouches for but what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unverified {
    /// The URL that gave it.
    pub(crate) url: String,
    /// All of it.
    pub(crate) content: Vec<u8>,
    /// How long its bytes took to come, from the first to the last.
    pub(crate) took: Duration,
}

impl Store {
    /// A store that warns and explains through `report`. Proxies are those of the environment (`http_proxy`, `https_proxy`,
    /// `all_proxy`, `no_proxy`).
    pub(crate) fn open(options: Options, report: Report) -> Result<Store, Error> {
        Store::with(options, report, http::builder()?, PAUSE)
    }

    /// As [`Store::open`], but everything goes through `proxy` (`http://host:port`, `socks5h://host:port`), whatever the
    /// environment says.
    pub(crate) fn open_through(
        proxy: &str,
        options: Options,
        report: Report,
    ) -> Result<Store, Error> {
        let bad = |reason: String| Error::BadUrl {
            url: shown(proxy),
            reason,
        };
        // The client would pass over a scheme that it does not know, and ask the servers directly.
        let scheme = proxy.split_once("://").map_or("http", |(scheme, _)| scheme);
        if !["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(&scheme) {
            return Err(bad(format!("`{scheme}:` is no kind of proxy")));
        }
        let proxy = reqwest::Proxy::all(proxy).map_err(|e| bad(Cause::of(&e).to_string()))?;
        Store::with(options, report, http::builder()?.proxy(proxy), PAUSE)
    }

    /// Removes files from the cache, the one longest unused first, until those that are left have at most `bound` bytes. Call it
    /// when no file of this store is in use any more; while other runs share the cache, what was used in the last hour stays.
    /// Returns the bytes that were freed.
    pub(crate) fn trim(&self, bound: u64) -> Result<u64, Error> {
        self.cache.trim(bound)
    }

    /// How many files the cache has, and how many bytes they come to.
    pub(crate) fn size(&self) -> Result<(usize, u64), Error> {
        self.cache.size()
    }

    /// The file of that kind that was made of what has the digest `of`, if it is kept and its seal is right.
    pub(crate) fn derived(&self, kind: DerivedKind, of: &Digest) -> Option<Verified> {
        self.derived.as_ref()?.find(kind, of)
    }

    /// All of a derived file.
    pub(crate) fn get(&self, kind: DerivedKind, of: &Digest) -> Option<Vec<u8>> {
        let found = self.derived(kind, of)?;
        let mut content = Vec::with_capacity(usize::try_from(found.size()).ok()?);
        let read = found
            .open()
            .ok()?
            .take(found.size())
            .read_to_end(&mut content)
            .ok()?;
        (read as u64 == found.size()).then_some(content)
    }

    /// Derives a whole file. That it cannot be kept is no failure.
    pub(crate) fn put(&self, kind: DerivedKind, of: &Digest, content: &[u8]) {
        if let Some(mut draft) = self.derived_writer(kind, of)
            && let Err(e) = draft.write_all(content).and_then(|()| draft.keep())
        {
            self.report.detail(format!("nothing decoded is kept: {e}"));
        }
    }

    /// A file to derive. None where nothing is kept.
    pub(crate) fn derived_writer(&self, kind: DerivedKind, of: &Digest) -> Option<DerivedWriter> {
        let draft = self.derived.as_ref()?.derived_writer(kind, of);
        draft
            .inspect_err(|e| self.report.detail(format!("nothing decoded is kept: {e}")))
            .ok()
    }

    fn with(
        options: Options,
        report: Report,
        builder: ClientBuilder,
        pause: Duration,
    ) -> Result<Store, Error> {
        let derived = options
            .cache
            .as_deref()
            .zip(options.state.as_deref())
            .and_then(|(cache, state)| {
                let opened = Derived::open(cache, state);
                opened
                    .inspect_err(|e| {
                        report.detail(format!("nothing decoded is kept, for there is no key: {e}"))
                    })
                    .ok()
            });
        let cache = FileCache::open(options.cache, &options.temporary, report.clone())?;
        let transport = Transport::open(builder, options.stall)?;
        Ok(Store {
            cache,
            derived,
            transport,
            tries: options.tries.max(1),
            pause,
            stop: Stop::new(),
            failing: Mutex::default(),
            report,
        })
    }

    /// A small file without a promise (InRelease), of at most `limit` bytes, from the first of `urls` that answers. It is never taken from
    /// the cache.
    pub(crate) fn read(&self, urls: &[String], limit: u64) -> Result<Unverified, Error> {
        let name = urls.first().map_or_else(String::new, |u| shown(u));
        self.first(urls, &name, |address, seen| {
            let url = match address {
                Address::File(path) => {
                    return file::read(&path, seen, limit).map(|content| (content, Duration::ZERO));
                }
                Address::Web(url) => url,
            };
            let mut tries = Tries::new(self, seen);
            loop {
                match self.read_once(&url, seen, limit) {
                    Err(e) if e.may_pass() => tries.pause(e, &self.stop)?,
                    done => return done,
                }
            }
        })
        .map(|(url, (content, took))| Unverified { url, content, took })
    }

    /// A verified file: from the cache, else from the first URL that gives it. `progress` hears of bytes as they come, of each
    /// once, and of all at once for a file that is here already.
    pub(crate) fn file(
        &self,
        wanted: &RemoteFile,
        progress: &dyn Fn(u64),
    ) -> Result<Verified, Error> {
        self.file_until(wanted, progress, &self.stop)
    }

    /// As [`Store::file`], ended by a [`Stop`] from [`Store::stop`].
    pub(crate) fn file_until(
        &self,
        wanted: &RemoteFile,
        progress: &dyn Fn(u64),
        stop: &Stop,
    ) -> Result<Verified, Error> {
        stop.check()?;
        let order = Order {
            wanted,
            progress,
            heard: Cell::new(0),
            stop,
        };
        if let Some(found) = self.cache.find(&order)? {
            order.reached(wanted.size);
            return Ok(found);
        }
        let fetch = |address, seen: &str| match address {
            Address::File(path) => file::verify(&self.cache, &path, seen, &order),
            Address::Web(url) => self.download(&url, seen, &order),
        };
        self.first(&wanted.urls, &wanted.name, fetch)
            .map(|(_, verified)| verified)
    }

    /// A verified .deb as [`Store::file_until`] has it, or decoded, where it is kept so.
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

    /// Makes everything under way, and everything asked for later, end with [`Error::Cancelled`].
    pub(crate) fn cancel(&self) {
        self.stop.stop();
    }

    /// A switch that ends only what is started with it.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.child()
    }

    /// What `fetch` makes of the first of `urls` that does not fail, or the failure that says most.
    fn first<T>(
        &self,
        urls: &[String],
        name: &str,
        fetch: impl Fn(Address, &str) -> Result<T, Error>,
    ) -> Result<(String, T), Error> {
        let mut failure: Option<Error> = None;
        for url in self.best_first(urls) {
            if let Some(failure) = &failure {
                self.report
                    .detail(format!("{}; trying {}", told(failure), shown(url)));
            }
            match Address::parse(url).and_then(|address| fetch(address, &shown(url))) {
                Ok(got) => return Ok((url.clone(), got)),
                Err(e) if e.is_final() => return Err(e),
                Err(e) => {
                    if e.may_pass() {
                        self.failing
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .insert(server_of(url).to_owned());
                    }
                    if failure.as_ref().is_none_or(|f| f.weight() <= e.weight()) {
                        failure = Some(e);
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::NoUrl {
            name: name.to_owned(),
        }))
    }

    /// `urls` in their order, but those of failing servers last: a dead mirror costs its timeouts once, and not for each file.
    fn best_first<'a>(&self, urls: &'a [String]) -> Vec<&'a String> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let (bad, good): (Vec<_>, Vec<_>) = urls
            .iter()
            .partition(|url| failing.contains(server_of(url)));
        good.into_iter().chain(bad).collect()
    }

    fn read_once(&self, url: &Url, seen: &str, limit: u64) -> Result<(Vec<u8>, Duration), Error> {
        let request = Request {
            url,
            shown: seen,
            resume: None,
            revalidate: true,
        };
        let mut answer = self.transport.ask(&request, &self.stop)?;
        let too_large = || Error::TooLarge {
            url: seen.to_owned(),
            limit,
        };
        if answer.length.is_some_and(|l| l > limit) {
            return Err(too_large());
        }
        let (mut content, began) = (Vec::new(), Instant::now());
        while let Some(bytes) = self.transport.next(&mut answer, &self.stop)? {
            content.extend_from_slice(bytes.as_ref());
            if content.len() as u64 > limit {
                return Err(too_large());
            }
        }
        Ok((content, began.elapsed()))
    }

    fn download(&self, url: &Url, seen: &str, order: &Order<'_>) -> Result<Verified, Error> {
        let mut partial = self.cache.partial(order, Keep::Cached)?;
        let mut tries = Tries::new(self, seen);
        loop {
            let had = partial.written;
            match self
                .pour(url, seen, &mut partial)
                .and_then(|()| partial.check(seen))
            {
                Ok(()) => return partial.finish(seen),
                // The parts may be from different versions: what comes in one piece decides.
                Err(e) if e.is_trust() && partial.resumed => {
                    partial.restart()?;
                    tries.pause(e, order.stop)?;
                }
                Err(e) if e.may_pass() => {
                    if partial.written >= had.saturating_add(HEADWAY) {
                        tries.made_headway();
                    }
                    tries.pause(e, order.stop)?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// One request: from where `partial` ends, if the server goes on there, else from the start.
    fn pour(&self, url: &Url, seen: &str, partial: &mut Partial<'_>) -> Result<(), Error> {
        if partial.validator.is_none() && partial.written > 0 {
            partial.restart()?;
        }
        let stop = partial.order.stop;
        let validator = partial.validator.clone();
        let resume = validator
            .as_deref()
            .filter(|_| partial.written > 0)
            .map(|v| (partial.written, v));
        let request = Request {
            url,
            shown: seen,
            resume,
            revalidate: false,
        };
        let mut answer = match self.transport.ask(&request, stop) {
            Err(e @ Error::Status { status: 416, .. }) => {
                partial.restart()?;
                return Err(e);
            }
            answered => answered?,
        };
        begin(&answer, seen, partial)?;
        while let Some(bytes) = self.transport.next(&mut answer, stop)? {
            partial.write(bytes.as_ref(), seen)?;
        }
        let (expected, found) = (partial.order.wanted.size, partial.written);
        if found < expected {
            return Err(Error::Short {
                url: seen.to_owned(),
                expected,
                found,
            });
        }
        Ok(())
    }
}

/// Makes `partial` ready for the body of `answer`.
fn begin(answer: &Answer, seen: &str, partial: &mut Partial<'_>) -> Result<(), Error> {
    if answer.begins_at > 0 && answer.begins_at == partial.written {
        partial.resumed = true;
    } else if partial.written > 0 || answer.begins_at > 0 {
        partial.restart()?;
    }
    if answer.begins_at != partial.written {
        return Err(Error::Broken {
            url: seen.to_owned(),
            source: Cause::new("the server sent another part than asked for"),
        });
    }
    partial.validator.clone_from(&answer.validator);
    match answer.length.map(|l| answer.begins_at.saturating_add(l)) {
        Some(length) if length != partial.order.wanted.size => {
            Err(partial.order.size_mismatch(seen, length, false))
        }
        _ => Ok(()),
    }
}

/// How often one URL was tried, and how long to wait before it is tried again.
struct Tries<'a> {
    store: &'a Store,
    url: &'a str,
    made: u32,
    pauses: u32,
}

impl<'a> Tries<'a> {
    fn new(store: &'a Store, url: &'a str) -> Tries<'a> {
        Tries {
            store,
            url,
            made: 0,
            pauses: 0,
        }
    }

    fn made_headway(&mut self) {
        self.made = 0;
    }

    /// Waits for the next try; gives `error` back when there is none.
    fn pause(&mut self, error: Error, stop: &Stop) -> Result<(), Error> {
        self.made += 1;
        if self.made >= self.store.tries {
            return Err(error);
        }
        self.pauses += 1;
        let pause = match &error {
            Error::Status {
                retry_after: Some(wish),
                ..
            } => *wish,
            _ => self
                .store
                .pause
                .saturating_mul(1 << (self.made - 1).min(10))
                .mul_f64(self.jitter()),
        };
        let pause = pause.min(LONGEST_PAUSE);
        self.store.report.detail(format!(
            "{}; trying again in {:.1} s",
            told(&error),
            pause.as_secs_f64()
        ));
        self.store.transport.pause(pause, stop)
    }

    /// Between 0.5 and 1.5, other for each URL, try and process, so that clients that failed together do not return together.
    fn jitter(&self) -> f64 {
        let mut hasher = DefaultHasher::new();
        (self.url, self.pauses, std::process::id()).hash(&mut hasher);
        0.5 + (hasher.finish() % 1024) as f64 / 1024.0
    }
}

/// An error with its causes, on one line.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
