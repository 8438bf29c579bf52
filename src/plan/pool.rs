//! Every package, version and name that the listings mention, numbered as apt numbers them.
//!
//! A package is a name with an architecture. Its number is given at its first *mention*, which may
//! be in the Suggests of another package: between two providers of a virtual name apt takes the one
//! with the higher number, so the order of the mentions decides results. `read` fills the pool from
//! the listings. Dependencies are parsed only for the versions that the resolver reaches.

mod names;
mod read;

use std::cell::OnceCell;
use std::num::NonZeroU32;
use std::ops::Index;
use std::sync::Arc;

use super::Error;
use super::dependency::{self, Dependency};
use super::work::Work;
use crate::archive::{Listing, Release};
use crate::formats::package::{BadStanza, MultiArch, Priority};
use crate::formats::version::Version;
use names::Names;

/// A name, real or virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

/// A name with an architecture; ordered by first mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(u32);

/// One version of one package: its position in the pool's table, plus one. So an `Option` of it
/// takes four bytes, of which the states of all packages have three each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId(NonZeroU32);

/// The position of an architecture in the pool's list; the native one has position 0.
pub(super) type ArchitectureId = u8;

/// An architecture that the tree does not have.
pub(super) const UNKNOWN_ARCHITECTURE: ArchitectureId = ArchitectureId::MAX;

/// Ends a linked list in the tables of the pool.
const NONE: u32 = u32::MAX;

impl NameId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl VersionId {
    fn at(position: u32) -> VersionId {
        VersionId(NonZeroU32::MIN.saturating_add(position))
    }

    fn position(self) -> u32 {
        self.0.get() - 1
    }

    fn index(self) -> usize {
        self.position() as usize
    }
}

impl PackageId {
    /// The package's position in a table of all packages.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The properties of a package that do not depend on its version.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackageEntry {
    pub(crate) name: NameId,
    pub(crate) architecture: ArchitectureId,
    /// A stanza says `Essential: yes` and no later one says `Essential: no`. apt too has this as a
    /// flag of the package, not of the version.
    pub(crate) essential: bool,
    /// The same for `Protected` or `Important`.
    pub(crate) protected: bool,
    /// The version that was read last; the list continues in `VersionEntry::next`.
    newest: u32,
}

/// The properties of a version.
#[derive(Debug)]
pub(super) struct VersionEntry<'a> {
    pub(crate) package: PackageId,
    pub(crate) text: &'a str,
    pub(crate) stanza: &'a str,
    pub(crate) multi_arch: MultiArch,
    pub(crate) priority: Option<Priority>,
    /// apt's priority of the version, as opposed to the field Priority: 500 by default, 100 for
    /// backports, 1 for NotAutomatic releases.
    pub(crate) pin: i32,
    /// One of its listings belongs to the suite of the tree.
    pub(crate) of_suite: bool,
    /// The first listing that has it; [`NONE`] for a local file.
    listing: u32,
    next: u32,
    dependencies: OnceCell<Box<[Dependency<'a>]>>,
}

/// An entry of Provides, or what Multi-Arch provides implicitly.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProvideEntry<'a> {
    pub(crate) owner: VersionId,
    pub(crate) version: Option<&'a str>,
    /// The architecture for which it is provided; `None` for all.
    pub(crate) architecture: Option<ArchitectureId>,
    next: u32,
}

/// How a dependency names its target. Each form has its own list of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetForm {
    /// `python3`
    Plain,
    /// `python3:any`
    Any,
}

/// The packages from which a plan chooses.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    architectures: Vec<&'a str>,
    names: Names<'a>,
    /// For each name the number of its package in each architecture.
    packages_of: Vec<u32>,
    /// For each name the last of its provides, by [`TargetForm`].
    provides_of: Vec<[u32; 2]>,
    packages: Vec<PackageEntry>,
    versions: Vec<VersionEntry<'a>>,
    provides: Vec<ProvideEntry<'a>>,
    listings: Vec<&'a Listing>,
    /// Versions that a further listing has as well.
    duplicates: Vec<Duplicate>,
    pub(crate) work: Work,
    /// The first stanza whose dependencies could not be read when they were needed.
    unreadable: OnceCell<BadStanza>,
}

#[derive(Clone, Copy, Debug)]
struct Duplicate {
    version: VersionId,
    listing: u32,
}

impl<'a> Pool<'a> {
    pub(super) fn architectures(&self) -> &[&'a str] {
        &self.architectures
    }

    /// The position of an architecture, [`UNKNOWN_ARCHITECTURE`] if the tree does not have it.
    pub(super) fn architecture(&self, name: &str) -> ArchitectureId {
        for (position, architecture) in self.architectures.iter().enumerate() {
            if *architecture == name {
                return position as ArchitectureId;
            }
        }
        UNKNOWN_ARCHITECTURE
    }

