//! Turns the two solved calls into a plan: the packages in order, and apt's calls of dpkg.

use super::depcache::DepCache;
use super::order::{self, Operation};
use super::pool::VersionId;
use super::{Call, Chosen, Error, Plan};

/// The plan that installs `base`, then `marker`, then `rest` on top of both.
pub(super) fn assemble(
    base: &DepCache<'_, '_>,
    marker: Option<VersionId>,
    rest: &DepCache<'_, '_>,
) -> Result<Plan, Error> {
    let mut assembly = Assembly {
        packages: Vec::new(),
        numbers: vec![None; base.pool.packages().len()],
        calls: Vec::new(),
    };
    assembly.add(base)?;
    // The essential set is unpacked as a whole and configured as a whole, so of its calls only the
    // order of the packages matters.
    assembly.calls.clear();
    for chosen in &mut assembly.packages {
        chosen.automatic = false;
    }
    let essential_count = assembly.packages.len();
    if let Some(marker) = marker {
        let number = assembly.number(base, marker)?;
        assembly.calls.push(Call::Unpack(vec![number]));
        assembly.calls.push(Call::Configure(vec![number]));
    }
    assembly.add(rest)?;
    let plan = Plan::new(assembly.packages, essential_count, assembly.calls);
    Ok(plan.expect("the calls number packages of the assembly"))
}

struct Assembly {
    packages: Vec<Chosen>,
    /// For each package of the pool its position in `packages`.
    numbers: Vec<Option<usize>>,
    calls: Vec<Call>,
}

impl Assembly {
    /// Adds what one call of apt removes and installs.
    fn add(&mut self, cache: &DepCache<'_, '_>) -> Result<(), Error> {
        let mut removed = Vec::new();
        for package in cache.removed() {
            removed.extend(self.numbers[package.index()]);
        }
        if !removed.is_empty() {
            self.calls.push(Call::Remove(removed));
        }
        let operations = order::operations(cache)?;
        cache.pool.check_work()?;
        for operation in operations {
            match operation {
                Operation::Unpack(version) => {
                    let number = self.number(cache, version)?;
                    match self.calls.last_mut() {
                        Some(Call::Unpack(numbers)) => numbers.push(number),
                        _ => self.calls.push(Call::Unpack(vec![number])),
                    }
                }
                Operation::Configure(version) => {
                    let number = self.number(cache, version)?;
                    match self.calls.last_mut() {
                        Some(Call::Configure(numbers)) => numbers.push(number),
                        _ => self.calls.push(Call::Configure(vec![number])),
                    }
                }
            }
        }
        Ok(())
    }

    /// The position of a version's package, which is added if it is new.
    fn number(&mut self, cache: &DepCache<'_, '_>, version: VersionId) -> Result<usize, Error> {
        let entry = &cache.pool[version];
        if let Some(number) = self.numbers[entry.package.index()] {
            return Ok(number);
        }
        if !cache.pool.work.goes_on(1) {
            cache.pool.check_work()?;
        }
        let number = self.packages.len();
        let release = cache.pool.release(version);
        let automatic = cache.of(entry.package).automatic;
        self.packages
            .push(Chosen::new(entry.stanza, release, automatic)?);
        self.numbers[entry.package.index()] = Some(number);
        Ok(number)
    }
}
