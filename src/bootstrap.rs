//! The story of a run, from a request to a tree or an image, and the one error over its stages.
//!
//! [`run`] is the stages in their order; each hands its successor a value that cannot be had otherwise. Details are the stages'
//! own: where packages come from is in `bootstrap::sources`, where the result goes in `bootstrap::output`.

mod error;
mod output;
mod sources;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::archive::{self, Index};
use crate::compress::Compression;
use crate::fetch::Fetch;
use crate::install::{self, Course};
use crate::interrupt::Interrupt;
use crate::pack;
use crate::plan::{self, Chosen, Plan, Wanted};
use crate::report::{Event, Report, Stage};
use crate::rootfs::Rootfs;
use crate::store::{self, Store};
use crate::suite::Variant;

pub use error::{Class, Error};
pub use output::{Image, Sink};

use output::Output;
use sources::Sources;

/// How long a connection may be silent before it is given up.
const STALL: Duration = Duration::from_secs(30);

/// How often a download that may succeed another time is tried.
const TRIES: u32 = 5;

/// What a user asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A codename or suite name.
    pub suite: String,
    /// Where the tree is to be; without it, it is made in a temporary directory for the image's sake.
    pub directory: Option<PathBuf>,
    /// The image to write.
    pub image: Option<Image>,
    /// How far to go.
    pub goal: Goal,
    /// Which packages make the base.
    pub variant: Variant,
    /// Packages on top, as apt names them.
    pub include: Vec<String>,
    /// Packages that must not come in.
    pub exclude: Vec<String>,
    /// The tree's architecture, foreign ones behind it; empty for the host's.
    pub architectures: Vec<String>,
    /// Components of the suite's archive.
    pub components: Vec<String>,
    /// The one archive to use instead of the suite's own sources.
    pub mirror: Option<String>,
    /// Mirrors of the same archive, tried when one fails.
    pub further_mirrors: Vec<String>,
    /// apt sources beside the suite's: lines, or paths of `.list` and `.sources` files.
    pub extra_sources: Vec<String>,
    /// Files of keys to trust instead of the built-in ones.
    pub keyrings: Vec<PathBuf>,
    /// Whether signatures are checked.
    pub trust: Trust,
    /// Whether an index past its Valid-Until is accepted.
    pub accept_expired: bool,
    /// Whether updates and security are read beside the release.
    pub pockets: bool,
    /// Whether /usr is to be merged, where the user says so.
    pub merged_usr: Option<bool>,
    /// Where verified downloads are kept; nowhere without it.
    pub cache: Option<PathBuf>,
    /// How many connections to open.
    pub downloads: usize,
    /// How many threads to unpack and compress on.
    pub jobs: usize,
    /// Whether a failed target stays.
    pub keep: bool,
    /// The time of the image in seconds since the epoch; the archive's own Date without it.
    pub epoch: Option<i64>,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
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
pub enum Trust {
    /// They are.
    Signatures,
    /// They are not, and the user asked for that.
    Unchecked,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Done {
    plan: Arc<Plan>,
}

/// Makes what `request` asks for. On failure, and when `interrupt` is raised, nothing stays but verified downloads.
pub fn run(request: &Request, interrupt: &Interrupt, report: &Report) -> Result<Done, Error> {
    story(request, interrupt, report).map_err(|error| interrupted(interrupt).unwrap_or(error))
}

fn story(request: &Request, interrupt: &Interrupt, report: &Report) -> Result<Done, Error> {
    let output = Output::claim(request)?;
    let sources = sources::choose(request, report)?;
    let store = open_store(request, interrupt, report)?;
    let index = archive::read(&store, &sources.list, now(), report)?;
    let plan = Arc::new(planned(&index, &wanted(request, &sources), report)?);
    if matches!(request.goal, Goal::PrintDebs | Goal::Simulate) {
        return Ok(Done { plan });
    }
    let debs = debs(&plan, &index)?;
    let fetch = Arc::new(Fetch::start(store, request.downloads, report.clone()));
    fetch.want(&debs);
    let Some(output) = output else {
        debs.iter().try_for_each(|deb| fetch.take(deb).map(drop)).map_err(Error::Fetch)?;
        return Ok(Done { plan });
    };
    output.has_room_for(&plan)?;
    let epoch = request.epoch.unwrap_or_else(|| released(&index));
    let course = Course {
        suite: &sources.suite,
        variant: request.variant,
        sources: &sources.list,
        plan: &plan,
        debs,
        fetch,
        epoch,
        jobs: request.jobs,
    };
    output.make(|root| Ok(install::install(root, course, interrupt, report)?), &packing(request, epoch, interrupt), report)?;
    Ok(Done { plan })
}

/// Writes an existing tree as an image.
pub fn pack(directory: &Path, image: &Image, options: &pack::Options, report: &Report) -> Result<(), Error> {
    let root = Rootfs::open(directory)?;
    output::write(&root, image, options, report).map_err(|error| interrupted(&options.interrupt).unwrap_or(error))
}

/// The suites that are known, as lines of a table: codename, distribution, version, what else it is called, where it is.
pub fn suites() -> Result<String, Error> {
    let mut table = String::new();
    for suite in sources::suites()?.all() {
        let version = suite.version.as_deref().unwrap_or("-");
        let aliases = if suite.aliases.is_empty() { "-".into() } else { suite.aliases.join(",") };
        let state = if suite.end_of_life { "archived" } else { "served" };
        let _ = writeln!(table, "{:<10} {:<8} {version:<6} {aliases:<14} {state}", suite.codename, suite.distribution);
    }
    Ok(table)
}

fn interrupted(interrupt: &Interrupt) -> Option<Error> {
    interrupt.signal().map(|signal| Error::Interrupted { signal })
}

fn open_store(request: &Request, interrupt: &Interrupt, report: &Report) -> Result<Arc<Store>, Error> {
    let options = store::Options { cache: request.cache.clone(), temporary: std::env::temp_dir(), stall: STALL, tries: TRIES };
    let store = Arc::new(Store::open(options, report.clone())?);
    let stopped = Arc::clone(&store);
    interrupt.on_raise(move || stopped.cancel());
    Ok(store)
}

/// Chooses the packages, and tells how long that took.
fn planned(index: &Index, wanted: &Wanted, report: &Report) -> Result<Plan, Error> {
    let from = Instant::now();
    let plan = plan::plan(index, wanted)?;
    report.send(Event::Span { stage: Stage::Plan, item: "plan".into(), from, to: Instant::now() });
    Ok(plan)
}

fn wanted(request: &Request, sources: &Sources) -> Wanted {
    Wanted {
        variant: request.variant,
        suite: request.suite.clone(),
        architectures: sources.architectures.clone(),
        include: request.include.clone(),
        exclude: request.exclude.clone(),
    }
}

/// What is to be fetched, in the plan's order.
fn debs(plan: &Plan, index: &Index) -> Result<Vec<store::Wanted>, Error> {
    let deb = |chosen: &Chosen| {
        let package = &chosen.package;
        let source = &index.listings[chosen.listing].release.source;
        let digest = package.digest.clone().ok_or_else(|| Error::Unverifiable { package: package.name.clone() })?;
        Ok(store::Wanted {
            name: format!("{} {} ({})", package.name, package.version, package.architecture),
            urls: source.uris.iter().map(|uri| format!("{}/{}", uri.trim_end_matches('/'), package.filename)).collect(),
            size: package.size,
            digest,
        })
    };
    plan.packages.iter().map(deb).collect()
}

fn packing(request: &Request, epoch: i64, interrupt: &Interrupt) -> pack::Options {
    let compression = request.image.as_ref().map_or(Compression::None, |image| image.compression);
    pack::Options {
        epoch: Some(epoch),
        threads: u32::try_from(request.jobs).unwrap_or(u32::MAX),
        compression,
        interrupt: interrupt.clone(),
    }
}

/// The archive's own time: the latest Date of its releases.
fn released(index: &Index) -> i64 {
    index.listings.iter().map(|listing| listing.release.date).max().unwrap_or(0)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Done {
    /// How many packages there are.
    pub fn packages(&self) -> usize {
        self.plan.packages.len()
    }

    /// How large their .debs are together, in bytes.
    pub fn download_size(&self) -> u64 {
        self.plan.packages.iter().map(|chosen| chosen.package.size).sum()
    }

    /// `name=version:arch`, a line each, sorted.
    pub fn lines(&self) -> String {
        let line = |chosen: &Chosen| format!("{}={}:{}\n", chosen.package.name, chosen.package.version, chosen.package.architecture);
        let mut lines: Vec<String> = self.plan.packages.iter().map(line).collect();
        lines.sort();
        lines.concat()
    }

    /// The plan for a person: the packages in the order of their unpacking, with what they cost.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (number, Chosen { package, automatic, .. }) in self.plan.packages.iter().enumerate() {
            let why = match (number < self.plan.essentials, automatic) {
                (true, _) => "essential",
                (_, true) => "needed",
                (_, false) => "asked for",
            };
            let (name, version, size) = (&package.name, package.version.as_str(), package.installed_size);
            let _ = writeln!(table, "{name:<32} {version:<28} {:<6} {size:>8} KiB  {why}", package.architecture);
        }
        let installed: u64 = self.plan.packages.iter().map(|chosen| chosen.package.installed_size).sum();
        let _ = writeln!(table, "{} packages, {} KiB to fetch, {installed} KiB installed", self.packages(), self.download_size() / 1024);
        table
    }
}
