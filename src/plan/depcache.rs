//! The state of every package while apt's call is planned (apt's pkgDepCache).
//!
//! For each package: the installed version, the candidate and the planned version; and which
//! dependencies of the planned versions hold. `mark`, `target_release` and `solve` change it.

use super::chain::{self, Chain, TooDeep};
use super::dependency::{self, Dependency, hard_groups, negative};
use super::mark;
use super::pool::{PackageId, Pool, VersionId};

/// The state of a package.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DepState {
    /// The version that is installed before the call.
    pub(crate) installed: Option<VersionId>,
    /// The only other version that is considered; discarded for the rest of the call when it turns
    /// out to be impossible.
    pub(crate) candidate: Option<VersionId>,
    /// The version that is installed after the call.
    pub(crate) planned: Option<VersionId>,
    /// The planned version, or its absence, may not change any more.
    pub(crate) protected: bool,
    /// A dependency brought it in.
    pub(crate) automatic: bool,
    /// The user or the variant demands it.
    pub(crate) demanded: bool,
}

impl DepState {
    /// Whether the package is protected as absent.
    pub(super) fn is_barred(&self) -> bool {
        self.protected && self.planned.is_none()
    }

    /// Whether the call installs another version than the installed one.
    pub(super) fn is_new(&self) -> bool {
        self.planned.is_some() && self.planned != self.installed
    }
}

/// The states of all packages.
#[derive(Clone, Debug)]
pub(super) struct DepCache<'p, 'a> {
    pub(crate) pool: &'p Pool<'a>,
    states: Vec<DepState>,
    /// The packages that are being marked.
    pub(crate) chain: Chain,
    /// The packages whose candidate a target release is changing.
    pub(crate) release_chain: Chain,
}

/// Selects one of a package's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Planned,
    Candidate,
}

impl<'p, 'a> DepCache<'p, 'a> {
    /// Plans nothing but what is installed. As in apt without `extended_states`, the installed
    /// packages count as requested by the user.
    pub(super) fn new(
        pool: &'p Pool<'a>,
        candidates: &[Option<VersionId>],
        installed: &[VersionId],
    ) -> DepCache<'p, 'a> {
        let mut states = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            states.push(DepState {
                candidate: *candidate,
                ..DepState::default()
            });
        }
        for version in installed {
            let state = &mut states[pool[*version].package.index()];
            state.installed = Some(*version);
            state.planned = Some(*version);
        }
        DepCache {
            pool,
            states,
            chain: Chain::new(mark::MAX_CHAIN),
            release_chain: Chain::new(chain::LIMIT),
        }
    }

    /// A chain of dependencies that exceeded its limit.
    pub(super) fn too_deep(&self) -> Option<&TooDeep> {
        self.release_chain.too_deep().or(self.chain.too_deep())
    }

    pub(super) fn of(&self, package: PackageId) -> &DepState {
        &self.states[package.index()]
    }

    pub(super) fn of_mut(&mut self, package: PackageId) -> &mut DepState {
        &mut self.states[package.index()]
    }

    /// The versions that are installed after the call, in order of package number.
    pub(super) fn planned(&self) -> impl Iterator<Item = VersionId> + '_ {
        self.states.iter().filter_map(|state| state.planned)
    }

    /// The installed packages that the call removes, in order of number.
    pub(super) fn removed(&self) -> Vec<PackageId> {
        let mut removed = Vec::new();
        for package in self.pool.packages() {
            let state = self.of(package);
            if state.installed.is_some() && state.planned.is_none() {
                removed.push(package);
            }
        }
        removed
    }

    /// Whether a version is its package's planned version or candidate.
    pub(super) fn is(&self, which: Which, version: VersionId) -> bool {
        let state = self.of(self.pool[version].package);
        match which {
            Which::Planned => state.planned == Some(version),
            Which::Candidate => state.candidate == Some(version),
        }
    }

    /// Whether the planned versions, or the candidates, meet an or-group.
    pub(super) fn satisfies(
        &self,
        which: Which,
        owner: VersionId,
        group: &[Dependency<'a>],
    ) -> bool {
        for dependency in group {
            for target in dependency.targets(self.pool, owner) {
                if self.is(which, target) {
                    return true;
                }
            }
        }
        false
    }

    /// The or-groups of Pre-Depends and Depends of a version that the planned versions do not meet.
    pub(super) fn unmet(&self, owner: VersionId) -> Vec<&'p [Dependency<'a>]> {
        let mut unmet = Vec::new();
        for group in hard_groups(self.pool.dependencies(owner)) {
            if !self.satisfies(Which::Planned, owner, group) {
                unmet.push(group);
            }
        }
        unmet
    }

    /// Whether a version conflicts with a planned version, by its own declaration.
    fn has_conflict(&self, owner: VersionId) -> bool {
        for dependency in negative(self.pool.dependencies(owner)) {
            for target in dependency.targets(self.pool, owner) {
                if self.is(Which::Planned, target) {
                    return true;
                }
            }
        }
        for sibling in self.incompatible_siblings(owner) {
            if self.is(Which::Planned, sibling) {
                return true;
            }
        }
        false
    }

    /// The versions of the same name and another architecture that Multi-Arch does not allow beside
    /// this one.
    pub(super) fn incompatible_siblings(&self, owner: VersionId) -> Vec<VersionId> {
        let mut incompatible = Vec::new();
        if self.pool.architectures().len() == 1 {
            return incompatible;
        }
        let package = self.pool[owner].package;
        for sibling in self.pool.packages_named(self.pool[package].name) {
            if sibling == package {
                continue;
            }
            for version in self.pool.versions(sibling) {
                if !dependency::may_coexist(self.pool, owner, version) {
                    incompatible.push(version);
                }
            }
        }
        incompatible
    }

    /// Whether a version, if installed beside all planned versions, has an unmet dependency or a
    /// conflict.
    pub(super) fn is_broken(&self, version: VersionId) -> bool {
        for group in hard_groups(self.pool.dependencies(version)) {
            if !self.satisfies(Which::Planned, version, group) {
                return true;
            }
        }
        self.has_conflict(version)
    }

    /// The planned packages that are broken.
    pub(super) fn broken(&self) -> Vec<PackageId> {
        let mut broken = Vec::new();
        for version in self.planned() {
            if self.is_broken(version) {
                broken.push(self.pool[version].package);
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two caches have a state for each of some 140,000 names in Debian, at the peak of memory.
    #[test]
    fn a_state_is_small() {
        assert_eq!(size_of::<DepState>(), 16);
    }
}
