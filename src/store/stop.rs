//! A request to stop, which reaches all threads and all waits at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;

use super::Error;

/// Stops the requests that were made with it or with one of its children. Clones share the switch.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// The switches of its ancestors, then its own.
    switches: Vec<Arc<watch::Sender<bool>>>,
}

impl Stop {
    pub(crate) fn new() -> Stop {
        Stop {
            switches: vec![Arc::new(watch::Sender::new(false))],
        }
    }

    /// A stop with a switch of its own, which also stops when this one does.
    pub(super) fn child(&self) -> Stop {
        let mut switches = self.switches.clone();
        switches.push(Arc::new(watch::Sender::new(false)));
        Stop { switches }
    }

    /// Stops for good.
    pub(crate) fn stop(&self) {
        if let Some(own) = self.switches.last() {
            own.send_replace(true);
        }
    }

    /// Fails once stopped. For loops that never wait.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.switches.iter().any(|switch| *switch.borrow()) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Waits for `work`, or fails once stopped.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut work = pin!(work);
        let mut thrown = Vec::new();
        for switch in &self.switches {
            thrown.push(Box::pin(is_thrown(switch.subscribe())));
        }
        let race = poll_fn(move |context| {
            for switch in &mut thrown {
                if switch.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Err(Error::Cancelled));
                }
            }
            work.as_mut().poll(context).map(Ok)
        });
        race.await
    }
}

async fn is_thrown(mut switch: watch::Receiver<bool>) {
    // It fails when no sender is left, which `Stop` has.
    let _ = switch.wait_for(|thrown| *thrown).await;
}
