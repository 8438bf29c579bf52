//! Ends an installation whose result is known with a list of the tree, without a tree.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dpkg::staging::PackageFile;
use crate::dpkg::unpack;
use crate::failure::with_causes;
use crate::formats::package_key::PackageKey;
use crate::install::install_plan::in_staging_order;
use crate::install::snapshot::{self, NotListed, Snapshot, SnapshotHeader, TreeLister};
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
        let Some(until) = self.listed_until else {
            return Ok(None);
        };
        // Attributes that the directory has from its surroundings would be in the image too.
        let may_list = self.root_attributes.is_empty();
        let last = snapshots.points.possible.last().copied();
        let last = last.filter(|last| may_list && last + 1 == snapshots.steps.len());
        let Some(at) = last else {
            return Ok(None);
        };
        let key = &snapshots.keys[at];
        let found = self.fetch.store().derived(DerivedKind::Snapshot, key);
        let Some(snapshot) = found.and_then(|found| Snapshot::open(&found).ok()) else {
            return Ok(None);
        };
        let files = in_staging_order(&snapshots.steps[..=at], snapshots.plan);
        // Before a download is waited for, beside which packages can be decoded.
        let possible = snapshot
            .require_listable(until)
            .and_then(|()| self.require_decoded(&snapshot.header, &files));
        if let Err(reason) = possible {
            self.tell_not_listed(&reason);
            return Ok(None);
        }
        // What is staged now would be for a tree that is not made.
        self.staging.drop_prefetches();
        let packages = self.wait_for_all(files)?;
        let now = self.clock();
        let header = snapshot.header.clone();
        let listing = TreeLister {
            root: self.root,
            packages: &packages,
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
        let text = "the image is packed from the snapshot, without a tree";
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

    /// Fails unless the cache has all packages decoded of which the tree has files.
    fn require_decoded(
        &self,
        header: &SnapshotHeader,
        files: &[PackageFile],
    ) -> Result<(), NotListed> {
        let store = self.fetch.store();
        for package in &header.packages {
            let file = files.iter().find(|file| file.key == *package);
            let is_decoded =
                file.is_some_and(|file| store.has_derived(DerivedKind::Package, &file.deb.digest));
            if !is_decoded {
                let package = package.clone();
                return Err(NotListed::NotDecoded { package });
            }
        }
        Ok(())
    }

    /// Waits for the files of packages. They stay for a tree, in case it has to be made.
    fn wait_for_all(
        &self,
        wanted: Vec<PackageFile>,
    ) -> Result<HashMap<PackageKey, Arc<Verified>>, Error> {
        let mut files = HashMap::new();
        for file in wanted {
            let shared = self.fetch.share(&file.deb);
            let shared = shared.map_err(|source| unpack::Error::Fetch { source });
            files.insert(file.key, shared.map_err(snapshot::Error::from)?);
        }
        Ok(files)
    }

    fn tell_not_listed(&self, reason: &NotListed) {
        let reason = with_causes(reason);
        let text =
            format!("a tree is made for the image, although a snapshot of it is known: {reason}");
        self.report.detail(text);
    }
}
