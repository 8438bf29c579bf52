//! The order in which apt has dpkg unpack and configure the packages of a call.
//!
//! This follows pkgOrderList and pkgPackageManager. The packages are sorted by a score, then four
//! times depth first along their dependencies (`passes`). In that order they are unpacked. What an
//! essential package needs is *immediate*: it is configured at once, with its own dependencies. All
//! else waits for the last `dpkg --configure --pending`. Maintainer scripts see this order.

mod graph;
mod passes;
mod schedule;

use super::Error;
use super::chain::TooDeep;
use super::depcache::DepCache;
use super::dependency::negative;
use super::pool::VersionId;
use graph::Graph;
use schedule::Schedule;

/// One action of dpkg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Unpack(VersionId),
    Configure(VersionId),
}

/// The operations that install what is planned.
pub(super) fn operations(cache: &DepCache<'_, '_>) -> Result<Vec<Operation>, Error> {
    ordered(cache).map_err(|too_deep| Error::too_deep(cache.pool, &too_deep))
}

fn ordered(cache: &DepCache<'_, '_>) -> Result<Vec<Operation>, TooDeep> {
    let graph = Graph::of(cache);
    let order = passes::order(&graph, &cache.pool.work)?;
    let mut schedule = Schedule::new(&graph, &cache.pool.work);
    // A package that replaces a removed one comes first, as an essential package may need it.
    let mut others = Vec::new();
    for member in order {
        if replaces_removed(cache, graph.members[member].version) {
            schedule.install(member, true);
        } else {
            others.push(member);
        }
    }
    for member in others {
        schedule.install(member, graph.members[member].immediate);
    }
    schedule.finish()
}

/// Whether a version conflicts with a package that the call removes.
fn replaces_removed(cache: &DepCache<'_, '_>, version: VersionId) -> bool {
    for dependency in negative(cache.pool.dependencies(version)) {
        for target in dependency.targets(cache.pool, version) {
            let state = cache.of(cache.pool[target].package);
            if state.installed == Some(target) && state.planned.is_none() {
                return true;
            }
        }
    }
    false
}
