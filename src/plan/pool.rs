//! Every package, version and name that the listings speak of, numbered as apt numbers them.
//!
//! A package is a name with an architecture. Its number is given when it is first *mentioned*, be it only in another's Suggests:
//! between two providers of a virtual name apt takes the one with the higher number, so this order decides results. Listings are
//! added one by one, in source order, and need not all be there when the first is. Relations are read only of what is reached.

use std::cell::OnceCell;
use std::hash::BuildHasher;
use std::ops::Index as At;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::links::{self, Link};
use super::scan::{self, MENTIONING, Stanza};
use crate::archive::{Index, Listing, Release};
use crate::formats::package::{BadStanza, MultiArch, Package, Priority};
use crate::formats::version::Version;

/// A name, real or virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(pub(crate) u32);

/// A name with an architecture; ordered by first mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(pub(crate) u32);

/// One version of one package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId(pub(crate) u32);

/// The number of an architecture in `Pool::architectures`, the native one being 0.
pub(super) type ArchitectureId = u8;
/// An architecture that the tree will not have.
pub(super) const NO_ARCHITECTURE: ArchitectureId = ArchitectureId::MAX;

const NONE: u32 = u32::MAX;

/// Shorter than stanzas are on average, in bytes, as an index keeps them.
const SHORT_STANZA: usize = 400;

/// What is known of a package apart from its versions.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackageEntry {
    pub(crate) name: NameId,
    pub(crate) architecture: ArchitectureId,
    /// Some stanza says `Essential: yes` and none behind it `Essential: no`: to apt a flag of the package, not of the version.
    pub(crate) essential: bool,
    /// The same of `Protected` or `Important`.
    pub(crate) protected: bool,
    /// The latest of its versions, the others behind it.
    newest: u32,
}

/// What is known of a version.
#[derive(Debug)]
pub(super) struct VersionEntry<'a> {
    pub(crate) package: PackageId,
    pub(crate) text: &'a str,
    pub(crate) stanza: &'a str,
    /// The first listing that has it.
    pub(crate) listing: u32,
    pub(crate) multi_arch: MultiArch,
    pub(crate) priority: Option<Priority>,
    /// What apt calls the priority of a version, to tell it from the field: 500, 100 for backports, 1 for what is not automatic.
    pub(crate) pin: i32,
    /// One of its listings is of the suite that is made.
    pub(crate) of_suite: bool,
    next: u32,
    links: OnceCell<Box<[Link<'a>]>>,
}

/// An entry of Provides, or what Multi-Arch provides tacitly.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProvideEntry<'a> {
    pub(crate) owner: VersionId,
    pub(crate) version: Option<&'a str>,
    /// For whom: an architecture, or `None` for all.
    pub(crate) architecture: Option<ArchitectureId>,
    next: u32,
}

/// The universe that a plan is drawn from.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub(crate) architectures: Vec<&'a str>,
    suite: &'a str,
    /// The names again, to be found by what they are.
    numbers: HashTable<NameId>,
    hasher: DefaultHashBuilder,
    names: Vec<&'a str>,
    /// For each name a number for each architecture.
    packages_of: Vec<u32>,
    /// For each name the latest of its provides, and the latest of those that serve who asks for `NAME:any`.
    provides_of: Vec<[u32; 2]>,
    packages: Vec<PackageEntry>,
    versions: Vec<VersionEntry<'a>>,
    provides: Vec<ProvideEntry<'a>>,
    listings: Vec<&'a Listing>,
    /// Versions that further listings have too.
    again: Vec<(VersionId, u32)>,
    /// The first stanza whose relations could not be read when they were needed.
    broken: OnceCell<BadStanza>,
}

