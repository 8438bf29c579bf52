//! Resolves the user's words and the variant to packages of the pool.
//!
//! Words for several packages are read in `several`, versions in `versions`.

mod first;
mod name_words;
mod several;
mod versions;

use std::collections::BTreeSet;

use self::name_words::NameWords;
use super::pool::{
    ArchitectureId, NameId, PackageId, Pool, TargetForm, UNKNOWN_ARCHITECTURE, VersionId,
};
use super::variant::VariantPackages;
use super::{Error, Selection, local, suggestions};
use crate::formats::package::Priority;
use crate::formats::version::Version;

/// The package that says that /usr is merged.
const USR_IS_MERGED: &str = "usr-is-merged";

/// One demand of a call of apt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand<'s> {
    /// `name`: install the package.
    Present(PackageId),
    /// `name/suite`: install the package from the suite.
    FromSuite { package: PackageId, suite: &'s str },
    /// `name-`: do not install the package.
    Absent(PackageId),
}

impl Demand<'_> {
    /// The package to install.
    pub(super) fn present(&self) -> Option<PackageId> {
        match self {
            Demand::Present(package) | Demand::FromSuite { package, .. } => Some(*package),
            Demand::Absent(_) => None,
        }
    }
}

/// The demands of both calls of apt.
#[derive(Debug)]
pub(super) struct Demands<'s> {
    /// The candidate of each package, after the user's choice of versions and exclusions.
    pub(crate) candidates: Vec<Option<VersionId>>,
    /// The demands of the first call, whose packages are unpacked before any script runs.
    pub(crate) base: Vec<Demand<'s>>,
    /// The demands of the second call.
    pub(crate) rest: Vec<Demand<'s>>,
    /// The package usr-is-merged, if it is installed between both calls.
    usr_is_merged: Option<PackageId>,
}

impl Demands<'_> {
    /// The version of usr-is-merged that is installed between both calls.
    pub(super) fn usr_is_merged(&self) -> Option<VersionId> {
        self.candidates[self.usr_is_merged?.index()]
    }
}

/// Reads a selection. The demands are in apt's order: the user's packages as they were written,
/// the packages that the variant names, those of its priorities, then local files.
pub(super) fn read<'s>(pool: &Pool<'_>, selection: &'s Selection) -> Result<Demands<'s>, Error> {
    let mut reader = DemandReader {
        pool,
        candidates: candidates(pool),
        selected: BTreeSet::new(),
        absent: Vec::new(),
    };
    let is_excluded = |name: &str| {
        let mut excluded = selection.exclude.iter();
        excluded.any(|excluded| excluded.eq_ignore_ascii_case(name))
    };
    let mut demands = reader.read_words(selection)?;
    let local = &selection.local;
    let variant = VariantPackages::of(selection.variant);
    if selection.variant.has_own_packages() {
        for name in variant.names {
            if !is_excluded(name) && reader.real(name).is_ok() {
                demands.push(reader.read(name)?);
            }
        }
        let files = local::demands(pool, local, &mut reader.candidates, is_excluded)?;
        demands.extend(files);
        return Ok(Demands {
            candidates: reader.candidates,
            base: demands,
            rest: Vec::new(),
            usr_is_merged: None,
        });
    }
    for name in variant.names {
        if !is_excluded(name) {
            demands.push(reader.read(name)?);
        }
    }
    let essential = reader.native(variant.priorities, &mut demands);
    reader.refuse_absent(&essential)?;
    if selection.first_alternatives {
        reader.add_first_alternatives(&essential, &mut demands);
    }
    let files = local::demands(pool, local, &mut reader.candidates, is_excluded)?;
    demands.extend(files);
    let mut usr_is_merged = None;
    if selection.usr_is_merged {
        usr_is_merged = reader.real(USR_IS_MERGED).ok();
    }
    Ok(Demands {
        candidates: reader.candidates,
        base: essential,
        rest: demands,
        usr_is_merged,
    })
}

