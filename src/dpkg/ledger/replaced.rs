//! Packages that others have replaced completely: dpkg lets them disappear (Policy 6.6).
//!
//! A package stays as long as one of its paths is in no other package's list, as a diversion keeps
//! a path of it, or as another package needs it.

use crate::dpkg::{Diversions, Status};
use crate::formats::package::Package;
use crate::formats::package_key::PackageKey;
use crate::formats::relation::{Provided, Relation};
use crate::formats::version::Version;

use super::Ledger;

/// A package that may disappear, and the package that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// The package whose paths others list.
    pub(crate) gone: PackageKey,
    /// The package in whose favour it disappears.
    pub(crate) by: PackageKey,
}

impl Ledger {
    /// The packages of whose paths every one is in another package's list, too. A package without
    /// any path but the root never disappears.
    pub(crate) fn without_own_paths(&self) -> Vec<PackageKey> {
        let mut found = Vec::new();
        for (key, entry) in &self.packages {
            if entry.paths > 0 && entry.exclusive == 0 {
                found.push(key.clone());
            }
        }
        found
    }

    /// Whether a package disappears in favour of another: no path is its own, no diversion keeps
    /// one, and no package needs it.
    pub(crate) fn disappears(
        &self,
        replacement: &Replacement,
        diversions: &Diversions,
        status: &Status,
    ) -> bool {
        let Replacement { gone, by } = replacement;
        let Some(entry) = self.packages.get(gone) else {
            return false;
        };
        if entry.paths == 0 || entry.exclusive > 0 || self.are_instances(gone, by) {
            return false;
        }
        if self.is_needed(replacement, &entry.package, status) {
            return false;
        }
        // Such a path keeps the package this time, and is looked at again the next time.
        let paths = self.paths(gone);
        let is_diverted = |path| diversions.separates(path, gone.name(), by.name());
        !paths.iter().any(is_diverted)
    }

    /// Whether a package needs the one that is about to go, and no other package meets that
    /// relation.
    fn is_needed(&self, replacement: &Replacement, going: &Package, status: &Status) -> bool {
        for key in self.packages.keys() {
            if *key == replacement.gone {
                continue;
            }
            for group in self.needs(key, replacement, status) {
                let is_meant = group.iter().any(|relation| mentions(relation, going));
                let is_met = |r: &Relation| self.is_met_otherwise(r, replacement, status);
                if is_meant && !group.iter().any(is_met) {
                    return true;
                }
            }
        }
        false
    }

    /// The relations of a package that must hold: Pre-Depends alone until it is configured.
    fn needs(
        &self,
        key: &PackageKey,
        replacement: &Replacement,
        status: &Status,
    ) -> Vec<&Vec<Relation>> {
        let Some(package) = self.package(key) else {
            return Vec::new();
        };
        let mut groups: Vec<&Vec<Relation>> = package.pre_depends.iter().collect();
        if self.counts_as_configured(key, replacement, status) {
            groups.extend(&package.depends);
            groups.extend(&package.recommends);
        }
        groups
    }

    fn is_met_otherwise(
        &self,
        relation: &Relation,
        replacement: &Replacement,
        status: &Status,
    ) -> bool {
        let mut others = self.packages.iter();
        others.any(|(key, entry)| {
            *key != replacement.gone
                && self.counts_as_configured(key, replacement, status)
                && meets(&entry.package, relation)
        })
    }

    /// The package that is just being installed counts as if it were configured.
    fn counts_as_configured(
        &self,
        key: &PackageKey,
        replacement: &Replacement,
        status: &Status,
    ) -> bool {
        *key == replacement.by || status.is_configured(self.qualified(key))
    }
}

/// Whether a relation names a package, or something that it provides.
fn mentions(relation: &Relation, package: &Package) -> bool {
    let mut provides = package.provides.iter();
    relation.name == package.name || provides.any(|provided| provided.name == relation.name)
}

/// Whether a package meets a relation.
fn meets(package: &Package, relation: &Relation) -> bool {
    let constraint = relation.constraint.as_ref();
    let admits = |version: &Version| constraint.is_none_or(|c| c.admits(version));
    if relation.name == package.name && admits(&package.version) {
        return true;
    }
    let is_provided = |provided: &Provided| {
        let version = provided.version.as_ref();
        provided.name == relation.name && version.map_or(constraint.is_none(), admits)
    };
    package.provides.iter().any(is_provided)
}
