//! Starts downloads while the indexes are read, for packages that every possible plan contains.
//!
//! The plan does not depend on it. A download that fails here matters only if the package is needed
//! later.

use super::choice::archive_deb;
use super::inputs::Inputs;
use crate::archive::IndexEvent;
use crate::dpkg::staging::{PackageFile, Prefetcher};
use crate::formats::compress::Integrity;
use crate::plan::PrefetchPlanner;
use crate::store::downloads::Downloads;

/// Prefetches packages, and has those decoded that are unpacked before any script runs.
pub(super) struct EarlyDownloads<'a> {
    planner: PrefetchPlanner<'a>,
    /// `None` when the run ends with the plan.
    fetch: Option<&'a Downloads>,
    /// `None` when the run makes no tree.
    staging: Option<Prefetcher>,
}

impl<'a> EarlyDownloads<'a> {
    pub(super) fn new(
        inputs: &'a Inputs,
        fetch: Option<&'a Downloads>,
        staging: Option<Prefetcher>,
    ) -> EarlyDownloads<'a> {
        EarlyDownloads {
            planner: PrefetchPlanner::new(&inputs.selection, inputs.sources.list.len()),
            fetch,
            staging,
        }
    }

    /// Prefetches what an event makes certain.
    pub(super) fn see(&self, event: IndexEvent<'_>) {
        let Some(fetch) = self.fetch else {
            return;
        };
        for certain in self.planner.see(event) {
            let Ok(file) = archive_deb(&certain.package, &certain.mirrors) else {
                continue;
            };
            fetch.prefetch(file.clone());
            // The other packages can be decoded while scripts run.
            if certain.is_essential
                && let Some(staging) = &self.staging
            {
                staging.stage(PackageFile {
                    key: certain.package.key(),
                    deb: file,
                    installed_size: certain.package.installed_size,
                    integrity: Integrity::Known,
                });
            }
        }
    }
}
