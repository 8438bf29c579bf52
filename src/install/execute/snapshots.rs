//! Starts an installation after the last step that has a snapshot, and writes snapshots after
//! steps.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::dpkg::PlacedFiles;
use crate::dpkg::State;
use crate::dpkg::configure::Services;
use crate::dpkg::staging::StagedPackages;
use crate::dpkg::unpack::Method;
use crate::failure::with_causes;
use crate::formats::digest::Digest;
use crate::formats::package_key::PackageKey;
use crate::install::install_plan::{InstallPlan, in_staging_order};
use crate::install::key::StepKey;
use crate::install::scripts::ScriptHost;
use crate::install::snapshot::{
    self, Capture, Existing, NotKept, Restoration, Snapshot, SnapshotHeader, SnapshotHost,
    SnapshotPoints, Snapshots, existing, require_files, snapshot_key,
};
use crate::install::steps::Step;
use crate::report::Stage;
use crate::store::DerivedKind;
use crate::tree::rootfs::RootPath;

use super::{Error, Installation};

/// How far a file system's clock may lag, in nanoseconds.
const TICK: i64 = 20_000_000;

/// The snapshots of one list of steps.
pub(super) struct StepSnapshots<'s> {
    pub(super) steps: &'s [Step],
    pub(super) plan: &'s InstallPlan,
    pub(super) points: SnapshotPoints,
    /// One for each step; empty without points.
    pub(super) keys: Vec<Digest>,
}

/// A snapshot that can be restored.
struct FoundSnapshot {
    at: usize,
    snapshot: Snapshot,
    existing: Existing,
}

impl StepSnapshots<'_> {
    /// The packages that are in the tree after a step, in the order in which they are staged.
    fn packages(&self, at: usize) -> Vec<PackageKey> {
        let files = in_staging_order(&self.steps[..=at], self.plan);
        files.into_iter().map(|file| file.key).collect()
    }
}

