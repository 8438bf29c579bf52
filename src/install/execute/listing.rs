//! Ends an installation whose result is known with a list of the tree, without a tree.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dpkg::unpack;
use crate::failure::with_causes;
use crate::formats::package_key::PackageKey;
use crate::install::install_plan::in_staging_order;
use crate::install::snapshot::{self, NotListed, Snapshot, TreeLister};
use crate::report::Stage;
use crate::store::{DerivedKind, Verified};

use super::snapshots::StepSnapshots;
use super::{Error, Installation, Installed};

impl Installation<'_> {
    /// Lists the finished tree, if that will do and its snapshot is known.
    pub(super) fn list_known(
        &mut self,
        snapshots: &StepSnapshots<'_>,
    ) -> Result<Option<Installed>, Error> {
        let last = snapshots.steps.len().checked_sub(1);
        let known = snapshots.points.possible.last().copied();
        // Attributes that the directory has from its surroundings would be in the image too.
        let (Some(until), Some(at), true) = (
            self.listed_until,
            known.filter(|known| Some(*known) == last),
            self.root_attributes.is_empty(),
        ) else {
            return Ok(None);
        };
        let key = &snapshots.keys[at];
        let found = self.fetch.store().derived(DerivedKind::Snapshot, key);
        let Some(snapshot) = found.and_then(|found| Snapshot::open(&found).ok()) else {
            return Ok(None);
        };
        let now = self.clock();
        let header = snapshot.header.clone();
        let listing = TreeLister {
            root: self.root,
            packages: &self.take_all(snapshots, at)?,
            until,
            now,
        };
        let listed = match listing.list(snapshot) {
            Ok(listed) => listed,
            Err(reason) => {
                self.tell_not_listed(&reason);
                return Ok(None);
            }
        };
        self.tell_start(snapshots, at);
        let text = "the image is made of the snapshot alone, without a tree";
        self.report.detail(text.to_owned());
        self.go_back(&header, now);
        let packages = snapshots.plan.debs.len() as u64;
        self.report.advanced(Stage::Unpack, packages);
        self.close()?;
        self.report.ended(Stage::Configure);
        self.report.end_steps();
        Ok(Some(Installed {
            epoch: snapshots.plan.epoch.unwrap_or(header.newest),
            began: self.began.div_euclid(1_000_000_000),
            listed: Some(listed),
        }))
    }

    /// Waits for the files of all packages that are in the tree after a step.
    fn take_all(
        &self,
        snapshots: &StepSnapshots<'_>,
        at: usize,
    ) -> Result<HashMap<PackageKey, Arc<Verified>>, Error> {
        let mut files = HashMap::new();
        for file in in_staging_order(&snapshots.steps[..=at], snapshots.plan) {
            let taken = self.fetch.take(&file.deb);
            let taken = taken.map_err(|source| unpack::Error::Fetch { source });
            files.insert(file.key, taken.map_err(snapshot::Error::from)?);
        }
        Ok(files)
    }

    fn tell_not_listed(&self, reason: &NotListed) {
        let reason = with_causes(reason);
        let text = format!("the image is made of a tree, not of the snapshot alone: {reason}");
        self.report.detail(text);
    }
}
