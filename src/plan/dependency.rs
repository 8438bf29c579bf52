//! The dependencies of a version, and the versions that each of them refers to.
//!
//! As in apt, a dependency is one alternative of one relation field, and Conflicts and Breaks are
//! dependencies too. Whether a dependency is met is decided by `depcache`.

use super::pool::{
    ArchitectureId, NameId, PackageId, PackagesNamed, Pool, Provides, TargetForm, VersionId,
    Versions,
};
use crate::formats::fields::{Field, PackageFields};
use crate::formats::package::{BadStanza, MultiArch};
use crate::formats::relation::{BadRelation, Operator, RelationText, trimmed};
use crate::formats::version::{BadVersion, Version};

/// The relation fields that the resolver reads, in apt's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DependencyKind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

impl DependencyKind {
    const ALL: [DependencyKind; 6] = [
        DependencyKind::PreDepends,
        DependencyKind::Depends,
        DependencyKind::Conflicts,
        DependencyKind::Breaks,
        DependencyKind::Recommends,
        DependencyKind::Suggests,
    ];

    fn field(self) -> Field {
        match self {
            DependencyKind::PreDepends => Field::PreDepends,
            DependencyKind::Depends => Field::Depends,
            DependencyKind::Conflicts => Field::Conflicts,
            DependencyKind::Breaks => Field::Breaks,
            DependencyKind::Recommends => Field::Recommends,
            DependencyKind::Suggests => Field::Suggests,
        }
    }

    /// Pre-Depends and Depends.
    pub(super) fn is_hard(self) -> bool {
        matches!(self, DependencyKind::PreDepends | DependencyKind::Depends)
    }

    /// Conflicts and Breaks.
    pub(super) fn is_negative(self) -> bool {
        matches!(self, DependencyKind::Conflicts | DependencyKind::Breaks)
    }
}

/// One name in one relation field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dependency<'a> {
    pub(crate) kind: DependencyKind,
    pub(crate) name: NameId,
    pub(crate) form: TargetForm,
    /// The architecture of the target; meaningless for [`TargetForm::Any`].
    pub(crate) architecture: ArchitectureId,
    /// The field names the architecture.
    is_specific: bool,
    constraint: Option<VersionConstraint<'a>>,
    /// Another alternative follows.
    pub(crate) or: bool,
    /// The text in the field.
    pub(crate) text: &'a str,
}

#[derive(Clone, Copy, Debug)]
struct VersionConstraint<'a> {
    operator: Operator,
    version: &'a str,
}

/// Reads the dependencies of a version.
pub(super) fn read<'a>(
    pool: &Pool<'a>,
    version: VersionId,
) -> Result<Box<[Dependency<'a>]>, BadStanza> {
    let entry = &pool[version];
    let Some(stanza) = PackageFields::read(entry.stanza) else {
        return Ok(Box::default());
    };
    let mut reader = DependencyReader {
        pool,
        own: pool[entry.package].architecture,
        dependencies: Vec::new(),
    };
    for kind in DependencyKind::ALL {
        let field = kind.field();
        for group in stanza.get(field).split(',') {
            if trimmed(group).is_empty() {
                continue;
            }
            let before = reader.dependencies.len();
            if let Err(source) = reader.add_group(kind, trimmed(group)) {
                // Nothing follows these fields. apt passes over what it cannot read in them.
                if matches!(kind, DependencyKind::Recommends | DependencyKind::Suggests) {
                    reader.dependencies.truncate(before);
                    continue;
                }
                let package = stanza.get(Field::Package);
                return Err(BadStanza::relation(package, field, source));
            }
        }
    }
    Ok(reader.dependencies.into_boxed_slice())
}

struct DependencyReader<'p, 'a> {
    pool: &'p Pool<'a>,
    /// The architecture of the package that declares the dependencies.
    own: ArchitectureId,
    dependencies: Vec<Dependency<'a>>,
}

impl<'a> DependencyReader<'_, 'a> {
    /// Adds a group of alternatives.
    fn add_group(&mut self, kind: DependencyKind, group: &'a str) -> Result<(), BadRelation> {
        let mut members = group.split('|').peekable();
        while let Some(text) = members.next() {
            let relation = RelationText::parse(text)?;
            let mut constraint = None;
            if let Some((operator, version)) = relation.constraint {
                if version.is_empty() {
                    let found = version.to_owned();
                    return Err(BadVersion { found }.into());
                }
                constraint = Some(VersionConstraint { operator, version });
            }
            // The pool has every name that one of its stanzas mentions.
            let Some(name) = self.pool.name(relation.name) else {
                if kind.is_hard() {
                    return Err(BadRelation::new(text, "a name that the scan has not seen"));
                }
                continue;
            };
            let form = match relation.architecture {
                Some("any") => TargetForm::Any,
                _ => TargetForm::Plain,
            };
            let architecture = match relation.architecture {
                None | Some("any") => self.own,
                Some("native") => 0,
                Some(named) => self.pool.architecture(named),
            };
            self.dependencies.push(Dependency {
                kind,
                name,
                form,
                architecture,
                is_specific: relation.architecture.is_some(),
                constraint,
                or: members.peek().is_some(),
                text: trimmed(text),
            });
        }
        Ok(())
    }
}

