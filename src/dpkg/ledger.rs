//! Which package lists which path, and dpkg's rules for packages that list the same one.
//!
//! Pure: it is what the package lists of dpkg's database say, together with the relations of the
//! packages in them. Looking at the tree, and writing lists, is left to `place` and `register`.

mod replaced;

use std::collections::{BTreeMap, HashMap};

use crate::formats::package::{MultiArch, Package};
use crate::formats::package_key::PackageKey;
use crate::tree::rootfs::RootPath;

use super::{Diversions, qualified_name};
pub(crate) use replaced::Replacement;

/// The packages that are unpacked or being unpacked, and the paths in their lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    packages: BTreeMap<PackageKey, LedgerEntry>,
    /// Nearly every path that is no directory has one owner.
    owners: HashMap<RootPath, Vec<PackageKey>>,
}

/// One package of the ledger.
#[derive(Clone, Debug)]
struct LedgerEntry {
    package: Package,
    qualified: String,
    /// How many paths it lists, the root aside.
    paths: usize,
    /// How many of these no other package lists, other architectures of it aside.
    exclusive: usize,
}

/// The result of a claim to a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The path is the package's.
    Granted,
    /// The path is the package's, and these packages, which it replaces, no longer list it.
    TakenOver(Vec<PackageKey>),
    /// Another architecture of the package lists it too: granted if the contents are equal.
    Shared {
        /// That other package.
        with: PackageKey,
    },
    /// A package that is there replaces this one: not to be unpacked, not to be listed.
    Yielded,
}

/// Two packages ship the same path, and neither replaces the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The package that has the path.
    pub(crate) with: PackageKey,
}

impl Ledger {
    /// Adds a package without paths. A package that is there stays as it is.
    pub(crate) fn enter(&mut self, key: &PackageKey, package: &Package) {
        if self.packages.contains_key(key) {
            return;
        }
        let entry = LedgerEntry {
            package: package.clone(),
            qualified: qualified_name(package),
            paths: 0,
            exclusive: 0,
        };
        self.packages.insert(key.clone(), entry);
    }

    /// Adds a path to a package's list, whichever other packages list it. The package must have
    /// been entered.
    pub(crate) fn add(&mut self, path: &RootPath, key: &PackageKey) {
        let Some(owners) = self.owners.get(path) else {
            self.owners.insert(path.clone(), vec![key.clone()]);
            self.count(path, key, true);
            return;
        };
        let Err(at) = owners.binary_search(key) else {
            return;
        };
        let was_exclusive = self.are_one_package(owners);
        let others = if was_exclusive {
            owners.clone()
        } else {
            Vec::new()
        };
        if let Some(owners) = self.owners.get_mut(path) {
            owners.insert(at, key.clone());
        }
        let is_exclusive = was_exclusive && self.are_one_package(&self.owners[path]);
        self.count(path, key, is_exclusive);
        if is_exclusive || path.is_root() {
            return;
        }
        for other in &others {
            if let Some(entry) = self.packages.get_mut(other) {
                entry.exclusive -= 1;
            }
        }
    }

    /// A package's claim to a path that it ships as something other than a directory. A granted
    /// path is added to its list.
    pub(crate) fn claim(
        &mut self,
        path: &RootPath,
        key: &PackageKey,
        diversions: &Diversions,
    ) -> Result<Claim, Conflict> {
        if !self.owners.contains_key(path) {
            self.add(path, key);
            return Ok(Claim::Granted);
        }
        let mut claim = Claim::Granted;
        let mut losers = Vec::new();
        let mine = self.packages.get(key).map(|entry| &entry.package);
        for other in self.others(path, key) {
            let theirs = self.packages.get(other).map(|entry| &entry.package);
            let (Some(mine), Some(theirs)) = (mine, theirs) else {
                continue;
            };
            if self.are_instances(key, other) {
                claim = Claim::Shared {
                    with: other.clone(),
                };
            } else if diversions.separates(path, &mine.name, &theirs.name) {
                continue;
            } else if replaces(mine, theirs) {
                losers.push(other.clone());
            } else if replaces(theirs, mine) {
                return Ok(Claim::Yielded);
            } else {
                return Err(Conflict {
                    with: other.clone(),
                });
            }
        }
        self.add(path, key);
        if losers.is_empty() {
            return Ok(claim);
        }
        for loser in &losers {
            self.forget(path, loser);
        }
        Ok(Claim::TakenOver(losers))
    }

