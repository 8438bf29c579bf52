//! Packages that others have replaced completely: dpkg lets them disappear (Policy 6.6).
//!
//! A package stays as long as one of its paths is in no other package's list, or as another package needs it. Nearly every package has a
//! file of its own for ever, so one such path is remembered for each, and only who ships that very path brings the question up again.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::dpkg::{Database, Directive, InfoDirectory, Status, parse_triggers};
use crate::formats::deb::Kind;
use crate::formats::package::{MultiArch, Package};
use crate::formats::relation::{Provided, Relation};
use crate::formats::version::Version;
use crate::tree::rootfs::RootPath;

use super::Error;
use super::claims::{Claims, Owner};
use super::commit::Commit;
use super::stage::{Node, Staged};

/// The paths that keep packages.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    /// By package; none when every path that it had is in another's list too.
    of: BTreeMap<usize, Option<RootPath>>,
    /// Two architectures of a package may have the same.
    by_path: HashMap<RootPath, Vec<usize>>,
}

impl Keepers {
    fn enter(&mut self, number: usize, keeper: Option<RootPath>) {
        self.remove(number);
        if let Some(path) = &keeper {
            self.by_path.entry(path.clone()).or_default().push(number);
        }
        self.of.insert(number, keeper);
    }

    fn remove(&mut self, number: usize) {
        if let Some(Some(path)) = self.of.remove(&number)
            && let Some(kept) = self.by_path.get_mut(&path)
        {
            kept.retain(|&other| other != number);
        }
    }
}

impl Commit<'_> {
    /// Remembers what keeps a package that has been registered. One without any path but the root's never disappears.
    pub(super) fn keep(&mut self, staged: &Staged) {
        if staged.nodes.iter().all(|n| n.path.is_root()) {
            return;
        }
        let own = |n: &&Node| {
            n.entry.kind != Kind::Directory
                && !n.yielded
                && self.claims.is_sole(&n.path, staged.number)
        };
        let keeper = staged.nodes.iter().find(own).map(|n| n.path.clone());
        self.keepers.enter(staged.number, keeper);
    }

    /// The packages that may disappear now that another one has been unpacked.
    pub(super) fn threatened(&self, by: &Staged) -> Vec<usize> {
        let robbed = by
            .nodes
            .iter()
            .filter(|n| !n.yielded)
            .filter_map(|n| self.keepers.by_path.get(&n.path))
            .flatten()
            .copied();
        let mut all: Vec<usize> = robbed
            .chain(self.unkept())
            .filter(|&number| number != by.number)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The packages that no path of their own keeps.
    pub(super) fn unkept(&self) -> Vec<usize> {
        self.keepers
            .of
            .iter()
            .filter(|(_, keeper)| keeper.is_none())
            .map(|(&number, _)| number)
            .collect()
    }

    /// Whether a package disappears, all being considered, in favour of another.
    pub(super) fn disappears(
        &mut self,
        number: usize,
        by: usize,
        database: &Database<'_>,
    ) -> Result<bool, Error> {
        let (owner, other) = (self.claims.of(number), self.claims.of(by));
        if are_instances(&owner.package, &other.package) {
            return Ok(false);
        }
        let list = InfoDirectory::open(self.root)?.list(&owner.qualified)?;
        let mut keeper = list
            .iter()
            .find(|path| self.claims.is_sole(path, number))
            .cloned();
        // A path that one of the two diverts keeps a package this time, and has to be looked at again the next time.
        let diverted = |path: &RootPath| {
            database
                .diversions
                .separates(path, &owner.package.name, &other.package.name)
        };
        let is_registered = |n: usize| n == by || self.listed.contains(&n);
        let is_kept = || {
            list.iter().any(diverted)
                || self
                    .claims
                    .is_needed((number, by), &is_registered, &database.status)
        };
        if keeper.is_none() && !is_kept() {
            keeper = self.directory_of_its_own(number, &list)?;
            if keeper.is_none() {
                return Ok(true);
            }
        }
        self.keepers.enter(number, keeper);
        Ok(false)
    }

    /// A directory that is in no other package's list.
    fn directory_of_its_own(
        &self,
        number: usize,
        list: &[RootPath],
    ) -> Result<Option<RootPath>, Error> {
        let info = InfoDirectory::open(self.root)?;
        let mut shared: HashSet<RootPath> = HashSet::new();
        for &other in self.listed.iter().filter(|&&other| other != number) {
            let owner = self.claims.of(other);
            if !are_instances(&owner.package, &self.claims.of(number).package) {
                shared.extend(info.list(&owner.qualified)?);
            }
        }
        Ok(list
            .iter()
            .find(|path| !path.is_root() && !self.claims.is_claimed(path) && !shared.contains(path))
            .cloned())
    }

    /// Takes a package out of the database: its files of info/, its stanza. Gives the triggers that its going activates.
    pub(super) fn let_go(
        &mut self,
        number: usize,
        database: &mut Database<'_>,
    ) -> Result<Vec<Directive>, Error> {
        let owner = self.claims.of(number);
        let info = InfoDirectory::open(self.root)?;
        let triggers = info
            .member(&owner.qualified, "triggers")?
            .unwrap_or_default();
        let triggers = parse_triggers(&owner.package.name, &triggers)?;
        info.remove(&owner.qualified)?;
        database.status.remove(&owner.qualified);
        self.forget(number);
        Ok(triggers)
    }

    /// Forgets the packages that dpkg has removed meanwhile, but for the conffiles that it has left of them.
    pub(super) fn forget_removed(&mut self, status: &Status) {
        let removed: Vec<usize> = self
            .listed
            .iter()
            .copied()
            .filter(|&n| !status.is_there(&self.claims.of(n).qualified))
            .collect();
        for number in removed {
            self.removed.push(self.claims.of(number).qualified.clone());
            self.forget(number);
        }
    }

    fn forget(&mut self, number: usize) {
        self.keepers.remove(number);
        self.listed.remove(&number);
        self.claims.remove(number);
    }
}