/// The dependencies of a version in or-groups; a dependency without alternatives is its own group.
pub(super) fn or_groups<'l, 'a>(
    dependencies: &'l [Dependency<'a>],
) -> impl Iterator<Item = &'l [Dependency<'a>]> {
    dependencies.split_inclusive(|dependency| !dependency.or)
}

/// The or-groups of Pre-Depends and Depends.
pub(super) fn hard_groups<'l, 'a>(
    dependencies: &'l [Dependency<'a>],
) -> impl Iterator<Item = &'l [Dependency<'a>]> {
    or_groups(dependencies).filter(|group| group[0].kind.is_hard())
}

/// The Conflicts and Breaks.
pub(super) fn negative<'l, 'a>(
    dependencies: &'l [Dependency<'a>],
) -> impl Iterator<Item = &'l Dependency<'a>> {
    dependencies.iter().filter(|d| d.kind.is_negative())
}

impl<'a> Dependency<'a> {
    /// Whether the dependency states a version.
    pub(super) fn is_versioned(&self) -> bool {
        self.constraint.is_some()
    }

    /// Whether a version, of a package or of an entry of Provides, fulfils the constraint.
    pub(super) fn admits(&self, version: &str) -> bool {
        match self.constraint {
            None => true,
            Some(constraint) => constraint
                .operator
                .admits(Version::compare(version, constraint.version)),
        }
    }

    /// The versions that the dependency refers to: those of the named package, then those that
    /// provide the name, the last read first. A negative dependency never refers to the package
    /// that declares it, nor to its siblings of other architectures.
    pub(super) fn targets<'p>(&self, pool: &'p Pool<'a>, owner: VersionId) -> Targets<'p, 'a> {
        let own_name = pool[pool[owner].package].name;
        let is_negative = self.kind.is_negative();
        let applies_to_all = is_negative && !self.is_specific;
        let names_itself = is_negative && self.name == own_name;
        let mut named = None;
        if self.form == TargetForm::Plain && !names_itself {
            named = pool.package(self.name, self.architecture);
        }
        let mut siblings = None;
        if applies_to_all && !names_itself {
            siblings = Some(pool.packages_named(self.name));
        }
        Targets {
            pool,
            dependency: *self,
            named,
            siblings,
            versions: named.map(|package| pool.versions(package)),
            provides: pool.provides(self.name, self.form),
            applies_to_all,
            excluded_owner: is_negative.then_some(own_name),
        }
    }
}

/// Iterates over the versions that a dependency refers to.
pub(super) struct Targets<'p, 'a> {
    pool: &'p Pool<'a>,
    dependency: Dependency<'a>,
    /// The package of the very name and architecture.
    named: Option<PackageId>,
    /// All packages of the name, for a dependency that applies to every architecture.
    siblings: Option<PackagesNamed<'p>>,
    /// The versions of the package that is being visited.
    versions: Option<Versions<'p, 'a>>,
    provides: Provides<'p, 'a>,
    applies_to_all: bool,
    /// Providers of this name are left out.
    excluded_owner: Option<NameId>,
}

impl Iterator for Targets<'_, '_> {
    type Item = VersionId;

    fn next(&mut self) -> Option<VersionId> {
        loop {
            if let Some(versions) = &mut self.versions {
                for version in versions {
                    if self.dependency.admits(self.pool[version].text) {
                        return Some(version);
                    }
                }
            }
            match self.next_sibling() {
                Some(package) => self.versions = Some(self.pool.versions(package)),
                None => return self.next_provider(),
            }
        }
    }
}

impl Targets<'_, '_> {
    fn next_sibling(&mut self) -> Option<PackageId> {
        let named = self.named;
        let siblings = self.siblings.as_mut()?;
        siblings.find(|package| Some(*package) != named)
    }

    fn next_provider(&mut self) -> Option<VersionId> {
        for entry in &mut self.provides {
            let owner = self.pool[entry.owner].package;
            let owner_name = self.pool[owner].name;
            let serves = self.applies_to_all
                || self.dependency.form == TargetForm::Any
                || entry
                    .architecture
                    .is_none_or(|architecture| architecture == self.dependency.architecture);
            let fits = match entry.version {
                None => !self.dependency.is_versioned(),
                Some(version) => self.dependency.admits(version),
            };
            // A package that implicitly provides its own name was visited as the named one.
            let is_repeated = owner_name == self.dependency.name && self.named == Some(owner);
            if serves && fits && !is_repeated && self.excluded_owner != Some(owner_name) {
                return Some(entry.owner);
            }
        }
        None
    }
}

/// Whether Multi-Arch allows two versions of one name and different architectures side by side.
pub(super) fn may_coexist(pool: &Pool<'_>, one: VersionId, other: VersionId) -> bool {
    let one = &pool[one];
    let other = &pool[other];
    one.multi_arch == MultiArch::Same
        && other.multi_arch == MultiArch::Same
        && Version::compare(one.text, other.text).is_eq()
}
