//! A queue of keyed items that worker threads process and consumers take.
//!
//! Items enter in three ways: [`Queue::prefetch`] adds an item that is probably needed,
//! [`Queue::want`] adds the planned items in their order and drops prefetches that are not among
//! them, [`Queue::take_now`] adds one that a consumer waits for. A failed prefetch matters only if
//! the item is wanted later. The first failure of any other item stops the queue, and every later
//! `take` returns it. What processing an item means is left to the workers.

mod workers;

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use self::workers::{Task, Worker, Workers};

/// Items by key `K`. A worker turns a job `J` into a result `T` or an error `E`.
pub(crate) struct Queue<K, J, T, E> {
    state: Mutex<QueueState<K, J, T, E>>,
    /// An item was added or finished, the queue has stopped, or a worker has ended.
    changed: Condvar,
}

/// An item to process.
#[derive(Clone, Debug)]
pub(crate) struct Item<K, J> {
    pub(crate) key: K,
    pub(crate) job: J,
}

/// Who requested an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A prefetch: it may turn out not to be needed.
    Speculative,
    /// The plan.
    Planned,
    /// A consumer that waits for it.
    Immediate,
}

/// What [`Queue::want`] has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The positions of the items that this call has scheduled.
    pub(crate) added: Vec<usize>,
    /// Whether nothing is left to process.
    pub(crate) is_complete: bool,
}

/// Why an item cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TakeError<E> {
    /// The item failed, or the first failure of another item stopped the queue.
    Failed(E),
    /// The queue was cancelled, a worker dropped a task, or no worker is left.
    Cancelled,
    /// The item was never requested, or it was taken before.
    NotRequested,
}

struct QueueState<K, J, T, E> {
    items: HashMap<K, Tracked<J, T, E>>,
    /// The items that no worker has begun, in the order in which they will be.
    waiting: VecDeque<K>,
    /// How many items wait or are under way.
    outstanding: usize,
    /// Whether `want` was called.
    has_plan: bool,
    /// How many workers can still finish an item.
    workers: usize,
    /// Why the queue has stopped, if it has.
    stopped: Option<TakeError<E>>,
}

struct Tracked<J, T, E> {
    job: Arc<J>,
    purpose: Purpose,
    /// Whether a consumer has waited for it, so that it is not dropped.
    is_awaited: bool,
    progress: ItemState<T, E>,
}

enum ItemState<T, E> {
    Waiting,
    UnderWay,
    Done(T),
    /// A failed prefetch.
    Failed(E),
    Taken,
}

impl<K: Clone + Eq + Hash, J, T, E: Clone> Queue<K, J, T, E> {
    pub(crate) fn new() -> Queue<K, J, T, E> {
        Queue {
            state: Mutex::new(QueueState::new()),
            changed: Condvar::new(),
        }
    }

    /// Adds an item that is probably needed, unless it is known.
    pub(crate) fn prefetch(&self, key: K, job: J) {
        let mut state = self.lock();
        if !state.items.contains_key(&key) {
            state.add(key.clone(), job, Purpose::Speculative);
            state.waiting.push_back(key);
            self.notify(state);
        }
    }

    /// Adds the planned items, in this order, after those of earlier calls. Prefetches that no
    /// worker has begun are dropped unless they are among them; prefetches that failed are tried
    /// again.
    pub(crate) fn want(&self, items: Vec<Item<K, J>>) -> Admission {
        let mut state = self.lock();
        state.has_plan = true;
        state.dequeue_prefetches();
        let mut added = Vec::new();
        for (at, Item { key, job }) in items.into_iter().enumerate() {
            if state.plan(&key, job) {
                added.push(at);
            }
        }
        state.forget_prefetches();
        let is_complete = state.outstanding == 0;
        self.notify(state);
        Admission { added, is_complete }
    }

    /// Waits until a requested item is done and takes it. Each can be taken once.
    pub(crate) fn take(&self, key: &K) -> Result<T, TakeError<E>> {
        let mut state = self.lock();
        loop {
            match state.outcome(key) {
                Some(outcome) => return outcome,
                None => state = self.wait(state),
            }
        }
    }

