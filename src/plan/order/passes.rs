//! Sorts the packages to unpack in four depth-first passes (pkgOrderList::OrderUnpack).
//!
//! The first pass starts from the order by score, each other pass from the result of the one
//! before.

use super::graph::{Edge, Graph};
use crate::plan::chain::{self, Chain, TooDeep};
use crate::plan::dependency::DependencyKind;
use crate::plan::work::Work;

/// Which dependencies a pass follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follow {
    /// Pre-Depends, Conflicts and Breaks.
    PreDepends,
    /// Depends too: below an immediate package or a Pre-Depends.
    All,
    /// Those that matter for unpacking: Pre-Depends, and the Depends of what is immediate or not at
    /// the top.
    Unpack,
}

/// The new members in the order in which they are unpacked.
pub(super) fn order(graph: &Graph, work: &Work) -> Result<Vec<usize>, TooDeep> {
    let mut order = Vec::new();
    for (number, member) in graph.members.iter().enumerate() {
        if member.new {
            order.push(number);
        }
    }
    let mut first = Pass::new(graph, Follow::PreDepends, work);
    first.then_depends = true;
    order = first.run(&order)?;
    order = Pass::new(graph, Follow::PreDepends, work).run(&order)?;
    order = Pass::new(graph, Follow::PreDepends, work).run(&order)?;
    Pass::new(graph, Follow::Unpack, work).run(&order)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VisitState {
    Unvisited,
    Visiting,
    Listed,
}

struct Pass<'g> {
    graph: &'g Graph,
    follow: Follow,
    /// Follows the Depends of a package after its other dependencies.
    then_depends: bool,
    states: Vec<VisitState>,
    list: Vec<usize>,
    chain: Chain,
    work: &'g Work,
}

impl<'g> Pass<'g> {
    fn new(graph: &'g Graph, follow: Follow, work: &'g Work) -> Pass<'g> {
        Pass {
            graph,
            follow,
            then_depends: false,
            states: vec![VisitState::Unvisited; graph.members.len()],
            list: Vec::new(),
            chain: Chain::new(chain::LIMIT),
            work,
        }
    }

    fn run(mut self, members: &[usize]) -> Result<Vec<usize>, TooDeep> {
        for member in members {
            self.visit(*member);
            if let Some(too_deep) = self.chain.too_deep() {
                return Err(too_deep.clone());
            }
        }
        Ok(self.list)
    }

    /// Lists a member after what it depends on.
    fn visit(&mut self, member: usize) {
        let graph = self.graph;
        let entry = &graph.members[member];
        if self.states[member] != VisitState::Unvisited || !entry.new {
            return;
        }
        if !self.work.goes_on(1 + entry.edges.len() + entry.targets) {
            return;
        }
        if !self.chain.enter(entry.package) {
            return;
        }
        self.states[member] = VisitState::Visiting;
        let before = self.follow;
        if entry.immediate && self.follow != Follow::Unpack {
            self.follow = Follow::All;
        }
        self.follow_edges(member);
        if self.then_depends {
            for edge in &entry.edges {
                if edge.kind == DependencyKind::Depends {
                    self.visit_targets(edge);
                }
            }
        }
        self.states[member] = VisitState::Listed;
        self.list.push(member);
        self.follow = before;
        self.chain.leave();
    }

    fn follow_edges(&mut self, member: usize) {
        let graph = self.graph;
        let follow = self.follow;
        for edge in &graph.members[member].edges {
            let is_skipped = match follow {
                Follow::PreDepends => edge.kind == DependencyKind::Depends,
                Follow::All => false,
                Follow::Unpack if edge.kind == DependencyKind::Depends => {
                    self.chain.len() == 1 && !graph.members[member].immediate
                }
                Follow::Unpack => edge.kind != DependencyKind::PreDepends,
            };
            let named = match edge.named {
                Some(named) => self.states[named],
                None => VisitState::Unvisited,
            };
            let is_loop = named == VisitState::Visiting
                && (follow == Follow::Unpack || edge.kind == DependencyKind::PreDepends);
            if is_skipped || self.holds(edge) && !is_loop || named != VisitState::Unvisited {
                continue;
            }
            let before = self.follow;
            if follow == Follow::PreDepends && edge.kind == DependencyKind::PreDepends {
                self.follow = Follow::All;
            }
            self.visit_targets(edge);
            self.follow = before;
        }
    }

    fn visit_targets(&mut self, edge: &Edge) {
        if edge.kind.is_hard() {
            for target in &edge.targets {
                self.visit(*target);
            }
        }
    }

    /// Whether the installed and the listed members meet a dependency.
    fn holds(&self, edge: &Edge) -> bool {
        for target in &edge.targets {
            if self.states[*target] == VisitState::Listed || !self.graph.members[*target].new {
                return edge.kind.is_hard();
            }
        }
        edge.kind == DependencyKind::Conflicts
    }
}
