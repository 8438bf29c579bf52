//! What a version asks for and what it is against, and which versions an entry of that speaks of.

use super::pool::{ArchitectureId, Asked, NameId, PackageId, Pool, VersionId};
use super::scan;
use crate::formats::package::{BadStanza, MultiArch};
use crate::formats::relation::{Operator, RelationText};
use crate::formats::version::{BadVersion, Version};

/// The relation fields that count, in apt's order, which is also the order of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

const FIELDS: [(Kind, &str); 6] = [
    (Kind::PreDepends, "Pre-Depends"),
    (Kind::Depends, "Depends"),
    (Kind::Conflicts, "Conflicts"),
    (Kind::Breaks, "Breaks"),
    (Kind::Recommends, "Recommends"),
    (Kind::Suggests, "Suggests"),
];

impl Kind {
    /// Pre-Depends and Depends.
    pub(super) fn is_demand(self) -> bool {
        matches!(self, Kind::PreDepends | Kind::Depends)
    }

    /// Conflicts and Breaks.
    pub(super) fn is_negative(self) -> bool {
        matches!(self, Kind::Conflicts | Kind::Breaks)
    }
}

/// One name in one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: NameId,
    pub(crate) asked: Asked,
    /// Of which architecture; meaningless where `asked` is for any.
    pub(crate) architecture: ArchitectureId,
    /// The field names the architecture itself.
    pub(crate) specific: bool,
    pub(crate) constraint: Option<(Operator, &'a str)>,
    /// An alternative follows.
    pub(crate) or: bool,
    /// As it stands in the field.
    pub(crate) text: &'a str,
}

/// Reads the relations of a version.
pub(super) fn read<'a>(pool: &Pool<'a>, version: VersionId) -> Result<Box<[Link<'a>]>, BadStanza> {
    let entry = &pool[version];
    let own = pool[entry.package].architecture;
    let mut all = Vec::new();
    let Some(stanza) = scan::stanzas(entry.stanza).next() else {
        return Ok(Box::default());
    };
    for (kind, field) in FIELDS {
        let place = scan::MENTIONING
            .iter()
            .position(|name| *name == field)
            .unwrap_or_default();
        for group in stanza
            .relations(place)
            .split(',')
            .map(str::trim)
            .filter(|group| !group.is_empty())
        {
            let mut members = group.split('|').peekable();
            while let Some(text) = members.next() {
                let bad = |source| BadStanza::relation(stanza.package(), field, source);
                let relation = RelationText::parse(text).map_err(bad)?;
                if let Some((_, version)) = relation
                    .constraint
                    .filter(|(_, version)| version.is_empty())
                {
                    return Err(bad(BadVersion {
                        found: version.to_owned(),
                    }
                    .into()));
                }
                // Every name was met when the listing was read.
                let Some(name) = pool.name(relation.name) else {
                    continue;
                };
                let (asked, architecture) = match relation.architecture {
                    None => (Asked::Plainly, own),
                    Some("any") => (Asked::ForAny, own),
                    Some("native") => (Asked::Plainly, 0),
                    Some(named) => (Asked::Plainly, pool.architecture(named)),
                };
                let specific = relation.architecture.is_some();
                let (constraint, or) = (relation.constraint, members.peek().is_some());
                all.push(Link {
                    kind,
                    name,
                    asked,
                    architecture,
                    specific,
                    constraint,
                    or,
                    text: text.trim(),
                });
            }
        }
    }
    Ok(all.into_boxed_slice())
}

/// The entries of a version in groups: alternatives together, all else alone.
pub(super) fn groups<'l, 'a>(links: &'l [Link<'a>]) -> impl Iterator<Item = &'l [Link<'a>]> {
    links.split_inclusive(|link| !link.or)
}

impl<'a> Link<'a> {
    /// Whether a version of the package, or one that is provided, is as asked for.
    pub(super) fn admits(&self, version: &str) -> bool {
        self.constraint
            .is_none_or(|(operator, wanted)| operator.admits(Version::compare(version, wanted)))
    }

    /// Whether one of the versions that it speaks of is `wanted`: those of the package that it names first, then those that
    /// provide the name, last read first. A conflict never speaks of its own package, nor of others of that name.
    pub(super) fn any(
        &self,
        pool: &Pool<'a>,
        owner: VersionId,
        mut wanted: impl FnMut(VersionId) -> bool,
    ) -> bool {
        let own_name = pool[pool[owner].package].name;
        let against_all = self.kind.is_negative() && !self.specific;
        let mut packages: [Option<PackageId>; 1] = [None];
        if self.asked == Asked::Plainly && !(self.kind.is_negative() && self.name == own_name) {
            packages = [pool.package(self.name, self.architecture)];
        }
        let others = (against_all && self.name != own_name)
            .then(|| {
                pool.packages_named(self.name)
                    .filter(|p| Some(*p) != packages[0])
            })
            .into_iter()
            .flatten();
        for package in packages.into_iter().flatten().chain(others) {
            for version in pool.versions(package) {
                if self.admits(pool[version].text) && wanted(version) {
                    return true;
                }
            }
        }
        for entry in pool.provides(self.name, self.asked) {
            let provider = pool[pool[entry.owner].package];
            let serves = self.asked == Asked::ForAny
                || against_all
                || entry.architecture.is_none_or(|a| a == self.architecture);
            let fits = match (self.constraint, entry.version) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(_), Some(version)) => self.admits(version),
            };
            // What is provided tacitly to all architectures was met above for its own.
            let again =
                provider.name == self.name && packages[0] == Some(pool[entry.owner].package);
            if serves
                && fits
                && !again
                && !(self.kind.is_negative() && provider.name == own_name)
                && wanted(entry.owner)
            {
                return true;
            }
        }
        false
    }

    /// All of them.
    pub(super) fn targets(&self, pool: &Pool<'a>, owner: VersionId) -> Vec<VersionId> {
        let mut all = Vec::new();
        self.any(pool, owner, |version| {
            all.push(version);
            false
        });
        all
    }
}

/// Whether Multi-Arch lets two versions of one name and different architectures be installed side by side.
pub(super) fn may_coexist(pool: &Pool<'_>, one: VersionId, other: VersionId) -> bool {
    let (one, other) = (&pool[one], &pool[other]);
    one.multi_arch == MultiArch::Same
        && other.multi_arch == MultiArch::Same
        && Version::compare(one.text, other.text).is_eq()
}
