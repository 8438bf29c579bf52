//! One run, from a request to a tree or an image, and the error over its stages.
//!
//! [`run`] calls the stages in order; each returns a value that the next one needs. What is in the
//! request is in `run::request`, which sources are read in `run::sources`, which packages in
//! `run::choice`, where the result goes in `run::claim`.

mod apt_files;
mod choice;
mod claim;
mod credentials;
mod debootstrap;
mod early;
mod error;
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
mod stores;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::archive::{self, IndexReader};
use crate::install::{self, Installation, Setup};
use crate::interrupt::{Interrupt, Registration};
use crate::plan;
use crate::privilege::Privilege;
use crate::report::Report;
use crate::sandbox;
use crate::store::downloads::Downloads;
use crate::store::{self, Store};
use crate::tree::target;

pub(crate) use error::Error;
pub(crate) use image_key::KEY_ANNOTATION;
pub(crate) use inventory::ARCHITECTURE;
pub(crate) use lock::{changes, locked_image_key, require_same_releases};
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

use choice::Choice;
use claim::{ClaimedOutputs, Packed};
use early::EarlyDownloads;
use inputs::Inputs;
use lock::{GivenLock, MadeLock};
use push::{Destinations, SpooledImage};
use several::SharedByImages;

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
    let shared = SharedByImages {
        lock,
        stores,
        destinations: destinations.as_ref(),
        ..SharedByImages::default()
    };
    let done = several::make(request, interrupt, report, &shared);
    let kept = request.outputs.keeps_failed() || shared.stays.get();
    done.map_err(|error| error.or_interrupted(interrupt, kept))
}

/// The stages in order. Whatever fails, dropping the values before it undoes what they did;
/// `shared` says where that did not succeed.
fn stages(
    request: &Request,
    interrupt: &Interrupt,
    report: &Report,
    shared: &SharedByImages<'_>,
) -> Result<Done, Error> {
    // Sources. An unknown suite or a bad source is an error whoever asks.
    let mut inputs = read_inputs(request, shared, report)?;
    // Preflight.
    inventory::require_distinct(request, inputs.sources.native())?;
    let claim = preflight::claim(request, report, shared, interrupt)?;
    let root = claim.as_ref().map(ClaimedOutputs::root);
    inventory::try_out(request, inputs.sources.native(), root)?;
    if claim.is_some() {
        shared.try_out_registries()?;
    }
    let store = match shared.stores {
        Some(stores) => stores.store(request)?,
        None => open_store(request, report)?,
    };
    let _registration = cancel_on(interrupt, &store);
    let fetch = start_downloads(&store, &request.limits, report);
    let setup = setup(request, inputs.options.clone(), &fetch);
    let installation = root.map(|root| Installation::begin(root, setup, interrupt, report));
    let installation = installation.transpose()?;
    if let Some(root) = root {
        inputs.reread_sources(request, root, report)?;
    }
    // Indexes and Plan.
    let options = reader_options(request);
    let reader = IndexReader::new(&store, &inputs.sources.list, options, report);
    let prefetching = Some(&*fetch).filter(|_| prefetches(request));
    let staging = installation.as_ref().map(Installation::prefetcher);
    let plan = choice::choose(&Choice {
        request,
        lock: shared.lock.as_ref(),
        inputs: &inputs,
        reader: &reader,
        store: &store,
        early: EarlyDownloads::new(&inputs, prefetching, staging),
        interrupt,
        report,
    })?;
    let key = image_key::image_key(request, &inputs, &plan);
    let lock = MadeLock::new(request, &inputs, &plan, &reader).with_image(&key);
    if request.goal.ends_with_plan() {
        shared.publication.borrow_mut().add(lock.write(None, None)?);
        let steps = plan.steps(&inputs.options);
        let done = Done::new(plan.plan, &inputs.selection, key);
        return Ok(done.with_steps(steps, report));
    }
    // Fetch and Install.
    preflight::require_room(request, &plan, claim.as_ref(), &store)?;
    fetch.want(&plan.debs);
    match &claim {
        None => fetch_all(&fetch, &plan.debs)?,
        Some(claim) => {
            debootstrap::prepare_tree(request, claim.root(), &reader, &plan)?;
            debootstrap::keep_packages(request, &plan, &fetch, report)?;
        }
    }
    let epoch = installation.map(|tree| tree.install(&plan)).transpose()?;
    let provenance = inventory::provenance(request, &inputs.sources, &plan, &fetch)?;
    shared
        .publication
        .borrow_mut()
        .add(lock.write(epoch, root)?);
    drop(fetch);
    if shared.stores.is_none() {
        trim_cache(&store, &request.cache, report);
    }
    // Pack. The last act: before its end, the tree of a killed run is a leftover.
    if let Some((claim, epoch)) = claim.zip(epoch) {
        claim.tidy(epoch, inputs.removes_secrets, interrupt)?;
        let packed = Packed {
            epoch,
            provenance,
            limits: request.limits,
            key: &key,
        };
        claim.pack(packed)?;
        claim.finish()?;
    }
    Ok(Done::new(plan.plan, &inputs.selection, key))
}

