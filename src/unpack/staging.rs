//! The threads that stage packages ahead of whoever commits them.
//!
//! They begin with the packages in a given order. What is staged lies on disk, so they may run ahead as far as they like; what they
//! hold in memory is one package's buffers each and the lists of entries.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::fs::Mode;

use crate::deb::Deb;
use crate::report::{Event, Report, Stage};
use crate::rootfs::{self, RootPath, Rootfs};

use super::filter::PathRule;
use super::stage::{Place, Staged, Wanted, stage, stage_again};
use super::{Error, STAGING};

/// Brings a package's .deb, waiting for it where need be.
pub(super) type Source = dyn Fn(usize) -> Result<Deb, Error> + Send + Sync;

/// What the threads share.
struct Shared {
    place: Place,
    source: Box<Source>,
    names: Vec<String>,
    sequence: Vec<usize>,
    rules: Vec<PathRule>,
    report: Report,
    /// The next of the sequence that no thread has begun with.
    next: AtomicUsize,
    stop: AtomicBool,
    slots: Mutex<Slots>,
    /// A slot was filled, or a thread has ended.
    changed: Condvar,
}

struct Slots {
    packages: Vec<Option<Result<Staged, Error>>>,
    /// Threads that can still fill a slot.
    alive: usize,
}

/// Staging under way. Dropping it stops the threads, waits for them and removes what they have made.
pub(super) struct Staging<'a> {
    root: &'a Rootfs,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What is to be staged.
pub(super) struct Order {
    /// The packages' names.
    pub(super) names: Vec<String>,
    /// Their numbers in the order in which they are begun.
    pub(super) sequence: Vec<usize>,
    pub(super) source: Box<Source>,
    pub(super) rules: Vec<PathRule>,
    /// The most threads.
    pub(super) jobs: usize,
}

impl Staging<'_> {
    /// Makes the staging place and starts the threads.
    pub(super) fn start(root: &Rootfs, order: Order, report: Report) -> Result<Staging<'_>, rootfs::Error> {
        let Order { names, sequence, source, rules, jobs } = order;
        let place = Place::create(root)?;
        let packages = names.len();
        let jobs = jobs.clamp(1, packages.max(1));
        let slots = Slots { packages: (0..packages).map(|_| None).collect(), alive: 0 };
        let (next, stop, slots, changed) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(slots), Condvar::new());
        let shared = Arc::new(Shared { place, source, names, sequence, rules, report, next, stop, slots, changed });
        let mut threads = Vec::new();
        for number in 0..jobs {
            let worker = Worker(Arc::clone(&shared));
            shared.lock().alive += 1;
            // A thread that cannot be started drops its worker, which counts it out again.
            threads.extend(thread::Builder::new().name(format!("stage-{number}")).spawn(move || worker.run()));
        }
        Ok(Staging { root, shared, threads })
    }

    pub(super) fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Waits until a package is staged, and hands it over. Each can be had once.
    pub(super) fn take(&self, number: usize) -> Result<Staged, Error> {
        let mut slots = self.shared.lock();
        loop {
            if let Some(staged) = slots.packages.get_mut(number).and_then(Option::take) {
                return staged;
            }
            if slots.alive == 0 {
                // What stopped the threads is the answer, whichever package it befell.
                let failure = slots.packages.iter_mut().find(|slot| matches!(slot, Some(Err(_)))).and_then(Option::take);
                return failure.unwrap_or(Err(Error::Stopped));
            }
            slots = self.shared.changed.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stages some files of a package once more.
    pub(super) fn again(&self, staged: &Staged, numbers: &[u32]) -> Result<(), Error> {
        stage_again(&self.shared.place, &(self.shared.source)(staged.number)?, staged, numbers)
    }
}

impl Staging<'_> {
    /// Stops the threads and removes the staging place.
    pub(super) fn finish(mut self) -> Result<(), rootfs::Error> {
        self.join();
        self.root.remove_tree(&RootPath::known(STAGING))
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What a thread panicked with has been reported by the panic itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        self.join();
        // An error is under way already, and the tree is given up.
        let _ = self.root.remove_tree(&RootPath::known(STAGING));
    }
}

impl Shared {
    /// No step between lock and unlock can fail half-way, so a poisoned state is a sound one.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's work. Its end is counted even when it panics, so that nobody waits for ever.
struct Worker(Arc<Shared>);

impl Worker {
    fn run(self) {
        let modes_are_kept = own_umask();
        while !self.0.stop.load(Ordering::Relaxed) {
            let Some(&number) = self.0.sequence.get(self.0.next.fetch_add(1, Ordering::Relaxed)) else { return };
            let name = &self.0.names[number];
            let from = Instant::now();
            let wanted = Wanted { number, name, rules: &self.0.rules, modes_are_kept };
            let staged = (self.0.source)(number).and_then(|deb| stage(&self.0.place, deb, wanted));
            self.0.report.send(Event::Span { stage: Stage::Decode, item: name.clone(), from, to: Instant::now() });
            let failed = staged.is_err();
            self.0.lock().packages[number] = Some(staged);
            self.0.changed.notify_all();
            if failed {
                // Whoever commits will come to this one, or to one that nobody stages any more.
                self.0.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.lock().alive -= 1;
        self.0.changed.notify_all();
    }
}

/// Gives this thread a umask of its own, 0, so that files are created with their very modes: one system call less for each.
/// False where that is not permitted.
fn own_umask() -> bool {
    if nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).is_err() {
        return false;
    }
    rustix::process::umask(Mode::empty());
    true
}
