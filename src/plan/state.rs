//! What is installed, what could be and what is planned, package by package; and what of it holds.

use super::links::{self, Link, groups};
use super::pool::{PackageId, Pool, VersionId};

/// apt's view of a package while it plans.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// In the base.
    pub(crate) installed: Option<VersionId>,
    /// The only other version that is ever considered; lost for the rest of a run when it turns out impossible.
    pub(crate) candidate: Option<VersionId>,
    /// What the plan would leave installed.
    pub(crate) planned: Option<VersionId>,
    /// Its state is settled, be it present or absent.
    pub(crate) protected: bool,
    /// It came in as a dependency.
    pub(crate) automatic: bool,
    /// The user, or the variant, asks for it.
    pub(crate) demanded: bool,
}

impl Standing {
    /// Settled as absent.
    pub(super) fn is_barred(&self) -> bool {
        self.protected && self.planned.is_none()
    }

    /// Not there yet, and to be installed.
    pub(super) fn is_new(&self) -> bool {
        self.planned.is_some() && self.planned != self.installed
    }
}

/// The plan while it is made.
#[derive(Clone, Debug)]
pub(super) struct State<'p, 'a> {
    pub(crate) pool: &'p Pool<'a>,
    standings: Vec<Standing>,
}

/// What a relation is asked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Planned,
    Candidate,
}

impl<'p, 'a> State<'p, 'a> {
    /// Nothing planned but what is installed, which counts as asked for by the user since no list says otherwise.
    pub(super) fn new(
        pool: &'p Pool<'a>,
        candidates: &[Option<VersionId>],
        base: &[VersionId],
    ) -> State<'p, 'a> {
        let standing = |candidate: &Option<VersionId>| Standing {
            candidate: *candidate,
            ..Standing::default()
        };
        let mut standings: Vec<Standing> = candidates.iter().map(standing).collect();
        for version in base {
            let standing = &mut standings[pool[*version].package.0 as usize];
            (standing.installed, standing.planned) = (Some(*version), Some(*version));
        }
        State { pool, standings }
    }

    pub(super) fn of(&self, package: PackageId) -> &Standing {
        &self.standings[package.0 as usize]
    }

    pub(super) fn of_mut(&mut self, package: PackageId) -> &mut Standing {
        &mut self.standings[package.0 as usize]
    }

    /// The packages that the plan leaves installed, in order of number.
    pub(super) fn planned(&self) -> impl Iterator<Item = (PackageId, VersionId)> + '_ {
        let numbered = self.standings.iter().zip(0..);
        numbered.filter_map(|(standing, number)| {
            standing.planned.map(|version| (PackageId(number), version))
        })
    }

    /// The installed packages that the plan removes, in order of number.
    pub(super) fn removed(&self) -> impl Iterator<Item = PackageId> + '_ {
        self.pool.packages().filter(|package| {
            self.of(*package).installed.is_some() && self.of(*package).planned.is_none()
        })
    }

    /// Whether a version is the one that a table has of its package.
    pub(super) fn has(&self, table: Table, version: VersionId) -> bool {
        let standing = self.of(self.pool[version].package);
        match table {
            Table::Planned => standing.planned == Some(version),
            Table::Candidate => standing.candidate == Some(version),
        }
    }

    /// Whether a group of alternatives is satisfied.
    pub(super) fn satisfies(&self, table: Table, owner: VersionId, group: &[Link<'a>]) -> bool {
        group
            .iter()
            .any(|link| link.any(self.pool, owner, |version| self.has(table, version)))
    }

    /// What is planned and may not be installed beside a version, because the version says so.
    pub(super) fn hits(&self, owner: VersionId) -> Vec<VersionId> {
        let negative = self
            .pool
            .links(owner)
            .iter()
            .filter(|link| link.kind.is_negative());
        let mut hits: Vec<VersionId> = negative
            .flat_map(|link| link.targets(self.pool, owner))
            .collect();
        hits.extend(self.rivals(owner));
        hits.retain(|version| self.has(Table::Planned, *version));
        hits
    }

    /// The versions of the same name and another architecture that Multi-Arch forbids beside this one.
    pub(super) fn rivals(&self, owner: VersionId) -> Vec<VersionId> {
        if self.pool.architectures.len() == 1 {
            return Vec::new();
        }
        let package = self.pool[owner].package;
        let siblings = self
            .pool
            .packages_named(self.pool[package].name)
            .filter(|sibling| *sibling != package);
        siblings
            .flat_map(|s| self.pool.versions(s))
            .filter(|v| !links::may_coexist(self.pool, owner, *v))
            .collect()
    }

    /// The demands of a version that the plan does not meet.
    pub(super) fn unmet(&self, owner: VersionId) -> impl Iterator<Item = &'p [Link<'a>]> + '_ {
        let demands = groups(self.pool.links(owner)).filter(|group| group[0].kind.is_demand());
        demands.filter(move |group| !self.satisfies(Table::Planned, owner, group))
    }

    /// Whether a version, were it installed beside all that is planned, would lack something or be against something.
    pub(super) fn is_broken(&self, version: VersionId) -> bool {
        self.unmet(version).next().is_some() || !self.hits(version).is_empty()
    }

    /// The planned packages that are broken.
    pub(super) fn broken(&self) -> Vec<PackageId> {
        self.planned()
            .filter(|(_, version)| self.is_broken(*version))
            .map(|(package, _)| package)
            .collect()
    }
}
