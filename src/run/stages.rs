//! The stages of one run, in order: sources, preflight, indexes, plan, fetch, install, pack.

use std::sync::Arc;

use super::choice::{self, Choice};
use super::claim::{ClaimedOutputs, Packed};
use super::early::EarlyDownloads;
use super::inputs::Inputs;
use super::lock::MadeLock;
use super::request::{Limits, Request};
use super::several::SharedByImages;
use super::stores::{open_store, trim_cache};
use super::{Done, Error, debootstrap, image_key, inventory, now, preflight};
use crate::archive::{self, IndexReader};
use crate::install::{self, InstallPlan, Installation, Setup, SnapshotOptions, Snapshots};
use crate::interrupt::{Interrupt, Registration};
use crate::pack::WrittenDocument;
use crate::plan;
use crate::privilege::{self, Privilege};
use crate::report::Report;
use crate::sandbox;
use crate::store::Store;
use crate::store::downloads::Downloads;

/// One run: what is requested, and what it shares with others.
#[derive(Clone, Copy)]
pub(super) struct RunStages<'a> {
    pub(super) request: &'a Request,
    pub(super) interrupt: &'a Interrupt,
    pub(super) report: &'a Report,
    pub(super) shared: &'a SharedByImages<'a>,
}

impl<'a> RunStages<'a> {
    /// Makes what is requested. Whatever fails, dropping the values before it undoes what they did;
    /// `shared` says where that did not succeed.
    pub(super) fn run(self) -> Result<Done, Error> {
        let request = self.request;
        // Sources. An unknown suite or a bad source is an error whoever asks.
        let mut inputs = self.read_inputs()?;
        // Preflight.
        let claim = self.claim(&inputs)?;
        let store = self.open_store()?;
        let _registration = cancel_on(self.interrupt, &store);
        let fetch = start_downloads(&store, &request.limits, self.report);
        let root = claim.as_ref().map(ClaimedOutputs::root);
        let begun = claim
            .as_ref()
            .map(|claim| self.begin(claim, &mut inputs, &fetch));
        let installation = begun.transpose()?;
        // Indexes and Plan.
        let options = reader_options(request);
        let reader = IndexReader::new(&store, &inputs.sources.list, options, self.report);
        let prefetching = Some(&*fetch).filter(|_| prefetches(request));
        let staging = installation.as_ref().map(Installation::prefetcher);
        let plan = choice::choose(&Choice {
            request,
            lock: self.shared.lock.as_ref(),
            inputs: &inputs,
            reader: &reader,
            store: &store,
            early: EarlyDownloads::new(&inputs, prefetching, staging),
            interrupt: self.interrupt,
            report: self.report,
        })?;
        let key = image_key::image_key(request, &inputs, &plan);
        let lock = MadeLock::new(request, &inputs, &plan, &reader).with_image(&key);
        if request.goal.ends_with_plan() {
            self.publish_later(lock.write(None, None)?);
            let lock = lock.of_build()?;
            self.tell_start(&plan, &inputs, &store);
            let steps = plan.steps(&inputs.options);
            let done = Done::new(plan.plan, &inputs.selection, key).with_lock(lock);
            return Ok(done.with_steps(steps, self.report));
        }
        // Fetch and Install.
        preflight::require_room(request, &plan, claim.as_ref(), &store)?;
        self.fetch(&plan, &fetch, &reader, claim.as_ref())?;
        let installed = installation.map(|tree| tree.install(&plan)).transpose()?;
        let provenance = inventory::provenance(request, &inputs.sources, &plan, &fetch)?;
        self.publish_later(lock.write(installed.as_ref().map(|made| made.epoch), root)?);
        drop(fetch);
        self.trim(&store);
        // Pack. The last act: before its end, the tree of a killed run is a leftover.
        if let Some((claim, mut installed)) = claim.zip(installed) {
            claim.tidy(&mut installed, inputs.removes_secrets, self.interrupt)?;
            claim.pack(Packed {
                installed: &installed,
                provenance,
                limits: request.limits,
                key: &key,
            })?;
            claim.finish()?;
        }
        Ok(Done::new(plan.plan, &inputs.selection, key))
    }

    /// Tells after which step an installation would start.
    fn tell_start(&self, plan: &InstallPlan, inputs: &Inputs, store: &Store) {
        let snapshots = snapshots(self.request);
        if let Some(at) = plan.known_start(&inputs.options, &snapshots, store) {
            let text = format!("an installation starts after step {at}, from a snapshot");
            self.report.detail(text);
        }
    }

