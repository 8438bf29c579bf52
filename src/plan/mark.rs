//! apt's marking: a demand is marked with all that it needs, depth first; a choice once made stands, however the rest goes.
//!
//! The rules are pkgDepCache::MarkInstall's, with Recommends off: no search and no way back but the one step of taking back a
//! package whose own demands fail. Odd as some look, each decides what real demands get, so none is to be improved on.

use std::cmp::Reverse;

use super::links::{Link, groups};
use super::pool::{Asked, PackageId, VersionId};
use super::state::{State, Table};
use crate::formats::package::MultiArch;

/// Chains of dependencies longer than this fail, as they do for apt.
const MAX_DEPTH: usize = 3000;

/// Who asks for a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    User,
    Dependency,
}

impl<'p, 'a> State<'p, 'a> {
    /// Plans a package without looking at what it needs, and settles it.
    pub(super) fn demand(&mut self, package: PackageId) {
        let standing = self.of_mut(package);
        standing.planned = standing.candidate.or(standing.installed);
        (standing.protected, standing.automatic, standing.demanded) = (true, false, true);
    }

    /// Settles a package as absent. Essential packages stay.
    pub(super) fn bar(&mut self, package: PackageId) {
        let standing = self.of_mut(package);
        (standing.planned, standing.candidate, standing.protected) = (None, None, true);
    }

    /// Plans a package with what it needs.
    pub(super) fn mark(&mut self, package: PackageId, by: By, depth: usize) -> bool {
        let before = *self.of(package);
        let Some(version) = before.candidate else {
            return false;
        };
        if depth > MAX_DEPTH || before.is_barred() && by == By::Dependency {
            return false;
        }
        if !before.protected && before.planned == Some(version) && !self.is_broken(version) {
            return true;
        }
        if !self.is_possible(version) {
            if !before.protected {
                self.discard(package);
            }
            return false;
        }
        let mut removals = Vec::new();
        if !self.clear_the_way(version, &mut removals) && !before.protected {
            self.discard(package);
            return false;
        }
        let standing = self.of_mut(package);
        standing.automatic =
            by == By::Dependency && (standing.automatic || standing.planned.is_none());
        (standing.planned, standing.protected) = (Some(version), true);
        let complete = self.mark_demands(version, before.protected, depth);
        self.of_mut(package).protected = before.protected;
        for removal in removals {
            self.of_mut(removal).planned = None;
        }
        if !complete && !before.protected {
            self.take_back(package);
            self.discard(package);
        }
        complete
    }

    /// Puts a package back to where it was before the run.
    pub(super) fn take_back(&mut self, package: PackageId) {
        let standing = self.of_mut(package);
        standing.planned = standing.installed;
        standing.automatic = false;
    }

    /// A candidate that turned out impossible is none for the rest of the run.
    fn discard(&mut self, package: PackageId) {
        let standing = self.of_mut(package);
        standing.candidate = standing.installed;
    }

    /// The look-ahead: each demand must be met by something planned or by some candidate.
    fn is_possible(&self, version: VersionId) -> bool {
        let mut demands =
            groups(self.pool.links(version)).filter(|group| group[0].kind.is_demand());
        demands.all(|group| {
            self.satisfies(Table::Planned, version, group)
                || self.satisfies(Table::Candidate, version, group)
        })
    }

    /// Takes back what a version is against; what is installed is put on `removals`. False if something has to stay.
    fn clear_the_way(&mut self, version: VersionId, removals: &mut Vec<PackageId>) -> bool {
        let protected = self.of(self.pool[version].package).protected;
        let mut hits = Vec::new();
        for link in self
            .pool
            .links(version)
            .iter()
            .filter(|link| link.kind.is_negative())
        {
            if protected || link.any(self.pool, version, |hit| self.has(Table::Planned, hit)) {
                hits.extend(link.targets(self.pool, version));
            }
        }
        hits.extend(self.rivals(version));
        hits.into_iter()
            .all(|hit| self.clear(hit, protected, removals))
    }

    fn clear(&mut self, hit: VersionId, protected: bool, removals: &mut Vec<PackageId>) -> bool {
        let package = self.pool[hit].package;
        let (entry, standing) = (self.pool[package], *self.of(package));
        if standing.planned != Some(hit) && standing.candidate != Some(hit) {
            return true;
        }
        if standing.planned.is_some()
            && (standing.protected
                || standing.installed.is_some() && (entry.essential || entry.protected))
        {
            return false;
        }
        match (standing.planned.is_some(), standing.installed.is_some()) {
            (true, true) if protected => self.of_mut(package).planned = None,
            (true, true) => removals.push(package),
            (true, false) => self.take_back(package),
            (false, _) => {}
        }
        if protected && standing.installed.is_none() {
            self.bar(package);
        }
        true
    }

    fn mark_demands(&mut self, version: VersionId, protected: bool, depth: usize) -> bool {
        let mut complete = true;
        let demands = groups(self.pool.links(version)).filter(|group| group[0].kind.is_demand());
        for group in demands {
            let satisfied = self.satisfies(Table::Planned, version, group);
            if satisfied && !protected {
                continue;
            }
            let solutions = self.solutions(version, group);
            let met = match solutions[..] {
                // Protection runs down a chain that has no choice.
                [only] if protected && !self.of(only).protected => {
                    let standing = self.of_mut(only);
                    standing.automatic |= standing.planned.is_none();
                    (standing.planned, standing.protected) = (standing.candidate, true);
                    self.mark(only, By::Dependency, depth + 1)
                }
                _ => {
                    satisfied
                        || solutions
                            .into_iter()
                            .any(|solution| self.mark(solution, By::Dependency, depth + 1))
                }
            };
            complete &= met;
            if !met && !protected {
                break;
            }
        }
        complete
    }

    /// Who could satisfy a group, in the order in which apt tries them.
    pub(super) fn solutions(&self, owner: VersionId, group: &[Link<'a>]) -> Vec<PackageId> {
        let mut all: Vec<PackageId> = Vec::new();
        for link in group {
            let mut fitting: Vec<PackageId> = Vec::new();
            link.any(self.pool, owner, |version| {
                if self.has(Table::Candidate, version) {
                    fitting.push(self.pool[version].package);
                }
                false
            });
            fitting.sort_by_key(|package| self.preference(*package, link));
            all.extend(fitting);
        }
        all.sort_by_key(|package| self.of(*package).installed.is_none());
        let mut seen = Vec::with_capacity(all.len());
        all.retain(|package| {
            !self.of(*package).is_barred() && !seen.contains(package) && {
                seen.push(*package);
                true
            }
        });
        all
    }

    /// apt's order of those that provide one name (CompareProviders), the best first. Last comes the number, the higher the better:
    /// it decides most virtual packages.
    fn preference(&self, package: PackageId, link: &Link<'a>) -> impl Ord + use<> {
        let (entry, standing) = (self.pool[package], self.of(package));
        let priority = standing
            .candidate
            .and_then(|version| self.pool[version].priority);
        let same = standing
            .candidate
            .is_some_and(|version| self.pool[version].multi_arch == MultiArch::Same);
        let beside = same
            && self
                .pool
                .packages_named(entry.name)
                .any(|p| p != package && self.of(p).installed.is_some());
        // To apt `name:any` is a name of its own, which nobody bears.
        let named = entry.name == link.name && link.asked == Asked::Plainly;
        (
            Reverse((
                standing.protected,
                beside,
                standing.installed.is_some(),
                named,
                entry.essential,
                entry.protected,
            )),
            entry.architecture,
            priority,
            Reverse(package),
        )
    }
}
