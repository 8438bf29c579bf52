//! `name/suite`: what a package from another suite needs in versions that the candidates do not give comes from there too.
//!
//! This is pkgDepCache::SetCandidateRelease, which looks at what is planned before anything is marked: a candidate counts only if
//! what it needs is planned already, so more is taken from the suite than would be needed. Nor does it take a choice back when it
//! leads nowhere, unless another alternative follows.

use super::links::{Link, groups};
use super::pool::{PackageId, VersionId};
use super::state::State;

impl<'a> State<'_, 'a> {
    /// Takes from `suite` what the candidate of `package` needs.
    pub(super) fn follow(&mut self, package: PackageId, suite: &str) {
        if let Some(version) = self.of(package).candidate {
            self.switch(version, suite, &mut Vec::new());
        }
    }

    /// Makes a version the candidate, with what it needs; false if the suite does not have that. `switched` are those further up.
    fn switch(&mut self, version: VersionId, suite: &str, switched: &mut Vec<VersionId>) -> bool {
        self.of_mut(self.pool[version].package).candidate = Some(version);
        switched.push(version);
        let mut demands = groups(self.pool.links(version)).filter(|group| group[0].kind.is_demand());
        demands
            .all(|group| group.iter().any(|link| self.is_fine(link)) || group.iter().any(|link| self.switch_target(link, suite, switched)))
    }

    /// Whether the candidates meet a relation with something that could be installed at once. Where a name is provided and no
    /// version asked for, only those who provide it are looked at.
    fn is_fine(&self, link: &Link<'a>) -> bool {
        let pool = self.pool;
        let at_once = |version: VersionId| self.of(pool[version].package).candidate == Some(version) && !self.is_broken(version);
        let mut providers = pool.provides(link.name, link.asked).map(|entry| entry.owner).peekable();
        if link.constraint.is_none() && providers.peek().is_some() {
            return providers.any(at_once);
        }
        let candidate = pool.package(link.name, link.architecture).and_then(|package| self.of(package).candidate);
        candidate.is_some_and(|version| link.admits(pool[version].text) && at_once(version))
    }

    fn switch_target(&mut self, link: &Link<'a>, suite: &str, switched: &mut Vec<VersionId>) -> bool {
        let target = self.pool.package(link.name, link.architecture).filter(|_| link.constraint.is_some());
        let Some((package, version)) = target.and_then(|p| Some((p, self.pool.version_of(p, suite)?))) else { return false };
        if !link.admits(self.pool[version].text) {
            return false;
        }
        let old = self.of(package).candidate;
        if switched.contains(&version) || self.switch(version, suite, switched) {
            return true;
        }
        if link.or {
            self.of_mut(package).candidate = old;
        }
        false
    }
}