impl<'a> Pool<'a> {
    /// Reads all listings. `suite` is the one whose priorities and essentials count.
    pub(super) fn read(index: &'a Index, architectures: &'a [String], suite: &'a str) -> Pool<'a> {
        let known = index
            .listings
            .iter()
            .any(|listing| listing.release.is_called(suite));
        // Rather too much: what is not used costs nothing, while to grow is to copy.
        let stanzas = index
            .listings
            .iter()
            .map(|listing| listing.text.len() / SHORT_STANZA)
            .sum();
        let mut pool = Pool::new(architectures, if known { suite } else { "" }, stanzas);
        index.listings.iter().for_each(|listing| pool.add(listing));
        pool
    }

    fn new(architectures: &'a [String], suite: &'a str, stanzas: usize) -> Pool<'a> {
        let names = 2 * stanzas;
        Pool {
            architectures: architectures.iter().map(String::as_str).collect(),
            suite,
            numbers: HashTable::with_capacity(names),
            hasher: DefaultHashBuilder::default(),
            names: Vec::with_capacity(names),
            packages_of: Vec::with_capacity(names * architectures.len()),
            provides_of: Vec::with_capacity(names),
            packages: Vec::with_capacity(names * architectures.len()),
            versions: Vec::with_capacity(stanzas),
            provides: Vec::with_capacity(2 * names),
            listings: Vec::new(),
            again: Vec::new(),
            broken: OnceCell::new(),
        }
    }

    /// Adds a listing behind the others.
    fn add(&mut self, listing: &'a Listing) {
        let number = self.listings.len() as u32;
        self.listings.push(listing);
        let (pin, of_suite) = (
            listing.release.priority(),
            self.suite.is_empty() || listing.release.is_called(self.suite),
        );
        for stanza in scan::stanzas(&listing.text) {
            let architecture = match stanza.architecture() {
                "all" => 0,
                named => self.architecture(named),
            };
            if stanza.package().is_empty()
                || stanza.version().is_empty()
                || architecture == NO_ARCHITECTURE
            {
                continue;
            }
            let name = self.number(stanza.package());
            let package = self.package_or_new(name, architecture);
            let entry = &mut self.packages[package.0 as usize];
            entry.essential = stanza.essential().unwrap_or(entry.essential);
            entry.protected = stanza.protected().unwrap_or(entry.protected);
            let same = self
                .versions(package)
                .find(|v| self[*v].text == stanza.version());
            if let Some(same) = same {
                let entry = &mut self.versions[same.0 as usize];
                entry.pin = entry.pin.max(pin);
                entry.of_suite |= of_suite;
                self.again.push((same, number));
                continue;
            }
            let version = self.insert(package, number, &stanza);
            let entry = &mut self.versions[version.0 as usize];
            (entry.pin, entry.of_suite) = (pin, of_suite);
            self.mention_all(&stanza, architecture);
            self.provide_all(&stanza, version);
        }
    }

    fn insert(&mut self, package: PackageId, listing: u32, stanza: &Stanza<'a>) -> VersionId {
        let version = VersionId(self.versions.len() as u32);
        let newest = &mut self.packages[package.0 as usize].newest;
        self.versions.push(VersionEntry {
            package,
            text: stanza.version(),
            stanza: stanza.text,
            listing,
            multi_arch: match stanza.multi_arch() {
                "same" => MultiArch::Same,
                "foreign" => MultiArch::Foreign,
                "allowed" => MultiArch::Allowed,
                _ => MultiArch::No,
            },
            priority: stanza.priority().map(Priority::parse),
            pin: 0,
            of_suite: false,
            next: std::mem::replace(newest, version.0),
            links: OnceCell::new(),
        });
        version
    }

    fn mention_all(&mut self, stanza: &Stanza<'a>, own: ArchitectureId) {
        for (place, field) in MENTIONING.into_iter().enumerate() {
            // Negative relations are against all architectures of a name, and number it only where none is known.
            let negative = matches!(field, "Conflicts" | "Breaks" | "Replaces");
            for mention in scan::mentions(stanza.relations(place)) {
                let number = self.number(mention.name);
                let architecture = match mention.qualifier {
                    None => own,
                    Some("any") => continue,
                    Some("native") => 0,
                    Some(named) => self.architecture(named),
                };
                let known = || self.packages_named(number).next().is_some();
                if architecture != NO_ARCHITECTURE
                    && !(negative && mention.qualifier.is_none() && known())
                {
                    self.package_or_new(number, architecture);
                }
            }
        }
    }

