//! The threads that stage packages ahead of whoever commits them.
//!
//! They begin before the plan is made, with packages that are foreseen; the plan then says what is needed, and in which order. What is
//! staged lies on disk, so they may run ahead as far as they like; what they hold in memory is one package's buffers each and the lists of
//! entries.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::fs::Mode;

use crate::formats::deb::Deb;
use crate::formats::digest::Digest;
use crate::report::{Event, Report, Stage};
use crate::store;
use crate::tree::rootfs::{self, RootPath, Rootfs};

use super::filter::PathRule;
use super::stage::{Place, Staged, Wanted, stage, stage_again};
use super::{Error, STAGING};

/// The nice value of threads that give way: a tenth of a script's share.
const NICE: i32 = 10;

/// A package to be staged.
#[derive(Clone, Debug)]
pub(crate) struct Supply {
    /// Its name.
    pub(crate) package: String,
    /// Its .deb, whose name is that of the package with its version and architecture.
    pub(crate) deb: store::RemoteFile,
}

/// Brings a package's .deb, waiting for it where need be.
pub(super) type Source = dyn Fn(&Supply) -> Result<Deb, Error> + Send + Sync;

/// What the threads share.
struct Shared {
    place: Place,
    source: Box<Source>,
    rules: Vec<PathRule>,
    report: Report,
    /// Whoever commits, and its scripts, have the right of way.
    gives_way: AtomicBool,
    queue: Mutex<Queue>,
    /// Something was asked for or staged, or a thread has ended.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// All that was ever asked for; a package's number is its place here.
    slots: Vec<Slot>,
    numbers: HashMap<Digest, usize>,
    /// What no thread has begun with, in the order in which it is to be staged.
    waiting: VecDeque<usize>,
    /// Threads that can still fill a slot.
    alive: usize,
    stop: bool,
}

struct Slot {
    supply: Arc<Supply>,
    /// Whether it is certain that it is needed. A guess that fails is no failure.
    planned: bool,
    state: State,
}

enum State {
    /// In the queue, or a guess that failed.
    Waiting,
    UnderWay,
    Done(Box<Result<Staged, Error>>),
    Taken,
}

/// Staging under way. Dropping it stops the threads, waits for them and removes what they have made.
pub(super) struct Staging<'a> {
    root: &'a Rootfs,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How packages are staged.
pub(super) struct Manner {
    pub(super) source: Box<Source>,
    pub(super) rules: Vec<PathRule>,
    /// The number of threads, at least one.
    pub(super) jobs: usize,
}

/// A way to have packages staged before it is certain that they are needed.
#[derive(Clone)]
pub(crate) struct Ahead(Arc<Shared>);

impl Ahead {
    /// Has a package staged. It goes again if it turns out not to be needed.
    pub(crate) fn stage(&self, supply: Supply) {
        self.0.lock().enqueue(supply);
        self.0.changed.notify_all();
    }
}

