//! A request to stop, raised by a signal or by a failure that no stage notices.
//!
//! A stage that blocks registers a callback that wakes it; a stage that loops polls `cause`.
//! Cleaning up is left to `Drop`, as after any other failure.

pub(crate) mod child;
mod process_tree;
pub(crate) mod stream;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a run should stop, and why. Clones share the state.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Mutex<InterruptState>>);

/// Why a run should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopCause {
    Signal(u8),
    /// The process that records owners has ended (see [`ownership`](crate::ownership)).
    SupervisorEnded,
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopCause::Signal(_) => "interrupted",
            StopCause::SupervisorEnded => {
                "the process that records the owners of files ended before the run"
            }
        })
    }
}

type Callback = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct InterruptState {
    cause: Option<StopCause>,
    callbacks: BTreeMap<u64, Callback>,
    next: u64,
}

/// Keeps a callback registered; dropping it removes the callback.
#[must_use = "the callback is removed when this is dropped"]
pub(crate) struct Registration {
    interrupt: Interrupt,
    number: u64,
}

impl Interrupt {
    /// Requests a stop because of a signal, as [`stop`](Interrupt::stop) does.
    pub(crate) fn raise(&self, signal: u8) {
        self.stop(StopCause::Signal(signal));
    }

    /// Requests a stop, for stages that poll. The first cause stays the cause.
    pub(crate) fn note(&self, cause: StopCause) {
        self.state().cause.get_or_insert(cause);
    }

    /// Requests a stop as [`note`](Interrupt::note) does, and runs the callbacks.
    pub(crate) fn stop(&self, cause: StopCause) {
        self.note(cause);
        let state = self.state();
        // Callbacks run without the lock: one of them may drop a registration.
        let callbacks: Vec<Callback> = state.callbacks.values().cloned().collect();
        drop(state);
        for callback in callbacks {
            callback();
        }
    }

    /// Why a stop was requested, if one was.
    pub(crate) fn cause(&self) -> Option<StopCause> {
        self.state().cause
    }

    /// Fails if a stop was requested: for code that fails with errors of input and output.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.cause() {
            Some(cause) => Err(io::Error::other(cause.to_string())),
            None => Ok(()),
        }
    }

    /// Runs `callback` on the thread that raises, whenever a stop is requested; at once if it
    /// already was.
    pub(crate) fn on_raise(&self, callback: impl Fn() + Send + Sync + 'static) -> Registration {
        let callback: Callback = Arc::new(callback);
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.callbacks.insert(number, Arc::clone(&callback));
        let raised = state.cause.is_some();
        drop(state);
        if raised {
            callback();
        }
        Registration {
            interrupt: self.clone(),
            number,
        }
    }

    /// The number of callbacks.
    #[cfg(test)]
    pub(crate) fn callbacks(&self) -> usize {
        self.state().callbacks.len()
    }

    fn state(&self) -> MutexGuard<'_, InterruptState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.interrupt.state().callbacks.remove(&self.number);
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interrupt({:?})", self.cause())
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts the calls of a callback that adds `by`.
    fn adder(count: &Arc<AtomicUsize>, by: usize) -> impl Fn() + Send + Sync + 'static {
        let count = Arc::clone(count);
        move || {
            count.fetch_add(by, Ordering::SeqCst);
        }
    }

    #[test]
    fn callbacks_run_before_and_after() {
        let interrupt = Interrupt::default();
        let count = Arc::new(AtomicUsize::new(0));
        let _early = interrupt.on_raise(adder(&count, 1));
        assert_eq!(interrupt.cause(), None);
        assert_eq!(count.load(Ordering::SeqCst), 0);
        interrupt.raise(15);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let _late = interrupt.on_raise(adder(&count, 10));
        assert_eq!(count.load(Ordering::SeqCst), 11);
        interrupt.raise(2);
        assert_eq!(count.load(Ordering::SeqCst), 22);
        assert_eq!(interrupt.cause(), Some(StopCause::Signal(15)));
    }

    #[test]
    fn a_dropped_registration_removes_its_callback() {
        let interrupt = Interrupt::default();
        let count = Arc::new(AtomicUsize::new(0));
        let first = interrupt.on_raise(adder(&count, 1));
        let second = interrupt.on_raise(adder(&count, 10));
        drop(first);
        // The callback and all that it owned are gone: only `second` and this test hold the count.
        assert_eq!(Arc::strong_count(&count), 2);
        interrupt.raise(15);
        assert_eq!(count.load(Ordering::SeqCst), 10);
        drop(second);
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn a_callback_may_drop_a_registration() {
        let interrupt = Interrupt::default();
        let other = interrupt.on_raise(|| {});
        let held = Mutex::new(Some(other));
        let _own = interrupt.on_raise(move || drop(held.lock().unwrap().take()));
        interrupt.raise(15);
        assert_eq!(interrupt.callbacks(), 1);
    }
}
