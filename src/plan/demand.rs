//! What a user writes, and what a variant stands for, as packages of the pool.

use super::pool::{Asked, NO_ARCHITECTURE, PackageId, Pool, VersionId};
use super::{Error, Wanted, near};
use crate::formats::package::Priority;
use crate::formats::suite::Variant;
use crate::formats::version::Version;

/// One thing asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand<'w> {
    /// To be installed.
    Present(PackageId),
    /// To be installed from that suite: `name/suite`.
    From(PackageId, &'w str),
    /// Not to be installed: `name-`.
    Absent(PackageId),
}

impl Demand<'_> {
    pub(super) fn present(&self) -> Option<PackageId> {
        match self {
            Demand::Present(package) | Demand::From(package, _) => Some(*package),
            Demand::Absent(_) => None,
        }
    }
}

/// Each package's best version by pin, then by version: the only one that is ever installed.
pub(super) fn candidates(pool: &Pool<'_>) -> Vec<Option<VersionId>> {
    let best = |package| {
        let eligible = pool
            .versions(package)
            .filter(|version| pool[*version].pin > 0);
        eligible.max_by(|a, b| {
            let (a, b) = (&pool[*a], &pool[*b]);
            a.pin
                .cmp(&b.pin)
                .then_with(|| Version::compare(a.text, b.text))
        })
    };
    pool.packages().map(best).collect()
}

/// Whether the user's pins leave nothing of a package.
pub(super) fn is_pinned_away(pool: &Pool<'_>, package: PackageId) -> bool {
    pool.versions(package).all(|version| pool[version].pin <= 0)
}

/// All that is asked for: the demands of both calls, and the candidates with what the user chose himself.
#[derive(Debug)]
pub(super) struct Request<'w> {
    pub(crate) candidates: Vec<Option<VersionId>>,
    /// What is laid before any script runs,
    pub(crate) first: Vec<Demand<'w>>,
    /// and what is installed on top of that.
    pub(crate) then: Vec<Demand<'w>>,
}

/// Reads what is wanted. The demands are in apt's order: the user's own as he wrote them, the variant's packages, its patterns.
pub(super) fn read<'w>(pool: &Pool<'_>, wanted: &'w Wanted) -> Result<Request<'w>, Error> {
    let mut candidates = candidates(pool);
    for package in wanted
        .exclude
        .iter()
        .filter_map(|name| pool.name(name))
        .flat_map(|name| pool.packages_named(name))
    {
        candidates[package.0 as usize] = None;
    }
    let mut reader = Reader { pool, candidates };
    let mut own = Vec::new();
    for text in &wanted.include {
        own.push(reader.read(text)?);
    }
    if matches!(wanted.variant, Variant::Custom | Variant::Extract) {
        return Ok(Request {
            candidates: reader.candidates,
            first: own,
            then: Vec::new(),
        });
    }
    let (named, priorities) = named_by_variant(wanted.variant);
    for name in named
        .iter()
        .filter(|name| !wanted.exclude.iter().any(|excluded| excluded == *name))
    {
        own.push(reader.read(name)?);
    }
    let candidates = reader.candidates;
    let present = |package: &PackageId| candidates[package.0 as usize].is_some();
    let native = || {
        pool.packages()
            .filter(|package| pool[*package].architecture == 0)
            .filter(present)
    };
    let of_suite = |package: PackageId| {
        pool.versions(package)
            .filter(|version| pool[*version].of_suite)
    };
    let first =
        native().filter(|package| pool[*package].essential && of_suite(*package).next().is_some());
    let first: Vec<Demand<'_>> = first.map(Demand::Present).collect();
    let wanted = |version: VersionId| {
        pool[version]
            .priority
            .is_some_and(|priority| priorities.contains(&priority))
    };
    own.extend(
        native()
            .filter(|package| !pool[*package].essential && of_suite(*package).any(wanted))
            .map(Demand::Present),
    );
    Ok(Request {
        candidates,
        first,
        then: own,
    })
}

/// The packages and the priorities that a variant asks for beside the essential ones.
pub(super) fn named_by_variant(variant: Variant) -> (&'static [&'static str], &'static [Priority]) {
    match variant {
        Variant::Custom | Variant::Extract | Variant::Essential => (&[], &[]),
        Variant::Apt => (&["apt"], &[]),
        Variant::Buildd => (&["apt", "build-essential"], &[]),
        Variant::Minbase => (&["apt"], &[Priority::Required]),
        Variant::Important => (&["apt"], &[Priority::Required, Priority::Important]),
        Variant::Standard => (
            &["apt"],
            &[Priority::Required, Priority::Important, Priority::Standard],
        ),
    }
}

struct Reader<'r, 'a> {
    pool: &'r Pool<'a>,
    candidates: Vec<Option<VersionId>>,
}

