//! The planned packages and the dependencies between them.

use std::cmp::Reverse;

use crate::formats::package::Priority;
use crate::plan::depcache::{DepCache, Which};
use crate::plan::dependency::{Dependency, DependencyKind};
use crate::plan::pool::{PackageId, Pool, TargetForm, VersionId};

/// A package that is installed, or that the call installs.
#[derive(Debug)]
pub(super) struct GraphMember {
    pub(crate) package: PackageId,
    pub(crate) version: VersionId,
    /// The call installs it.
    pub(crate) new: bool,
    /// It is configured as soon as it is unpacked.
    pub(crate) immediate: bool,
    pub(crate) edges: Vec<Edge>,
    /// How many targets the edges have.
    pub(crate) targets: usize,
    score: u32,
    /// Its position before the members were sorted.
    unsorted: usize,
}

/// A dependency between members: one alternative of an or-group.
#[derive(Debug)]
pub(super) struct Edge {
    pub(crate) kind: DependencyKind,
    /// The member of the very name.
    pub(crate) named: Option<usize>,
    /// The members to which the dependency refers.
    pub(crate) targets: Vec<usize>,
    /// Another alternative follows.
    pub(crate) or: bool,
}

#[derive(Debug)]
pub(super) struct Graph {
    /// By descending score, then by name.
    pub(crate) members: Vec<GraphMember>,
}

impl Graph {
    pub(super) fn of(cache: &DepCache<'_, '_>) -> Graph {
        let mut numbers = MemberNumbers(vec![None; cache.pool.packages().len()]);
        for (number, version) in cache.planned().enumerate() {
            numbers.0[cache.pool[version].package.index()] = Some(number);
        }
        let mut members = Vec::new();
        for (number, version) in cache.planned().enumerate() {
            members.push(GraphMember::new(cache, version, number, &numbers));
        }
        spread_immediate(&mut members);
        for member in &mut members {
            member.score = score(cache.pool, member);
        }
        sort(cache.pool, &mut members);
        Graph { members }
    }
}

/// The position of each package of the pool among the members.
struct MemberNumbers(Vec<Option<usize>>);

impl MemberNumbers {
    fn of(&self, package: PackageId) -> Option<usize> {
        self.0[package.index()]
    }
}

impl GraphMember {
    fn new(
        cache: &DepCache<'_, '_>,
        version: VersionId,
        number: usize,
        numbers: &MemberNumbers,
    ) -> GraphMember {
        let package = cache.pool[version].package;
        let mut edges = Vec::new();
        for dependency in cache.pool.dependencies(version) {
            if dependency.kind.is_hard() || dependency.kind.is_negative() {
                edges.push(Edge::new(cache, version, dependency, numbers));
            }
        }
        GraphMember {
            package,
            version,
            new: cache.of(package).is_new(),
            immediate: cache.pool[package].essential,
            targets: edges.iter().map(|edge| edge.targets.len()).sum(),
            edges,
            score: 0,
            unsorted: number,
        }
    }
}

impl Edge {
    fn new<'a>(
        cache: &DepCache<'_, 'a>,
        owner: VersionId,
        dependency: &Dependency<'a>,
        numbers: &MemberNumbers,
    ) -> Edge {
        let architecture = match dependency.form {
            TargetForm::Plain => dependency.architecture,
            TargetForm::Any => 0,
        };
        let named = cache.pool.package(dependency.name, architecture);
        let mut targets = Vec::new();
        for target in dependency.targets(cache.pool, owner) {
            if cache.is(Which::Planned, target) {
                targets.extend(numbers.of(cache.pool[target].package));
            }
        }
        Edge {
            kind: dependency.kind,
            named: named.and_then(|package| numbers.of(package)),
            targets,
            or: dependency.or,
        }
    }
}

/// Makes immediate what the Pre-Depends and Depends of an immediate package name.
fn spread_immediate(members: &mut [GraphMember]) {
    let mut open = Vec::new();
    for (number, member) in members.iter().enumerate() {
        if member.immediate {
            open.push(number);
        }
    }
    while let Some(number) = open.pop() {
        let mut named = Vec::new();
        for edge in &members[number].edges {
            if edge.kind.is_hard() {
                named.extend(edge.named);
            }
        }
        for target in named {
            if !members[target].immediate {
                members[target].immediate = true;
                open.push(target);
            }
        }
    }
}

fn score(pool: &Pool<'_>, member: &GraphMember) -> u32 {
    let priority = match pool[member.version].priority {
        Some(Priority::Required) => 5,
        Some(Priority::Important) => 4,
        Some(Priority::Standard) => 3,
        Some(Priority::Optional) => 1,
        Some(Priority::Extra) | None => 0,
    };
    let mut edges = member.edges.iter();
    let pre_depends = edges.any(|edge| edge.kind == DependencyKind::PreDepends);
    200 * u32::from(pool[member.package].essential)
        + 10 * u32::from(member.immediate)
        + 50 * u32::from(pre_depends)
        + priority
}

/// Sorts the members by descending score, then by name, and renumbers their edges.
fn sort(pool: &Pool<'_>, members: &mut [GraphMember]) {
    members.sort_by_key(|member| {
        let entry = pool[member.package];
        (Reverse(member.score), &pool[entry.name], entry.architecture)
    });
    let mut sorted = vec![0; members.len()];
    for (number, member) in members.iter().enumerate() {
        sorted[member.unsorted] = number;
    }
    for member in members {
        for edge in &mut member.edges {
            edge.named = edge.named.map(|number| sorted[number]);
            for target in &mut edge.targets {
                *target = sorted[*target];
            }
        }
    }
}
