//! Fills the pool from the listings, in the order in which apt reads them.

use std::cell::OnceCell;

use super::{
    ArchitectureId, Duplicate, NONE, NameId, Names, PackageEntry, PackageId, Pool, ProvideEntry,
    TargetForm, UNKNOWN_ARCHITECTURE, VersionEntry, VersionId,
};
use crate::archive::{Index, Listing};
use crate::formats::fields::{Field, PackageFields};
use crate::formats::package::MultiArch;
use crate::plan::local::LocalDeb;
use crate::plan::scan::{self, Mention};
use crate::plan::work::{TABLE_LIMIT, Work, WorkEnd};

/// apt's priority of a local file.
const LOCAL_PIN: i32 = 500;

/// A lower bound on the average size of a stanza in an index, in bytes.
const SMALL_STANZA: usize = 400;

impl<'a> Pool<'a> {
    /// Reads all listings. The listings of `suite` decide priorities and essential packages.
    pub(in crate::plan) fn read(&mut self, index: &'a Index, suite: &'a str) {
        // The tables get rather too much room: unused room costs nothing, growing copies.
        let mut stanzas = 0;
        let mut suite_is_known = false;
        for listing in index.listings() {
            stanzas += listing.text().len() / SMALL_STANZA;
            suite_is_known |= listing.release().is_called(suite);
        }
        self.reserve(stanzas);
        for listing in index.listings() {
            let of_suite =
                !suite_is_known || suite.is_empty() || listing.release().is_called(suite);
            self.add(listing, of_suite);
        }
    }

