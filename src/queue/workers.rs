//! The workers' side of a queue: a handle that yields tasks, and threads that each have one.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::{Purpose, Queue, TakeError};

/// A worker's access to the queue. When the last one is dropped, consumers no longer wait.
pub(crate) struct Worker<K: Clone + Eq + Hash, J, T, E: Clone> {
    queue: Arc<Queue<K, J, T, E>>,
}

/// An item that a worker has begun. Dropping it unfinished, as a panic does, cancels the queue.
#[must_use = "dropping a task cancels the queue"]
pub(crate) struct Task<'a, K: Clone + Eq + Hash, J, T, E: Clone> {
    queue: &'a Queue<K, J, T, E>,
    pub(super) key: K,
    job: Arc<J>,
    purpose: Purpose,
    is_finished: bool,
}

/// Threads that process a queue's items. Dropping them cancels the queue and waits for them to end.
pub(crate) struct Workers {
    cancel: Box<dyn Fn() + Send + Sync>,
    threads: Vec<JoinHandle<()>>,
}

impl<K: Clone + Eq + Hash, J, T, E: Clone> Worker<K, J, T, E> {
    pub(super) fn new(queue: Arc<Queue<K, J, T, E>>) -> Worker<K, J, T, E> {
        Worker { queue }
    }

    /// Waits for the next item; none when the queue has stopped.
    pub(crate) fn next(&self) -> Option<Task<'_, K, J, T, E>> {
        let mut state = self.queue.lock();
        loop {
            if state.stopped.is_some() {
                return None;
            }
            match state.begin() {
                Some((key, job, purpose)) => return Some(self.task(key, job, purpose)),
                None => state = self.queue.wait(state),
            }
        }
    }

    /// As [`Worker::next`], but does not wait.
    #[cfg(test)]
    pub(super) fn next_now(&self) -> Option<Task<'_, K, J, T, E>> {
        let mut state = self.queue.lock();
        if state.stopped.is_some() {
            return None;
        }
        let (key, job, purpose) = state.begin()?;
        Some(self.task(key, job, purpose))
    }

    fn task(&self, key: K, job: Arc<J>, purpose: Purpose) -> Task<'_, K, J, T, E> {
        Task {
            queue: &self.queue,
            key,
            job,
            purpose,
            is_finished: false,
        }
    }
}

impl<K: Clone + Eq + Hash, J, T, E: Clone> Drop for Worker<K, J, T, E> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.workers -= 1;
        self.queue.notify(state);
    }
}

impl<K: Clone + Eq + Hash, J, T, E: Clone> Task<'_, K, J, T, E> {
    pub(crate) fn job(&self) -> &J {
        &self.job
    }

    /// Why it is processed, as of when it was begun.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Hands the result over. True when the plan is known and nothing is left to process.
    pub(crate) fn finish(mut self, result: Result<T, E>) -> bool {
        self.is_finished = true;
        let mut state = self.queue.lock();
        let is_complete = state.finish(&self.key, self.purpose, result);
        self.queue.notify(state);
        is_complete
    }
}

impl<K: Clone + Eq + Hash, J, T, E: Clone> Drop for Task<'_, K, J, T, E> {
    fn drop(&mut self) {
        if !self.is_finished {
            let mut state = self.queue.lock();
            state.stopped.get_or_insert(TakeError::Cancelled);
            self.queue.notify(state);
        }
    }
}

impl Workers {
    /// Starts `count` threads, at least one, called `name-0` and so on. Each runs `work`, which
    /// processes items until the queue has stopped. A thread that cannot be started is done
    /// without.
    pub(crate) fn start<K, J, T, E>(
        queue: &Arc<Queue<K, J, T, E>>,
        count: usize,
        name: &str,
        work: impl Fn(Worker<K, J, T, E>) + Send + Sync + 'static,
    ) -> Workers
    where
        K: Clone + Eq + Hash + Send + 'static,
        J: Send + Sync + 'static,
        T: Send + 'static,
        E: Clone + Send + 'static,
    {
        let work = Arc::new(work);
        let mut threads = Vec::new();
        for number in 0..count.max(1) {
            let worker = queue.worker();
            let work = Arc::clone(&work);
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            threads.extend(thread.spawn(move || work(worker)));
        }
        let queue = Arc::clone(queue);
        Workers {
            cancel: Box::new(move || queue.cancel()),
            threads,
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        (self.cancel)();
        for thread in self.threads.drain(..) {
            // A panic has printed its message already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("threads", &self.threads.len())
            .finish()
    }
}

impl<K, J, T, E> fmt::Debug for Queue<K, J, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}
