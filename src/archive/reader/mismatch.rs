//! An index that is not what its release promises: how often, and after which pauses, the source is
//! read again.

use std::time::Duration;

use crate::archive::Error;
use crate::store;

/// The pauses between further reads, as parts of the time that a user grants a mirror. They add up
/// to 1.
const PAUSES: [f64; 4] = [1.0 / 36.0, 1.0 / 12.0, 2.0 / 9.0, 2.0 / 3.0];

/// How many further reads there are of a mirror that lacks an index, rather than having another.
const MISSING_PAUSES: usize = 1;

/// The longest pause of these, for a mirror that lacks an index.
const MISSING_PAUSE: Duration = Duration::from_secs(1);

/// An index that did not match its release.
pub(super) struct Mismatch {
    pub(super) suite: String,
    pub(super) name: String,
    /// How many times the source was read.
    pub(super) reads: usize,
    /// How many mirrors the source has.
    pub(super) mirrors: usize,
}

impl Mismatch {
    /// The pause before the source is read again; None if it is not. `is_wrong` tells a wrong index
    /// from a missing one.
    pub(super) fn pause(&self, mirror_wait: Duration, is_wrong: bool) -> Option<Duration> {
        // Once more than there are mirrors: one that changed in between has the right indexes.
        let at_once = self.mirrors + 1;
        let Some(paused) = self.reads.checked_sub(at_once) else {
            return Some(Duration::ZERO);
        };
        if mirror_wait.is_zero() || (!is_wrong && paused >= MISSING_PAUSES) {
            return None;
        }
        let pause = mirror_wait.mul_f64(*PAUSES.get(paused)?);
        Some(if is_wrong {
            pause
        } else {
            pause.min(MISSING_PAUSE)
        })
    }

    /// The error when the source is not read again.
    pub(super) fn last_error(&self, source: Box<store::Error>) -> Error {
        let name = self.name.clone();
        if !source.is_trust() {
            return Error::Fetch { name, source };
        }
        Error::Mismatch {
            suite: self.suite.clone(),
            name,
            tries: self.reads,
            source,
        }
    }
}
