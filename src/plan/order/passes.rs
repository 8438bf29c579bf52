//! The list that unpacking follows: sorted by score, then four depth-first passes (pkgOrderList::OrderUnpack).

use super::{Edge, Graph};
use crate::plan::links::Kind;

/// Which relations a pass follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Pre-Depends, and what is against something.
    PreDepends,
    /// Depends too: below an immediate package or a Pre-Depends.
    Both,
    /// Those that unpacking heeds: Pre-Depends, and Depends of what is immediate or not at the top.
    Unpack,
}

/// The new members in the order in which they are to be unpacked.
pub(super) fn order(graph: &Graph) -> Vec<usize> {
    let sorted: Vec<usize> = (0..graph.members.len())
        .filter(|member| graph.members[*member].new)
        .collect();
    let first = Pass::run(graph, &sorted, Mode::PreDepends, true);
    let second = Pass::run(graph, &first, Mode::PreDepends, false);
    let third = Pass::run(graph, &second, Mode::PreDepends, false);
    Pass::run(graph, &third, Mode::Unpack, false)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Untouched,
    Pending,
    Listed,
}

struct Pass<'g> {
    graph: &'g Graph,
    mode: Mode,
    then_depends: bool,
    depth: usize,
    progress: Vec<Progress>,
    list: Vec<usize>,
}

impl<'g> Pass<'g> {
    fn run(graph: &'g Graph, members: &[usize], mode: Mode, then_depends: bool) -> Vec<usize> {
        let progress = vec![Progress::Untouched; graph.members.len()];
        let mut pass = Pass {
            graph,
            mode,
            then_depends,
            depth: 0,
            progress,
            list: Vec::with_capacity(members.len()),
        };
        for member in members {
            pass.visit(*member);
        }
        pass.list
    }

    fn visit(&mut self, member: usize) {
        if self.progress[member] != Progress::Untouched || !self.graph.members[member].new {
            return;
        }
        self.depth += 1;
        self.progress[member] = Progress::Pending;
        let before = self.mode;
        if self.graph.members[member].immediate && self.mode != Mode::Unpack {
            self.mode = Mode::Both;
        }
        self.follow(member);
        if self.then_depends {
            let depends = self.graph.members[member]
                .edges
                .iter()
                .filter(|edge| edge.kind == Kind::Depends);
            depends.for_each(|edge| self.visit_targets(edge));
        }
        self.progress[member] = Progress::Listed;
        self.list.push(member);
        self.mode = before;
        self.depth -= 1;
    }

    fn follow(&mut self, member: usize) {
        let graph = self.graph;
        let mode = self.mode;
        for edge in &graph.members[member].edges {
            let passed_over = match mode {
                Mode::PreDepends => edge.kind == Kind::Depends,
                Mode::Both => false,
                Mode::Unpack if edge.kind == Kind::Depends => {
                    self.depth == 1 && !graph.members[member].immediate
                }
                Mode::Unpack => edge.kind != Kind::PreDepends,
            };
            let named = edge
                .named
                .map_or(Progress::Untouched, |named| self.progress[named]);
            let in_a_loop = named == Progress::Pending
                && (mode == Mode::Unpack || edge.kind == Kind::PreDepends);
            if passed_over || self.holds(edge) && !in_a_loop || named != Progress::Untouched {
                continue;
            }
            let before = self.mode;
            if mode == Mode::PreDepends && edge.kind == Kind::PreDepends {
                self.mode = Mode::Both;
            }
            self.visit_targets(edge);
            self.mode = before;
        }
    }

    fn visit_targets(&mut self, edge: &Edge) {
        if edge.kind.is_demand() {
            edge.targets.iter().for_each(|target| self.visit(*target));
        }
    }

    /// Whether a relation is met by what is installed and what the pass has listed.
    fn holds(&self, edge: &Edge) -> bool {
        let there = |target: &usize| {
            self.progress[*target] == Progress::Listed || !self.graph.members[*target].new
        };
        match edge.targets.iter().any(there) {
            true => edge.kind.is_demand(),
            false => edge.kind == Kind::Conflicts,
        }
    }
}
