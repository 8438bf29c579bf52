//! The store that several runs of one process share, with its connections and its cache.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::request::{CacheOptions, NetworkOptions, Request};
use super::{Error, open_store, trim_cache};
use crate::report::Report;
use crate::store::Store;

/// The stores of several runs: one for all that have the same logins and options of the network.
/// Releases are read once for all runs of a store.
#[derive(Debug)]
pub(crate) struct Stores {
    open: Mutex<Vec<OpenStore>>,
    /// Gets what no single run is told.
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
