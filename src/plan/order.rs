//! In which order apt has dpkg unpack and configure what a plan adds (pkgOrderList and pkgPackageManager).
//!
//! The packages are sorted by a score, then four times depth first along their relations, each pass over the result of the one
//! before. Then they are unpacked in that order; what an essential package needs is *immediate* and is configured at once, with
//! what it needs itself; all else waits for the last `dpkg --configure --pending`. As odd as it is, scripts see this order.

mod passes;

use super::links::Kind;
use super::pool::{Asked, PackageId, VersionId};
use super::state::{State, Table};
use crate::formats::package::Priority;

/// One thing that dpkg is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Unpack(VersionId),
    Configure(VersionId),
}

/// The operations that bring a plan about.
pub(super) fn operations(state: &State<'_, '_>) -> Vec<Operation> {
    let graph = Graph::of(state);
    let order = passes::order(&graph);
    let count = graph.members.len();
    let mut walk = Walk {
        graph: &graph,
        done: vec![Done::Nothing; count],
        looping: vec![false; count],
        budget: 1000 * (count + 1),
        operations: Vec::new(),
    };
    // What takes the place of something removed comes at once, as an essential package may need it.
    let (urgent, others): (Vec<usize>, Vec<usize>) = order
        .into_iter()
        .partition(|member| supplants(state, graph.members[*member].version));
    let urgent = urgent.into_iter().map(|member| (member, true));
    for (member, at_once) in urgent.chain(
        others
            .into_iter()
            .map(|member| (member, graph.members[member].immediate)),
    ) {
        if walk.done[member] == Done::Nothing {
            walk.unpack(member, at_once);
        }
    }
    walk.operations
}

/// Whether a version is against something that the plan removes.
fn supplants(state: &State<'_, '_>, version: VersionId) -> bool {
    let mut negative = state
        .pool
        .links(version)
        .iter()
        .filter(|link| link.kind.is_negative());
    let removed = |hit: VersionId| {
        let standing = state.of(state.pool[hit].package);
        standing.installed == Some(hit) && standing.planned.is_none()
    };
    negative.any(|link| link.any(state.pool, version, removed))
}

/// A package that takes part: it is installed, or about to be.
#[derive(Debug)]
struct Member {
    version: VersionId,
    /// About to be installed.
    new: bool,
    immediate: bool,
    score: u32,
    edges: Vec<Edge>,
}

/// A relation between members, one alternative of a group.
#[derive(Debug)]
struct Edge {
    kind: Kind,
    /// The member of the very name.
    named: Option<usize>,
    /// The members that the relation speaks of.
    targets: Vec<usize>,
    /// An alternative follows.
    or: bool,
}

#[derive(Debug)]
struct Graph {
    /// By descending score, then by name.
    members: Vec<Member>,
}

impl Graph {
    fn of(state: &State<'_, '_>) -> Graph {
        let planned: Vec<(PackageId, VersionId)> = state.planned().collect();
        let mut member_of = vec![None; state.pool.packages().len()];
        let number = |member_of: &mut [Option<usize>], order: &[(PackageId, VersionId)]| {
            order
                .iter()
                .enumerate()
                .for_each(|(number, (package, _))| member_of[package.0 as usize] = Some(number));
        };
        number(&mut member_of, &planned);
        let mut members: Vec<Member> = planned
            .iter()
            .map(|(p, version)| member(state, *p, *version, &member_of))
            .collect();
        close_immediate(state, &mut members);
        for (member, (package, version)) in members.iter_mut().zip(&planned) {
            member.score = score(state, member, *package, *version);
        }
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|n| {
            let entry = state.pool[planned[*n].0];
            (
                std::cmp::Reverse(members[*n].score),
                &state.pool[entry.name],
                entry.architecture,
            )
        });
        let mut place = vec![0; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(new, old)| place[*old] = new);
        for edge in members.iter_mut().flat_map(|member| &mut member.edges) {
            edge.named = edge.named.map(|old| place[old]);
            edge.targets
                .iter_mut()
                .for_each(|target| *target = place[*target]);
        }
        let mut sorted: Vec<(usize, Member)> = place.into_iter().zip(members).collect();
        sorted.sort_by_key(|(place, _)| *place);
        Graph {
            members: sorted.into_iter().map(|(_, member)| member).collect(),
        }
    }
}

fn member(
    state: &State<'_, '_>,
    package: PackageId,
    version: VersionId,
    member_of: &[Option<usize>],
) -> Member {
    let of = |package: PackageId| member_of[package.0 as usize];
    let links = state
        .pool
        .links(version)
        .iter()
        .filter(|link| link.kind.is_demand() || link.kind.is_negative());
    let edges = links.map(|link| Edge {
        kind: link.kind,
        named: state
            .pool
            .package(
                link.name,
                if link.asked == Asked::ForAny {
                    0
                } else {
                    link.architecture
                },
            )
            .and_then(of),
        targets: {
            let targets = link
                .targets(state.pool, version)
                .into_iter()
                .filter(|target| state.has(Table::Planned, *target));
            targets
                .filter_map(|target| of(state.pool[target].package))
                .collect()
        },
        or: link.or,
    });
    Member {
        version,
        new: state.of(package).is_new(),
        immediate: state.pool[package].essential,
        score: 0,
        edges: edges.collect(),
    }
}

/// Whatever an immediate package names in its demands is immediate too.
fn close_immediate(state: &State<'_, '_>, members: &mut [Member]) {
    let mut open: Vec<usize> = (0..members.len())
        .filter(|n| state.pool[state.pool[members[*n].version].package].essential)
        .collect();
    while let Some(member) = open.pop() {
        let named: Vec<usize> = members[member]
            .edges
            .iter()
            .filter(|e| e.kind.is_demand())
            .filter_map(|e| e.named)
            .collect();
        for target in named {
            if !std::mem::replace(&mut members[target].immediate, true) {
                open.push(target);
            }
        }
    }
}

