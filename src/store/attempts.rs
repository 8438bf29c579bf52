//! Attempts at one URL: how many were made, and the pause before the next.

use std::error::Error as _;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use super::{Error, Stop, Store};

/// The longest pause, even if a server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The attempts at one URL.
pub(super) struct Attempts<'a> {
    store: &'a Store,
    url: &'a str,
    failed: u32,
    pauses: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(store: &'a Store, url: &'a str) -> Attempts<'a> {
        Attempts {
            store,
            url,
            failed: 0,
            pauses: 0,
        }
    }

    /// Forgets the failures so far.
    pub(super) fn made_progress(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next attempt. Returns `error` if there is none left.
    pub(super) fn pause(&mut self, error: Error, stop: &Stop) -> Result<(), Error> {
        self.failed += 1;
        if self.failed >= self.store.tries {
            return Err(error);
        }
        self.pauses += 1;
        let pause = self.pause_after(&error).min(LONGEST_PAUSE);
        self.store.report.detail(format!(
            "{}; trying again in {:.1} s",
            with_causes(&error),
            pause.as_secs_f64()
        ));
        self.store.transport.pause(pause, stop)
    }

    fn pause_after(&self, error: &Error) -> Duration {
        if let Error::Status {
            retry_after: Some(requested),
            ..
        } = error
        {
            return *requested;
        }
        let doubled = 1 << (self.failed - 1).min(10);
        let pause = self.store.first_pause.saturating_mul(doubled);
        pause.mul_f64(self.jitter())
    }

    /// A factor from 0.5 to 1.5 that depends on URL, attempt and process, so that clients that
    /// failed together do not return together.
    fn jitter(&self) -> f64 {
        let mut hasher = DefaultHasher::new();
        self.url.hash(&mut hasher);
        self.pauses.hash(&mut hasher);
        std::process::id().hash(&mut hasher);
        0.5 + (hasher.finish() % 1024) as f64 / 1024.0
    }
}

/// An error and its causes on one line.
pub(super) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
