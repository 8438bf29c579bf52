//! Which packages, and in which order: what `apt-get install` would answer, Recommends off, called as mmdebstrap calls it.
//!
//! First the essential packages and what they need, on an empty base; then, on top of these, what the user and the variant ask
//! for. Within a call apt's own marking decides (`mark`), not a search for the best set: the answer that a Debian developer would
//! get is the right one. Neither disk nor clock nor network is touched; the listings come from `archive`.

mod demand;
mod explain;
mod foresight;
mod links;
mod mark;
mod near;
mod order;
mod pool;
mod recall;
mod release;
mod scan;
mod solve;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::archive::{Index, Release};
use crate::failure::Class;
use crate::formats::package::{BadStanza, Package};
use crate::formats::suite::Variant;
use demand::{Demand, Request, named_by_variant};
pub(crate) use foresight::{Foreseen, Foresight};
use order::Operation;
use pool::{PackageId, Pool, VersionId};
pub(crate) use recall::key;
use state::State;

/// What a user wants installed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which packages make up the base.
    pub variant: Variant,
    /// The suite that is made, by name (`trixie`): essential packages and priorities are those of its listings. Where no listing is
    /// of it, or it is empty, all count.
    pub suite: String,
    /// The architectures of the tree, the native one first.
    pub architectures: Vec<String>,
    /// Packages on top, in the user's order: `pkg`, `pkg:arch`, `pkg=version`, `pkg/suite`, `pkg-`.
    pub include: Vec<String>,
    /// Names of packages that are as if the archive had none of them.
    pub exclude: Vec<String>,
}

/// A package that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The package.
    pub package: Package,
    /// What the index says of it.
    pub(crate) stanza: String,
    /// The release of the first source that has this very version.
    pub(crate) release: Arc<Release>,
    /// It came in only as a dependency (apt's Auto-Installed). Never so in the essential set.
    pub(crate) automatic: bool,
}

/// One of apt's calls of dpkg; the numbers are those of `Plan::packages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `dpkg --unpack`
    Unpack(Vec<usize>),
    /// `dpkg --configure`
    Configure(Vec<usize>),
    /// `dpkg --force-depends --remove`: of essentials' company, where something that is asked for takes its place.
    Remove(Vec<usize>),
}

/// What is to be installed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The essential set in the order in which it is unpacked, then the others likewise.
    pub packages: Vec<Chosen>,
    /// How many of `packages` are the first set, which is laid before any script runs.
    pub essentials: usize,
    /// apt's calls for the others, in order; `dpkg --configure --pending` follows.
    pub calls: Vec<Call>,
}

/// The recursions of marking and ordering follow chains of dependencies, which are as long as an index makes them.
const STACK: usize = 256 << 20;

/// How often the essentials are chosen anew because of versions that a demand for a suite brings.
const REPLANNINGS: usize = 5;

/// Chooses the packages, as apt would.
pub fn plan(index: &Index, wanted: &Wanted) -> Result<Plan, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("plan".into())
            .stack_size(STACK);
        let thread = thread
            .spawn_scoped(scope, || choose(index, wanted))
            .map_err(|source| Error::Thread { source })?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn choose(index: &Index, wanted: &Wanted) -> Result<Plan, Error> {
    if wanted.architectures.is_empty() {
        return Err(Error::NoArchitecture);
    }
    let pool = Pool::read(index, &wanted.architectures, &wanted.suite);
    let request = demand::read(&pool, wanted)?;
    let plan = two_calls(&pool, request);
    // A stanza that could not be read is the reason for whatever else went wrong.
    pool.finish()?;
    plan
}

fn two_calls(pool: &Pool<'_>, mut request: Request<'_>) -> Result<Plan, Error> {
    for _ in 0..REPLANNINGS {
        let call = |base: &[VersionId], demands: &[Demand<'_>]| {
            let solved = solve::solve(pool, &request.candidates, base, demands);
            solved.map_err(|refusal| explain::explain(&refusal, &request.candidates, base, demands))
        };
        let first = call(&[], &request.first)?;
        let base: Vec<VersionId> = first.planned().map(|(_, version)| version).collect();
        let then = call(&base, &request.then)?;
        // Where the second call would put another version of an essential in place, that one is laid in the first place.
        let other = |(package, version): &(PackageId, VersionId)| {
            then.of(*package)
                .installed
                .is_some_and(|old| old != *version)
        };
        let others: Vec<(PackageId, VersionId)> = then.planned().filter(other).collect();
        if others.is_empty() {
            return Plan::of(&first, &then);
        }
        for (package, version) in others {
            request.candidates[package.0 as usize] = Some(version);
        }
    }
    Err(Error::Restless)
}