    fn provide_all(&mut self, stanza: &Stanza<'a>, owner: VersionId) {
        let (multi_arch, own) = (
            self[owner].multi_arch,
            self[self[owner].package].architecture,
        );
        let everywhere = multi_arch == MultiArch::Foreign;
        for provided in scan::mentions(stanza.provides()) {
            let architecture = match provided.qualifier {
                None if everywhere => None,
                None => Some(own),
                Some("any") => None,
                Some(named) => Some(self.architecture(named)),
            };
            let version = provided.provided();
            let name = self.number(provided.name);
            self.package_or_new(
                name,
                architecture
                    .filter(|a| *a != NO_ARCHITECTURE)
                    .unwrap_or_default(),
            );
            self.provide(
                name,
                Asked::Plainly,
                ProvideEntry {
                    owner,
                    version,
                    architecture,
                    next: NONE,
                },
            );
            if multi_arch == MultiArch::Allowed {
                self.provide(
                    name,
                    Asked::ForAny,
                    ProvideEntry {
                        owner,
                        version,
                        architecture: None,
                        next: NONE,
                    },
                );
            }
        }
        let (name, version) = (self[self[owner].package].name, Some(stanza.version()));
        let tacitly = ProvideEntry {
            owner,
            version,
            architecture: None,
            next: NONE,
        };
        match multi_arch {
            MultiArch::Allowed => self.provide(name, Asked::ForAny, tacitly),
            MultiArch::Foreign if self.architectures.len() > 1 => {
                self.provide(name, Asked::Plainly, tacitly)
            }
            _ => {}
        }
    }

    fn provide(&mut self, name: NameId, asked: Asked, mut entry: ProvideEntry<'a>) {
        let latest = &mut self.provides_of[name.0 as usize][asked as usize];
        entry.next = std::mem::replace(latest, self.provides.len() as u32);
        self.provides.push(entry);
    }

    /// Numbers a package when it is new.
    fn package_or_new(&mut self, name: NameId, architecture: ArchitectureId) -> PackageId {
        let place = name.0 as usize * self.architectures.len() + usize::from(architecture);
        if self.packages_of[place] == NONE {
            self.packages_of[place] = self.packages.len() as u32;
            self.packages.push(PackageEntry {
                name,
                architecture,
                essential: false,
                protected: false,
                newest: NONE,
            });
        }
        PackageId(self.packages_of[place])
    }