impl Reader<'_, '_> {
    /// Reads `pkg`, `pkg:arch`, `pkg=version`, `pkg/suite`, `pkg-`.
    fn read<'w>(&mut self, text: &'w str) -> Result<Demand<'w>, Error> {
        let text = text.trim();
        if let Some((name, version)) = text.split_once('=') {
            let package = self.real(name)?;
            let found = self
                .pool
                .versions(package)
                .find(|v| self.pool[*v].text == version);
            let found = found.ok_or_else(|| self.no_version(package, version))?;
            self.candidates[package.0 as usize] = Some(found);
            return Ok(Demand::Present(package));
        }
        if let Some((name, suite)) = text.split_once('/') {
            let package = self.real(name)?;
            let found = self
                .pool
                .version_of(package, suite)
                .ok_or_else(|| self.no_suite(package, suite))?;
            self.candidates[package.0 as usize] = Some(found);
            return Ok(Demand::From(package, suite));
        }
        match self.present(text) {
            Err(error) => match (text.strip_suffix('-'), text.strip_suffix('+')) {
                (Some(name), _) => self.real(name).map(Demand::Absent),
                (_, Some(name)) => self.present(name).map(Demand::Present),
                _ => Err(error),
            },
            Ok(package) => Ok(Demand::Present(package)),
        }
    }

    /// The package of a name that has versions: of the architecture that is named, else of the first that has any.
    fn real(&self, text: &str) -> Result<PackageId, Error> {
        let (name, architecture) = match text.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (text, None),
        };
        let unheard_of = |a: &&str| {
            !["any", "native"].contains(a) && self.pool.architecture(a) == NO_ARCHITECTURE
        };
        if let Some(architecture) = architecture.filter(unheard_of) {
            return Err(Error::Architecture {
                package: text.to_owned(),
                architecture: architecture.to_owned(),
            });
        }
        let mut all = self
            .pool
            .name(name)
            .map(|name| self.pool.packages_named(name))
            .into_iter()
            .flatten();
        let asked = |package: &PackageId| {
            let own = self.pool.architectures[usize::from(self.pool[*package].architecture)];
            architecture.is_none_or(|asked| {
                asked == own
                    || asked == "native" && own == self.pool.architectures[0]
                    || asked == "any"
            })
        };
        let found =
            all.find(|package| asked(package) && self.pool.versions(*package).next().is_some());
        found.ok_or_else(|| near::unknown(self.pool, text))
    }

    /// The package that a name stands for, which may be virtual if only one package provides it.
    fn present(&self, text: &str) -> Result<PackageId, Error> {
        let candidate = |package: PackageId| self.candidates[package.0 as usize];
        let package = self.real(text);
        if let Ok(package) = package
            && candidate(package).is_some()
        {
            return Ok(package);
        }
        let (name, architecture) = text.split_once(':').map_or((text, 0), |(name, named)| {
            (name, self.pool.architecture(named))
        });
        let Some(number) = self
            .pool
            .name(name)
            .filter(|name| self.pool.package(*name, architecture).is_some())
        else {
            return package;
        };
        let serving = self
            .pool
            .provides(number, Asked::Plainly)
            .filter(|e| e.architecture.is_none_or(|a| a == architecture));
        let providers = serving
            .filter(|entry| self.is_candidate(entry.owner))
            .map(|entry| self.pool[entry.owner].package);
        let mut providers: Vec<PackageId> = providers.collect();
        providers.sort_by_key(|package| {
            (
                &self.pool[self.pool[*package].name],
                self.pool[*package].architecture,
            )
        });
        providers.dedup_by_key(|package| self.pool[*package].name);
        match providers[..] {
            [only] => Ok(only),
            // What there is has no candidate.
            [] if package.is_ok()
                || self.pool.provides(number, Asked::Plainly).next().is_some() =>
            {
                let named = || {
                    self.pool
                        .packages_named(number)
                        .filter(|package| self.pool.versions(*package).next().is_some())
                };
                let pinned = named().next().is_some()
                    && named().all(|package| is_pinned_away(self.pool, package));
                let package = text.to_owned();
                Err(if pinned {
                    Error::PinnedAway { package }
                } else {
                    Error::Excluded { package }
                })
            }
            [] => package,
            _ => Err(Error::Virtual {
                name: text.to_owned(),
                providers: providers.iter().map(|p| self.pool.full_name(*p)).collect(),
            }),
        }
    }

    fn is_candidate(&self, version: VersionId) -> bool {
        self.candidates[self.pool[version].package.0 as usize] == Some(version)
    }

    fn no_version(&self, package: PackageId, wanted: &str) -> Error {
        Error::NoVersion {
            package: self.pool.full_name(package),
            wanted: wanted.to_owned(),
            found: self.versions(package),
        }
    }

    fn no_suite(&self, package: PackageId, suite: &str) -> Error {
        let listings = self
            .pool
            .versions(package)
            .flat_map(|version| self.pool.listings(version));
        let mut found: Vec<String> = listings
            .map(|listing| listing.release.source.suite.clone())
            .collect();
        found.sort();
        found.dedup();
        Error::NoSuite {
            package: self.pool.full_name(package),
            suite: suite.to_owned(),
            found,
        }
    }

    /// A package's versions as text, the best first.
    fn versions(&self, package: PackageId) -> Vec<String> {
        let mut all: Vec<&str> = self
            .pool
            .versions(package)
            .map(|version| self.pool[version].text)
            .collect();
        all.sort_by(|a, b| Version::compare(b, a));
        all.into_iter().map(str::to_owned).collect()
    }
}
