//! The story of a run, from a request to a tree or an image, and the one error over its stages.
//!
//! [`run`] is the stages in their order; each hands its successor a value that cannot be had otherwise. Details are the stages'
//! own: where packages come from is in `bootstrap::sources`, which they are in `bootstrap::choice`, where the result goes in
//! `bootstrap::output`.

mod choice;
mod error;
mod output;
mod sources;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::dpkg::unpack::Supply;
use crate::formats::compress::Compression;
use crate::formats::suite::Variant;
use crate::install::{Course, Ground, Installation};
use crate::interrupt::Interrupt;
use crate::pack;
use crate::plan::{Chosen, Plan, Prefetch};
use crate::report::Report;
use crate::store::fetch::Fetch;
use crate::store::{self, Store};
use crate::tree::rootfs::Rootfs;

pub(crate) use error::Error;
pub(crate) use output::{Image, Sink};

use choice::choose;
use output::Output;
use sources::Sources;

/// How long a connection may be silent before it is given up.
const STALL: Duration = Duration::from_secs(30);

/// How often a download that may succeed another time is tried.
const TRIES: u32 = 5;

/// What a user asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// A codename or suite name.
    pub(crate) suite: String,
    /// Where the tree is to be; without it, it is made in a temporary directory for the image's sake.
    pub(crate) directory: Option<PathBuf>,
    /// The image to write.
    pub(crate) image: Option<Image>,
    /// How far to go.
    pub(crate) goal: Goal,
    /// Which packages make the base.
    pub(crate) variant: Variant,
    /// Packages on top, as apt names them.
    pub(crate) include: Vec<String>,
    /// Packages that must not come in.
    pub(crate) exclude: Vec<String>,
    /// The tree's architecture, foreign ones behind it; empty for the host's.
    pub(crate) architectures: Vec<String>,
    /// Components of the suite's archive.
    pub(crate) components: Vec<String>,
    /// The one archive to use instead of the suite's own sources.
    pub(crate) mirror: Option<String>,
    /// Mirrors of the same archive, tried when one fails.
    pub(crate) further_mirrors: Vec<String>,
    /// apt sources beside the suite's: lines, or paths of `.list` and `.sources` files.
    pub(crate) extra_sources: Vec<String>,
    /// Files of keys to trust instead of the built-in ones.
    pub(crate) keyrings: Vec<PathBuf>,
    /// Whether signatures are checked.
    pub(crate) trust: Trust,
    /// Whether an index past its Valid-Until is accepted.
    pub(crate) accept_expired: bool,
    /// Whether updates and security are read beside the release.
    pub(crate) pockets: bool,
    /// Whether /usr is to be merged, where the user says so.
    pub(crate) merged_usr: Option<bool>,
    /// Where verified downloads are kept; nowhere without it.
    pub(crate) cache: Option<PathBuf>,
    /// How large the cache may be when the run is over, in bytes.
    pub(crate) cache_bound: u64,
    /// Where this host's key for what is decoded and cached is.
    pub(crate) state: Option<PathBuf>,
    /// How many connections to open.
    pub(crate) downloads: usize,
    /// How many threads to unpack and compress on.
    pub(crate) jobs: usize,
    /// Whether a failed target stays.
    pub(crate) keep: bool,
    /// The time of the image in seconds since the epoch; the archive's own Date without it.
    pub(crate) epoch: Option<i64>,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To the tree and the image.
    Make,
    /// To the plan, for a program to read.
    PrintDebs,
    /// To the plan, for a person to read.
    Simulate,
    /// To the packages in the cache.
    Download,
}

/// Whether signatures are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// They are.
    Signatures,
    /// They are not, and the user asked for that.
    Unchecked,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    plan: Plan,
}

/// Makes what `request` asks for. On failure, and when `interrupt` is raised, nothing stays but verified downloads.
pub(crate) fn run(
    request: &Request,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Done, Error> {
    story(request, interrupt, report).map_err(|error| interrupted(interrupt).unwrap_or(error))
}

fn story(request: &Request, interrupt: &Interrupt, report: &Report) -> Result<Done, Error> {
    let output = Output::claim(request)?;
    let sources = sources::choose(request, report)?;
    let store = open_store(request, report)?;
    let cancelled = Arc::clone(&store);
    let _registration = interrupt.on_raise(move || cancelled.cancel());
    let fetch = Arc::new(Fetch::start(
        Arc::clone(&store),
        request.downloads,
        report.clone(),
    ));
    let Some(output) = output else {
        return without_a_tree(request, &sources, &store, &fetch, report);
    };
    let done = output.make(interrupt, report, |output| {
        let installation = Installation::begin(
            output.root(),
            ground(request, &sources, &fetch),
            interrupt,
            report,
        )?;
        let ahead = installation.ahead();
        let prefetch = |one: Prefetch, deb: store::Wanted| {
            fetch.foresee(deb.clone());
            // These are needed before any script runs. The others can be staged while it does.
            if one.is_essential {
                ahead.stage(Supply {
                    package: one.package.name,
                    deb,
                });
            }
        };
        let course = choose(request, &sources, &store, &prefetch, report)?;
        output.has_room_for(&course.plan)?;
        fetch.want(&course.debs);
        installation.install(&course)?;
        Ok((
            Done { plan: course.plan },
            packing(request, course.epoch, interrupt),
        ))
    })?;
    drop(fetch);
    bound_cache(&store, request, report);
    Ok(done)
}

/// The shorter stories, which end with a plan or with its packages in the cache.
fn without_a_tree(
    request: &Request,
    sources: &Sources,
    store: &Store,
    fetch: &Fetch,
    report: &Report,
) -> Result<Done, Error> {
    let prefetch = |_, deb| {
        if request.goal == Goal::Download {
            fetch.foresee(deb);
        }
    };
    let Course { plan, debs, .. } = choose(request, sources, store, &prefetch, report)?;
    if request.goal == Goal::Download {
        fetch.want(&debs);
        debs.iter()
            .try_for_each(|deb| fetch.take(deb).map(drop))
            .map_err(Error::Fetch)?;
        bound_cache(store, request, report);
    }
    Ok(Done { plan })
}

fn ground<'a>(request: &Request, sources: &'a Sources, fetch: &Arc<Fetch>) -> Ground<'a> {
    Ground {
        suite: &sources.suite,
        variant: request.variant,
        sources: &sources.list,
        fetch: Arc::clone(fetch),
        jobs: request.jobs,
    }
}

