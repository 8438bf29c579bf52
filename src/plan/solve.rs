//! One call of `apt-get install`: the demands in two passes, the repair of what is left broken, the sweep.
//!
//! Two passes, so that a later demand satisfies an earlier one's alternatives before a default is chosen. The repair stands for
//! apt's problem resolver, which hardly ever changes an outcome; this shorter one gave the same sets.

use super::demand::Demand;
use super::links::Link;
use super::mark::By;
use super::pool::{PackageId, Pool, VersionId};
use super::state::{State, Table};
use crate::formats::package::Priority;

/// Rounds of repair, as many as apt's resolver has.
const ROUNDS: usize = 20;

/// What stays broken when the demands cannot all be met.
#[derive(Debug)]
pub(super) struct Refusal<'p, 'a> {
    /// The plan as it stood when it failed.
    pub(crate) state: State<'p, 'a>,
    /// The packages in it that lack something or clash.
    pub(crate) broken: Vec<PackageId>,
}

/// Plans `demands` on top of `base`.
pub(super) fn solve<'p, 'a>(
    pool: &'p Pool<'a>,
    candidates: &[Option<VersionId>],
    base: &[VersionId],
    demands: &[Demand<'_>],
) -> Result<State<'p, 'a>, Refusal<'p, 'a>> {
    let mut state = State::new(pool, candidates, base);
    for demand in demands {
        if let Demand::Absent(package) = demand {
            state.bar(*package);
        }
    }
    let wanted: Vec<PackageId> = demands.iter().filter_map(Demand::present).collect();
    for package in &wanted {
        state.demand(*package);
    }
    let from = demands.iter().filter_map(|demand| {
        if let Demand::From(package, suite) = demand {
            Some((*package, *suite))
        } else {
            None
        }
    });
    state.follow(&from.collect::<Vec<_>>());
    for package in &wanted {
        state.mark(*package, By::User, 0);
    }
    repair(&mut state);
    sweep(&mut state);
    let mut broken = state.broken();
    broken.extend(
        wanted
            .iter()
            .filter(|package| state.of(**package).planned.is_none()),
    );
    if broken.is_empty() {
        Ok(state)
    } else {
        Err(Refusal { state, broken })
    }
}

/// Takes back what a failed branch left broken, and marks broken demands again, which may now find their next alternative.
fn repair(state: &mut State<'_, '_>) {
    for _ in 0..ROUNDS {
        let broken = state.broken();
        if broken.is_empty() {
            return;
        }
        let before: Vec<_> = state.planned().collect();
        let (demanded, others): (Vec<_>, Vec<_>) = broken
            .into_iter()
            .partition(|package| state.of(*package).demanded);
        for package in others {
            if state.of(package).is_new() {
                state.take_back(package);
                state.of_mut(package).protected = false;
            }
        }
        for package in demanded {
            state.mark(package, By::User, 0);
        }
        if state.planned().eq(before) {
            return;
        }
    }
}

/// Drops what came in as a dependency and nothing that stays leads to. Recommends and Suggests keep, though they do not pull.
fn sweep(state: &mut State<'_, '_>) {
    let mut kept: Vec<bool> = state.pool.packages().map(|_| false).collect();
    let mut reached: Vec<VersionId> = Vec::new();
    for (package, version) in state.planned() {
        let (entry, standing) = (state.pool[package], state.of(package));
        let manual = standing.installed.is_some() && !standing.automatic;
        let required = standing.installed.is_some()
            && state.pool[version].priority == Some(Priority::Required);
        if standing.demanded
            || manual
            || entry.essential
            || entry.protected
            || required
            || standing.protected
        {
            kept[package.0 as usize] = true;
            reached.push(version);
        }
    }
    while let Some(version) = reached.pop() {
        let keeping = |link: &&Link<'_>| !link.kind.is_negative();
        for link in state.pool.links(version).iter().filter(keeping) {
            link.any(state.pool, version, |target| {
                let package = state.pool[target].package;
                if state.has(Table::Planned, target)
                    && !std::mem::replace(&mut kept[package.0 as usize], true)
                {
                    reached.push(target);
                }
                false
            });
        }
    }
    let dropped: Vec<PackageId> = state
        .planned()
        .map(|(package, _)| package)
        .filter(|p| !kept[p.0 as usize])
        .collect();
    for package in dropped {
        state.take_back(package);
    }
}
