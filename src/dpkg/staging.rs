//! Packages decoded ahead of unpacking, each into a directory on the tree's own file system.
//!
//! A thread pool decodes packages as their .debs arrive: before the plan is made those that are
//! probably needed, after it all that it needs, in its order. Decoded files are on disk, so the
//! threads may be any number of packages ahead; in memory are the buffers of one package for each
//! thread, and the lists of entries. Where the files go is left to `place`.

mod decode;
mod directory;
mod path_rules;
mod queue;
mod source;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::fs::Mode;

use crate::formats::deb::Deb;
use crate::formats::package_key::PackageKey;
use crate::report::{Event, Report, Stage};
use crate::store;
use crate::tree::rootfs::{self, RootPath, Rootfs};

use super::unpack::Error;
use decode::Decoder;
use queue::{Queue, Task};

pub(crate) use decode::{Node, Staged};
pub(crate) use directory::{StagingDirectory, open_content, set_owner_and_mode};
pub(crate) use path_rules::PathRule;
pub(crate) use source::downloads;

/// Where packages are staged: on the tree's own file system, so that placing a file is renaming it.
pub(crate) const STAGING: &str = "var/lib/dpkg/rbootstrap.tmp";

/// The nice value of the threads once packages are unpacked: a tenth of a script's share.
const NICE: i32 = 10;

/// A package and its .deb.
#[derive(Clone, Debug)]
pub(crate) struct PackageFile {
    pub(crate) key: PackageKey,
    pub(crate) deb: store::RemoteFile,
}

/// Opens a package's .deb, waiting for its download where necessary.
pub(crate) type Source = dyn Fn(&PackageFile) -> Result<Deb, Error> + Send + Sync;

/// How packages are staged.
pub(crate) struct Options {
    pub(crate) source: Box<Source>,
    /// Paths that are left out; the last rule that matches a path counts.
    pub(crate) rules: Vec<PathRule>,
    /// The number of threads, at least one. The tree does not depend on it.
    pub(crate) jobs: usize,
}

/// Staging under way. Dropping it waits for the threads and removes what they have written.
pub(crate) struct Staging<'a> {
    root: &'a Rootfs,
    shared: Arc<Shared>,
}

/// What the threads share.
struct Shared {
    pool: rayon::ThreadPool,
    directory: StagingDirectory,
    source: Box<Source>,
    rules: Vec<PathRule>,
    report: Report,
    /// Whether the threads have a umask of their own, so that a file is created with its very mode.
    has_own_umask: Arc<AtomicBool>,
    queue: Mutex<Queue>,
    /// A package was staged or has failed.
    changed: Condvar,
}

/// Has packages staged before it is certain that they are needed.
#[derive(Clone)]
pub(crate) struct Prefetcher(Arc<Shared>);

impl Prefetcher {
    /// Has a package staged. It is removed if the plan does not need it.
    pub(crate) fn stage(&self, file: PackageFile) {
        self.0.lock().enqueue(file);
        self.0.spawn(1);
    }
}

