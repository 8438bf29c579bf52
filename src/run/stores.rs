//! The store that several runs of one process share, with its connections and its cache.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::request::{CacheOptions, Goal, NetworkOptions, Request};
use super::{Error, credentials};
use crate::report::Report;
use crate::store::{self, Store};

/// The stores of several runs: one for all that have the same logins and options of the network.
/// Releases are read once for all runs of a store.
#[derive(Debug)]
pub(crate) struct Stores {
    open: Mutex<Vec<OpenStore>>,
    /// For messages that concern no single run.
    report: Report,
}

#[derive(Debug)]
struct OpenStore {
    auth_files: Vec<PathBuf>,
    network: NetworkOptions,
    store: Arc<Store>,
}

impl Stores {
    pub(crate) fn new(report: Report) -> Stores {
        Stores {
            open: Mutex::default(),
            report,
        }
    }

    /// The store for a request. All requests have the same options of the cache.
    pub(super) fn store(&self, request: &Request) -> Result<Arc<Store>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for known in &*open {
            let has_logins = known.auth_files == request.sources.auth_files;
            if has_logins && known.network == request.network {
                return Ok(Arc::clone(&known.store));
            }
        }
        let store = open_store(request, &self.report)?;
        store.reads().begin();
        open.push(OpenStore {
            auth_files: request.sources.auth_files.clone(),
            network: request.network.clone(),
            store: Arc::clone(&store),
        });
        Ok(store)
    }

    /// Limits the size of the cache, once all runs have ended.
    pub(crate) fn trim(&self, cache: &CacheOptions) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = open.first() {
            trim_cache(&first.store, cache, &self.report);
        }
    }
}

/// Opens the store of a request; without a cache where the default one cannot be written.
pub(super) fn open_store(request: &Request, report: &Report) -> Result<Arc<Store>, Error> {
    let cache = &request.cache;
    let mut options = store::Options {
        cache: cache.directory.clone(),
        state: cache.state_directory.clone(),
        temporary: cache.temporary.clone(),
        limits: request.network.transfers,
        tries: request.network.tries,
        proxies: request.network.proxies.clone(),
        credentials: Arc::new(credentials::read(&request.sources, report)?),
    };
    let may_do_without = !cache.is_named && request.goal != Goal::Download;
    let failed = match Store::open(options.clone(), report.clone()) {
        Ok(store) => return Ok(Arc::new(store)),
        Err(error) => error,
    };
    let Some(reason) = failed.why_not_kept().filter(|_| may_do_without) else {
        return Err(failed.into());
    };
    report.warning(format!("downloads are not kept, because {reason}"));
    options.cache = None;
    Ok(Arc::new(Store::open(options, report.clone())?))
}

/// Limits the size of the cache. A failure is only a warning, because the run has succeeded.
pub(super) fn trim_cache(store: &Store, cache: &CacheOptions, report: &Report) {
    let trimmed = store.trim(cache.max_size);
    let measured = trimmed.and_then(|freed| Ok((freed, store.size()?)));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match measured {
        Ok((0, (0, _))) => {}
        Ok((freed, (files, bytes))) => report.detail(format!(
            "the cache has {files} files, {:.1} MB; {:.1} MB were freed",
            megabytes(bytes),
            megabytes(freed)
        )),
        Err(error) => report.warning(format!("cannot limit the size of the cache: {error}")),
    }
}
