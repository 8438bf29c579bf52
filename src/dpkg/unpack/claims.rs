//! Who owns which path: dpkg's rules for two packages that ship the same one.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::dpkg::Diversions;
use crate::formats::package::Package;
use crate::tree::rootfs::RootPath;

use super::Error;
use super::disappear::are_instances;
use super::stage::Staged;

/// What the rules need to know of a package that has claimed paths.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) package: Package,
    pub(super) qualified: String,
    /// Paths that others have taken over.
    lost: HashSet<RootPath>,
}

/// The paths of all packages unpacked so far, directories apart.
#[derive(Debug, Default)]
pub(super) struct Claims {
    packages: HashMap<usize, Owner>,
    /// Nearly always there is one owner.
    paths: HashMap<RootPath, Vec<usize>>,
    /// Who has lost which paths since that was last asked.
    robbed: Robbed,
}

/// Who has lost which paths.
pub(super) type Robbed = BTreeMap<usize, Vec<RootPath>>;

/// What a claim comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The path is the package's.
    Granted,
    /// So it is now, and other packages that it replaces have it no longer.
    TakenOver,
    /// Another architecture of the package has it too: granted if the contents are equal.
    Shared {
        /// The other one's number.
        with: usize,
    },
    /// An earlier package replaces this one's: not to be unpacked, not to be listed.
    Yielded,
}

impl Claims {
    /// Makes a package known, before its first claim.
    pub(super) fn enter(&mut self, staged: &Staged) {
        self.packages.entry(staged.number).or_insert_with(|| Owner {
            package: staged.package.clone(),
            qualified: staged.qualified.clone(),
            lost: HashSet::new(),
        });
    }

    /// How many packages of that name are known: dpkg tells scripts.
    pub(super) fn instances(&self, name: &str) -> usize {
        self.packages
            .values()
            .filter(|owner| owner.package.name == name)
            .count()
    }

    /// A package's claim to a path.
    pub(super) fn claim(
        &mut self,
        path: &RootPath,
        number: usize,
        diversions: &Diversions,
    ) -> Result<Claim, Error> {
        let Some(owners) = self.paths.get_mut(path) else {
            self.paths.insert(path.clone(), vec![number]);
            return Ok(Claim::Granted);
        };
        let mine = &self.packages[&number].package;
        let mut claim = Claim::Granted;
        let mut replaced = Vec::new();
        for &other in owners.iter().filter(|&&other| other != number) {
            let theirs = &self.packages[&other].package;
            if are_instances(theirs, mine) {
                claim = Claim::Shared { with: other };
            } else if diversions.separates(path, &mine.name, &theirs.name) {
            } else if replaces(mine, theirs) {
                replaced.push(other);
                claim = Claim::TakenOver;
            } else if replaces(theirs, mine) {
                return Ok(Claim::Yielded);
            } else {
                let other = format!("{} ({})", theirs.name, theirs.version);
                return Err(Error::Overwrite {
                    path: path.clone(),
                    package: mine.name.clone(),
                    other,
                });
            }
        }
        owners.retain(|owner| !replaced.contains(owner));
        if !owners.contains(&number) {
            owners.push(number);
        }
        for other in replaced {
            if let Some(owner) = self.packages.get_mut(&other) {
                owner.lost.insert(path.clone());
                self.robbed.entry(other).or_default().push(path.clone());
            }
        }
        Ok(claim)
    }

    /// The name of a package that ships this path as something other than a directory.
    pub(super) fn owner(&self, path: &RootPath) -> Option<&str> {
        self.paths
            .get(path)?
            .first()
            .map(|number| self.packages[number].package.name.as_str())
    }

    /// A package that is known.
    pub(super) fn of(&self, number: usize) -> &Owner {
        &self.packages[&number]
    }

    /// All packages that are known.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Owner)> {
        self.packages.iter().map(|(&number, owner)| (number, owner))
    }

    /// The packages that have a path as something other than a directory.
    pub(super) fn owners(&self, path: &RootPath) -> &[usize] {
        self.paths.get(path).map_or(&[], Vec::as_slice)
    }

    /// Whether a path is some package's as something other than a directory.
    pub(super) fn is_claimed(&self, path: &RootPath) -> bool {
        self.paths.contains_key(path)
    }

    /// Whether a path, no directory, is this package's alone, its other architectures aside.
    pub(super) fn is_sole(&self, path: &RootPath, number: usize) -> bool {
        let mine = |other: usize| {
            other == number
                || are_instances(
                    &self.packages[&other].package,
                    &self.packages[&number].package,
                )
        };
        self.paths.get(path).is_some_and(|owners| {
            owners.contains(&number) && owners.iter().all(|&other| mine(other))
        })
    }

    /// Who has taken over a path of this package.
    pub(super) fn taker(&self, number: usize) -> Option<usize> {
        self.packages[&number]
            .lost
            .iter()
            .find_map(|path| self.paths.get(path)?.first().copied())
    }

    /// Forgets a package and its claims.
    pub(super) fn remove(&mut self, number: usize) {
        self.packages.remove(&number);
        self.robbed.remove(&number);
        self.paths.retain(|_, owners| {
            owners.retain(|&owner| owner != number);
            !owners.is_empty()
        });
    }

    /// The packages that have lost paths since this was last asked, in the plan's order.
    pub(super) fn take_robbed(&mut self) -> Robbed {
        std::mem::take(&mut self.robbed)
    }

    /// The paths of a package that others have taken over.
    pub(super) fn lost(&self, number: usize) -> &HashSet<RootPath> {
        &self.packages[&number].lost
    }
}

/// Whether `new` has a Replaces that names `old` in this version.
fn replaces(new: &Package, old: &Package) -> bool {
    let admits = |r: &crate::formats::relation::Relation| {
        r.constraint.as_ref().is_none_or(|c| c.admits(&old.version))
    };
    new.replaces
        .iter()
        .flatten()
        .any(|r| r.name == old.name && admits(r))
}