    fn number(&mut self, name: &'a str) -> NameId {
        let Pool {
            numbers,
            hasher,
            names,
            ..
        } = self;
        let known = |number: &NameId| names[number.0 as usize] == name;
        let hash = |number: &NameId| hasher.hash_one(names[number.0 as usize]);
        match numbers.entry(hasher.hash_one(name), known, hash) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(free) => {
                let number = NameId(names.len() as u32);
                free.insert(number);
                names.push(name);
                self.packages_of
                    .extend(self.architectures.iter().map(|_| NONE));
                self.provides_of.push([NONE; 2]);
                number
            }
        }
    }

    /// The number of an architecture, `NO_ARCHITECTURE` when the tree will not have it.
    pub(super) fn architecture(&self, name: &str) -> ArchitectureId {
        self.architectures
            .iter()
            .position(|a| *a == name)
            .map_or(NO_ARCHITECTURE, |n| n as ArchitectureId)
    }

    /// The number of a name that some listing speaks of.
    pub(super) fn name(&self, name: &str) -> Option<NameId> {
        self.numbers
            .find(self.hasher.hash_one(name), |number| {
                self.names[number.0 as usize] == name
            })
            .copied()
    }

    /// A name's packages, by architecture.
    pub(super) fn packages_named(&self, name: NameId) -> impl Iterator<Item = PackageId> + '_ {
        let first = name.0 as usize * self.architectures.len();
        let all = &self.packages_of[first..first + self.architectures.len()];
        all.iter().filter(|p| **p != NONE).map(|p| PackageId(*p))
    }

    /// The package of a name and an architecture.
    pub(super) fn package(&self, name: NameId, architecture: ArchitectureId) -> Option<PackageId> {
        if architecture == NO_ARCHITECTURE {
            return None;
        }
        let number = self.packages_of
            [name.0 as usize * self.architectures.len() + usize::from(architecture)];
        (number != NONE).then_some(PackageId(number))
    }

    /// All packages, in order of number.
    pub(super) fn packages(&self) -> impl ExactSizeIterator<Item = PackageId> + use<> {
        (0..self.packages.len() as u32).map(PackageId)
    }

    /// All names that some listing speaks of.
    pub(super) fn names(&self) -> &[&'a str] {
        &self.names
    }

    /// The release of the first listing that has a version.
    pub(super) fn release(&self, version: VersionId) -> Arc<Release> {
        Arc::clone(&self.listings[self[version].listing as usize].release)
    }

    /// A package's versions, the last read first.
    pub(super) fn versions(&self, package: PackageId) -> impl Iterator<Item = VersionId> + '_ {
        let mut next = self[package].newest;
        std::iter::from_fn(move || {
            let version = (next != NONE).then_some(VersionId(next))?;
            next = self[version].next;
            Some(version)
        })
    }

    /// Who provides a name, the last read first.
    pub(super) fn provides(
        &self,
        name: NameId,
        asked: Asked,
    ) -> impl Iterator<Item = &ProvideEntry<'a>> {
        let mut next = self.provides_of[name.0 as usize][asked as usize];
        std::iter::from_fn(move || {
            let entry = self.provides.get(next as usize)?;
            next = entry.next;
            Some(entry)
        })
    }

    /// The listings that have a version, the first one first.
    pub(super) fn listings(&self, version: VersionId) -> impl Iterator<Item = &'a Listing> {
        let again = self
            .again
            .iter()
            .filter(move |(v, _)| *v == version)
            .map(|(_, listing)| *listing);
        std::iter::once(self[version].listing)
            .chain(again)
            .map(|number| self.listings[number as usize])
    }

    /// The highest version that a suite has of a package.
    pub(super) fn version_of(&self, package: PackageId, suite: &str) -> Option<VersionId> {
        let of_suite = self.versions(package).filter(|version| {
            self.listings(*version)
                .any(|listing| listing.release.is_called(suite))
        });
        of_suite.max_by(|a, b| Version::compare(self[*a].text, self[*b].text))
    }

    /// What a version asks for and what it is against. Of a stanza that cannot be read: nothing; `finish` reports it.
    pub(super) fn links(&self, version: VersionId) -> &[Link<'a>] {
        self[version].links.get_or_init(|| {
            links::read(self, version).unwrap_or_else(|bad| {
                let _ = self.broken.set(bad);
                Box::default()
            })
        })
    }

    /// The package as a user writes it: with its architecture where that is a foreign one.
    pub(super) fn full_name(&self, package: PackageId) -> String {
        let PackageEntry {
            name, architecture, ..
        } = self[package];
        match architecture {
            0 => self[name].to_owned(),
            foreign => format!(
                "{}:{}",
                &self[name],
                self.architectures[usize::from(foreign)]
            ),
        }
    }

    /// Reads a version's stanza in full.
    pub(super) fn parse(&self, version: VersionId) -> Result<Package, BadStanza> {
        Package::parse(self[version].stanza)
    }

    /// An error if some stanza that was needed could not be read.
    pub(super) fn finish(self) -> Result<(), BadStanza> {
        self.broken.into_inner().map_or(Ok(()), Err)
    }
}

/// How a relation names its target: the kinds have lists of providers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// `python3`
    Plainly,
    /// `python3:any`
    ForAny,
}

impl At<PackageId> for Pool<'_> {
    type Output = PackageEntry;

    fn index(&self, package: PackageId) -> &PackageEntry {
        &self.packages[package.0 as usize]
    }
}

impl<'a> At<VersionId> for Pool<'a> {
    type Output = VersionEntry<'a>;

    fn index(&self, version: VersionId) -> &VersionEntry<'a> {
        &self.versions[version.0 as usize]
    }
}

impl At<NameId> for Pool<'_> {
    type Output = str;

    fn index(&self, name: NameId) -> &str {
        self.names[name.0 as usize]
    }
}
