//! debootstrap's dependencies: it reads the first alternative of each, and installs that even where
//! another one, or a package that provides it, is chosen already.

use std::collections::BTreeSet;

use super::{Demand, DemandReader};
use crate::plan::dependency::Dependency;
use crate::plan::pool::PackageId;

impl DemandReader<'_, '_> {
    /// Adds the first alternatives of what is demanded, of what those need, and so on. A name that
    /// no package has is left to the others.
    pub(super) fn add_first_alternatives<'s>(
        &self,
        essential: &[Demand<'s>],
        demands: &mut Vec<Demand<'s>>,
    ) {
        let mut pending = Vec::new();
        for demand in essential.iter().chain(&*demands) {
            pending.extend(demand.present());
        }
        let mut seen: BTreeSet<PackageId> = pending.iter().copied().collect();
        while let Some(package) = pending.pop() {
            for version in self.pool.versions(package) {
                for first in firsts(self.pool.dependencies(version)) {
                    let Some(target) = self.pool.package(first.name, 0) else {
                        continue;
                    };
                    let is_there = self.candidates[target.index()].is_some();
                    if is_there && seen.insert(target) {
                        pending.push(target);
                        demands.push(Demand::Present(target));
                    }
                }
            }
        }
    }
}

/// The first alternative of each Depends and Pre-Depends.
fn firsts<'d, 'a>(dependencies: &'d [Dependency<'a>]) -> Vec<&'d Dependency<'a>> {
    let mut firsts = Vec::new();
    let mut continues = false;
    for dependency in dependencies {
        if !continues && dependency.kind.is_hard() {
            firsts.push(dependency);
        }
        continues = dependency.or;
    }
    firsts
}
