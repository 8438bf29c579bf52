//! Chooses the packages of a tree and the order in which they are installed.
//!
//! The answer is that of `apt-get install` with Recommends off, called as mmdebstrap calls it:
//! first the essential packages with their dependencies on an empty base, then the packages of the
//! user and of the variant on top of these. Within a call apt's own marking decides (`mark`); there
//! is no search for a best set, because a Debian developer expects apt's answer. This room is pure:
//! it uses neither disk, clock nor network. The listings come from `archive`.

mod assemble;
mod cache;
mod chain;
mod demand;
mod depcache;
mod dependency;
mod error;
mod explain;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod local;
mod mark;
mod order;
mod pattern;
mod pool;
mod prefetch;
mod reason;
mod scan;
mod scratch;
mod selectors;
mod solve;
mod suggestions;
mod target_release;
#[cfg(test)]
mod tests;
mod variant;
mod work;

use std::sync::Arc;

use crate::archive::{Index, Release};
use crate::formats::package::{BadStanza, Package};
use crate::formats::suite::Variant;
use crate::interrupt::Interrupt;
use demand::Demands;
use depcache::DepCache;
use pool::{Pool, VersionId};
use solve::{Problem, Refusal};
use work::Work;

pub(crate) use cache::cache_key;
pub(crate) use error::Error;
pub use local::LocalDeb;
pub(crate) use local::is_path;
pub(crate) use prefetch::PrefetchPlanner;
pub(crate) use reason::Reason;
pub(crate) use scratch::LOCALES;
pub(crate) use selectors::has_patterns;

/// Which packages a user selects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Selects the base packages.
    pub variant: Variant,
    /// The suite of the tree, by name (`trixie`). Its listings decide which packages are essential
    /// and which priority a package has. If it is empty, or no listing belongs to it, all listings
    /// decide.
    pub suite: String,
    /// The architectures of the tree, the native one first.
    pub architectures: Vec<String>,
    /// Additional packages, in the user's order: `pkg`, `pkg:arch`, `pkg=version`, `pkg/suite`,
    /// `pkg-`, `./file.deb`, and words for several packages: patterns, `task^`, globs, regular
    /// expressions.
    pub include: Vec<String>,
    /// The .debs of the words in `include` that are paths.
    pub local: Vec<LocalDeb>,
    /// Names of packages that are treated as missing from the archive.
    pub exclude: Vec<String>,
    /// Whether /usr is merged before the first package is configured. The package usr-is-merged
    /// then counts as there while the essential packages are chosen, and is installed right after
    /// them.
    pub usr_is_merged: bool,
    /// Whether the first alternative of each dependency is installed even where another is there,
    /// as by debootstrap.
    pub first_alternatives: bool,
}

/// A chosen package.
#[derive(Clone, Debug)]
pub struct Chosen {
    package: Package,
    stanza: String,
    release: Option<Arc<Release>>,
    automatic: bool,
}

impl Chosen {
    /// Parses the package from its stanza in the index of `release`, or of a local file.
    pub(crate) fn new(
        stanza: &str,
        release: Option<Arc<Release>>,
        automatic: bool,
    ) -> Result<Chosen, BadStanza> {
        Ok(Chosen {
            package: Package::parse(stanza)?,
            stanza: stanza.to_owned(),
            release,
            automatic,
        })
    }

    /// The package, as its stanza describes it.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// Its stanza in the index, with the fields that are read.
    pub(crate) fn stanza(&self) -> &str {
        &self.stanza
    }

    /// The release of the first source that has this version; `None` for a local file, whose URL is
    /// the package's Filename.
    pub(crate) fn release(&self) -> Option<&Release> {
        self.release.as_deref()
    }

    /// Whether only a dependency brought it in (apt's Auto-Installed). False for the essential set.
    pub(crate) fn is_automatic(&self) -> bool {
        self.automatic
    }
}

/// One of apt's calls of dpkg. The numbers are positions in [`Plan::packages`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `dpkg --unpack`
    Unpack(Vec<usize>),
    /// `dpkg --configure`
    Configure(Vec<usize>),
    /// `dpkg --force-depends --remove`: packages of the essential set that a selected package
    /// replaces.
    Remove(Vec<usize>),
}

impl Call {
    fn numbers(&self) -> &[usize] {
        match self {
            Call::Unpack(numbers) | Call::Configure(numbers) | Call::Remove(numbers) => numbers,
        }
    }
}

/// What to install, and in which order.
#[derive(Clone, Debug)]
pub struct Plan {
    packages: Vec<Chosen>,
    essential_count: usize,
    calls: Vec<Call>,
}

