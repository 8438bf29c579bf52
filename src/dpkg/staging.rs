//! Packages decoded ahead of unpacking, each into a directory on the tree's own file system.
//!
//! A thread pool decodes packages as their .debs arrive: before the plan is made those that are
//! probably needed, after it all that it needs, in its order. Decoded files are on disk, so the
//! threads may be any number of packages ahead; in memory are the buffers of one package for each
//! thread, and the lists of entries. Where the files go is left to `place`.

mod decode;
mod directory;
mod path_rules;
mod source;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::formats::compress::Integrity;
use crate::formats::deb::Deb;
use crate::formats::digest::Digest;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::PathRule;
use crate::queue::{Item, Queue, TakeError, Worker};
use crate::report::{Event, Report, Stage};
use crate::store;
use crate::tree::STAGING;
use crate::tree::rootfs::{self, RootPath, Rootfs};

use super::unpack::Error;
use decode::Decoder;

pub(crate) use decode::{Node, Staged, StagedContent};
pub(crate) use directory::{StagingDirectory, open_content, set_owner_and_mode};
pub(crate) use source::{downloads, original};

/// How much nicer than scripts the threads are once packages are unpacked: they have a tenth of a
/// script's share.
const NICER: i32 = 10;

/// A package and its .deb.
#[derive(Clone, Debug)]
pub(crate) struct PackageFile {
    pub(crate) key: PackageKey,
    pub(crate) deb: store::RemoteFile,
    /// Installed-Size in the index, in KiB.
    pub(crate) installed_size: u64,
    /// Unknown for a local file, for which no index vouches.
    pub(crate) integrity: Integrity,
}

impl PackageFile {
    /// The package as errors name it, with the file that the user named.
    fn shown(&self) -> String {
        let name = self.key.name();
        match (self.integrity, self.deb.urls.first()) {
            (Integrity::Unknown, Some(url)) => format!("{name} ({url})"),
            (Integrity::Unknown | Integrity::Known, _) => name.to_owned(),
        }
    }
}

/// Opens a package's .deb, waiting for its download where necessary.
pub(crate) type PackageSource = dyn Fn(&PackageFile) -> Result<Deb, Error> + Send + Sync;

/// How packages are staged.
pub(crate) struct Options {
    pub(crate) source: Box<PackageSource>,
    /// Paths that are left out; the last rule that matches a path counts.
    pub(crate) rules: Vec<PathRule>,
    /// The number of threads, at least one. The tree does not depend on it.
    pub(crate) jobs: usize,
}

/// Staging under way. Dropping it waits for the threads and removes what they have written.
pub(crate) struct Staging<'a> {
    root: &'a Rootfs,
    queue: Arc<StagingQueue>,
    shared: Arc<Shared>,
    pool: rayon::ThreadPool,
}

/// Has packages staged before it is certain that they are needed.
#[derive(Clone)]
pub(crate) struct Prefetcher(Arc<StagingQueue>);

/// The packages of the plan, staged or about to be.
pub(crate) struct StagedPackages {
    queue: Arc<StagingQueue>,
    shared: Arc<Shared>,
    files: HashMap<PackageKey, Arc<PackageFile>>,
    /// Packages that were waited for, until they are handed over.
    waiting: RefCell<HashMap<PackageKey, Staged>>,
    /// The newest build date of the packages staged so far, in seconds since the epoch.
    newest: Cell<i64>,
}

/// A package, and which file of it: two sources may have different ones of the same version.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FileKey {
    package: PackageKey,
    digest: Digest,
}

type StagingQueue = Queue<FileKey, Arc<PackageFile>, Staged, Arc<Error>>;
type StagingWorker = Worker<FileKey, Arc<PackageFile>, Staged, Arc<Error>>;

/// What the threads share besides the queue.
struct Shared {
    directory: StagingDirectory,
    source: Box<PackageSource>,
    rules: Vec<PathRule>,
    report: Report,
    /// Whether unpacking and its scripts come first.
    gives_way: AtomicBool,
}

impl Prefetcher {
    /// Has a package staged. It is removed if the plan does not need it.
    pub(crate) fn stage(&self, file: PackageFile) {
        self.0.prefetch(FileKey::of(&file), Arc::new(file));
    }
}

impl FileKey {
    fn of(file: &PackageFile) -> FileKey {
        FileKey {
            package: file.key.clone(),
            digest: file.deb.digest.clone(),
        }
    }
}

