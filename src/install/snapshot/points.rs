//! After which steps of an installation a snapshot may be kept, and after which it is. Pure.

use std::collections::BTreeSet;

use crate::formats::package_key::PackageKey;
use crate::install::install_plan::InstallPlan;
use crate::install::steps::Step;
use crate::tree::base::BaseKind;

use super::Snapshots;

/// The bits of a mode by which users other than root may read.
const READABLE: u32 = 0o044;

/// The steps of an installation, by their positions, after which the tree may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::install) struct SnapshotPoints {
    /// Where a run may start, in ascending order.
    pub(in crate::install) possible: Vec<usize>,
    /// Those after which a snapshot is written.
    pub(in crate::install) kept: BTreeSet<usize>,
    /// Those that are kept even without `--snapshots all`.
    pub(in crate::install) base: BTreeSet<usize>,
}

impl SnapshotPoints {
    pub(in crate::install) fn new(
        steps: &[Step],
        plan: &InstallPlan,
        snapshots: Snapshots,
    ) -> SnapshotPoints {
        let mut points = SnapshotPoints::default();
        if snapshots == Snapshots::None {
            return points;
        }
        let unverified = unverified(plan);
        let mut has_scripts = false;
        let mut may_keep = true;
        for (at, step) in steps.iter().enumerate() {
            if !is_function_of_key(step) {
                break;
            }
            may_keep &= may_be_kept(step, &unverified);
            has_scripts |= matches!(step, Step::Configure { .. } | Step::Triggers);
            let is_each = snapshots == Snapshots::EveryStep && !step.packages().is_empty();
            if !has_scripts && !is_each {
                continue;
            }
            points.possible.push(at);
            let is_end = at + 1 == steps.len();
            let is_base = is_essential(step) || is_end && plan.requested.is_empty();
            let is_kept = match snapshots {
                Snapshots::None => false,
                Snapshots::Base => is_base,
                Snapshots::All => is_base || is_end,
                Snapshots::EveryStep => true,
            };
            if is_kept && may_keep {
                points.kept.insert(at);
                if is_base {
                    points.base.insert(at);
                }
            }
        }
        points
    }
}

/// Whether the essential packages are configured after the step.
fn is_essential(step: &Step) -> bool {
    matches!(step, Step::Configure { forced: true, .. })
}

/// The packages that no signature vouches for.
fn unverified(plan: &InstallPlan) -> BTreeSet<PackageKey> {
    let mut unverified = BTreeSet::new();
    for chosen in plan.plan.packages() {
        let release = chosen.release();
        if !release.is_some_and(|release| release.source().is_verified()) {
            unverified.insert(chosen.package().key());
        }
    }
    unverified
}

/// Whether the step's key determines the tree after it: neither a command of the user's nor
/// anything that is not in the key contributes to it.
fn is_function_of_key(step: &Step) -> bool {
    match step {
        Step::Hook(_)
        | Step::Preseed(_)
        | Step::Archives { .. }
        | Step::SecondStage(_)
        | Step::Close { .. } => false,
        // A directory of the user's may have files.
        Step::Base(base) => base.kind == BaseKind::Image,
        Step::Apt { .. }
        | Step::Files { .. }
        | Step::Unpack { .. }
        | Step::Configure { .. }
        | Step::Remove { .. }
        | Step::Triggers
        | Step::Tidy { .. }
        | Step::Runtime
        | Step::Settings(_) => true,
    }
}

/// Whether a snapshot may be kept after a step: it adds no file that only root may read, and no
/// package without a signature.
fn may_be_kept(step: &Step, unverified: &BTreeSet<PackageKey>) -> bool {
    match step {
        Step::Apt { files } => files.iter().all(|file| file.mode & READABLE == READABLE),
        Step::Files { files } => files.iter().all(|file| file.mode & READABLE == READABLE),
        Step::Base(_)
        | Step::Unpack { .. }
        | Step::Configure { .. }
        | Step::Hook(_)
        | Step::Preseed(_)
        | Step::Remove { .. }
        | Step::Triggers
        | Step::Archives { .. }
        | Step::SecondStage(_)
        | Step::Close { .. }
        | Step::Tidy { .. }
        | Step::Runtime
        | Step::Settings(_) => step.packages().iter().all(|key| !unverified.contains(key)),
    }
}