fn read_inputs(
    request: &Request,
    shared: &SharedByImages<'_>,
    report: &Report,
) -> Result<Inputs, Error> {
    match &shared.lock {
        Some(lock) => lock.inputs(request, report),
        None => Inputs::read(request, report),
    }
}

/// Whether packages are downloaded before the plan is known.
fn prefetches(request: &Request) -> bool {
    !request.goal.ends_with_plan() && !debootstrap::may_have_packages(request)
}

fn open_store(request: &Request, report: &Report) -> Result<Arc<Store>, Error> {
    let cache = &request.cache;
    let mut options = store::Options {
        cache: cache.directory.clone(),
        state: cache.state_directory.clone(),
        temporary: cache.temporary.clone(),
        limits: request.network.transfers,
        tries: request.network.tries,
        proxies: request.network.proxies.clone(),
        credentials: Arc::new(credentials::read(&request.sources, report)?),
    };
    let may_do_without = !cache.is_named && request.goal != Goal::Download;
    let store = match Store::open(options.clone(), report.clone()) {
        Err(store::Error::Disk { path, source }) if may_do_without => {
            let path = path.display();
            report.warning(format!(
                "downloads are not kept, because {path} cannot be written (--cache-dir): {source}"
            ));
            options.cache = None;
            Store::open(options, report.clone())?
        }
        opened => opened?,
    };
    Ok(Arc::new(store))
}

fn start_downloads(store: &Arc<Store>, limits: &Limits, report: &Report) -> Arc<Downloads> {
    let store = Arc::clone(store);
    Arc::new(Downloads::start(store, limits.downloads, report.clone()))
}

fn setup(request: &Request, options: install::Options, fetch: &Arc<Downloads>) -> Setup {
    let privilege = request.privilege.as_ref();
    let sandbox = sandbox::Options {
        is_contained: privilege.is_ok_and(Privilege::is_contained),
        ..request.sandbox
    };
    Setup {
        options,
        sandbox,
        fetch: Arc::clone(fetch),
        jobs: request.limits.jobs,
    }
}

/// Has an interrupt end all requests.
fn cancel_on(interrupt: &Interrupt, store: &Arc<Store>) -> Registration {
    let store = Arc::clone(store);
    interrupt.on_raise(move || store.cancel())
}

fn reader_options(request: &Request) -> archive::ReaderOptions {
    archive::ReaderOptions {
        now: now(),
        mirror_wait: request.network.mirror_wait,
        for_patterns: plan::has_patterns(&request.packages.include),
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

fn fetch_all(fetch: &Downloads, debs: &[store::RemoteFile]) -> Result<(), Error> {
    for deb in debs {
        fetch.take(deb).map_err(Error::Fetch)?;
    }
    Ok(())
}

/// Limits the size of the cache. A failure is only a warning, because the run has succeeded.
fn trim_cache(store: &Store, cache: &CacheOptions, report: &Report) {
    let trimmed = store.trim(cache.max_size);
    let measured = trimmed.and_then(|freed| Ok((freed, store.size()?)));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match measured {
        Ok((0, (0, _))) => {}
        Ok((freed, (files, bytes))) => report.detail(format!(
            "the cache has {files} files, {:.1} MB; {:.1} MB were freed",
            megabytes(bytes),
            megabytes(freed)
        )),
        Err(error) => report.warning(format!("cannot limit the size of the cache: {error}")),
    }
}

/// Removes a tree. What an interrupted removal has not reached stays.
pub(crate) fn remove(directory: &Path, interrupt: &Interrupt) -> Result<(), Error> {
    if let Some(signal) = interrupt.signal() {
        return Err(Error::Interrupted { signal, kept: true });
    }
    let removed = target::remove(directory, interrupt);
    removed.map_err(|error| Error::from(error).or_interrupted(interrupt, true))
}
