//! Builds many images with one store, several at once, and skips those that are up to date.
//!
//! An image's key ([`run::Done::key`]) decides whether it is up to date. The key is in the lock
//! beside the image, and in the annotations that a registry stores. A failed image does not stop
//! the others. `formats` and `cli` read the file that describes the images; `run` makes each one.

mod files;
mod image_lock;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt::{Interrupt, StopCause};
use crate::pack::oci::Reference;
use crate::registry;
use crate::report::{Event, PackageTotals, Report};
use crate::run::{self, CacheOptions, Done, Goal, KEY_ANNOTATION, Request, Stores};

pub(crate) use files::ImageFiles;
use image_lock::ImageLock;

/// An image to build.
#[derive(Debug)]
pub(crate) struct ImageJob {
    pub(crate) name: String,
    /// Makes the image and its documents.
    pub(crate) request: Request,
    pub(crate) files: ImageFiles,
    /// Its names in the registry that is asked whether it is up to date.
    pub(crate) references: Vec<Reference>,
}

/// How images are built.
#[derive(Debug)]
pub(crate) struct Options {
    /// How many images are made at once.
    pub(crate) parallel: usize,
    /// Builds images that are up to date, too.
    pub(crate) rebuild: bool,
    /// The cache that all requests use.
    pub(crate) cache: CacheOptions,
    /// If given, this registry is asked which images are up to date, instead of the locks.
    pub(crate) registry: Option<Arc<registry::Client>>,
}

/// Called at the start and end of each image, on the thread that builds it.
pub(crate) struct BuildListener<'a> {
    /// Creates the report of an image.
    pub(crate) begin: &'a (dyn Fn(&ImageJob) -> Report + Sync),
    pub(crate) end: &'a (dyn Fn(&Report, &ImageResult) + Sync),
}

/// The outcome of building an image.
#[derive(Debug)]
pub(crate) struct ImageResult {
    pub(crate) name: String,
    pub(crate) state: ImageState,
    /// `None` if the image failed before its packages were chosen.
    pub(crate) key: Option<String>,
    pub(crate) packages: Option<PackageTotals>,
    pub(crate) took: Duration,
    /// The image and the files beside it.
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug)]
pub(crate) enum ImageState {
    Built,
    UpToDate,
    Failed(run::Error),
}

/// What the threads share.
struct Building<'a> {
    jobs: &'a [ImageJob],
    options: &'a Options,
    stores: Stores,
    listener: &'a BuildListener<'a>,
    interrupt: &'a Interrupt,
    /// The next job.
    next: AtomicUsize,
    results: Vec<Mutex<Option<ImageResult>>>,
}

/// What is known of an image before it is built.
struct Planned {
    key: String,
    packages: PackageTotals,
    is_current: bool,
}

/// The warnings of a planning run, whose other events are dropped: the run that makes the image
/// repeats them.
#[derive(Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn report(&self) -> Report {
        let kept = Arc::clone(&self.0);
        Report::of_new_run(move |_, event| {
            if let Event::Warning(text) = event {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(text);
            }
        })
    }

    fn send(&self, report: &Report) {
        for text in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            report.warning(text.clone());
        }
    }
}

/// The result of an image that was not started because of an interrupt.
fn not_begun(job: &ImageJob, cause: StopCause) -> ImageResult {
    ImageResult {
        name: job.name.clone(),
        state: ImageState::Failed(run::Error::Interrupted { cause, kept: false }),
        key: None,
        packages: None,
        took: Duration::ZERO,
        files: job.files.all(),
    }
}

