//! One run, from a request to a tree or an image, and the error over its stages.
//!
//! [`run`] has `run::stages` call the stages of each image in order; each stage returns a value that
//! the next one needs. What is in the request is in `run::request`, which sources are read in
//! `run::sources`, which packages in `run::choice`, where the result goes in `run::claim`.

mod apt_files;
mod choice;
mod claim;
mod compare;
mod credentials;
mod debootstrap;
mod early;
mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod image_key;
mod inputs;
mod inventory;
mod local;
mod lock;
mod outcome;
mod packing;
mod preflight;
mod preseed;
mod profile;
mod push;
mod request;
mod several;
mod sources;
mod stages;
mod stores;
mod target_debs;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::interrupt::Interrupt;
use crate::pack::Publication;
use crate::report::Report;
use crate::tree::target;

pub(crate) use compare::{CompareRequest, PlatformChanges, changes};
pub(crate) use error::Error;
pub(crate) use image_key::KEY_ANNOTATION;
pub(crate) use inventory::ARCHITECTURE;
pub(crate) use lock::{fresh_lock, locked_image_key, require_same_releases};
pub(crate) use outcome::Done;
pub(crate) use packing::{JoinRequest, PackRequest, join, pack};
pub(crate) use push::{PushRequest, push};
pub(crate) use request::{
    CacheOptions, Debootstrap, Goal, InventoryOutputs, Limits, ListedSources, NetworkOptions,
    Outputs, Packages, ProfileChoice, PushOutputs, Request, SbomOutput, SourceOptions, SourceText,
    System, UnnamedImage,
};
pub(crate) use sources::load_suites;
pub(crate) use stores::Stores;

use lock::GivenLock;
use push::{Destinations, SpooledImage};
use several::SharedByImages;
use stages::RunStages;

/// Makes what is requested, for each image. A run that fails or is interrupted leaves nothing but
/// verified downloads.
pub(crate) fn run(
    request: &Request,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Vec<Done>, Error> {
    run_with(request, interrupt, report, None)
}

/// As [`run`], with stores that several runs share.
pub(crate) fn run_with(
    request: &Request,
    interrupt: &Interrupt,
    report: &Report,
    stores: Option<&Stores>,
) -> Result<Vec<Done>, Error> {
    let lock = request.locked.as_deref().map(GivenLock::read).transpose()?;
    let own = lock.as_ref().map(|lock| lock.adapt(request)).transpose()?;
    let request = own.as_ref().unwrap_or(request);
    let spooled = SpooledImage::of(request)?;
    let own = spooled.as_ref().map(|spooled| spooled.adapt(request));
    let request = own.as_ref().unwrap_or(request);
    let destinations = Destinations::of(request, interrupt, report)?;
    let checksums = request.outputs.checksums.clone();
    let publication = Publication::default().with_checksums(checksums);
    let shared = SharedByImages {
        lock,
        publication: publication.into(),
        stores,
        destinations: destinations.as_ref(),
        ..SharedByImages::default()
    };
    let done = several::make(RunStages {
        request,
        interrupt,
        report,
        shared: &shared,
    });
    let kept = request.outputs.keeps_failed() || shared.stays.get();
    done.map_err(|error| error.or_interrupted(interrupt, kept))
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// Removes a tree. What an interrupted removal has not reached stays.
pub(crate) fn remove(directory: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    if let Some(cause) = interrupt.cause() {
        return Err(Error::Interrupted { cause, kept: true });
    }
    let removed = target::remove(directory, interrupt);
    removed.map_err(|error| Error::from(error).or_interrupted(interrupt, true))
}