impl Staging<'_> {
    /// Makes the staging directory and starts the threads.
    pub(crate) fn start(
        root: &Rootfs,
        options: Options,
        report: Report,
    ) -> Result<Staging<'_>, Error> {
        let has_own_umask = Arc::new(AtomicBool::new(true));
        let shared = Shared {
            pool: thread_pool(options.jobs, &has_own_umask)?,
            directory: StagingDirectory::create(root)?,
            source: options.source,
            rules: options.rules,
            report,
            has_own_umask,
            queue: Mutex::default(),
            changed: Condvar::new(),
        };
        Ok(Staging {
            root,
            shared: Arc::new(shared),
        })
    }

    pub(crate) fn prefetcher(&self) -> Prefetcher {
        Prefetcher(Arc::clone(&self.shared))
    }

    /// Has these packages staged in their order, and from now on no others.
    pub(crate) fn plan(&self, files: Vec<PackageFile>) {
        let waiting = self.shared.lock().plan(files);
        self.shared.spawn(waiting);
    }

    /// Lowers the priority of the threads: unpacking and its scripts come first from now on.
    pub(crate) fn give_way(&self) {
        self.shared.pool.spawn_broadcast(|_| lower_priority());
    }

    pub(crate) fn directory(&self) -> &StagingDirectory {
        &self.shared.directory
    }

    /// Waits until a planned package is staged, and hands it over, once. The first failure of any
    /// package fails every wait.
    pub(crate) fn take(&self, key: &PackageKey) -> Result<Staged, Error> {
        let mut queue = self.shared.lock();
        loop {
            if let Some(result) = queue.take(key) {
                return result;
            }
            queue = self.shared.wait(queue);
        }
    }

    /// Stages some files of a package again, since the first copies were placed or left out.
    pub(crate) fn stage_again(&self, staged: &Staged, numbers: &[u32]) -> Result<(), Error> {
        let deb = (self.shared.source)(&staged.file)?;
        self.shared.decoder().decode_again(&deb, staged, numbers)
    }

    /// Stops staging and removes its directory.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.stop();
        Ok(self.root.remove_tree(&RootPath::known(STAGING))?)
    }

    fn stop(&self) {
        let mut queue = self.shared.lock();
        queue.stop();
        while queue.is_running() {
            queue = self.shared.wait(queue);
        }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        self.stop();
        // After an error, which is what is reported: the tree is given up.
        let _: Result<(), rootfs::Error> = self.root.remove_tree(&RootPath::known(STAGING));
    }
}

impl Shared {
    /// No step between lock and unlock can fail half-way, so a poisoned queue is a sound one.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        let woken = self.changed.wait(queue);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the pool a job for each package that waits.
    fn spawn(self: &Arc<Self>, packages: usize) {
        for _ in 0..packages {
            let shared = Arc::clone(self);
            self.pool.spawn(move || shared.stage_next());
        }
    }

    /// Stages the package that is first in the queue by now.
    fn stage_next(self: &Arc<Self>) {
        let Some(task) = self.lock().next() else {
            return;
        };
        let job = Job {
            shared: self,
            file: Arc::clone(&task.file),
            task: Some(task),
        };
        let from = Instant::now();
        let deb = (self.source)(&job.file);
        let staged = deb.and_then(|deb| self.decoder().decode(deb, &job.file));
        self.report.send(Event::Span {
            stage: Stage::Decode,
            item: job.file.key.name().to_owned(),
            from,
            to: Instant::now(),
        });
        job.end(staged);
    }

    fn decoder(&self) -> Decoder<'_> {
        Decoder {
            directory: &self.directory,
            rules: &self.rules,
            modes_are_kept: self.has_own_umask.load(Ordering::Relaxed),
        }
    }
}

/// A package in the hands of a thread. Where the thread panics, the package counts as failed.
struct Job<'a> {
    shared: &'a Arc<Shared>,
    file: Arc<PackageFile>,
    task: Option<Task>,
}

impl Job<'_> {
    fn end(mut self, staged: Result<Staged, Error>) {
        if let Some(task) = self.task.take() {
            self.done(task, staged);
        }
    }

    fn done(&self, task: Task, staged: Result<Staged, Error>) {
        let waits_again = self.shared.lock().done(task, staged);
        self.shared.changed.notify_all();
        self.shared.spawn(usize::from(waits_again));
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            self.done(task, Err(Error::Stopped));
        }
    }
}

fn thread_pool(jobs: usize, has_own_umask: &Arc<AtomicBool>) -> Result<rayon::ThreadPool, Error> {
    let has_own_umask = Arc::clone(has_own_umask);
    let start = move |_: usize| {
        if !set_own_umask() {
            has_own_umask.store(false, Ordering::Relaxed);
        }
    };
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.max(1))
        .thread_name(|number| format!("stage-{number}"))
        .start_handler(start)
        // The panic itself has been reported; `Job` lets the package fail.
        .panic_handler(drop);
    builder.build().map_err(|source| Error::Threads { source })
}

/// Gives this thread a umask of its own, 0, so that files are created with their very modes: one
/// system call less for each. False where that is not permitted.
fn set_own_umask() -> bool {
    if nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).is_err() {
        return false;
    }
    rustix::process::umask(Mode::empty());
    true
}

/// Lowers this thread's priority: on Linux a nice value is a thread's own.
fn lower_priority() {
    // Where that is refused, scripts wait a little longer.
    let _ = rustix::process::setpriority_process(None, NICE);
}