/// The version of each package with the highest pin, and of these the highest. apt installs no
/// other version.
fn candidates(pool: &Pool<'_>) -> Vec<Option<VersionId>> {
    let mut candidates = Vec::with_capacity(pool.packages().len());
    for package in pool.packages() {
        let mut best: Option<VersionId> = None;
        for version in pool.versions(package) {
            if pool[version].pin > 0 && !best.is_some_and(|best| is_better(pool, best, version)) {
                best = Some(version);
            }
        }
        candidates.push(best);
    }
    candidates
}

/// Whether a version precedes another by pin, then by version.
fn is_better(pool: &Pool<'_>, version: VersionId, other: VersionId) -> bool {
    let version = &pool[version];
    let other = &pool[other];
    let by_pin = version.pin.cmp(&other.pin);
    by_pin
        .then_with(|| Version::compare(version.text, other.text))
        .is_gt()
}

/// Whether the user's pins leave no version of a package.
pub(super) fn is_pinned_away(pool: &Pool<'_>, package: PackageId) -> bool {
    pool.versions(package).all(|version| pool[version].pin <= 0)
}

/// Whether the suite of the tree has the package.
fn is_in_suite(pool: &Pool<'_>, package: PackageId) -> bool {
    pool.versions(package).any(|version| pool[version].of_suite)
}

/// Whether the package has one of the priorities in the suite of the tree.
fn has_priority(pool: &Pool<'_>, package: PackageId, priorities: &[Priority]) -> bool {
    for version in pool.versions(package) {
        let entry = &pool[version];
        if entry.of_suite && entry.priority.is_some_and(|p| priorities.contains(&p)) {
            return true;
        }
    }
    false
}

struct DemandReader<'r, 'a> {
    pool: &'r Pool<'a>,
    candidates: Vec<Option<VersionId>>,
    /// What a word for several packages demands.
    selected: BTreeSet<PackageId>,
    /// What words for one package say not to install.
    absent: Vec<PackageId>,
}