    /// Requests an item ahead of all others, waits until it is done and takes it. An item that was
    /// taken before is processed again. A prefetch stays one, so its failure does not stop the
    /// queue.
    pub(crate) fn take_now(&self, key: &K, job: J) -> Result<T, TakeError<E>> {
        self.request_and_wait(key, job, QueueState::outcome)
    }

    /// As [`Queue::take_now`], but gives a copy: the item can still be taken.
    pub(crate) fn copy_now(&self, key: &K, job: J) -> Result<T, TakeError<E>>
    where
        T: Clone,
    {
        self.request_and_wait(key, job, QueueState::copied_outcome)
    }

    fn request_and_wait(
        &self,
        key: &K,
        job: J,
        outcome: impl Fn(&mut QueueState<K, J, T, E>, &K) -> Option<Result<T, TakeError<E>>>,
    ) -> Result<T, TakeError<E>> {
        let job = Arc::new(job);
        let mut state = self.lock();
        loop {
            if state.stopped.is_none() && state.request(key, &job) {
                self.changed.notify_all();
            }
            match outcome(&mut state, key) {
                Some(outcome) => return outcome,
                None => state = self.wait(state),
            }
        }
    }

    /// The item that a worker would get next.
    #[cfg(test)]
    pub(crate) fn first(&self) -> Option<K> {
        self.lock().waiting.front().cloned()
    }

    /// Stops the queue: no worker gets another item, and every `take` fails.
    pub(crate) fn cancel(&self) {
        let mut state = self.lock();
        state.stopped.get_or_insert(TakeError::Cancelled);
        self.notify(state);
    }

    /// A handle for a worker. While no worker has one, `take` fails rather than waits.
    pub(crate) fn worker(self: &Arc<Self>) -> Worker<K, J, T, E> {
        self.lock().workers += 1;
        Worker::new(Arc::clone(self))
    }

    /// No step between lock and unlock panics half-way, so a poisoned state is consistent.
    fn lock(&self) -> MutexGuard<'_, QueueState<K, J, T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, QueueState<K, J, T, E>>,
    ) -> MutexGuard<'a, QueueState<K, J, T, E>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks the state and wakes everyone that waits for a change of it.
    fn notify(&self, state: MutexGuard<'_, QueueState<K, J, T, E>>) {
        drop(state);
        self.changed.notify_all();
    }
}

impl<K: Clone + Eq + Hash, J, T, E: Clone> QueueState<K, J, T, E> {
    fn new() -> QueueState<K, J, T, E> {
        QueueState {
            items: HashMap::new(),
            waiting: VecDeque::new(),
            outstanding: 0,
            has_plan: false,
            workers: 0,
            stopped: None,
        }
    }

    /// Tracks an item. The caller puts it into `waiting`.
    fn add(&mut self, key: K, job: impl Into<Arc<J>>, purpose: Purpose) {
        self.outstanding += 1;
        let tracked = Tracked {
            job: job.into(),
            purpose,
            is_awaited: purpose == Purpose::Immediate,
            progress: ItemState::Waiting,
        };
        self.items.insert(key, tracked);
    }

    fn dequeue_prefetches(&mut self) {
        let items = &self.items;
        self.waiting
            .retain(|key| items.get(key).is_some_and(Tracked::is_needed));
    }

    /// Drops the prefetches that `dequeue_prefetches` has taken off the queue and that are still
    /// not wanted.
    fn forget_prefetches(&mut self) {
        let before = self.items.len();
        self.items
            .retain(|_, tracked| tracked.is_needed() || !tracked.is_waiting());
        self.outstanding -= before - self.items.len();
    }

    /// Makes an item a planned one; true when this schedules it.
    fn plan(&mut self, key: &K, job: J) -> bool {
        let Some(tracked) = self.items.get_mut(key) else {
            self.add(key.clone(), job, Purpose::Planned);
            self.waiting.push_back(key.clone());
            return true;
        };
        if tracked.purpose != Purpose::Speculative {
            return false;
        }
        tracked.purpose = Purpose::Planned;
        match tracked.progress {
            // It is in the queue still, at the front.
            ItemState::Waiting if tracked.is_awaited => return true,
            ItemState::Waiting => {}
            ItemState::Failed(_) => {
                tracked.progress = ItemState::Waiting;
                self.outstanding += 1;
            }
            ItemState::UnderWay | ItemState::Done(_) | ItemState::Taken => return false,
        }
        self.waiting.push_back(key.clone());
        true
    }

