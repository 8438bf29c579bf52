//! apt's marking: a package is marked with all its dependencies, depth first; a choice stands.
//!
//! The rules are those of pkgDepCache::MarkInstall with Recommends off: no search, and no way back
//! but taking back a package whose own dependencies fail. Each rule decides real demands, so none
//! is to be improved. `solve` decides what is marked and in which order.

use std::cmp::Reverse;

use super::depcache::{DepCache, Which};
use super::dependency::{Dependency, hard_groups, negative};
use super::pool::{PackageId, TargetForm, VersionId};
use crate::formats::package::MultiArch;

/// The longest chain of dependencies that is marked; a longer one fails, as it does in apt.
pub(super) const MAX_CHAIN: usize = 3001;

/// Why a package is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkedBy {
    User,
    Dependency,
}

impl<'p, 'a> DepCache<'p, 'a> {
    /// Plans a package without its dependencies, and protects it.
    pub(super) fn demand(&mut self, package: PackageId) {
        let state = self.of_mut(package);
        state.planned = state.candidate.or(state.installed);
        state.protected = true;
        state.automatic = false;
        state.demanded = true;
    }

    /// Protects a package as absent.
    pub(super) fn bar(&mut self, package: PackageId) {
        let state = self.of_mut(package);
        state.planned = None;
        state.candidate = None;
        state.protected = true;
    }

    /// Plans a package with its dependencies. Returns false if that fails.
    pub(super) fn mark(&mut self, package: PackageId, by: MarkedBy) -> bool {
        let state = *self.of(package);
        let Some(version) = state.candidate else {
            return false;
        };
        if !self.pool.work.step(package) {
            return false;
        }
        if state.is_barred() && by == MarkedBy::Dependency {
            return false;
        }
        if !state.protected && state.planned == Some(version) && !self.is_broken(version) {
            return true;
        }
        if !self.chain.enter(package) {
            return false;
        }
        let complete = self.mark_version(version, by);
        self.chain.leave();
        complete
    }

    fn mark_version(&mut self, version: VersionId, by: MarkedBy) -> bool {
        let package = self.pool[version].package;
        let was_protected = self.of(package).protected;
        if !self.is_possible(version) {
            if !was_protected {
                self.discard(package);
            }
            return false;
        }
        let mut removals = Vec::new();
        if !self.clear_conflicts(version, &mut removals) && !was_protected {
            self.discard(package);
            return false;
        }
        let state = self.of_mut(package);
        state.automatic =
            by == MarkedBy::Dependency && (state.automatic || state.planned.is_none());
        state.planned = Some(version);
        state.protected = true;
        let complete = self.mark_dependencies(version, was_protected);
        self.of_mut(package).protected = was_protected;
        for removal in removals {
            self.of_mut(removal).planned = None;
        }
        if !complete && !was_protected {
            self.take_back(package);
            self.discard(package);
        }
        complete
    }

    /// Restores the state of a package from before the call.
    pub(super) fn take_back(&mut self, package: PackageId) {
        let state = self.of_mut(package);
        state.planned = state.installed;
        state.automatic = false;
    }

    /// Discards a candidate that turned out to be impossible, for the rest of the call.
    fn discard(&mut self, package: PackageId) {
        let state = self.of_mut(package);
        state.candidate = state.installed;
    }

    /// Looks ahead: the planned versions or the candidates must meet each dependency.
    fn is_possible(&self, version: VersionId) -> bool {
        for group in hard_groups(self.pool.dependencies(version)) {
            if !self.satisfies(Which::Planned, version, group)
                && !self.satisfies(Which::Candidate, version, group)
            {
                return false;
            }
        }
        true
    }

    /// Takes back what a version conflicts with, and adds installed packages to `removals`. Returns
    /// false if one of them has to stay.
    fn clear_conflicts(&mut self, version: VersionId, removals: &mut Vec<PackageId>) -> bool {
        let protected = self.of(self.pool[version].package).protected;
        let mut conflicting = Vec::new();
        for dependency in negative(self.pool.dependencies(version)) {
            let targets: Vec<VersionId> = dependency.targets(self.pool, version).collect();
            if protected || targets.iter().any(|t| self.is(Which::Planned, *t)) {
                conflicting.extend(targets);
            }
        }
        conflicting.extend(self.incompatible_siblings(version));
        for target in conflicting {
            if !self.clear(target, protected, removals) {
                return false;
            }
        }
        true
    }