    /// The other packages that list a path.
    pub(crate) fn others<'a>(
        &'a self,
        path: &RootPath,
        key: &'a PackageKey,
    ) -> impl Iterator<Item = &'a PackageKey> {
        self.owners(path).iter().filter(move |owner| *owner != key)
    }

    /// The packages that list a path.
    pub(crate) fn owners(&self, path: &RootPath) -> &[PackageKey] {
        self.owners.get(path).map_or(&[], Vec::as_slice)
    }

    /// The first package that lists a path.
    pub(crate) fn owner(&self, path: &RootPath) -> Option<&PackageKey> {
        self.owners(path).first()
    }

    /// Whether a package lists a path.
    pub(crate) fn lists(&self, key: &PackageKey, path: &RootPath) -> bool {
        let owners = self.owners.get(path);
        owners.is_some_and(|owners| owners.contains(key))
    }

    pub(crate) fn contains(&self, key: &PackageKey) -> bool {
        self.packages.contains_key(key)
    }

    /// The name that dpkg keeps a package's files under; empty for a package that is not here.
    pub(crate) fn qualified(&self, key: &PackageKey) -> &str {
        let entry = self.packages.get(key);
        entry.map_or("", |entry| entry.qualified.as_str())
    }

    /// The fields of a package that is here.
    pub(crate) fn package(&self, key: &PackageKey) -> Option<&Package> {
        self.packages.get(key).map(|entry| &entry.package)
    }

    /// How many packages of that name are here: dpkg passes it to scripts.
    pub(crate) fn instances(&self, name: &str) -> usize {
        self.packages
            .keys()
            .filter(|key| key.name() == name)
            .count()
    }

    /// The version of dpkg in the tree as dpkg itself reports it: the upstream part.
    pub(crate) fn dpkg_version(&self) -> Option<&str> {
        let dpkg = self.packages.keys().find(|key| key.name() == "dpkg")?;
        let version = dpkg.version().without_epoch();
        let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
        Some(&version[..end.unwrap_or(version.len())])
    }

    /// Removes a package and its list.
    pub(crate) fn remove(&mut self, key: &PackageKey) {
        let paths = self.paths(key);
        for path in &paths {
            self.forget(path, key);
        }
        self.packages.remove(key);
    }

    /// Removes the packages whose qualified name `is_there` denies.
    pub(crate) fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        let mut gone = Vec::new();
        for (key, entry) in &self.packages {
            if !is_there(&entry.qualified) {
                gone.push(key.clone());
            }
        }
        for key in gone {
            self.remove(&key);
        }
    }

    /// The ledger as text, a line a package and a line a path of it, for comparisons.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, entry) in &self.packages {
            let Package {
                pre_depends,
                depends,
                recommends,
                replaces,
                ..
            } = &entry.package;
            let mut line = format!("package {key}, kept as {}", entry.qualified);
            for relations in [pre_depends, depends, recommends, replaces] {
                for group in relations {
                    let group: Vec<String> = group.iter().map(ToString::to_string).collect();
                    line.push_str(", ");
                    line.push_str(&group.join(" | "));
                }
                line.push(';');
            }
            lines.push(line);
        }
        for (path, owners) in &self.owners {
            for owner in owners {
                lines.push(format!("path of {owner}: {path}"));
            }
        }
        lines
    }

    /// The paths that a package lists.
    fn paths(&self, key: &PackageKey) -> Vec<RootPath> {
        let mut paths = Vec::new();
        for (path, owners) in &self.owners {
            if owners.contains(key) {
                paths.push(path.clone());
            }
        }
        paths
    }

    /// Takes a path from a package's list.
    fn forget(&mut self, path: &RootPath, key: &PackageKey) {
        let Some(mut owners) = self.owners.remove(path) else {
            return;
        };
        let was_exclusive = self.are_one_package(&owners);
        owners.retain(|owner| owner != key);
        let becomes_exclusive = !was_exclusive && self.are_one_package(&owners);
        if !path.is_root() {
            if let Some(entry) = self.packages.get_mut(key) {
                entry.paths -= 1;
                entry.exclusive -= usize::from(was_exclusive);
            }
            for owner in owners.iter().filter(|_| becomes_exclusive) {
                if let Some(entry) = self.packages.get_mut(owner) {
                    entry.exclusive += 1;
                }
            }
        }
        if !owners.is_empty() {
            self.owners.insert(path.clone(), owners);
        }
    }

    /// Counts a path that a package lists from now on.
    fn count(&mut self, path: &RootPath, key: &PackageKey, is_exclusive: bool) {
        if path.is_root() {
            return;
        }
        if let Some(entry) = self.packages.get_mut(key) {
            entry.paths += 1;
            entry.exclusive += usize::from(is_exclusive);
        }
    }

    /// Whether all owners are architectures of one package, which share their files.
    fn are_one_package(&self, owners: &[PackageKey]) -> bool {
        let Some((first, others)) = owners.split_first() else {
            return false;
        };
        others.iter().all(|other| self.are_instances(first, other))
    }

    fn are_instances(&self, one: &PackageKey, other: &PackageKey) -> bool {
        one.name() == other.name() && self.is_same_multi_arch(one) && self.is_same_multi_arch(other)
    }

    fn is_same_multi_arch(&self, key: &PackageKey) -> bool {
        let package = self.package(key);
        package.is_some_and(|package| package.multi_arch == MultiArch::Same)
    }
}

/// Whether `new` has a Replaces that names `old` in this version.
fn replaces(new: &Package, old: &Package) -> bool {
    new.replaces.iter().flatten().any(|relation| {
        let constraint = relation.constraint.as_ref();
        relation.name == old.name && constraint.is_none_or(|c| c.admits(&old.version))
    })
}

#[cfg(test)]
mod tests;
