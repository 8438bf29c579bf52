//! The story of a run, from a request to a tree or an image, and the one error over its stages.
//!
//! [`run`] is the stages in their order; each hands its successor a value that cannot be had otherwise. Details are the stages'
//! own: where packages come from is in `bootstrap::sources`, where the result goes in `bootstrap::output`.

mod error;
mod output;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::archive::{self, Index};
use crate::fetch::Fetch;
use crate::install::{self, Course};
use crate::interrupt::Interrupt;
use crate::pack;
use crate::plan::{self, Plan, Wanted};
use crate::report::{Report, Stage};
use crate::rootfs::Rootfs;
use crate::store::{self, Store};
use crate::suite::Variant;

pub use error::{Class, Error};
pub use output::{Image, Sink};
use output::Output;
use sources::Sources;

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
    story(request, interrupt, report).map_err(|error| match interrupt.signal() {
        Some(signal) => Error::Interrupted { signal },
        None => error,
    })
}

fn story(request: &Request, interrupt: &Interrupt, report: &Report) -> Result<Done, Error> {
    let output = Output::claim(request)?;
    let sources = sources::choose(request, report)?;
    let store = open_store(request, interrupt, report)?;
    let index = archive::read(&store, &sources.list, now(), report)?;
    let plan = Arc::new(solve(&index, &sources, request, report)?);
    let done = Done { plan: Arc::clone(&plan) };
    if matches!(request.goal, Goal::PrintDebs | Goal::Simulate) {
        return Ok(done);
    }
    let debs = wanted_debs(&index, &plan);
    let fetch = Arc::new(Fetch::start(Arc::clone(&store), request.downloads, report.clone()));
    debs.iter().for_each(|deb| fetch.want(deb.clone()));
    let Some(output) = output else {
        debs.iter().try_for_each(|deb| fetch.take(deb).map(drop)).map_err(Error::Fetch)?;
        report.ended(Stage::Download);
        return Ok(done);
    };
    output.has_room_for(&plan)?;
    let epoch = request.epoch.unwrap_or_else(|| released(&index));
    let course = Course { root: output.root(), suite: &sources.suite, variant: request.variant, plan, debs, fetch, sources: &sources.list, epoch, jobs: request.jobs, architectures: &sources.architectures };
    install::install(&course, interrupt, report)?;
    output.finish(epoch, request.jobs, interrupt, report)?;
    Ok(done)
}

/// Writes an existing tree as an image.
pub fn pack(directory: &Path, image: &Image, jobs: usize, interrupt: &Interrupt, report: &Report) -> Result<(), Error> {
    let root = Rootfs::open(directory)?;
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    output::write(&root, image, epoch, jobs, interrupt, report).map_err(|error| match interrupt.signal() {
        Some(signal) => Error::Interrupted { signal },
        None => error,
    })
}