    /// A pool without packages.
    pub(in crate::plan) fn new(architectures: &'a [String], work: Work) -> Pool<'a> {
        Pool {
            architectures: architectures.iter().map(String::as_str).collect(),
            names: Names::with_capacity(0),
            packages_of: Vec::new(),
            provides_of: Vec::new(),
            packages: Vec::new(),
            versions: Vec::new(),
            provides: Vec::new(),
            listings: Vec::new(),
            duplicates: Vec::new(),
            work,
            unreadable: OnceCell::new(),
        }
    }

    /// Makes room for stanzas. Growing the tables would copy them.
    fn reserve(&mut self, stanzas: usize) {
        let stanzas = stanzas.min(TABLE_LIMIT);
        let names = 2 * stanzas;
        let packages = names * self.architectures.len();
        self.names = Names::with_capacity(names);
        self.packages_of.reserve(packages);
        self.provides_of.reserve(names);
        self.packages.reserve(packages);
        self.versions.reserve(stanzas);
        self.provides.reserve(2 * names);
    }

    /// Whether the next stanza, of this many bytes, may be read.
    fn may_go_on(&self, bytes: usize) -> bool {
        let tables = [
            self.provides_of.len(),
            self.packages.len(),
            self.versions.len(),
            self.provides.len(),
            self.duplicates.len(),
        ];
        if tables.into_iter().any(|length| length > TABLE_LIMIT) {
            self.work.stop(WorkEnd::TooManyNames);
        }
        self.work.stanza(bytes)
    }

    /// Adds a listing after the others.
    fn add(&mut self, listing: &'a Listing, of_suite: bool) {
        let number = self.listings.len() as u32;
        let pin = listing.release().priority();
        self.listings.push(listing);
        for stanza in PackageFields::all(listing.text()) {
            if !self.may_go_on(stanza.text().len()) {
                return;
            }
            let architecture = match stanza.get(Field::Architecture) {
                "all" => 0,
                named => self.architecture(named),
            };
            if stanza.get(Field::Package).is_empty()
                || stanza.get(Field::Version).is_empty()
                || architecture == UNKNOWN_ARCHITECTURE
            {
                continue;
            }
            let name = self.intern(stanza.get(Field::Package));
            let package = self.package_or_new(name, architecture);
            let entry = &mut self.packages[package.index()];
            entry.essential = stanza.essential().unwrap_or(entry.essential);
            entry.protected = stanza.protected().unwrap_or(entry.protected);
            if let Some(version) = self.same_version(package, &stanza) {
                let entry = &mut self.versions[version.index()];
                entry.pin = entry.pin.max(pin);
                entry.of_suite |= of_suite;
                self.duplicates.push(Duplicate {
                    version,
                    listing: number,
                });
                continue;
            }
            let version = self.insert(package, &stanza);
            let entry = &mut self.versions[version.index()];
            entry.listing = number;
            entry.pin = pin;
            entry.of_suite = of_suite;
            self.add_mentions(&stanza, architecture);
            self.add_provides(&stanza, version);
        }
    }

    /// Adds local files after all listings. Each is a version of its own, even where the archive
    /// has the same. Without listings they are the suite.
    pub(in crate::plan) fn add_local(&mut self, files: &'a [LocalDeb]) {
        let is_alone = self.versions.is_empty();
        for file in files {
            let Some(stanza) = PackageFields::read(file.stanza()) else {
                continue;
            };
            let architecture = match stanza.get(Field::Architecture) {
                "all" => 0,
                named => self.architecture(named),
            };
            if architecture == UNKNOWN_ARCHITECTURE {
                continue;
            }
            let name = self.intern(stanza.get(Field::Package));
            let package = self.package_or_new(name, architecture);
            // The archive decides which of its packages belong to the base.
            if !self.has_versions(package) {
                let entry = &mut self.packages[package.index()];
                entry.essential = stanza.essential() == Some(true);
                entry.protected = stanza.protected() == Some(true);
            }
            let version = self.insert(package, &stanza);
            let entry = &mut self.versions[version.index()];
            entry.pin = LOCAL_PIN;
            entry.of_suite = is_alone;
            self.add_mentions(&stanza, architecture);
            self.add_provides(&stanza, version);
        }
    }

    /// The version that this stanza describes again. Another .deb of the same version is another
    /// version, which a pin can prefer.
    fn same_version(&self, package: PackageId, stanza: &PackageFields<'_>) -> Option<VersionId> {
        for version in self.versions(package) {
            let entry = &self[version];
            if entry.text == stanza.get(Field::Version) && is_same(entry.stanza, stanza) {
                return Some(version);
            }
        }
        None
    }

    fn insert(&mut self, package: PackageId, stanza: &PackageFields<'a>) -> VersionId {
        let version = VersionId::at(self.versions.len() as u32);
        let newest = &mut self.packages[package.index()].newest;
        self.versions.push(VersionEntry {
            package,
            text: stanza.get(Field::Version),
            stanza: stanza.text(),
            multi_arch: stanza.multi_arch(),
            priority: stanza.priority(),
            pin: 0,
            of_suite: false,
            listing: NONE,
            next: std::mem::replace(newest, version.position()),
            dependencies: OnceCell::new(),
        });
        version
    }

    /// Numbers the packages that a stanza's relations mention.
    fn add_mentions(&mut self, stanza: &PackageFields<'a>, own: ArchitectureId) {
        for field in Field::RELATIONS {
            // Negative relations apply to all architectures of a name, so they number a package
            // only if the name has none.
            let is_negative = matches!(field, Field::Conflicts | Field::Breaks | Field::Replaces);
            for mention in scan::mentions(stanza.get(field)) {
                let name = self.intern(mention.name);
                let architecture = match mention.qualifier {
                    None => own,
                    Some("any") => continue,
                    Some("native") => 0,
                    Some(named) => self.architecture(named),
                };
                if architecture == UNKNOWN_ARCHITECTURE {
                    continue;
                }
                if is_negative
                    && mention.qualifier.is_none()
                    && self.packages_named(name).next().is_some()
                {
                    continue;
                }
                self.package_or_new(name, architecture);
            }
        }
    }

    fn add_provides(&mut self, stanza: &PackageFields<'a>, owner: VersionId) {
        let multi_arch = self[owner].multi_arch;
        let package = self[self[owner].package];
        for provided in scan::mentions(stanza.get(Field::Provides)) {
            if !provided.is_unequal() {
                self.add_provided(&provided, owner, package.architecture);
            }
        }
        let implicit = ProvideEntry {
            owner,
            version: Some(stanza.get(Field::Version)),
            architecture: None,
            next: NONE,
        };
        match multi_arch {
            MultiArch::Allowed => self.provide(package.name, TargetForm::Any, implicit),
            MultiArch::Foreign if self.architectures.len() > 1 => {
                self.provide(package.name, TargetForm::Plain, implicit);
            }
            _ => {}
        }
    }

    /// Adds one entry of the field Provides.
    fn add_provided(&mut self, provided: &Mention<'a>, owner: VersionId, own: ArchitectureId) {
        let multi_arch = self[owner].multi_arch;
        let architecture = match provided.qualifier {
            None if multi_arch == MultiArch::Foreign => None,
            None => Some(own),
            Some("any") => None,
            Some(named) => Some(self.architecture(named)),
        };
        let name = self.intern(provided.name);
        let mentioned = match architecture {
            None | Some(UNKNOWN_ARCHITECTURE) => 0,
            Some(known) => known,
        };
        self.package_or_new(name, mentioned);
        let entry = ProvideEntry {
            owner,
            version: provided.provided_version(),
            architecture,
            next: NONE,
        };
        self.provide(name, TargetForm::Plain, entry);
        if multi_arch == MultiArch::Allowed {
            let for_all = ProvideEntry {
                architecture: None,
                ..entry
            };
            self.provide(name, TargetForm::Any, for_all);
        }
    }

    fn provide(&mut self, name: NameId, form: TargetForm, mut entry: ProvideEntry<'a>) {
        let last = &mut self.provides_of[name.index()][form as usize];
        entry.next = std::mem::replace(last, self.provides.len() as u32);
        self.provides.push(entry);
    }

    /// The package of a name and an architecture, which gets a number if it is new.
    fn package_or_new(&mut self, name: NameId, architecture: ArchitectureId) -> PackageId {
        let place = name.index() * self.architectures.len() + usize::from(architecture);
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

    /// The number of a name; a new one gets its rows in the tables.
    fn intern(&mut self, text: &'a str) -> NameId {
        let name = self.names.intern(text);
        if name.index() == self.provides_of.len() {
            let packages = self.packages_of.len() + self.architectures.len();
            self.packages_of.resize(packages, NONE);
            self.provides_of.push([NONE; 2]);
        }
        name
    }
}

/// Whether two stanzas of the same version number are of the same .deb by apt's rule
/// (debListParser::VersionHash and SameVersion): by the fields that decide how it is installed, and
/// by the size where both give it.
fn is_same(known: &str, new: &PackageFields<'_>) -> bool {
    let Some(known) = PackageFields::read(known) else {
        return false;
    };
    const DECISIVE: [Field; 6] = [
        Field::InstalledSize,
        Field::Depends,
        Field::PreDepends,
        Field::Conflicts,
        Field::Breaks,
        Field::Replaces,
    ];
    for field in DECISIVE {
        if !is_same_text(known.get(field), new.get(field)) {
            return false;
        }
    }
    let sizes = [known.get(Field::Size), new.get(Field::Size)];
    let is_same_size = sizes[0] == sizes[1] || sizes.contains(&"") || sizes.contains(&"0");
    is_same_size && known.multi_arch() == new.multi_arch()
}

/// Compares without blanks, case and `=`, which dpkg changes when it writes a field again.
fn is_same_text(a: &str, b: &str) -> bool {
    let counts = |byte: &u8| !byte.is_ascii_whitespace() && *byte != b'=';
    let a = a
        .bytes()
        .filter(counts)
        .map(|byte| byte.to_ascii_lowercase());
    let b = b
        .bytes()
        .filter(counts)
        .map(|byte| byte.to_ascii_lowercase());
    a.eq(b)
}