impl DemandReader<'_, '_> {
    /// The essential packages; those of the priorities go to `demands`. Only packages of the native
    /// architecture are either.
    fn native<'s>(
        &self,
        priorities: &[Priority],
        demands: &mut Vec<Demand<'s>>,
    ) -> Vec<Demand<'s>> {
        let mut essential = Vec::new();
        for package in self.pool.packages() {
            let entry = self.pool[package];
            if entry.architecture != 0 || self.candidates[package.index()].is_none() {
                continue;
            }
            if entry.essential {
                if is_in_suite(self.pool, package) {
                    essential.push(Demand::Present(package));
                }
            } else if has_priority(self.pool, package, priorities) {
                demands.push(Demand::Present(package));
            }
        }
        essential
    }

    /// Removes the candidates of a name.
    fn exclude(&mut self, name: &str) {
        if let Some(name) = self.pool.name(name) {
            for package in self.pool.packages_named(name) {
                self.candidates[package.index()] = None;
            }
        }
    }

    /// The packages whose candidates provide a name.
    fn providers(&self, name: NameId, architecture: ArchitectureId) -> Vec<PackageId> {
        let mut providers = Vec::new();
        for entry in self.pool.provides(name, TargetForm::Plain) {
            let package = self.pool[entry.owner].package;
            let serves = entry.architecture.is_none_or(|a| a == architecture);
            if serves && self.candidates[package.index()] == Some(entry.owner) {
                providers.push(package);
            }
        }
        self.sort_providers(&mut providers);
        providers
    }

    /// Reads what the user names.
    fn read_words<'s>(&mut self, selection: &'s Selection) -> Result<Vec<Demand<'s>>, Error> {
        for excluded in &selection.exclude {
            self.exclude(excluded);
        }
        let mut demands = Vec::new();
        for text in &selection.include {
            if !selection.local.iter().any(|file| file.word() == text) {
                self.read_word(text.trim(), &mut demands)?;
            }
        }
        self.leave_out(&mut demands);
        Ok(demands)
    }

    /// Reads `pkg`, `pkg:arch`, `pkg=version`, `pkg/suite`, `pkg-`, `pkg+`.
    fn read<'s>(&mut self, text: &'s str) -> Result<Demand<'s>, Error> {
        let text = text.trim();
        if let Some((name, version)) = text.split_once('=') {
            let package = self.real(name)?;
            let found = self.version(package, version)?;
            self.candidates[package.index()] = Some(found);
            return Ok(Demand::Present(package));
        }
        if let Some((name, suite)) = text.split_once('/') {
            let package = self.real(name)?;
            let found = self.pool.version_in_suite(package, suite);
            let found = found.ok_or_else(|| self.not_in_suite(package, suite))?;
            self.candidates[package.index()] = Some(found);
            return Ok(Demand::FromSuite { package, suite });
        }
        let error = match self.present(text) {
            Ok(package) => return Ok(Demand::Present(package)),
            Err(error) => error,
        };
        // A name may end in `-` or `+` itself, so the suffix counts only if the name is unknown.
        if let Some(name) = text.strip_suffix('-') {
            Ok(Demand::Absent(self.real(name)?))
        } else if let Some(name) = text.strip_suffix('+') {
            Ok(Demand::Present(self.present(name)?))
        } else {
            Err(error)
        }
    }

    /// The package of a name that has versions: of the architecture that the text names, otherwise
    /// of the first architecture that has any.
    fn real(&self, text: &str) -> Result<PackageId, Error> {
        let words = NameWords::of(text);
        if let Some(architecture) = words.architecture
            && !matches!(architecture, "any" | "native" | "all")
            && self.pool.architecture(architecture) == UNKNOWN_ARCHITECTURE
        {
            return Err(Error::Architecture {
                package: text.to_owned(),
                architecture: architecture.to_owned(),
            });
        }
        if let Some(name) = self.pool.name(words.name) {
            for package in self.pool.packages_named(name) {
                if self.is_of(package, words.architecture) && self.pool.has_versions(package) {
                    return Ok(package);
                }
            }
        }
        Err(suggestions::unknown(self.pool, text))
    }

    /// Whether a package is of the architecture that the user names.
    fn is_of(&self, package: PackageId, architecture: Option<&str>) -> bool {
        let number = self.pool[package].architecture;
        match architecture {
            None | Some("any") => true,
            // A package for all architectures is a native one.
            Some("native" | "all") => number == 0,
            Some(named) => self.pool.architectures()[usize::from(number)] == named,
        }
    }

    /// The package for a name, which may be virtual if one package alone provides it.
    fn present(&self, text: &str) -> Result<PackageId, Error> {
        let real = self.real(text);
        if let Ok(package) = real
            && self.candidates[package.index()].is_some()
        {
            return Ok(package);
        }
        let words = NameWords::of(text);
        let architecture = match words.architecture {
            None | Some("all") => 0,
            Some(named) => self.pool.architecture(named),
        };
        let Some(name) = self.pool.name(words.name) else {
            return real;
        };
        if self.pool.package(name, architecture).is_none() {
            return real;
        }
        let is_provided = self.pool.provides(name, TargetForm::Plain).next().is_some();
        let providers = self.providers(name, architecture);
        match providers[..] {
            [only] => Ok(only),
            [] if real.is_ok() || is_provided => Err(self.no_candidate(text)),
            [] => real,
            _ => Err(Error::Virtual {
                name: text.to_owned(),
                providers: providers.iter().map(|p| self.pool.full_name(*p)).collect(),
            }),
        }
    }

    /// Sorts providers by name and architecture, and keeps one architecture of each name.
    fn sort_providers(&self, providers: &mut Vec<PackageId>) {
        let pool = self.pool;
        providers.sort_by_key(|package| {
            let entry = pool[*package];
            (&pool[entry.name], entry.architecture)
        });
        providers.dedup_by_key(|package| pool[*package].name);
    }

    /// The error for a name that exists and has no candidate.
    fn no_candidate(&self, text: &str) -> Error {
        let mut exists = false;
        let mut pinned_away = true;
        if let Some(name) = self.pool.name(NameWords::of(text).name) {
            for package in self.pool.packages_named(name) {
                if self.pool.has_versions(package) {
                    exists = true;
                    pinned_away = pinned_away && is_pinned_away(self.pool, package);
                }
            }
        }
        let package = text.to_owned();
        if exists && pinned_away {
            Error::PinnedAway { package }
        } else {
            Error::Excluded { package }
        }
    }
}