    /// All names that the listings mention.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.all()
    }

    /// The number of a name, if a listing mentions it.
    pub(super) fn name(&self, name: &str) -> Option<NameId> {
        self.names.find(name)
    }

    /// All packages, in order of number.
    pub(super) fn packages(&self) -> impl ExactSizeIterator<Item = PackageId> + use<> {
        (0..self.packages.len() as u32).map(PackageId)
    }

    /// The packages of a name, by architecture.
    pub(super) fn packages_named(&self, name: NameId) -> PackagesNamed<'_> {
        let first = name.index() * self.architectures.len();
        let numbers = &self.packages_of[first..first + self.architectures.len()];
        PackagesNamed(numbers.iter())
    }

    /// The package of a name and an architecture.
    pub(super) fn package(&self, name: NameId, architecture: ArchitectureId) -> Option<PackageId> {
        if architecture == UNKNOWN_ARCHITECTURE {
            return None;
        }
        let place = name.index() * self.architectures.len() + usize::from(architecture);
        let number = self.packages_of[place];
        (number != NONE).then_some(PackageId(number))
    }

    /// The versions of a package, the last read first.
    pub(super) fn versions(&self, package: PackageId) -> Versions<'_, 'a> {
        Versions {
            pool: self,
            next: self[package].newest,
        }
    }

    /// Whether any listing has a version of the package.
    pub(super) fn has_versions(&self, package: PackageId) -> bool {
        self[package].newest != NONE
    }

    /// The providers of a name, the last read first.
    pub(super) fn provides(&self, name: NameId, form: TargetForm) -> Provides<'_, 'a> {
        Provides {
            pool: self,
            next: self.provides_of[name.index()][form as usize],
        }
    }

    /// The release of the first listing that has a version; `None` for a local file.
    pub(super) fn release(&self, version: VersionId) -> Option<Arc<Release>> {
        let listing = self.listings.get(self[version].listing as usize)?;
        Some(Arc::clone(listing.release()))
    }

    /// The listings that have a version, in their order.
    pub(super) fn listings(&self, version: VersionId) -> Vec<&'a Listing> {
        let mut listings = Vec::new();
        listings.extend(self.listings.get(self[version].listing as usize));
        for duplicate in &self.duplicates {
            if duplicate.version == version {
                listings.push(self.listings[duplicate.listing as usize]);
            }
        }
        listings
    }

    /// The highest version of a package in a suite.
    pub(super) fn version_in_suite(&self, package: PackageId, suite: &str) -> Option<VersionId> {
        let mut highest: Option<VersionId> = None;
        for version in self.versions(package) {
            let listings = self.listings(version);
            if !listings.iter().any(|l| l.release().is_called(suite)) {
                continue;
            }
            // Of equal versions the one that was read first wins, as it is the last of the list.
            let is_lower =
                |other: VersionId| Version::compare(self[version].text, self[other].text).is_lt();
            if !highest.is_some_and(is_lower) {
                highest = Some(version);
            }
        }
        highest
    }

    /// The dependencies of a version. A stanza that cannot be read has none; `finish` reports it.
    /// Once the work is over no version has any, so that whatever still goes through them ends.
    pub(super) fn dependencies(&self, version: VersionId) -> &[Dependency<'a>] {
        if !self.work.goes_on(1) {
            return &[];
        }
        self[version]
            .dependencies
            .get_or_init(|| match dependency::read(self, version) {
                Ok(dependencies) => dependencies,
                Err(bad) => {
                    let _ = self.unreadable.set(bad);
                    Box::default()
                }
            })
    }

    /// The name of a package, with its architecture if that is a foreign one.
    pub(super) fn full_name(&self, package: PackageId) -> String {
        let entry = self[package];
        let name = &self[entry.name];
        if entry.architecture == 0 {
            name.to_owned()
        } else {
            let architecture = self.architectures[usize::from(entry.architecture)];
            format!("{name}:{architecture}")
        }
    }

    /// An error if the work ended early.
    pub(super) fn check_work(&self) -> Result<(), Error> {
        match self.work.end() {
            Some(end) => Err(Error::of_work(self, end)),
            None => Ok(()),
        }
    }

    /// An error if the work ended early, or if a stanza that was needed could not be read.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.check_work()?;
        let unreadable = self.unreadable.into_inner();
        unreadable.map_or(Ok(()), |bad| Err(bad.into()))
    }
}

impl Index<PackageId> for Pool<'_> {
    type Output = PackageEntry;

    fn index(&self, package: PackageId) -> &PackageEntry {
        &self.packages[package.index()]
    }
}

impl<'a> Index<VersionId> for Pool<'a> {
    type Output = VersionEntry<'a>;

    fn index(&self, version: VersionId) -> &VersionEntry<'a> {
        &self.versions[version.index()]
    }
}

impl Index<NameId> for Pool<'_> {
    type Output = str;

    fn index(&self, name: NameId) -> &str {
        self.names.text(name)
    }
}

/// Iterates over the packages of a name.
pub(super) struct PackagesNamed<'p>(std::slice::Iter<'p, u32>);

impl Iterator for PackagesNamed<'_> {
    type Item = PackageId;

    fn next(&mut self) -> Option<PackageId> {
        for number in &mut self.0 {
            if *number != NONE {
                return Some(PackageId(*number));
            }
        }
        None
    }
}

/// Iterates over the versions of a package.
pub(super) struct Versions<'p, 'a> {
    pool: &'p Pool<'a>,
    next: u32,
}

impl Iterator for Versions<'_, '_> {
    type Item = VersionId;

    fn next(&mut self) -> Option<VersionId> {
        if self.next == NONE {
            return None;
        }
        let version = VersionId::at(self.next);
        let entry = &self.pool[version];
        if !self.pool.work.step(entry.package) {
            return None;
        }
        self.next = entry.next;
        Some(version)
    }
}

/// Iterates over the providers of a name.
pub(super) struct Provides<'p, 'a> {
    pool: &'p Pool<'a>,
    next: u32,
}

impl<'p, 'a> Iterator for Provides<'p, 'a> {
    type Item = &'p ProvideEntry<'a>;

    fn next(&mut self) -> Option<&'p ProvideEntry<'a>> {
        let entry = self.pool.provides.get(self.next as usize)?;
        if !self.pool.work.step(self.pool[entry.owner].package) {
            return None;
        }
        self.next = entry.next;
        Some(entry)
    }
}
