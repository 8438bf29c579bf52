//! The order in which the URLs of a file are tried, and the pauses between the attempts.
//!
//! The URLs take turns: one that fails for a transient reason is tried again only after all others,
//! so that a second mirror takes over after one failure of the first. Between two rounds there is a
//! pause. `error` says which failures are transient; `transfer` makes one attempt.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use super::address::{Address, server_of};
use super::userinfo::shown;
use super::{Error, Stop, Store};
use crate::failure::with_causes;

/// The longest pause, even if a server asks for more.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many times a URL may give a file that is not the promised one. A proxy's damaged copy, or a
/// file that was replaced while it was sent, is right the second time.
const WRONG_FILES: u32 = 2;

/// One attempt at one URL.
pub(super) struct Attempt<'a> {
    pub(super) address: &'a Address,
    /// The URL without its password.
    pub(super) shown: &'a str,
    /// Whether this URL has failed before.
    pub(super) is_repeated: bool,
    /// Set by an attempt that failed after it had transferred a large part.
    pub(super) progressed: &'a Cell<bool>,
}

/// The attempts at one file.
pub(super) struct Attempts<'a> {
    store: &'a Store,
    urls: &'a [String],
    states: Vec<UrlState>,
    /// The numbers of the URLs that this round has not tried.
    left: Vec<usize>,
    /// Rounds since a large part was last transferred.
    rounds: u32,
    pauses: u32,
    /// How long a server of this round asked to wait.
    requested: Option<Duration>,
    /// The last failure as text.
    last: Option<String>,
    /// The most informative failure so far.
    failure: Option<Error>,
}

#[derive(Clone, Default)]
struct UrlState {
    failed: bool,
    wrong_files: u32,
    is_given_up: bool,
}

impl Store {
    /// Tries the URLs in turn and returns the first success with its URL, or the most informative
    /// failure.
    pub(super) fn first_that_works<T>(
        &self,
        urls: &[String],
        stop: &Stop,
        mut attempt: impl FnMut(&Attempt<'_>) -> Result<T, Error>,
    ) -> Result<(String, T), Error> {
        let mut attempts = Attempts::new(self, urls);
        while let Some(number) = attempts.next(stop)? {
            let url = &urls[number];
            let progressed = Cell::new(false);
            let made = match Address::parse(url) {
                Ok(address) => attempt(&Attempt {
                    address: &address,
                    shown: &shown(url),
                    is_repeated: attempts.states[number].failed,
                    progressed: &progressed,
                }),
                Err(error) => Err(error),
            };
            match made {
                Ok(got) => return Ok((url.clone(), got)),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => attempts.failed(number, error, progressed.get()),
            }
        }
        let name = urls.first().map_or_else(String::new, |url| shown(url));
        Err(attempts.failure.unwrap_or(Error::NoUrl { name }))
    }

    /// Waits before what failed is tried again for the `count`th time. The pause doubles each time.
    pub(crate) fn pause(&self, count: u32, stop: &Stop) -> Result<(), Error> {
        self.transport.pause(doubled(self.first_pause, count), stop)
    }
}

impl<'a> Attempts<'a> {
    fn new(store: &'a Store, urls: &'a [String]) -> Attempts<'a> {
        Attempts {
            store,
            urls,
            states: vec![UrlState::default(); urls.len()],
            left: Vec::new(),
            rounds: 0,
            pauses: 0,
            requested: None,
            last: None,
            failure: None,
        }
    }

    /// The number of the URL to try next; None if there is nothing left to try. Pauses before a new
    /// round.
    fn next(&mut self, stop: &Stop) -> Result<Option<usize>, Error> {
        let is_round_over = self.left.is_empty();
        if is_round_over && !self.begin_round(stop)? {
            return Ok(None);
        }
        let failing = self.store.failing();
        let works = |number: &usize| !failing.contains(server_of(&self.urls[*number]));
        let at = self.left.iter().position(works).unwrap_or(0);
        drop(failing);
        let number = self.left.remove(at);
        if let Some(last) = self.last.take().filter(|_| !is_round_over) {
            let next = shown(&self.urls[number]);
            self.store.report.detail(format!("{last}; trying {next}"));
        }
        Ok(Some(number))
    }

    /// Pauses and begins the next round, if there is anything left to try.
    fn begin_round(&mut self, stop: &Stop) -> Result<bool, Error> {
        for (number, state) in self.states.iter().enumerate() {
            if !state.is_given_up {
                self.left.push(number);
            }
        }
        if self.left.is_empty() || self.rounds >= self.store.tries {
            return Ok(false);
        }
        if self.rounds > 0 {
            self.pauses += 1;
            let pause = match self.requested.take() {
                Some(requested) => requested,
                None => {
                    let seed = (self.urls, self.pauses);
                    pause_after(self.store.first_pause, self.rounds, seed)
                }
            };
            let pause = pause.min(LONGEST_PAUSE);
            let last = self.last.take().unwrap_or_default();
            self.store.report.detail(format!(
                "{last}; trying again in {:.1} s",
                pause.as_secs_f64()
            ));
            self.store.transport.pause(pause, stop)?;
        }
        self.rounds += 1;
        Ok(true)
    }

    /// Remembers a failure, and whether its URL is tried again.
    fn failed(&mut self, number: usize, error: Error, progressed: bool) {
        let server = server_of(&self.urls[number]);
        self.last = Some(with_causes(&error));
        let state = &mut self.states[number];
        state.failed = true;
        if error.is_transient() {
            self.store.failing().insert(server.to_owned());
        } else if error.is_trust() {
            state.wrong_files += 1;
            state.is_given_up = state.wrong_files >= WRONG_FILES;
        } else {
            state.is_given_up = true;
        }
        if error.is_of_server() {
            // The server's other URLs would fail in the same way, each after the same wait.
            self.left
                .retain(|other| server_of(&self.urls[*other]) != server);
        }
        if progressed {
            self.rounds = 1;
        }
        if let Error::Status {
            retry_after: Some(requested),
            ..
        } = error
        {
            self.requested = self.requested.max(Some(requested));
        }
        let weight = error.weight();
        if self
            .failure
            .as_ref()
            .is_none_or(|known| known.weight() <= weight)
        {
            self.failure = Some(error);
        }
    }
}

/// The pause after a number of failures. It doubles with each, and is changed by a factor from 0.5
/// to 1.5 that depends on `seed` and the process, so that clients that failed together do not return
/// together.
pub(crate) fn pause_after(first: Duration, failures: u32, seed: impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    std::process::id().hash(&mut hasher);
    let jitter = 0.5 + (hasher.finish() % 1024) as f64 / 1024.0;
    doubled(first, failures).mul_f64(jitter)
}

fn doubled(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(10))
}
