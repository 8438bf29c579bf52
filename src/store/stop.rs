//! A request to stop that reaches every thread and every wait at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;

use super::Error;

/// Stops what was started with it or with one of its children.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// Its ancestors' switches, then its own.
    switches: Vec<Arc<watch::Sender<bool>>>,
}

impl Stop {
    /// A switch that is not thrown.
    pub(super) fn new() -> Stop {
        Stop {
            switches: vec![Arc::new(watch::Sender::new(false))],
        }
    }

    /// A switch of its own that this one throws too.
    pub(super) fn child(&self) -> Stop {
        let mut switches = self.switches.clone();
        switches.push(Arc::new(watch::Sender::new(false)));
        Stop { switches }
    }

    /// Throws the switch, for good.
    pub(crate) fn stop(&self) {
        if let Some(own) = self.switches.last() {
            own.send_replace(true);
        }
    }

    /// Fails once the switch is thrown: for loops that never wait.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.switches.iter().any(|s| *s.borrow()) {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Does `work`, or gives it up when the switch is thrown.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut work = pin!(work);
        let thrown = |switch: &Arc<watch::Sender<bool>>| {
            let mut receiver = switch.subscribe();
            Box::pin(async move { receiver.wait_for(|thrown| *thrown).await.is_ok() })
        };
        let mut thrown: Vec<_> = self.switches.iter().map(thrown).collect();
        poll_fn(move |context| {
            if thrown
                .iter_mut()
                .any(|t| t.as_mut().poll(context).is_ready())
            {
                return Poll::Ready(Err(Error::Cancelled));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }
}
