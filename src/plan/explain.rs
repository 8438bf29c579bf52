//! Why demands cannot be met together: the smallest set of them that collides, and the paths that lead to the collision.
//!
//! Marking itself says little when it fails, since it only ever follows one choice. So the demands are thinned out while they are
//! still refused, and from what is left is derived, step by step, what must be installed and what cannot (`reasons`).

mod reasons;

use super::Error;
use super::demand::Demand;
use super::pool::{Pool, VersionId};
use super::solve::{Refusal, solve};
use super::state::Table;

/// A story of more lines than this helps nobody.
const LINES: usize = 20;

/// The error for demands that `solve` refuses on top of `base`.
pub(super) fn explain(
    refusal: &Refusal<'_, '_>,
    candidates: &[Option<VersionId>],
    base: &[VersionId],
    demands: &[Demand<'_>],
) -> Error {
    let pool = refusal.state.pool;
    let demands = thin_out(pool, candidates, base, demands);
    let mut lines =
        reasons::derive(pool, candidates, base, &demands).unwrap_or_else(|| leftovers(refusal));
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("… and {more} more"));
    }
    let name = |demand: &Demand<'_>| match demand {
        Demand::Present(package) | Demand::From(package, _) => pool.full_name(*package),
        Demand::Absent(package) => format!("{}-", pool.full_name(*package)),
    };
    Error::Collision {
        demands: demands.iter().map(name).collect(),
        reasons: lines,
    }
}

/// The demands that are still refused when any one of them is left out no more. The later ones, which are the variant's, go first.
fn thin_out<'w>(
    pool: &Pool<'_>,
    candidates: &[Option<VersionId>],
    base: &[VersionId],
    demands: &[Demand<'w>],
) -> Vec<Demand<'w>> {
    let refused = |demands: &[Demand<'_>]| solve(pool, candidates, base, demands).is_err();
    let mut left = demands.to_vec();
    let mut step = left.len().div_ceil(2);
    while step > 0 {
        let mut end = left.len();
        while end > 0 {
            let start = end.saturating_sub(step);
            let without: Vec<Demand<'_>> =
                left[..start].iter().chain(&left[end..]).copied().collect();
            if refused(&without) {
                left = without;
            }
            end = start;
        }
        step = if step == 1 { 0 } else { step.div_ceil(2) };
    }
    left
}

/// What marking was left with, for want of a better reason.
fn leftovers(refusal: &Refusal<'_, '_>) -> Vec<String> {
    let (state, pool) = (&refusal.state, refusal.state.pool);
    let mut lines = Vec::new();
    for package in &refusal.broken {
        let name = pool.full_name(*package);
        let Some(version) = state.of(*package).planned else {
            lines.push(format!("{name} cannot be had"));
            continue;
        };
        lines.extend(
            state
                .unmet(version)
                .map(|group| reasons::need(pool, version, group)),
        );
        for link in pool
            .links(version)
            .iter()
            .filter(|link| link.kind.is_negative())
        {
            let hit = link
                .targets(pool, version)
                .into_iter()
                .find(|target| state.has(Table::Planned, *target));
            lines.extend(hit.map(|hit| reasons::against(pool, version, link, hit)));
        }
    }
    lines
}

/// The message: what collides, and below it why.
pub(super) fn message(demands: &[String], reasons: &[String]) -> String {
    let quoted: Vec<String> = demands.iter().map(|name| format!("`{name}`")).collect();
    let mut message = match &quoted[..] {
        [] => "the base itself cannot be installed".to_owned(),
        [only] => format!("{only} cannot be installed"),
        [all @ .., last] => format!("{} and {last} cannot be installed together", all.join(", ")),
    };
    for line in reasons {
        message.push_str("\n  ");
        message.push_str(line);
    }
    message
}