    fn read_inputs(self) -> Result<Inputs, Error> {
        match &self.shared.lock {
            Some(lock) => lock.inputs(self.request, self.report),
            None => Inputs::read(self.request, self.interrupt, self.report),
        }
    }

    /// Claims the outputs of a run that has any, once it is known that all of them can be written.
    fn claim(self, inputs: &Inputs) -> Result<Option<ClaimedOutputs<'a>>, Error> {
        let RunStages {
            request,
            interrupt,
            report,
            shared,
        } = self;
        let architecture = inputs.sources.native();
        inventory::require_distinct(request, architecture)?;
        preflight::require_known_calls(request, architecture)?;
        let claim = preflight::claim(request, report, shared, interrupt)?;
        let root = claim.as_ref().map(ClaimedOutputs::root);
        inventory::try_out(request, architecture, root)?;
        if claim.is_some() {
            shared.try_out_registries()?;
        }
        Ok(claim)
    }

    fn open_store(self) -> Result<Arc<Store>, Error> {
        match self.shared.stores {
            Some(stores) => stores.store(self.request),
            None => open_store(self.request, self.report),
        }
    }

    /// Begins the installation in a tree. Sources in files of the tree can be read afterwards.
    fn begin<'b>(
        self,
        claim: &'b ClaimedOutputs<'_>,
        inputs: &mut Inputs,
        fetch: &Arc<Downloads>,
    ) -> Result<Installation<'b>, Error>
    where
        'a: 'b,
    {
        let root = claim.root();
        let mut setup = setup(self.request, inputs.options.clone(), fetch);
        setup.listed_until = claim.listed_until();
        let installation = Installation::begin(root, setup, self.interrupt, self.report)?;
        inputs.reread_sources(self.request, root, self.report)?;
        Ok(installation)
    }

    /// Has all packages fetched: in the background of an installation, or right away without one.
    fn fetch(
        self,
        plan: &InstallPlan,
        fetch: &Downloads,
        reader: &IndexReader<'_>,
        claim: Option<&ClaimedOutputs<'_>>,
    ) -> Result<(), Error> {
        fetch.want(&plan.debs);
        let Some(claim) = claim else {
            for deb in &plan.debs {
                fetch.take(deb).map_err(Error::Fetch)?;
            }
            return Ok(());
        };
        debootstrap::prepare_tree(self.request, claim.root(), reader, plan)?;
        debootstrap::keep_packages(self.request, plan, fetch, self.report)
    }

    /// Publishes the lock, if there is one, together with the image.
    fn publish_later(self, lock: Option<WrittenDocument>) {
        self.shared.publication.borrow_mut().add(lock);
    }

    /// Limits the size of the cache, unless others use it too.
    fn trim(self, store: &Store) {
        if self.shared.stores.is_none() {
            trim_cache(store, &self.request.cache, self.report);
        }
    }
}

/// Whether packages are downloaded before the plan is known.
fn prefetches(request: &Request) -> bool {
    !request.goal.ends_with_plan() && !debootstrap::may_have_packages(request)
}

fn start_downloads(store: &Arc<Store>, limits: &Limits, report: &Report) -> Arc<Downloads> {
    let store = Arc::clone(store);
    Arc::new(Downloads::start(store, limits.downloads, report.clone()))
}

fn setup(request: &Request, options: install::Options, fetch: &Arc<Downloads>) -> Setup {
    let privilege = request.privilege.as_ref().ok();
    let sandbox = sandbox::Options {
        is_contained: privilege.is_some_and(Privilege::is_contained),
        records_owners: privilege.is_some_and(Privilege::records_owners),
        ..request.sandbox
    };
    Setup {
        options,
        sandbox,
        fetch: Arc::clone(fetch),
        jobs: request.limits.jobs,
        snapshots: snapshots(request),
        listed_until: None,
    }
}

/// Of which installations snapshots are kept: of none that has indexes, which no step writes.
fn snapshots(request: &Request) -> SnapshotOptions {
    SnapshotOptions {
        kept: match debootstrap::writes_lists(request) {
            true => Snapshots::None,
            false => request.cache.snapshots,
        },
        id_maps: privilege::id_maps(),
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
