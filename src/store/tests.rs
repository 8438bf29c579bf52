//! The store against a server with faults, a shared cache and full disks.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::formats::digest::{Algorithm, digest};
use crate::report::Event;
use crate::testing::server::{Asked, Reply, Server, Then};

mod cache;
mod derived;
mod directory;
mod faults;
mod secure;

/// Longer than any test takes.
pub(crate) const PATIENT: Duration = Duration::from_secs(600);

impl Store {
    /// Opens a store that sends everything through `proxy` (`http://host:port`,
    /// `socks5h://host:port`).
    fn open_through(proxy: &str, options: Options, report: Report) -> Result<Store, Error> {
        let bad = |reason: String| Error::BadUrl {
            url: shown(proxy),
            reason,
        };
        // The client would ignore an unknown scheme and connect directly.
        let scheme = proxy.split_once("://").map_or("http", |(scheme, _)| scheme);
        if !["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(&scheme) {
            return Err(bad(format!("`{scheme}:` is not a proxy scheme")));
        }
        let proxy = reqwest::Proxy::all(proxy).map_err(|e| bad(Cause::of(&e).to_string()))?;
        Store::with(
            options,
            report,
            client::builder()?.proxy(proxy),
            FIRST_PAUSE,
        )
    }

    /// As [`Store::file_until`], until [`Store::cancel`].
    pub(crate) fn file(
        &self,
        wanted: &RemoteFile,
        progress: &dyn Fn(u64),
    ) -> Result<Verified, Error> {
        self.file_until(wanted, progress, &self.stop)
    }

    /// As [`Store::read_until`], until [`Store::cancel`].
    pub(crate) fn read(&self, urls: &[String], limit: u64) -> Result<Unverified, Error> {
        self.read_until(urls, limit, &self.stop)
    }
}

/// A store with the events that it sent.
struct TestStore {
    store: Store,
    events: Arc<Mutex<Vec<String>>>,
    directory: tempfile::TempDir,
}

impl TestStore {
    fn cached() -> TestStore {
        let directory = tempfile::tempdir().unwrap();
        TestStore::at(directory, true)
    }

    fn uncached() -> TestStore {
        let directory = tempfile::tempdir().unwrap();
        TestStore::at(directory, false)
    }

    fn at(directory: tempfile::TempDir, cached: bool) -> TestStore {
        let events = Arc::new(Mutex::new(Vec::new()));
        let store = open(
            directory.path(),
            cached,
            PATIENT,
            Report::new(listener(&events)),
        );
        TestStore {
            store,
            events,
            directory,
        }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn file(&self, wanted: &RemoteFile) -> Result<Vec<u8>, Error> {
        self.store.file(wanted, &drop).map(|v| content(&v))
    }

    /// The names of all files below the directory.
    fn files(&self) -> Vec<String> {
        files_below(self.directory.path())
    }
}

fn listener(events: &Arc<Mutex<Vec<String>>>) -> impl Fn(Event) + Send + Sync + 'static {
    let events = Arc::clone(events);
    move |event| events.lock().unwrap().push(format!("{event:?}"))
}

pub(crate) fn open(directory: &Path, cached: bool, timeout: Duration, report: Report) -> Store {
    let cache = cached.then(|| directory.join("cache"));
    let options = Options {
        cache,
        state: None,
        temporary: directory.to_owned(),
        limits: limits(timeout),
        tries: 3,
        proxies: Proxies::default(),
        credentials: std::sync::Arc::default(),
    };
    Store::with(
        options,
        report,
        client::builder().unwrap().no_proxy(),
        Duration::from_millis(1),
    )
    .unwrap()
}

pub(crate) fn limits(timeout: Duration) -> TransferLimits {
    TransferLimits {
        timeout,
        lowest_rate: 4096,
    }
}

/// A store with a cache, and a key in `state` beside it.
pub(crate) fn sealed(directory: &Path, state: &str) -> Store {
    let cache = Some(directory.join("cache"));
    let state = Some(directory.join(state));
    let options = Options {
        cache,
        state,
        temporary: directory.to_owned(),
        limits: limits(PATIENT),
        tries: 1,
        proxies: Proxies::default(),
        credentials: std::sync::Arc::default(),
    };
    Store::with(
        options,
        Report::silent(),
        client::builder().unwrap().no_proxy(),
        Duration::from_millis(1),
    )
    .unwrap()
}

pub(crate) fn wanted(urls: &[String], content: &[u8]) -> RemoteFile {
    let digest = digest(Algorithm::Sha256, content);
    RemoteFile {
        name: "thing 1.0 (all)".to_owned(),
        urls: urls.to_vec(),
        size: content.len() as u64,
        digest,
    }
}

fn content(verified: &Verified) -> Vec<u8> {
    let mut found = Vec::new();
    verified.open().unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(found.len() as u64, verified.size());
    found
}

/// Whether a verified file cannot be opened because it has changed.
fn is_changed(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput
    ) || error.raw_os_error() == Some(libc::ELOOP)
}

fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

/// Pseudorandom bytes.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}