    /// Puts an item at the front of the queue, unless a worker has begun it; true when it was not
    /// in the queue.
    fn request(&mut self, key: &K, job: &Arc<J>) -> bool {
        let is_new = match self.items.get_mut(key) {
            None => true,
            Some(tracked) => {
                tracked.is_awaited = true;
                match tracked.progress {
                    ItemState::Taken => true,
                    ItemState::Waiting => false,
                    ItemState::UnderWay | ItemState::Done(_) | ItemState::Failed(_) => {
                        return false;
                    }
                }
            }
        };
        if is_new {
            self.add(key.clone(), Arc::clone(job), Purpose::Immediate);
        } else if let Some(at) = self.waiting.iter().position(|other| other == key) {
            self.waiting.remove(at);
        }
        self.waiting.push_front(key.clone());
        is_new
    }

    /// What a consumer of the item gets; none while it has to wait.
    fn outcome(&mut self, key: &K) -> Option<Result<T, TakeError<E>>> {
        if let Some(stopped) = &self.stopped {
            return Some(Err(stopped.clone()));
        }
        let Some(tracked) = self.items.get_mut(key) else {
            return Some(Err(TakeError::NotRequested));
        };
        match &tracked.progress {
            ItemState::Done(_) => {}
            ItemState::Failed(error) => return Some(Err(TakeError::Failed(error.clone()))),
            ItemState::Taken => return Some(Err(TakeError::NotRequested)),
            ItemState::Waiting | ItemState::UnderWay if self.workers == 0 => {
                return Some(Err(TakeError::Cancelled));
            }
            ItemState::Waiting | ItemState::UnderWay => return None,
        }
        match mem::replace(&mut tracked.progress, ItemState::Taken) {
            ItemState::Done(result) => Some(Ok(result)),
            _ => None,
        }
    }

    /// As `outcome`, but the item stays.
    fn copied_outcome(&mut self, key: &K) -> Option<Result<T, TakeError<E>>>
    where
        T: Clone,
    {
        let outcome = self.outcome(key)?;
        if let (Ok(result), Some(tracked)) = (&outcome, self.items.get_mut(key)) {
            tracked.progress = ItemState::Done(result.clone());
        }
        Some(outcome)
    }

    /// The next item to process, which is under way from now on.
    fn begin(&mut self) -> Option<(K, Arc<J>, Purpose)> {
        let key = self.waiting.pop_front()?;
        let tracked = self.items.get_mut(&key)?;
        tracked.progress = ItemState::UnderWay;
        Some((key, Arc::clone(&tracked.job), tracked.purpose))
    }

    /// Keeps the result of an item that was begun for `purpose`; true when the plan is known and
    /// nothing is left to process.
    fn finish(&mut self, key: &K, purpose: Purpose, result: Result<T, E>) -> bool {
        let Some(tracked) = self.items.get_mut(key) else {
            return false;
        };
        match result {
            Ok(result) => tracked.progress = ItemState::Done(result),
            Err(error) if tracked.purpose == Purpose::Speculative => {
                tracked.progress = ItemState::Failed(error);
            }
            // It was wanted while it was under way, so that the failed attempt was a prefetch.
            Err(_) if purpose == Purpose::Speculative => {
                tracked.progress = ItemState::Waiting;
                self.waiting.push_front(key.clone());
                return false;
            }
            Err(error) => {
                self.stopped.get_or_insert(TakeError::Failed(error));
                return false;
            }
        }
        self.outstanding -= 1;
        self.has_plan && self.outstanding == 0
    }
}

impl<J, T, E> Tracked<J, T, E> {
    fn is_needed(&self) -> bool {
        self.purpose != Purpose::Speculative || self.is_awaited
    }

    fn is_waiting(&self) -> bool {
        matches!(self.progress, ItemState::Waiting)
    }
}

#[cfg(test)]
mod tests;
