//! What is installed: a plan with its .debs.
//!
//! It has the order in which packages are staged, and what the results of the steps depend on.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::dpkg;
use crate::dpkg::staging::PackageFile;
use crate::dpkg::unpack::Method;
use crate::formats::compress::Integrity;
use crate::formats::package_key::PackageKey;
use crate::plan::{Plan, Reason, Selection};
use crate::store;
use crate::tree::apt::AptFile;

use super::key::{Circumstances, StepKey, keys};
use super::steps::{Options, Step, steps};

/// What is to be installed.
#[derive(Clone, Debug)]
pub(crate) struct InstallPlan {
    pub(crate) plan: Plan,
    /// The .debs, one for each of the plan's packages.
    pub(crate) debs: Vec<store::RemoteFile>,
    /// The files of the tree's apt that the sources decide.
    pub(crate) apt: Vec<AptFile>,
    /// The user's SOURCE_DATE_EPOCH, in seconds; `None` for the packages' own dates.
    pub(crate) epoch: Option<i64>,
    /// The packages that the user has named.
    pub(crate) requested: Vec<PackageKey>,
}

/// The packages in the order in which they are staged: step by step. The packages of a step that
/// needs all of them before the first is placed come by size: with the largest first, no thread is
/// left with a large one at the end.
pub(super) fn in_staging_order(steps: &[Step], plan: &InstallPlan) -> Vec<PackageFile> {
    let debs = plan.files();
    let mut files = Vec::new();
    for step in steps {
        let Step::Unpack { packages, method } = step else {
            continue;
        };
        let mut of_step = Vec::new();
        for key in packages {
            of_step.extend(debs.get(key).cloned());
        }
        if *method != Method::InTurn {
            of_step.sort_by_key(|file| Reverse(file.deb.size));
        }
        files.extend(of_step);
    }
    files
}

/// These packages of the plan, in their order.
pub(super) fn in_order_of(packages: &[PackageKey], plan: &InstallPlan) -> Vec<PackageFile> {
    let debs = plan.files();
    let mut files = Vec::new();
    for key in packages {
        files.extend(debs.get(key).cloned());
    }
    files
}

impl InstallPlan {
    /// Notes which packages a selection names.
    pub(crate) fn with_requested(mut self, selection: &Selection) -> InstallPlan {
        let reasons = self.plan.reasons(selection);
        for (chosen, reason) in self.plan.packages().iter().zip(reasons) {
            if reason == Reason::Requested {
                self.requested.push(chosen.package().key());
            }
        }
        self
    }

    /// The packages, in the plan's order.
    pub(crate) fn keys(&self) -> Vec<PackageKey> {
        let packages = self.plan.packages().iter();
        packages.map(|chosen| chosen.package().key()).collect()
    }

    /// The .debs by their packages.
    fn files(&self) -> BTreeMap<PackageKey, PackageFile> {
        let mut debs = BTreeMap::new();
        for (chosen, deb) in self.plan.packages().iter().zip(&self.debs) {
            let package = chosen.package();
            let file = PackageFile {
                key: package.key(),
                deb: deb.clone(),
                installed_size: package.installed_size,
                integrity: match chosen.release() {
                    Some(_) => Integrity::Known,
                    None => Integrity::Unknown,
                },
            };
            debs.insert(package.key(), file);
        }
        debs
    }

    /// What the results of the steps depend on. `refused` is what the host refuses the sandbox.
    pub(crate) fn circumstances(&self, refused: u32) -> Circumstances {
        let mut digests = BTreeMap::new();
        for (chosen, deb) in self.plan.packages().iter().zip(&self.debs) {
            digests.insert(chosen.package().key(), deb.digest.clone());
        }
        Circumstances {
            environment: dpkg::script_environment(self.epoch),
            refused,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digests,
        }
    }

    /// A hash of all steps on a host that refuses the sandbox nothing, whatever the program's
    /// version.
    pub(crate) fn key(&self, options: &Options) -> String {
        let options = options
            .clone()
            .with_apt_files(&self.apt)
            .with_requested(&self.requested);
        let circumstances = Circumstances {
            version: String::new(),
            ..self.circumstances(0)
        };
        let keys = keys(&steps(&self.plan, &options), &circumstances);
        keys.last().map_or(String::new(), StepKey::hexadecimal)
    }

    /// The steps, with their keys on a host that refuses the sandbox nothing.
    pub(crate) fn steps(&self, options: &Options) -> Vec<(StepKey, Step)> {
        let options = options
            .clone()
            .with_apt_files(&self.apt)
            .with_requested(&self.requested);
        let steps = steps(&self.plan, &options);
        let keys = keys(&steps, &self.circumstances(0));
        keys.into_iter().zip(steps).collect()
    }
}