    fn clear(
        &mut self,
        version: VersionId,
        protected: bool,
        removals: &mut Vec<PackageId>,
    ) -> bool {
        let package = self.pool[version].package;
        let entry = self.pool[package];
        let state = *self.of(package);
        if state.planned != Some(version) && state.candidate != Some(version) {
            return true;
        }
        let is_installed = state.installed.is_some();
        if state.planned.is_some() {
            let must_stay = is_installed && (entry.essential || entry.protected);
            if state.protected || must_stay {
                return false;
            }
            if !is_installed {
                self.take_back(package);
            } else if protected {
                self.of_mut(package).planned = None;
            } else {
                removals.push(package);
            }
        }
        if protected && !is_installed {
            self.bar(package);
        }
        true
    }

    fn mark_dependencies(&mut self, version: VersionId, protected: bool) -> bool {
        let mut complete = true;
        for group in hard_groups(self.pool.dependencies(version)) {
            let is_satisfied = self.satisfies(Which::Planned, version, group);
            if is_satisfied && !protected {
                continue;
            }
            let solutions = self.solutions(version, group);
            let is_met = match solutions[..] {
                // Protection runs down a chain without alternatives.
                [only] if protected && !self.of(only).protected => {
                    let state = self.of_mut(only);
                    state.automatic |= state.planned.is_none();
                    state.planned = state.candidate;
                    state.protected = true;
                    self.mark(only, MarkedBy::Dependency)
                }
                _ => is_satisfied || self.mark_first(&solutions),
            };
            complete &= is_met;
            if !is_met && !protected {
                break;
            }
        }
        complete
    }

    /// Marks the first solution that can be marked.
    fn mark_first(&mut self, solutions: &[PackageId]) -> bool {
        for solution in solutions {
            if self.mark(*solution, MarkedBy::Dependency) {
                return true;
            }
        }
        false
    }

    /// The packages that meet an or-group, in the order in which apt tries them.
    fn solutions(&self, owner: VersionId, group: &[Dependency<'a>]) -> Vec<PackageId> {
        let mut all: Vec<PackageId> = Vec::new();
        for dependency in group {
            let mut fitting: Vec<PackageId> = Vec::new();
            for target in dependency.targets(self.pool, owner) {
                if self.is(Which::Candidate, target) {
                    fitting.push(self.pool[target].package);
                }
            }
            fitting.sort_by_key(|package| self.preference(*package, dependency));
            all.extend(fitting);
        }
        all.sort_by_key(|package| self.of(*package).installed.is_none());
        let mut solutions = Vec::with_capacity(all.len());
        for package in all {
            self.pool.work.steps(solutions.len(), Some(package));
            if !self.of(package).is_barred() && !solutions.contains(&package) {
                solutions.push(package);
            }
        }
        solutions
    }

    /// apt's order of the providers of one name (CompareProviders), the best first. The number
    /// decides last, the higher the better; it decides most virtual packages.
    fn preference(&self, package: PackageId, dependency: &Dependency<'a>) -> impl Ord + use<> {
        let entry = self.pool[package];
        let state = self.of(package);
        let candidate = state.candidate.map(|version| &self.pool[version]);
        let priority = candidate.and_then(|candidate| candidate.priority);
        let is_same = candidate.is_some_and(|c| c.multi_arch == MultiArch::Same);
        let is_beside_sibling = is_same && self.has_installed_sibling(package);
        // To apt `name:any` is a separate name that no package has.
        let is_named = entry.name == dependency.name && dependency.form == TargetForm::Plain;
        let merits = (
            state.protected,
            is_beside_sibling,
            state.installed.is_some(),
            is_named,
            entry.essential,
            entry.protected,
        );
        (
            Reverse(merits),
            entry.architecture,
            priority,
            Reverse(package),
        )
    }

    /// Whether the same name is installed for another architecture.
    fn has_installed_sibling(&self, package: PackageId) -> bool {
        for sibling in self.pool.packages_named(self.pool[package].name) {
            if sibling != package && self.of(sibling).installed.is_some() {
                return true;
            }
        }
        false
    }
}