impl<'a> Installation<'a> {
    /// The snapshots of these steps.
    pub(super) fn snapshots<'s>(
        &mut self,
        steps: &'s [Step],
        keys: &[StepKey],
        plan: &'s InstallPlan,
    ) -> StepSnapshots<'s> {
        let kept = self.snapshots.kept;
        let host = (kept != Snapshots::None).then(|| self.snapshot_host());
        let (kept, keys) = match host {
            None => (Snapshots::None, Vec::new()),
            Some(Ok(host)) => {
                let keys = keys.iter().map(|key| snapshot_key(key, &host));
                (kept, keys.collect())
            }
            Some(Err(reason)) => {
                self.report.detail(format!("no snapshots: {reason}"));
                (Snapshots::None, Vec::new())
            }
        };
        let points = SnapshotPoints::new(steps, plan, kept);
        self.placed = (!points.kept.is_empty()).then(PlacedFiles::default);
        StepSnapshots {
            steps,
            plan,
            points,
            keys,
        }
    }

    /// What of the host a tree may depend on, or why that is not known.
    fn snapshot_host(&self) -> Result<SnapshotHost, String> {
        let scripts = self.scripts.as_ref();
        // In such a sandbox, scripts can depend on host state that is not in any key.
        if scripts.is_some_and(|scripts| scripts.sandbox.shows_host()) {
            return Err("scripts can see the host, because the sandbox lacks a namespace".into());
        }
        let id_maps = &self.snapshots.id_maps;
        let host = SnapshotHost::of(self.root, self.staging.directory(), id_maps);
        host.map_err(|error| with_causes(&error))
    }

    pub(super) fn tell_start(&self, snapshots: &StepSnapshots<'_>, at: usize) {
        let steps = snapshots.steps;
        self.report.detail(format!(
            "starts after step {} of {} (`{}`), from a snapshot of an earlier installation",
            at + 1,
            steps.len(),
            steps[at].kind()
        ));
        self.report.begin_step(at + 1, steps[at].kind());
    }

    /// Counts what the earlier run made as this run's, which has reached the same point at `now`.
    pub(super) fn go_back(&mut self, header: &SnapshotHeader, now: i64) {
        let length = header.made_until.saturating_sub(header.made_from);
        self.began = self.began.min(now.saturating_sub(length));
    }

    /// Restores the tree after the last step that has a snapshot.
    pub(super) fn start_after_snapshot(
        &mut self,
        snapshots: &StepSnapshots<'_>,
        staged: &StagedPackages,
    ) -> Result<(), Error> {
        let Some(found) = self.find(snapshots, staged)? else {
            return Ok(());
        };
        let at = found.at;
        self.end_remembering(at, snapshots);
        self.tell_start(snapshots, at);
        if let Err(error) = self.restore(found, snapshots, staged) {
            // The next run does not fail for the same reason.
            if self.place.interrupt.cause().is_none() {
                let store = self.fetch.store();
                store.forget(DerivedKind::Snapshot, &snapshots.keys[at]);
            }
            return Err(error);
        }
        self.done = at + 1;
        self.state = State::read(self.root)?;
        if cfg!(debug_assertions) {
            self.compare_state(&snapshots.steps[at])?;
        }
        Ok(())
    }

    /// Finds the last snapshot that can be read and whose packages have all its files. Changes
    /// nothing in the tree.
    fn find(
        &self,
        snapshots: &StepSnapshots<'_>,
        staged: &StagedPackages,
    ) -> Result<Option<FoundSnapshot>, Error> {
        let store = self.fetch.store();
        for at in snapshots.points.possible.iter().rev().copied() {
            let key = &snapshots.keys[at];
            let Some(found) = store.derived(DerivedKind::Snapshot, key) else {
                continue;
            };
            let interrupt = self.place.interrupt;
            let opened = Snapshot::open(&found).map_err(snapshot::Error::Read);
            let packages = snapshots.packages(at);
            let opened = opened.and_then(|snapshot| {
                let existing = existing(self.root, &snapshot, interrupt)?;
                require_files(&snapshot, staged, &packages)?;
                Ok((snapshot, existing))
            });
            match opened {
                Ok((snapshot, existing)) => {
                    return Ok(Some(FoundSnapshot {
                        at,
                        snapshot,
                        existing,
                    }));
                }
                // Without a package there is no tree.
                Err(error @ snapshot::Error::Unpack(_)) => return Err(error.into()),
                Err(error) if interrupt.cause().is_some() => return Err(error.into()),
                Err(error) => self.report.detail(format!(
                    "the snapshot after step {} is not used: {}",
                    at + 1,
                    with_causes(&error)
                )),
            }
        }
        Ok(None)
    }

    fn restore(
        &mut self,
        found: FoundSnapshot,
        snapshots: &StepSnapshots<'_>,
        staged: &StagedPackages,
    ) -> Result<(), Error> {
        let FoundSnapshot {
            at,
            snapshot,
            existing,
        } = found;
        let done = &snapshots.steps[..=at];
        let until = self.clock();
        let header = &snapshot.header;
        self.go_back(header, until);
        let mut restoration = Restoration::new(self.root, &snapshot, staged, until);
        restoration.interrupt = self.place.interrupt.clone();
        restoration.restore_directories(existing)?;
        for package in &snapshots.packages(at) {
            restoration.restore_package(package)?;
            self.report.advanced(Stage::Unpack, 1);
        }
        restoration.restore_others()?;
        self.script_epoch = header.script_epoch;
        if at + 1 == snapshots.steps.len() {
            self.close()?;
            self.report.ended(Stage::Configure);
        } else if let Some(placed) = &self.placed {
            restoration.remember(placed)?;
        }
        restoration.finish_directories()?;
        self.go_on(header, done, snapshots.plan)
    }

    /// Restores what scripts run with after these steps.
    fn go_on(
        &mut self,
        header: &SnapshotHeader,
        done: &[Step],
        plan: &InstallPlan,
    ) -> Result<(), Error> {
        let Some(host) = &mut self.scripts else {
            return Ok(());
        };
        if let Some(stand_ins) = &header.stand_ins {
            let services = Services::resume(self.root, stand_ins);
            let services = services.ok_or(snapshot::Error::Malformed)?;
            host.resume(services, self.place, plan.debs.len() as u64);
            for step in done {
                if let Step::Configure { packages, .. } = step {
                    let configured = packages.len() as u64;
                    self.report.advanced(Stage::Configure, configured);
                }
            }
        }
        let is_together = |step: &Step| {
            let method = Method::Together;
            matches!(step, Step::Unpack { method: found, .. } if *found == method)
        };
        if self.may_cover_perl && done.iter().any(is_together) {
            host.sandbox.cover_perl_scripts()?;
        }
        Ok(())
    }

    /// Keeps a snapshot after a step, if one is to be kept.
    pub(super) fn keep_snapshot(
        &mut self,
        at: usize,
        snapshots: &StepSnapshots<'_>,
        staged: &StagedPackages,
    ) {
        let Some(placed) = &self.placed else {
            return;
        };
        let kept = &snapshots.points.kept;
        // An existing snapshot is replaced: if it were usable, the run would have started from it.
        if kept.contains(&at) {
            let key = &snapshots.keys[at];
            let from = Instant::now();
            let is_base = snapshots.points.base.contains(&at);
            match self.capture(placed, key, is_base, self.newest(staged)) {
                Ok(text) => self.report.detail(format!(
                    "snapshot after step {}: {text} in {:.1} ms",
                    at + 1,
                    from.elapsed().as_secs_f64() * 1e3
                )),
                Err(_) if self.place.interrupt.cause().is_some() => {}
                Err(reason) => self.report.detail(format!(
                    "no snapshot after step {}: {}",
                    at + 1,
                    with_causes(&reason)
                )),
            }
        }
        self.end_remembering(at, snapshots);
    }

    /// Forgets the placed files, unless a snapshot is to be kept after a later step.
    fn end_remembering(&mut self, at: usize, snapshots: &StepSnapshots<'_>) {
        if snapshots.points.kept.iter().all(|kept| *kept <= at) {
            self.placed = None;
        }
    }

    /// The time of the tree's file system, in nanoseconds since the epoch.
    pub(super) fn clock(&self) -> i64 {
        let clock = self.staging.directory().clock().ok();
        let clock = clock.and_then(|clock| i64::try_from(clock).ok());
        clock.unwrap_or_else(now)
    }

    /// Writes a snapshot, and describes it. Files that only some users can read are kept without
    /// further questions in a base, whose packages the user has not chosen.
    fn capture(
        &self,
        placed: &PlacedFiles,
        key: &Digest,
        is_base: bool,
        newest: i64,
    ) -> Result<String, NotKept> {
        let directory = self.staging.directory();
        if !placed.is_reliable(directory) {
            return Err(NotKept::Clock);
        }
        let until = directory.clock().map_err(|_| NotKept::Clock)?;
        let Some(writer) = self
            .fetch
            .store()
            .derived_writer(DerivedKind::Snapshot, key)
        else {
            return Err(NotKept::Cache);
        };
        let is_shipped = |path: &RootPath| self.state.ledger.owner(path).is_some();
        let capture = Capture {
            root: self.root,
            interrupt: self.place.interrupt,
            placed,
            is_shipped: (!is_base).then_some(&is_shipped),
            before: &self.root_attributes,
            header: SnapshotHeader {
                packages: placed.packages(),
                script_epoch: self.script_epoch,
                stand_ins: self.scripts.as_ref().and_then(ScriptHost::stand_ins),
                newest,
                made_from: self.began - TICK,
                made_until: i64::try_from(until).unwrap_or(i64::MAX),
            },
        };
        let captured = capture.write(writer)?;
        Ok(format!(
            "{} paths, {:.1} MB of content",
            captured.paths,
            captured.content as f64 / 1e6
        ))
    }
}

/// The time, in nanoseconds since the epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}
