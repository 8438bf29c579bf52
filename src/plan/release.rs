//! `name/suite`: what a package from another suite needs in versions that the candidates do not give comes from there too.
//!
//! This is pkgDepCache::SetCandidateRelease, which looks at what is planned before anything is marked: a candidate counts only if
//! what it needs is planned already, so more is taken from the suite than would be needed. `name:any` with a version is to it a name that
//! nobody has, so it gives up there. Nor does it take a choice back when it leads nowhere, unless another alternative follows.

use super::links::{Link, groups};
use super::pool::{Asked, PackageId, VersionId};
use super::state::State;

impl<'a> State<'_, 'a> {
    /// Takes from each suite what the candidate of the package that is asked for from there needs.
    pub(super) fn follow(&mut self, demands: &[(PackageId, &str)]) {
        let mut switched = Vec::new();
        for (package, suite) in demands {
            if let Some(version) = self.of(*package).candidate {
                switched.push(version);
                self.switch(version, suite, &mut switched);
            }
        }
    }

    /// Makes a version the candidate, with what it needs; false if the suite does not have that. `switched` are those that were, which a
    /// failure forgets but leaves candidates.
    fn switch(&mut self, version: VersionId, suite: &str, switched: &mut Vec<VersionId>) -> bool {
        self.of_mut(self.pool[version].package).candidate = Some(version);
        let before = switched.len();
        let mut demands =
            groups(self.pool.links(version)).filter(|group| group[0].kind.is_demand());
        let met = demands.all(|group| {
            group.iter().any(|link| self.is_fine(link))
                || group
                    .iter()
                    .any(|link| self.switch_target(link, suite, switched))
        });
        if !met {
            switched.truncate(before);
        }
        met
    }

    /// Whether the candidates meet a relation with something that could be installed at once. Where a name is provided and no
    /// version asked for, only those who provide it are looked at.
    fn is_fine(&self, link: &Link<'a>) -> bool {
        let pool = self.pool;
        let at_once = |version: VersionId| {
            self.of(pool[version].package).candidate == Some(version) && !self.is_broken(version)
        };
        let mut providers = pool
            .provides(link.name, link.asked)
            .map(|entry| entry.owner)
            .peekable();
        if link.constraint.is_none() && (providers.peek().is_some() || link.asked == Asked::ForAny)
        {
            return providers.any(at_once);
        }
        let candidate = self
            .named(link)
            .and_then(|package| self.of(package).candidate);
        candidate.is_some_and(|version| link.admits(pool[version].text) && at_once(version))
    }

    fn switch_target(
        &mut self,
        link: &Link<'a>,
        suite: &str,
        switched: &mut Vec<VersionId>,
    ) -> bool {
        let target = self.named(link).filter(|_| link.constraint.is_some());
        let Some((package, version)) =
            target.and_then(|p| Some((p, self.pool.version_of(p, suite)?)))
        else {
            return false;
        };
        if !link.admits(self.pool[version].text) {
            return false;
        }
        let old = self.of(package).candidate;
        if old == Some(version)
            && switched
                .iter()
                .any(|switched| self.pool[*switched].package == package)
        {
            return true;
        }
        switched.push(version);
        if self.switch(version, suite, switched) {
            return true;
        }
        if link.or {
            self.of_mut(package).candidate = old;
            switched.pop();
        }
        false
    }

    /// The package that a relation names; `name:any` is none.
    fn named(&self, link: &Link<'a>) -> Option<PackageId> {
        self.pool
            .package(link.name, link.architecture)
            .filter(|_| link.asked == Asked::Plainly)
    }
}