impl Plan {
    /// `None` if a number is out of range.
    pub(crate) fn new(
        packages: Vec<Chosen>,
        essential_count: usize,
        calls: Vec<Call>,
    ) -> Option<Plan> {
        for call in &calls {
            for number in call.numbers() {
                packages.get(*number)?;
            }
        }
        packages.get(..essential_count)?;
        Some(Plan {
            packages,
            essential_count,
            calls,
        })
    }

    /// All packages in the order in which they are unpacked: the essential set, then the others.
    pub fn packages(&self) -> &[Chosen] {
        &self.packages
    }

    /// How many of the packages form the essential set, which is unpacked before any script runs.
    pub fn essential_count(&self) -> usize {
        self.essential_count
    }

    /// apt's calls for the other packages, in order. `dpkg --configure --pending` follows them.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}

/// The stack of the resolver's thread. Marking and ordering recurse along chains of dependencies,
/// whose length `chain` limits.
const STACK_SIZE: usize = 256 << 20;

/// How often the essential set is chosen anew because `pkg/suite` changes versions in it.
const MAX_ATTEMPTS: usize = 5;

/// Chooses the packages as apt would.
#[cfg(any(test, feature = "testing"))]
pub fn plan(index: &Index, selection: &Selection) -> Result<Plan, Error> {
    plan_until(index, selection, &Interrupt::default())
}

/// Chooses the packages as apt would, unless an interrupt ends it.
pub(crate) fn plan_until(
    index: &Index,
    selection: &Selection,
    interrupt: &Interrupt,
) -> Result<Plan, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("plan".into())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, || choose(index, selection, interrupt));
        match thread {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(source) => Err(Error::Thread { source }),
        }
    })
}

fn choose(index: &Index, selection: &Selection, interrupt: &Interrupt) -> Result<Plan, Error> {
    if selection.architectures.is_empty() {
        return Err(Error::NoArchitecture);
    }
    let mut pool = Pool::new(&selection.architectures, Work::new(interrupt.clone()));
    pool.read(index, &selection.suite);
    pool.add_local(&selection.local);
    pool.check_work()?;
    let demands = demand::read(&pool, selection);
    let plan = demands.and_then(|demands| plan_both_calls(&pool, demands));
    // These are the cause of any other error: a stanza that could not be read, the end of the work.
    pool.finish()?;
    match selection.variant {
        Variant::Scratch => Ok(scratch::without_tools_of_scripts(plan?, selection)),
        _ => plan,
    }
}

/// Plans apt's call for the essential set, then the call for the others on top of it.
fn plan_both_calls(pool: &Pool<'_>, mut demands: Demands<'_>) -> Result<Plan, Error> {
    for _ in 0..MAX_ATTEMPTS {
        let marker = demands.usr_is_merged();
        let base = solve_or_explain(Problem {
            pool,
            candidates: &demands.candidates,
            installed: marker.as_slice(),
            demands: &demands.base,
        })?;
        let installed: Vec<VersionId> = base.planned().collect();
        let rest = solve_or_explain(Problem {
            pool,
            candidates: &demands.candidates,
            installed: &installed,
            demands: &demands.rest,
        })?;
        // If the second call would replace the version of an installed package, the first call
        // installs that version right away.
        let replacements = replacements(&rest);
        if replacements.is_empty() {
            return assemble::assemble(&base, marker, &rest);
        }
        for version in replacements {
            demands.candidates[pool[version].package.index()] = Some(version);
        }
    }
    Err(Error::UnstableBase)
}

fn solve_or_explain<'p, 'a>(problem: Problem<'_, 'p, 'a>) -> Result<DepCache<'p, 'a>, Error> {
    solve::solve(problem).map_err(|refusal| refused(&refusal, problem))
}

fn refused(refusal: &Refusal<'_, '_>, problem: Problem<'_, '_, '_>) -> Error {
    if let Err(over) = problem.pool.check_work() {
        return over;
    }
    match refusal.cache.too_deep() {
        Some(too_deep) => Error::too_deep(problem.pool, too_deep),
        None => explain::explain(refusal, problem),
    }
}

/// The planned versions that take the place of another installed version.
fn replacements(cache: &DepCache<'_, '_>) -> Vec<VersionId> {
    let mut replacements = Vec::new();
    for version in cache.planned() {
        let installed = cache.of(cache.pool[version].package).installed;
        if installed.is_some_and(|installed| installed != version) {
            replacements.push(version);
        }
    }
    replacements
}
