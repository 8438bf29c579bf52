//! `name/suite`: the package's dependencies are taken from the suite too, if the candidates do not
//! meet them.
//!
//! This is pkgDepCache::SetCandidateRelease. It runs before anything is marked, so it counts a
//! candidate only if the dependencies of that candidate are planned already, and takes more from
//! the suite than is needed. To it `name:any` with a version is a name that no package has, so it
//! gives up there. It takes back a choice only if another alternative follows.

use std::collections::HashMap;

use super::demand::Demand;
use super::depcache::DepCache;
use super::dependency::{Dependency, hard_groups};
use super::pool::{PackageId, TargetForm, VersionId};

/// What is taken from one suite.
struct TargetRelease<'s> {
    suite: &'s str,
    /// The packages whose candidates changed. A failure forgets them, but the candidates stay.
    switched: Switched,
}

/// Packages in the order in which they were added, each as often as it was.
#[derive(Default)]
struct Switched {
    packages: Vec<PackageId>,
    counts: HashMap<PackageId, usize>,
}

impl Switched {
    fn add(&mut self, package: PackageId) {
        self.packages.push(package);
        *self.counts.entry(package).or_default() += 1;
    }

    /// Forgets all but the first `length`.
    fn truncate(&mut self, length: usize) {
        while self.packages.len() > length
            && let Some(package) = self.packages.pop()
            && let Some(count) = self.counts.get_mut(&package)
        {
            *count -= 1;
        }
    }

    fn contains(&self, package: PackageId) -> bool {
        self.counts.get(&package).is_some_and(|count| *count > 0)
    }
}

impl<'a> DepCache<'_, 'a> {
    /// Takes the dependencies of each demand's candidate from the suite that the demand names.
    pub(super) fn apply_target_releases(&mut self, demands: &[Demand<'_>]) {
        let mut switched = Switched::default();
        for demand in demands {
            let Demand::FromSuite { package, suite } = demand else {
                continue;
            };
            if let Some(version) = self.of(*package).candidate {
                switched.add(*package);
                let mut release = TargetRelease { suite, switched };
                self.switch(version, &mut release);
                switched = release.switched;
            }
        }
    }

    /// Makes a version the candidate, and takes its dependencies from the suite. Returns false if
    /// the suite does not meet them.
    fn switch(&mut self, version: VersionId, release: &mut TargetRelease<'_>) -> bool {
        let package = self.pool[version].package;
        let is_over = !self.pool.work.step(package);
        if is_over || !self.release_chain.enter(package) {
            return false;
        }
        self.of_mut(package).candidate = Some(version);
        let before = release.switched.packages.len();
        let mut is_met = true;
        for group in hard_groups(self.pool.dependencies(version)) {
            if !self.is_met_by_candidates(group) && !self.switch_group(group, release) {
                is_met = false;
                release.switched.truncate(before);
                break;
            }
        }
        self.release_chain.leave();
        is_met
    }

    fn is_met_by_candidates(&self, group: &[Dependency<'a>]) -> bool {
        group
            .iter()
            .any(|dependency| self.is_met_at_once(dependency))
    }

    /// Whether a candidate that can be installed at once meets a dependency. If a name is provided
    /// and the dependency has no version, only the providers count.
    fn is_met_at_once(&self, dependency: &Dependency<'a>) -> bool {
        let mut has_providers = false;
        let mut is_met = false;
        for entry in self.pool.provides(dependency.name, dependency.form) {
            has_providers = true;
            is_met = is_met || self.is_installable_candidate(entry.owner);
        }
        if !dependency.is_versioned() && (has_providers || dependency.form == TargetForm::Any) {
            return is_met;
        }
        let Some(package) = self.named(dependency) else {
            return false;
        };
        match self.of(package).candidate {
            Some(candidate) => {
                dependency.admits(self.pool[candidate].text)
                    && self.is_installable_candidate(candidate)
            }
            None => false,
        }
    }

    fn is_installable_candidate(&self, version: VersionId) -> bool {
        let package = self.pool[version].package;
        self.of(package).candidate == Some(version) && !self.is_broken(version)
    }

    fn switch_group(&mut self, group: &[Dependency<'a>], release: &mut TargetRelease<'_>) -> bool {
        for dependency in group {
            if self.switch_target(dependency, release) {
                return true;
            }
        }
        false
    }

    fn switch_target(
        &mut self,
        dependency: &Dependency<'a>,
        release: &mut TargetRelease<'_>,
    ) -> bool {
        if !dependency.is_versioned() {
            return false;
        }
        let Some(package) = self.named(dependency) else {
            return false;
        };
        let Some(version) = self.pool.version_in_suite(package, release.suite) else {
            return false;
        };
        if !dependency.admits(self.pool[version].text) {
            return false;
        }
        let old = self.of(package).candidate;
        if old == Some(version) && release.switched.contains(package) {
            return true;
        }
        let before = release.switched.packages.len();
        release.switched.add(package);
        if self.switch(version, release) {
            return true;
        }
        if dependency.or {
            self.of_mut(package).candidate = old;
            release.switched.truncate(before);
        }
        false
    }

    /// The package that a dependency names; `name:any` names none.
    fn named(&self, dependency: &Dependency<'a>) -> Option<PackageId> {
        match dependency.form {
            TargetForm::Plain => self.pool.package(dependency.name, dependency.architecture),
            TargetForm::Any => None,
        }
    }
}