/// Builds all images. Returns the results in the order of the jobs. `report` gets messages that
/// concern no single image.
pub(crate) fn build(
    jobs: &[ImageJob],
    options: &Options,
    listener: &BuildListener<'_>,
    interrupt: &Interrupt,
    report: &Report,
) -> Vec<ImageResult> {
    let building = Building {
        jobs,
        options,
        stores: Stores::new(report.clone()),
        listener,
        interrupt,
        next: AtomicUsize::new(0),
        results: jobs.iter().map(|_| Mutex::default()).collect(),
    };
    thread::scope(|scope| {
        for _ in 0..options.parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| building.work());
        }
    });
    building.stores.trim(&options.cache);
    let mut results = Vec::new();
    for slot in building.results {
        results.extend(slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    results
}

impl Building<'_> {
    /// Builds one image after the other.
    fn work(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(number) else {
                return;
            };
            let result = match self.interrupt.cause() {
                Some(cause) => not_begun(job, cause),
                None => {
                    let report = (self.listener.begin)(job);
                    let result = self.image(job, &report);
                    (self.listener.end)(&report, &result);
                    result
                }
            };
            let mut slot = self.results[number]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *slot = Some(result);
        }
    }

    fn image(&self, job: &ImageJob, report: &Report) -> ImageResult {
        let from = Instant::now();
        let mut planned = None;
        let state = match self.state(job, report, &mut planned) {
            Ok(state) => state,
            Err(error) => ImageState::Failed(error),
        };
        let (key, packages) = match planned {
            Some(Planned { key, packages, .. }) => (Some(key), Some(packages)),
            None => (None, None),
        };
        ImageResult {
            name: job.name.clone(),
            state,
            key,
            packages,
            took: from.elapsed(),
            files: job.files.all(),
        }
    }

    /// Builds an image unless it is up to date. Stores in `known` what is known before the build.
    fn state(
        &self,
        job: &ImageJob,
        report: &Report,
        known: &mut Option<Planned>,
    ) -> Result<ImageState, run::Error> {
        job.files.require_regular()?;
        let _lock = ImageLock::acquire(&job.files, self.interrupt, report)?;
        let warnings = Warnings::default();
        let planned = self.plan(job, &warnings.report());
        if !matches!(&planned, Ok(planned) if !planned.is_current) {
            warnings.send(report);
        }
        if known.insert(planned?).is_current {
            return Ok(ImageState::UpToDate);
        }
        run::run_with(&job.request, self.interrupt, report, Some(&self.stores))?;
        job.files.add_refs(self.interrupt)?;
        Ok(ImageState::Built)
    }

    /// Chooses the packages, and compares the key of the image that they make with the lock's.
    fn plan(&self, job: &ImageJob, report: &Report) -> Result<Planned, run::Error> {
        let mut request = job.request.clone();
        request.goal = Goal::PrintDebs;
        request.outputs.lock = None;
        request.outputs.checksums = None;
        let runs = run::run_with(&request, self.interrupt, report, Some(&self.stores))?;
        let mut planned = Planned {
            key: String::new(),
            packages: PackageTotals {
                count: 0,
                download_bytes: 0,
            },
            is_current: false,
        };
        for done in runs {
            planned.key = done.key();
            planned.packages = done.totals();
            planned.is_current = !self.options.rebuild && self.is_current(job, &done)?;
        }
        Ok(planned)
    }

    /// Whether the image that a run would make already exists: in the registry under each of its
    /// names, if a registry is given; otherwise beside its lock, whose releases are then updated.
    fn is_current(&self, job: &ImageJob, done: &Done) -> Result<bool, run::Error> {
        let Some(client) = &self.options.registry else {
            return self.is_current_here(job, done);
        };
        for reference in &job.references {
            let is_pushed = job.request.outputs.push.references.contains(reference);
            let found = match client.look_up(reference) {
                // Some registries deny access to a repository that a push would create. If rights
                // are really missing, the push fails.
                Err(error) if is_pushed && error.is_denial() => None,
                found => found?,
            };
            let known = found.and_then(|mut image| image.annotations.remove(KEY_ANNOTATION));
            if known != Some(done.key()) {
                return Ok(false);
            }
        }
        Ok(!job.references.is_empty())
    }

    fn is_current_here(&self, job: &ImageJob, done: &Done) -> Result<bool, run::Error> {
        let files = &job.files;
        let is_same = files.known_key()? == Some(done.named_key());
        if !is_same || !files.are_intact(self.interrupt)? {
            return Ok(false);
        }
        if let Some(lock) = run::fresh_lock(done, &files.lock)? {
            files.replace_lock(&lock, self.interrupt)?;
        }
        Ok(true)
    }
}