impl Plan {
    fn of(first: &State<'_, '_>, then: &State<'_, '_>) -> Result<Plan, Error> {
        let mut plan = Plan {
            packages: Vec::new(),
            essentials: 0,
            calls: Vec::new(),
        };
        let mut numbers = vec![None; first.pool.packages().len()];
        plan.carry_out(first, &mut numbers)?;
        plan.calls.clear();
        plan.essentials = plan.packages.len();
        plan.packages
            .iter_mut()
            .for_each(|chosen| chosen.automatic = false);
        plan.carry_out(then, &mut numbers)?;
        Ok(plan)
    }

    /// Adds what a call of apt installs, and how. `numbers` are those of `packages`, by package of the pool.
    fn carry_out(
        &mut self,
        state: &State<'_, '_>,
        numbers: &mut [Option<usize>],
    ) -> Result<(), Error> {
        let removed: Vec<usize> = state
            .removed()
            .filter_map(|package| numbers[package.0 as usize])
            .collect();
        if !removed.is_empty() {
            self.calls.push(Call::Remove(removed));
        }
        for operation in order::operations(state) {
            let (Operation::Unpack(version) | Operation::Configure(version)) = operation;
            let (package, next) = (state.pool[version].package, self.packages.len());
            let number = *numbers[package.0 as usize].get_or_insert(next);
            if number == next {
                let (stanza, automatic) = (
                    state.pool[version].stanza.to_owned(),
                    state.of(package).automatic,
                );
                let release = state.pool.release(version);
                self.packages.push(Chosen {
                    package: state.pool.parse(version)?,
                    stanza,
                    release,
                    automatic,
                });
            }
            match (operation, self.calls.last_mut()) {
                (Operation::Unpack(_), Some(Call::Unpack(all)))
                | (Operation::Configure(_), Some(Call::Configure(all))) => all.push(number),
                (Operation::Unpack(_), _) => self.calls.push(Call::Unpack(vec![number])),
                (Operation::Configure(_), _) => self.calls.push(Call::Configure(vec![number])),
            }
        }
        Ok(())
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No listing has such a package, nor does anything provide it.
    #[error("there is no package `{package}`{}", meant(near))]
    Unknown {
        /// What was asked for.
        package: String,
        /// Names that there are and that look like it, the most alike first.
        near: Vec<String>,
    },
    /// The package has other versions only.
    #[error("there is no version {wanted} of `{package}`, only {}", found.join(", "))]
    NoVersion {
        /// The package.
        package: String,
        /// The version asked for.
        wanted: String,
        /// Those that there are, the highest first.
        found: Vec<String>,
    },
    /// The package is in other suites only.
    #[error("`{package}` is not in {suite}, only in {}", found.join(", "))]
    NoSuite {
        /// The package.
        package: String,
        /// The suite asked for.
        suite: String,
        /// The suites that have it.
        found: Vec<String>,
    },
    /// A virtual package that several provide.
    #[error("`{name}` is a virtual package; choose one that provides it: {}", providers.join(", "))]
    Virtual {
        /// The name.
        name: String,
        /// Who provides it, by name.
        providers: Vec<String>,
    },
    /// The package is asked for in an architecture that the tree is not to have.
    #[error("`{package}` is of architecture {architecture}, which the tree is not to have")]
    Architecture {
        /// The package.
        package: String,
        /// Its architecture.
        architecture: String,
    },
    /// A package, or whatever provides it, is asked for and left out at once.
    #[error("`{package}` is asked for and excluded")]
    Excluded {
        /// The package.
        package: String,
    },
    /// All sources of a package are pinned below 0.
    #[error("`{package}` is only in sources that are pinned below 0")]
    PinnedAway {
        /// The package.
        package: String,
    },
    /// The demands cannot all be met.
    #[error("{}", explain::message(demands, reasons))]
    Collision {
        /// The smallest set of demands that shows it.
        demands: Vec<String>,
        /// The chains that lead from the demands to what cannot be, one line each.
        reasons: Vec<String>,
    },
    /// No architecture was named.
    #[error("a tree needs an architecture")]
    NoArchitecture,
    /// `pkg/suite` asks for versions of essential packages which, once there, ask for others without end.
    #[error(
        "the suites asked for with pkg/suite ask for ever other versions of the essential packages"
    )]
    Restless,
    /// A stanza that is needed cannot be read.
    #[error(transparent)]
    Stanza(#[from] BadStanza),
    /// The system gives no thread to plan in.
    #[error("cannot start a thread")]
    Thread {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Unknown { .. }
            | Error::NoVersion { .. }
            | Error::NoSuite { .. }
            | Error::Virtual { .. }
            | Error::Architecture { .. }
            | Error::Excluded { .. }
            | Error::PinnedAway { .. }
            | Error::Collision { .. }
            | Error::Restless
            | Error::NoArchitecture
            | Error::Stanza(_) => Class::Packages,
            Error::Thread { .. } => Class::Target,
        }
    }
}

fn meant(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!(
            "; did you mean {}?",
            near.iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}