impl Staging<'_> {
    /// Makes the staging place and starts the threads.
    pub(super) fn start(
        root: &Rootfs,
        manner: Manner,
        report: Report,
    ) -> Result<Staging<'_>, rootfs::Error> {
        let Manner {
            source,
            rules,
            jobs,
        } = manner;
        let place = Place::create(root)?;
        let (gives_way, queue, changed) =
            (AtomicBool::new(false), Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared {
            place,
            source,
            rules,
            report,
            gives_way,
            queue,
            changed,
        });
        let mut threads = Vec::new();
        for number in 0..jobs.max(1) {
            let worker = Worker(Arc::clone(&shared));
            shared.lock().alive += 1;
            // A thread that cannot be started drops its worker, which counts it out again.
            threads.extend(
                thread::Builder::new()
                    .name(format!("stage-{number}"))
                    .spawn(move || worker.run()),
            );
        }
        Ok(Staging {
            root,
            shared,
            threads,
        })
    }

    pub(super) fn ahead(&self) -> Ahead {
        Ahead(Arc::clone(&self.shared))
    }

    /// Has these packages staged, in the order of `sequence`, and nothing else any more. Returns their numbers.
    pub(super) fn plan(&self, supplies: Vec<Supply>, sequence: &[usize]) -> Vec<usize> {
        let mut queue = self.shared.lock();
        let numbers: Vec<usize> = supplies
            .into_iter()
            .map(|supply| queue.enqueue(supply))
            .collect();
        numbers
            .iter()
            .for_each(|&number| queue.slots[number].planned = true);
        let waits = |number: &usize| matches!(queue.slots[*number].state, State::Waiting);
        queue.waiting = sequence
            .iter()
            .map(|&at| numbers[at])
            .filter(waits)
            .collect();
        drop(queue);
        self.shared.changed.notify_all();
        numbers
    }

    /// From here on somebody works with what is staged, and a processor that they could use is theirs.
    pub(super) fn give_way(&self) {
        self.shared.gives_way.store(true, Ordering::Relaxed);
    }

    pub(super) fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Waits until a planned package is staged, and hands it over. Each can be had once.
    pub(super) fn take(&self, number: usize) -> Result<Staged, Error> {
        let mut queue = self.shared.lock();
        loop {
            if let Some(slot) = queue.slots.get_mut(number)
                && matches!(slot.state, State::Done(_))
                && let State::Done(staged) = mem::replace(&mut slot.state, State::Taken)
            {
                return *staged;
            }
            if queue.alive == 0 {
                return Err(queue.failure().unwrap_or(Error::Stopped));
            }
            queue = self
                .shared
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stages some files of a package once more.
    pub(super) fn again(&self, staged: &Staged, numbers: &[u32]) -> Result<(), Error> {
        let supply = Arc::clone(&self.shared.lock().slots[staged.slot].supply);
        stage_again(
            &self.shared.place,
            &(self.shared.source)(&supply)?,
            staged,
            numbers,
        )
    }

    /// Stops the threads and removes the staging place.
    pub(super) fn finish(mut self) -> Result<(), rootfs::Error> {
        self.join();
        self.root.remove_tree(&RootPath::known(STAGING))
    }

    fn join(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
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
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next package to stage, and whether it is needed for certain; none when it is time to end.
    fn next(&self) -> Option<(usize, Arc<Supply>, bool)> {
        let mut queue = self.lock();
        loop {
            if queue.stop {
                return None;
            }
            if let Some(number) = queue.waiting.pop_front() {
                let slot = &mut queue.slots[number];
                slot.state = State::UnderWay;
                return Some((number, Arc::clone(&slot.supply), slot.planned));
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    /// The number of a package, which waits from now on unless it was asked for before.
    fn enqueue(&mut self, supply: Supply) -> usize {
        let next = self.slots.len();
        let number = *self
            .numbers
            .entry(supply.deb.digest.clone())
            .or_insert(next);
        if number == next {
            self.slots.push(Slot {
                supply: Arc::new(supply),
                planned: false,
                state: State::Waiting,
            });
            self.waiting.push_back(number);
        }
        number
    }

    /// Keeps what came of a package. `planned`: whether it was needed for certain when it was begun.
    fn done(&mut self, number: usize, staged: Result<Staged, Error>, planned: bool) {
        let slot = &mut self.slots[number];
        if staged.is_ok() || planned {
            // Whoever commits will come to a failed one, or to one that nobody stages any more.
            self.stop |= staged.is_err();
            slot.state = State::Done(Box::new(staged));
            return;
        }
        slot.state = State::Waiting;
        if slot.planned {
            self.waiting.push_front(number);
        }
    }

    /// What stopped the threads is the answer, whichever package it befell.
    fn failure(&mut self) -> Option<Error> {
        let failed = self
            .slots
            .iter_mut()
            .find(|slot| matches!(&slot.state, State::Done(staged) if staged.is_err()))?;
        match mem::replace(&mut failed.state, State::Taken) {
            State::Done(staged) => staged.err(),
            _ => None,
        }
    }
}

/// One thread's work. Its end is counted even when it panics, so that nobody waits for ever.
struct Worker(Arc<Shared>);

impl Worker {
    fn run(self) {
        let modes_are_kept = own_umask();
        let mut gives_way = false;
        while let Some((number, supply, planned)) = self.0.next() {
            if !gives_way && self.0.gives_way.load(Ordering::Relaxed) {
                give_way();
                gives_way = true;
            }
            let from = Instant::now();
            let wanted = Wanted {
                slot: number,
                name: &supply.package,
                rules: &self.0.rules,
                modes_are_kept,
            };
            let staged = (self.0.source)(&supply).and_then(|deb| stage(&self.0.place, deb, wanted));
            self.0.report.send(Event::Span {
                stage: Stage::Decode,
                item: supply.package.clone(),
                from,
                to: Instant::now(),
            });
            self.0.lock().done(number, staged, planned);
            self.0.changed.notify_all();
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

/// Lowers this thread's priority: on Linux a nice value is a thread's own.
fn give_way() {
    // Where that is refused, scripts wait a little longer.
    let _ = rustix::process::setpriority_process(None, NICE);
}
