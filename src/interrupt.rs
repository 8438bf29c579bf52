//! The wish to stop: raised by a signal, heard by whatever is under way.
//!
//! A stage that blocks registers how to wake it; one that loops asks from time to time. Cleaning up is left to `Drop`, as after
//! any other failure.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether to stop, and because of which signal. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Shared>);

type Action = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Shared {
    signal: AtomicI32,
    actions: Mutex<Vec<Action>>,
}

impl Interrupt {
    /// Asks to stop because of `signal`, and runs what was registered. The first signal stays the reason.
    pub(crate) fn raise(&self, signal: i32) {
        let _ = self
            .0
            .signal
            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        for action in self
            .0
            .actions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            action();
        }
    }

    /// The signal that asked to stop.
    pub(crate) fn signal(&self) -> Option<i32> {
        Some(self.0.signal.load(Ordering::SeqCst)).filter(|&signal| signal != 0)
    }

    /// Has `action` run, on the thread that raises, when it is asked to stop; at once when it was asked already.
    pub(crate) fn on_raise(&self, action: impl Fn() + Send + 'static) {
        let mut actions = self
            .0
            .actions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.signal().is_some() {
            action();
        }
        actions.push(Box::new(action));
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interrupt({:?})", self.signal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_run_before_and_after() {
        let (interrupt, count) = (Interrupt::default(), Arc::new(AtomicI32::new(0)));
        let add = |by| {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(by, Ordering::SeqCst);
            }
        };
        interrupt.on_raise(add(1));
        assert_eq!(
            (interrupt.signal(), count.load(Ordering::SeqCst)),
            (None, 0)
        );
        interrupt.raise(15);
        interrupt.on_raise(add(10));
        interrupt.raise(2);
        assert_eq!(
            (interrupt.signal(), count.load(Ordering::SeqCst)),
            (Some(15), 22)
        );
    }
}