fn score(state: &State<'_, '_>, member: &Member, package: PackageId, version: VersionId) -> u32 {
    let priority = match state.pool[version].priority {
        Some(Priority::Required) => 5,
        Some(Priority::Important) => 4,
        Some(Priority::Standard) => 3,
        Some(Priority::Optional) => 1,
        Some(Priority::Extra) | None => 0,
    };
    let pre_depends = member
        .edges
        .iter()
        .any(|edge| edge.kind == Kind::PreDepends);
    200 * u32::from(state.pool[package].essential)
        + 10 * u32::from(member.immediate)
        + 50 * u32::from(pre_depends)
        + priority
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Nothing,
    Unpacked,
    Configured,
}

/// What of a plan has been carried out.
struct Walk<'g> {
    graph: &'g Graph,
    done: Vec<Done>,
    /// Being unpacked or configured further up.
    looping: Vec<bool>,
    /// How often one package may still be acted on for another's sake. Packages that cannot be configured would be tried for ever.
    budget: usize,
    operations: Vec<Operation>,
}

impl<'g> Walk<'g> {
    /// Acts on `target` for the sake of `member`; true when that may have changed something.
    fn guarded(
        &mut self,
        member: usize,
        in_loop: bool,
        target: usize,
        act: impl FnOnce(&mut Self),
    ) -> bool {
        if self.budget == 0 {
            return false;
        }
        self.budget -= 1;
        if !in_loop {
            self.looping[member] = true;
        }
        act(self);
        if !in_loop {
            self.looping[member] = false;
        }
        !self.looping[target]
    }

    fn unpack(&mut self, member: usize, at_once: bool) {
        let graph = self.graph;
        let in_loop = self.looping[member];
        let edges = &graph.members[member].edges;
        let mut changed = true;
        while changed {
            changed = false;
            let mut start = 0;
            while start < edges.len() {
                let end = edges[start..]
                    .iter()
                    .position(|edge| !edge.or)
                    .map_or(edges.len(), |n| start + n + 1);
                let met = edges[start..end]
                    .iter()
                    .flat_map(|edge| &edge.targets)
                    .any(|target| !graph.members[*target].new);
                if edges[start].kind == Kind::PreDepends && !met {
                    changed |= self.ready(member, in_loop, &edges[start..]);
                }
                start = end;
            }
        }
        if in_loop {
            return;
        }
        self.done[member] = Done::Unpacked;
        self.operations
            .push(Operation::Unpack(graph.members[member].version));
        if at_once {
            self.configure(member);
        }
    }

    /// Gets a Pre-Depends configured, or unpacked in a loop. apt looks past the group's end when nothing in it can be had.
    fn ready(&mut self, member: usize, in_loop: bool, edges: &'g [Edge]) -> bool {
        for target in edges.iter().flat_map(|edge| &edge.targets).copied() {
            if !self.graph.members[target].new
                || in_loop && self.looping[target] && self.done[target] == Done::Nothing
            {
                continue;
            }
            return match self.done[target] {
                Done::Configured => false,
                Done::Unpacked => {
                    self.guarded(member, in_loop, target, |walk| walk.configure(target))
                }
                Done::Nothing => {
                    self.guarded(member, in_loop, target, |walk| walk.unpack(target, true))
                }
            };
        }
        false
    }

    fn configure(&mut self, member: usize) {
        let graph = self.graph;
        let in_loop = self.looping[member];
        let edges = &graph.members[member].edges;
        let mut need: Vec<&'g [Edge]> = Vec::new();
        let mut changed = true;
        while changed {
            changed = false;
            for group in edges.split_inclusive(|edge| !edge.or) {
                if !group[0].kind.is_demand() || self.is_met(group, in_loop) {
                    continue;
                }
                let absent = |target: &usize| {
                    graph.members[*target].new && self.done[*target] == Done::Nothing
                };
                match group
                    .iter()
                    .find_map(|edge| edge.targets.iter().copied().find(absent))
                {
                    Some(target) if !in_loop => {
                        changed |=
                            self.guarded(member, in_loop, target, |walk| walk.unpack(target, true))
                    }
                    _ => need.push(group),
                }
            }
        }
        let complete = self.configure_first(member, in_loop, &need);
        if !in_loop && complete && self.done[member] != Done::Configured {
            self.operations
                .push(Operation::Configure(graph.members[member].version));
            self.done[member] = Done::Configured;
        }
    }

    /// Configures what a package needs; false when the last need cannot be had.
    fn configure_first(&mut self, member: usize, in_loop: bool, need: &[&'g [Edge]]) -> bool {
        let mut met = true;
        let mut changed = true;
        while changed {
            changed = false;
            for group in need {
                let ready = |target: &usize| {
                    self.graph.members[*target].new && self.done[*target] != Done::Nothing
                };
                let target = group
                    .iter()
                    .flat_map(|edge| &edge.targets)
                    .copied()
                    .find(ready);
                met = target.is_some();
                if let Some(target) = target
                    && self.done[target] == Done::Unpacked
                    && !(in_loop && self.looping[target])
                {
                    changed |= self.guarded(member, in_loop, target, |walk| walk.configure(target));
                }
            }
        }
        met
    }

    fn is_met(&self, group: &[Edge], in_loop: bool) -> bool {
        let done = |target: usize| {
            !self.graph.members[target].new || in_loop && self.done[target] == Done::Unpacked
        };
        group
            .iter()
            .flat_map(|edge| &edge.targets)
            .any(|target| done(*target))
    }
}