impl<'a> Staging<'a> {
    /// Makes the staging directory and starts the threads.
    pub(crate) fn start(
        root: &'a Rootfs,
        options: Options,
        report: Report,
    ) -> Result<Staging<'a>, Error> {
        let pool = thread_pool(options.jobs)?;
        let shared = Arc::new(Shared {
            directory: StagingDirectory::create(root)?,
            source: options.source,
            rules: options.rules,
            report,
            gives_way: AtomicBool::new(false),
        });
        let queue = Arc::new(StagingQueue::new());
        for _ in 0..pool.current_num_threads() {
            let worker = queue.worker();
            let shared = Arc::clone(&shared);
            pool.spawn(move || shared.stage_packages(&worker));
        }
        Ok(Staging {
            root,
            queue,
            shared,
            pool,
        })
    }

    pub(crate) fn prefetcher(&self) -> Prefetcher {
        Prefetcher(Arc::clone(&self.queue))
    }

    /// Has these packages staged in their order, and from now on no others.
    pub(crate) fn plan(&self, files: Vec<PackageFile>) -> StagedPackages {
        let mut by_package = HashMap::new();
        let mut items = Vec::new();
        for file in files {
            let file = Arc::new(file);
            by_package.insert(file.key.clone(), Arc::clone(&file));
            items.push(Item {
                key: FileKey::of(&file),
                job: file,
            });
        }
        self.queue.want(items);
        StagedPackages {
            queue: Arc::clone(&self.queue),
            shared: Arc::clone(&self.shared),
            files: by_package,
            waiting: RefCell::new(HashMap::new()),
            newest: Cell::new(0),
        }
    }

    /// Drops the prefetches that no thread has begun. A plan can still have those packages staged.
    pub(crate) fn drop_prefetches(&self) {
        self.queue.want(Vec::new());
    }

    pub(crate) fn directory(&self) -> &StagingDirectory {
        &self.shared.directory
    }

    /// Stops staging and removes its directory.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.stop();
        Ok(self.root.remove_tree(&RootPath::known(STAGING))?)
    }

    fn stop(&self) {
        self.queue.cancel();
        // A thread gets to this when it has left the queue.
        self.pool.broadcast(|_| ());
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        self.stop();
        // After an error, which is what is reported: the tree is given up.
        let _: Result<(), rootfs::Error> = self.root.remove_tree(&RootPath::known(STAGING));
    }
}

impl StagedPackages {
    /// Waits until a package is staged, and hands it over, once. The first failure of any package
    /// fails every call.
    pub(crate) fn take(&self, key: &PackageKey) -> Result<Staged, Error> {
        if let Some(staged) = self.waiting.borrow_mut().remove(key) {
            return Ok(staged);
        }
        let file = self.files.get(key).ok_or(Error::Stopped)?;
        let taken = self.queue.take(&FileKey::of(file));
        let staged = taken.map_err(|error| match error {
            TakeError::Failed(error) => Error::InThread(error),
            TakeError::Cancelled | TakeError::NotRequested => Error::Stopped,
        })?;
        self.newest.set(self.newest.get().max(staged.built));
        Ok(staged)
    }

    /// The newest build date of the packages that were taken or waited for, in seconds since the
    /// epoch; 0 if none has a date.
    pub(crate) fn newest(&self) -> i64 {
        self.newest.get()
    }

    /// Waits until all of these packages are staged, so that [`StagedPackages::newest`] counts
    /// them.
    pub(crate) fn wait_for(&self, packages: &[PackageKey]) -> Result<(), Error> {
        for key in packages {
            let staged = self.take(key)?;
            self.waiting.borrow_mut().insert(key.clone(), staged);
        }
        Ok(())
    }

    /// The entries with content of a package that was waited for.
    pub(crate) fn files_of(&self, key: &PackageKey) -> Option<HashSet<u32>> {
        let waiting = self.waiting.borrow();
        let staged = waiting.get(key)?;
        let files = staged.nodes.iter().filter(|node| node.is_staged());
        Some(files.map(|node| node.number).collect())
    }

    /// Lowers the priority of the threads: unpacking and its scripts come first from now on.
    pub(crate) fn give_way(&self) {
        self.shared.gives_way.store(true, Ordering::Relaxed);
    }

    pub(crate) fn directory(&self) -> &StagingDirectory {
        &self.shared.directory
    }

    /// Stages some files of a package again, since the first copies were placed or left out.
    pub(crate) fn stage_again(&self, staged: &Staged, numbers: &[u32]) -> Result<(), Error> {
        let deb = (self.shared.source)(&staged.file)?;
        self.shared.decoder().decode_again(&deb, staged, numbers)
    }
}

impl Shared {
    /// One thread's work: stages packages until the queue stops.
    fn stage_packages(&self, worker: &StagingWorker) {
        let mut has_given_way = false;
        while let Some(task) = worker.next() {
            if !has_given_way && self.gives_way.load(Ordering::Relaxed) {
                lower_priority();
                has_given_way = true;
            }
            let staged = self.stage(task.job());
            task.finish(staged.map_err(Arc::new));
        }
    }

    fn stage(&self, file: &Arc<PackageFile>) -> Result<Staged, Error> {
        let from = Instant::now();
        let deb = (self.source)(file);
        let staged = deb.and_then(|deb| self.decoder().decode(deb, file));
        self.report.send(Event::Span {
            stage: Stage::Decode,
            item: file.key.name().to_owned(),
            from,
            to: Instant::now(),
        });
        staged
    }

    fn decoder(&self) -> Decoder<'_> {
        Decoder {
            directory: &self.directory,
            rules: &self.rules,
        }
    }
}

fn thread_pool(jobs: usize) -> Result<rayon::ThreadPool, Error> {
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.max(1))
        .thread_name(|number| format!("stage-{number}"))
        // The panic itself has been reported; the queue, whose task it drops, stops.
        .panic_handler(drop);
    builder.build().map_err(|source| Error::Threads { source })
}

/// Lowers this thread's priority below that of the main thread, as which scripts run: on Linux a
/// nice value is a thread's own.
fn lower_priority() {
    let main = rustix::process::getpid();
    // Where that is refused, scripts wait a little longer.
    if let Ok(nice) = rustix::process::getpriority_process(Some(main)) {
        let _ = rustix::process::setpriority_process(None, (nice + NICER).min(19));
    }
}