/// Whether two packages are the same for several architectures, and so share their files.
pub(super) fn are_instances(one: &Package, other: &Package) -> bool {
    one.name == other.name
        && one.multi_arch == MultiArch::Same
        && other.multi_arch == MultiArch::Same
}

impl Claims {
    /// Whether a package needs the one that is about to go, and nothing else would do. What is not yet configured needs its Pre-Depends
    /// alone; what is just being installed counts as if it were.
    fn is_needed(
        &self,
        (gone, by): (usize, usize),
        is_registered: &dyn Fn(usize) -> bool,
        status: &Status,
    ) -> bool {
        let going = &self.of(gone).package;
        let stays = |number: usize| number != gone && is_registered(number);
        let counts =
            |number: usize, owner: &Owner| number == by || status.is_configured(&owner.qualified);
        let meets_otherwise = |relation: &Relation| {
            self.all().any(|(number, owner)| {
                stays(number) && counts(number, owner) && meets(&owner.package, relation)
            })
        };
        self.all()
            .filter(|&(number, _)| stays(number))
            .any(|(number, owner)| {
                let package = &owner.package;
                let others = counts(number, owner)
                    .then_some([&package.depends, &package.recommends])
                    .into_iter()
                    .flatten();
                let mut groups = [&package.pre_depends].into_iter().chain(others).flatten();
                groups.any(|group| {
                    group.iter().any(|r| mentions(r, going)) && !group.iter().any(meets_otherwise)
                })
            })
    }
}

/// Whether a relation names a package, or something that it provides.
fn mentions(relation: &Relation, package: &Package) -> bool {
    relation.name == package.name
        || package
            .provides
            .iter()
            .any(|provided| provided.name == relation.name)
}

/// Whether a package is what a relation asks for.
fn meets(package: &Package, relation: &Relation) -> bool {
    let admits = |version: &Version| {
        relation
            .constraint
            .as_ref()
            .is_none_or(|c| c.admits(version))
    };
    let provides = |provided: &Provided| {
        provided.name == relation.name
            && provided
                .version
                .as_ref()
                .map_or(relation.constraint.is_none(), admits)
    };
    (relation.name == package.name && admits(&package.version))
        || package.provides.iter().any(provides)
}