/// Writes an existing tree as an image.
pub(crate) fn pack(
    directory: &Path,
    image: &Image,
    options: &pack::Options,
    report: &Report,
) -> Result<(), Error> {
    let root = Rootfs::open(directory)?;
    output::write(&root, image, options, report)
        .map_err(|error| interrupted(&options.interrupt).unwrap_or(error))
}

/// The suites that are known, as lines of a table: codename, distribution, version, what else it is called, where it is.
pub(crate) fn suites() -> Result<String, Error> {
    let mut table = String::new();
    for suite in sources::suites()?.all() {
        let version = suite.version.as_deref().unwrap_or("-");
        let aliases = if suite.aliases.is_empty() {
            "-".into()
        } else {
            suite.aliases.join(",")
        };
        let state = if suite.end_of_life {
            "archived"
        } else {
            "served"
        };
        let _ = writeln!(
            table,
            "{:<10} {:<8} {version:<6} {aliases:<14} {state}",
            suite.codename, suite.distribution
        );
    }
    Ok(table)
}

fn interrupted(interrupt: &Interrupt) -> Option<Error> {
    interrupt
        .signal()
        .map(|signal| Error::Interrupted { signal })
}

fn open_store(request: &Request, report: &Report) -> Result<Arc<Store>, Error> {
    let options = store::Options {
        cache: request.cache.clone(),
        state: request.state.clone(),
        temporary: std::env::temp_dir(),
        stall: STALL,
        tries: TRIES,
    };
    Ok(Arc::new(Store::open(options, report.clone())?))
}

/// Keeps the cache within its bound. A tree that is made is not lost for that.
fn bound_cache(store: &Store, request: &Request, report: &Report) {
    match store
        .trim(request.cache_bound)
        .and_then(|freed| Ok((freed, store.size()?)))
    {
        Ok((freed, (files, bytes))) if files > 0 || freed > 0 => {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            report.detail(format!(
                "the cache has {files} files, {:.1} MB; {:.1} MB were freed",
                megabytes(bytes),
                megabytes(freed)
            ));
        }
        Ok(_) => {}
        Err(error) => report.warning(format!(
            "the cache cannot be kept within its bound: {error}"
        )),
    }
}

fn packing(request: &Request, epoch: i64, interrupt: &Interrupt) -> pack::Options {
    let compression = request
        .image
        .as_ref()
        .map_or(Compression::None, |image| image.compression);
    pack::Options {
        epoch: Some(epoch),
        threads: u32::try_from(request.jobs).unwrap_or(u32::MAX),
        compression,
        interrupt: interrupt.clone(),
    }
}

impl Done {
    /// How many packages there are.
    pub(crate) fn packages(&self) -> usize {
        self.plan.packages().len()
    }

    /// How large their .debs are together, in bytes.
    pub(crate) fn download_size(&self) -> u64 {
        self.plan
            .packages()
            .iter()
            .map(|chosen| chosen.package().size)
            .sum()
    }

    /// `name=version:arch`, a line each, sorted.
    pub(crate) fn lines(&self) -> String {
        let line = |chosen: &Chosen| {
            let package = chosen.package();
            format!(
                "{}={}:{}\n",
                package.name, package.version, package.architecture
            )
        };
        let mut lines: Vec<String> = self.plan.packages().iter().map(line).collect();
        lines.sort();
        lines.concat()
    }

    /// The plan for a person: the packages in the order of their unpacking, with what they cost.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for (number, chosen) in self.plan.packages().iter().enumerate() {
            let package = chosen.package();
            let is_essential = number < self.plan.essential_count();
            let why = match (is_essential, chosen.is_automatic()) {
                (true, _) => "essential",
                (_, true) => "needed",
                (_, false) => "asked for",
            };
            let (name, version, size) = (
                &package.name,
                package.version.as_str(),
                package.installed_size,
            );
            let _ = writeln!(
                table,
                "{name:<32} {version:<28} {:<6} {size:>8} KiB  {why}",
                package.architecture
            );
        }
        let installed: u64 = self
            .plan
            .packages()
            .iter()
            .map(|chosen| chosen.package().installed_size)
            .sum();
        let _ = writeln!(
            table,
            "{} packages, {} KiB to fetch, {installed} KiB installed",
            self.packages(),
            self.download_size() / 1024
        );
        table
    }
}
