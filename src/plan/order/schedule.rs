//! Unpacks and configures packages, with what they need before them (pkgPackageManager).

use super::Operation;
use super::graph::{Edge, Graph};
use crate::plan::chain::{self, Chain, TooDeep};
use crate::plan::dependency::DependencyKind;
use crate::plan::work::Work;

/// How far a package is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Nothing,
    Unpacked,
    Configured,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DpkgAction {
    Unpack,
    Configure,
}

/// The operations so far, and the state to which they bring each member.
pub(super) struct Schedule<'g> {
    graph: &'g Graph,
    reached: Vec<Reached>,
    /// The members for whose sake another one is being unpacked or configured.
    waiting: Vec<bool>,
    /// How often a package may still be acted on for another's sake. Without it packages that
    /// cannot be configured would be tried without end.
    budget: usize,
    chain: Chain,
    operations: Vec<Operation>,
    work: &'g Work,
}

impl<'g> Schedule<'g> {
    pub(super) fn new(graph: &'g Graph, work: &'g Work) -> Schedule<'g> {
        let count = graph.members.len();
        Schedule {
            graph,
            reached: vec![Reached::Nothing; count],
            waiting: vec![false; count],
            budget: 1000 * (count + 1),
            chain: Chain::new(chain::LIMIT),
            operations: Vec::new(),
            work,
        }
    }

    /// Unpacks a member that is not yet unpacked, and configures it if it is immediate.
    pub(super) fn install(&mut self, member: usize, immediate: bool) {
        if self.reached[member] == Reached::Nothing {
            self.unpack(member, immediate);
        }
    }

    pub(super) fn finish(self) -> Result<Vec<Operation>, TooDeep> {
        match self.chain.too_deep() {
            Some(too_deep) => Err(too_deep.clone()),
            None => Ok(self.operations),
        }
    }

    /// Acts on `target` for the sake of `member`. Returns true if that may have changed something.
    fn act(&mut self, action: DpkgAction, member: usize, target: usize) -> bool {
        if self.budget == 0 {
            return false;
        }
        self.budget -= 1;
        if !self.chain.enter(self.graph.members[target].package) {
            // The result is an error, so nothing more is tried.
            self.budget = 0;
            return false;
        }
        let was_waiting = self.waiting[member];
        self.waiting[member] = true;
        match action {
            DpkgAction::Unpack => self.unpack(target, true),
            DpkgAction::Configure => self.configure(target),
        }
        self.waiting[member] = was_waiting;
        self.chain.leave();
        !self.waiting[target]
    }

    /// Counts a look at all edges of a member. Nothing more is tried once the work is over.
    fn count(&mut self, member: usize) {
        let entry = &self.graph.members[member];
        let steps = 1 + entry.edges.len() + entry.targets;
        if !self.work.steps(steps, Some(entry.package)) {
            self.budget = 0;
        }
    }

    fn unpack(&mut self, member: usize, immediate: bool) {
        let graph = self.graph;
        let in_loop = self.waiting[member];
        let edges = &graph.members[member].edges;
        let mut changed = true;
        while changed {
            changed = false;
            self.count(member);
            let mut start = 0;
            for group in edges.split_inclusive(|edge| !edge.or) {
                if group[0].kind == DependencyKind::PreDepends && !self.is_installed(group) {
                    changed |= self.prepare(member, in_loop, &edges[start..]);
                }
                start += group.len();
            }
        }
        if in_loop {
            return;
        }
        self.reached[member] = Reached::Unpacked;
        self.operations
            .push(Operation::Unpack(graph.members[member].version));
        if immediate {
            self.configure(member);
        }
    }

    /// Whether a package that was installed before the call meets an or-group.
    fn is_installed(&self, group: &[Edge]) -> bool {
        let mut targets = group.iter().flat_map(|edge| &edge.targets);
        targets.any(|target| !self.graph.members[*target].new)
    }

    /// Configures a Pre-Depends, or unpacks it in a loop. Like apt, it looks past the end of the
    /// group if nothing in the group is left to act on.
    fn prepare(&mut self, member: usize, in_loop: bool, edges: &'g [Edge]) -> bool {
        for target in edges.iter().flat_map(|edge| &edge.targets) {
            let reached = self.reached[*target];
            let is_circular = in_loop && self.waiting[*target] && reached == Reached::Nothing;
            if !self.graph.members[*target].new || is_circular {
                continue;
            }
            return match reached {
                Reached::Configured => false,
                Reached::Unpacked => self.act(DpkgAction::Configure, member, *target),
                Reached::Nothing => self.act(DpkgAction::Unpack, member, *target),
            };
        }
        false
    }

    fn configure(&mut self, member: usize) {
        let graph = self.graph;
        let in_loop = self.waiting[member];
        let edges = &graph.members[member].edges;
        let mut needed: Vec<&'g [Edge]> = Vec::new();
        let mut changed = true;
        while changed {
            changed = false;
            self.count(member);
            for group in edges.split_inclusive(|edge| !edge.or) {
                if !group[0].kind.is_hard() || self.is_met(group, in_loop) {
                    continue;
                }
                match self.first_not_unpacked(group) {
                    Some(target) if !in_loop => {
                        changed |= self.act(DpkgAction::Unpack, member, target);
                    }
                    _ => needed.push(group),
                }
            }
        }
        let complete = self.configure_needed(member, in_loop, &needed);
        if !in_loop && complete && self.reached[member] != Reached::Configured {
            self.operations
                .push(Operation::Configure(graph.members[member].version));
            self.reached[member] = Reached::Configured;
        }
    }

    fn first_not_unpacked(&self, group: &[Edge]) -> Option<usize> {
        for target in group.iter().flat_map(|edge| &edge.targets) {
            if self.graph.members[*target].new && self.reached[*target] == Reached::Nothing {
                return Some(*target);
            }
        }
        None
    }

    fn first_unpacked(&self, group: &[Edge]) -> Option<usize> {
        for target in group.iter().flat_map(|edge| &edge.targets) {
            if self.graph.members[*target].new && self.reached[*target] != Reached::Nothing {
                return Some(*target);
            }
        }
        None
    }

    /// Configures what a package needs. Returns false if the last need cannot be met.
    fn configure_needed(&mut self, member: usize, in_loop: bool, needed: &[&'g [Edge]]) -> bool {
        let mut is_met = true;
        let mut changed = true;
        while changed {
            changed = false;
            self.count(member);
            for group in needed {
                let target = self.first_unpacked(group);
                is_met = target.is_some();
                if let Some(target) = target
                    && self.reached[target] == Reached::Unpacked
                    && !(in_loop && self.waiting[target])
                {
                    changed |= self.act(DpkgAction::Configure, member, target);
                }
            }
        }
        is_met
    }

    /// Whether a package meets an or-group for the purpose of configuring: an installed one, or in
    /// a loop an unpacked one.
    fn is_met(&self, group: &[Edge], in_loop: bool) -> bool {
        for target in group.iter().flat_map(|edge| &edge.targets) {
            let is_new = self.graph.members[*target].new;
            if !is_new || in_loop && self.reached[*target] == Reached::Unpacked {
                return true;
            }
        }
        false
    }
}
