//! Explains why demands cannot be met: a smallest set of them, and the chains to the conflict.
//!
//! Marking follows only one choice, so its failure alone says little. Demands are left out while
//! the rest is still refused. For what is left, `reasons` derives step by step what must be
//! installed and what cannot be.

mod explanation;
mod reasons;

use super::Error;
use super::demand::Demand;
use super::depcache::Which;
use super::dependency::negative;
use super::pool::Pool;
use super::solve::{Problem, Refusal, solve};

/// The most lines of an explanation.
const MAX_LINES: usize = 20;

/// The error for a problem that `solve` refuses.
pub(super) fn explain(refusal: &Refusal<'_, '_>, problem: Problem<'_, '_, '_>) -> Error {
    let demands = thin_out(problem);
    if let Err(over) = problem.pool.check_work() {
        return over;
    }
    let smallest = Problem {
        demands: &demands,
        ..problem
    };
    let mut lines = reasons::derive(smallest).unwrap_or_else(|| remaining_faults(refusal));
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("… and {more} more"));
    }
    let mut shown = Vec::new();
    for demand in &demands {
        shown.push(match demand {
            Demand::Present(package) | Demand::FromSuite { package, .. } => {
                problem.pool.full_name(*package)
            }
            Demand::Absent(package) => format!("{}-", problem.pool.full_name(*package)),
        });
    }
    Error::Unsatisfiable {
        demands: shown,
        reasons: lines,
    }
}

/// A set of demands that is refused, and is no longer refused without any one of them. The later
/// demands, which are the variant's, are left out first.
fn thin_out<'q>(problem: Problem<'q, '_, '_>) -> Vec<Demand<'q>> {
    let mut left = problem.demands.to_vec();
    let mut step = left.len().div_ceil(2);
    while step > 0 {
        let mut end = left.len();
        while end > 0 {
            let start = end.saturating_sub(step);
            if !problem.pool.work.steps(left.len(), None) {
                return left;
            }
            let without = [&left[..start], &left[end..]].concat();
            if is_refused(problem, &without) {
                left = without;
            }
            end = start;
        }
        step = if step == 1 { 0 } else { step.div_ceil(2) };
    }
    left
}

fn is_refused(problem: Problem<'_, '_, '_>, demands: &[Demand<'_>]) -> bool {
    solve(Problem { demands, ..problem }).is_err()
}

/// The unmet dependencies and conflicts that marking left, if no reasons can be derived.
fn remaining_faults(refusal: &Refusal<'_, '_>) -> Vec<String> {
    let cache = &refusal.cache;
    let pool: &Pool<'_> = cache.pool;
    let mut lines = Vec::new();
    for package in &refusal.broken {
        let Some(version) = cache.of(*package).planned else {
            let name = pool.full_name(*package);
            lines.push(format!("{name} cannot be installed"));
            continue;
        };
        for group in cache.unmet(version) {
            lines.push(explanation::need(pool, version, group));
        }
        for dependency in negative(pool.dependencies(version)) {
            let mut targets = dependency.targets(pool, version);
            if let Some(target) = targets.find(|target| cache.is(Which::Planned, *target)) {
                lines.push(explanation::conflict(pool, version, dependency, target));
            }
        }
    }
    lines
}

/// The error message: the demands, and below them the reasons.
pub(super) fn message(demands: &[String], reasons: &[String]) -> String {
    let mut message = match demands {
        [] => "the base system cannot be installed".to_owned(),
        [only] => format!("`{only}` cannot be installed"),
        [all @ .., last] => {
            let all = all.join("`, `");
            format!("`{all}` and `{last}` cannot be installed together")
        }
    };
    for line in reasons {
        message.push_str("\n  ");
        message.push_str(line);
    }
    message
}
