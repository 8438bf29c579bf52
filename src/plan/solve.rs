//! Plans one call of `apt-get install`: two passes over the demands, then repair and autoremoval.
//!
//! With two passes a later demand meets the alternatives of an earlier one before that takes its
//! default. The repair stands for apt's problem resolver, which hardly ever changes an outcome;
//! this shorter one gives the same sets.

use super::demand::Demand;
use super::depcache::{DepCache, Which};
use super::mark::MarkedBy;
use super::pool::{PackageId, Pool, VersionId};
use crate::formats::package::Priority;

/// Rounds of repair, as many as apt's resolver has.
const MAX_REPAIRS: usize = 20;

/// One call of apt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'q, 'p, 'a> {
    pub(crate) pool: &'p Pool<'a>,
    /// The candidate of each package.
    pub(crate) candidates: &'q [Option<VersionId>],
    /// The versions that are installed before the call.
    pub(crate) installed: &'q [VersionId],
    pub(crate) demands: &'q [Demand<'q>],
}

/// The result when the demands cannot all be met.
#[derive(Debug)]
pub(super) struct Refusal<'p, 'a> {
    /// The states when planning failed.
    pub(crate) cache: DepCache<'p, 'a>,
    /// The packages with unmet dependencies or conflicts, and the demands that are not planned.
    pub(crate) broken: Vec<PackageId>,
}

/// Plans the call.
pub(super) fn solve<'p, 'a>(
    problem: Problem<'_, 'p, 'a>,
) -> Result<DepCache<'p, 'a>, Box<Refusal<'p, 'a>>> {
    let mut cache = DepCache::new(problem.pool, problem.candidates, problem.installed);
    let mut demanded: Vec<PackageId> = Vec::new();
    for demand in problem.demands {
        match demand {
            Demand::Absent(package) => cache.bar(*package),
            Demand::Present(package) | Demand::FromSuite { package, .. } => {
                demanded.push(*package);
            }
        }
    }
    for package in &demanded {
        cache.demand(*package);
    }
    cache.apply_target_releases(problem.demands);
    if cache.release_chain.too_deep().is_some() {
        let broken = Vec::new();
        return Err(Box::new(Refusal { cache, broken }));
    }
    for package in &demanded {
        cache.mark(*package, MarkedBy::User);
    }
    if cache.pool.work.end().is_some() {
        let broken = Vec::new();
        return Err(Box::new(Refusal { cache, broken }));
    }
    repair(&mut cache);
    autoremove(&mut cache);
    let mut broken = cache.broken();
    for package in &demanded {
        if cache.of(*package).planned.is_none() {
            broken.push(*package);
        }
    }
    if broken.is_empty() {
        Ok(cache)
    } else {
        Err(Box::new(Refusal { cache, broken }))
    }
}

/// Takes back what a failed branch left broken, and marks broken demands again, which then take
/// their next alternative.
fn repair(cache: &mut DepCache<'_, '_>) {
    for _ in 0..MAX_REPAIRS {
        let broken = cache.broken();
        if broken.is_empty() {
            return;
        }
        let before: Vec<VersionId> = cache.planned().collect();
        for package in &broken {
            let state = cache.of(*package);
            if !state.demanded && state.is_new() {
                cache.take_back(*package);
                cache.of_mut(*package).protected = false;
            }
        }
        for package in &broken {
            if cache.of(*package).demanded {
                cache.mark(*package, MarkedBy::User);
            }
        }
        if cache.planned().eq(before) {
            return;
        }
    }
}

/// Drops the automatic packages to which no dependency of a kept package leads. Recommends and
/// Suggests keep a package, although they do not bring one in.
fn autoremove(cache: &mut DepCache<'_, '_>) {
    let mut kept = vec![false; cache.pool.packages().len()];
    let mut open: Vec<VersionId> = Vec::new();
    for version in cache.planned() {
        if is_root(cache, version) {
            kept[cache.pool[version].package.index()] = true;
            open.push(version);
        }
    }
    while let Some(version) = open.pop() {
        for dependency in cache.pool.dependencies(version) {
            if dependency.kind.is_negative() {
                continue;
            }
            for target in dependency.targets(cache.pool, version) {
                let place = cache.pool[target].package.index();
                if !kept[place] && cache.is(Which::Planned, target) {
                    kept[place] = true;
                    open.push(target);
                }
            }
        }
    }
    let planned: Vec<VersionId> = cache.planned().collect();
    for version in planned {
        let package = cache.pool[version].package;
        if !kept[package.index()] {
            cache.take_back(package);
        }
    }
}

/// Whether a planned version is kept even if nothing depends on it.
fn is_root(cache: &DepCache<'_, '_>, version: VersionId) -> bool {
    let entry = cache.pool[cache.pool[version].package];
    let state = cache.of(cache.pool[version].package);
    let is_installed = state.installed.is_some();
    let is_required = cache.pool[version].priority == Some(Priority::Required);
    state.demanded
        || state.protected
        || entry.essential
        || entry.protected
        || is_installed && (!state.automatic || is_required)
}
