//! Bounds the work of choosing packages, and ends it on an interrupt.
//!
//! apt's rules are followed as they are, and some of them take quadratic time or worse on an index
//! that was made for the purpose. So the loops that an index can make long count their steps here.
//! Once the work is over, they find nothing more, and the error says so. `docs/security.md` has the
//! steps that real plans take.

use std::cell::Cell;

use super::pool::PackageId;
use crate::interrupt::Interrupt;

/// The most steps of a plan. Reading Debian's index takes 220,000, its largest desktops with TeX
/// Live 120,000 more.
pub(super) const STEP_LIMIT: u64 = 100_000_000;

/// The most names, packages, versions or provided names of all indexes together.
pub(super) const TABLE_LIMIT: usize = 4 << 20;

/// After how many steps the limit and the interrupt are looked at.
const INTERVAL: u64 = 1 << 12;

/// Before a stanza with more bytes than this, the interrupt is looked at: it may have a hundred
/// thousand names.
const LONG_STANZA: usize = 16 << 10;

/// Why the work is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkEnd {
    Interrupted,
    /// The steps are used up; the last ones were for this package, if it was for one.
    TooMuch(Option<PackageId>),
    /// The indexes have more names than the tables take.
    TooManyNames,
}

/// The steps so far.
#[derive(Debug)]
pub(super) struct Work {
    steps: Cell<u64>,
    next_look: Cell<u64>,
    /// What was done since the last look, in loops that count no steps.
    rounds: Cell<u64>,
    end: Cell<Option<WorkEnd>>,
    interrupt: Interrupt,
}

impl Work {
    pub(super) fn new(interrupt: Interrupt) -> Work {
        Work {
            steps: Cell::new(0),
            next_look: Cell::new(INTERVAL),
            rounds: Cell::new(0),
            end: Cell::new(None),
            interrupt,
        }
    }

    /// Counts one step. Returns false when the work is over.
    #[inline]
    pub(super) fn step(&self, package: PackageId) -> bool {
        self.steps(1, Some(package))
    }

    /// Counts steps. Returns false when the work is over.
    #[inline]
    pub(super) fn steps(&self, count: usize, package: Option<PackageId>) -> bool {
        let steps = self.steps.get().saturating_add(count as u64);
        self.steps.set(steps);
        if steps >= self.next_look.get() {
            self.look(package);
        }
        self.end.get().is_none()
    }

    /// Says that a loop which needs no limit has done this much, so that the interrupt is heard in
    /// it. Returns false when the work is over.
    #[inline]
    pub(super) fn goes_on(&self, count: usize) -> bool {
        let rounds = self.rounds.get().saturating_add(count as u64);
        self.rounds.set(rounds);
        if rounds >= INTERVAL {
            self.rounds.set(0);
            self.look(None);
        }
        self.end.get().is_none()
    }

    /// Counts a stanza of this many bytes. Returns false when the work is over.
    pub(super) fn stanza(&self, bytes: usize) -> bool {
        if bytes > LONG_STANZA {
            self.look(None);
        }
        self.steps(1, None)
    }

    #[cold]
    fn look(&self, package: Option<PackageId>) {
        self.next_look
            .set(self.steps.get().saturating_add(INTERVAL));
        if self.interrupt.cause().is_some() {
            self.stop(WorkEnd::Interrupted);
        } else if self.steps.get() > STEP_LIMIT {
            self.stop(WorkEnd::TooMuch(package));
        }
    }

    /// Ends the work. The first reason stays.
    pub(super) fn stop(&self, end: WorkEnd) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
    }

    /// Why the work is over, if it is.
    pub(super) fn end(&self) -> Option<WorkEnd> {
        self.end.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_ends_at_the_limit_and_stays_ended() {
        let work = Work::new(Interrupt::default());
        assert!(work.steps(STEP_LIMIT as usize, None));
        assert!(!work.steps(INTERVAL as usize, None));
        assert_eq!(work.end(), Some(WorkEnd::TooMuch(None)));
        work.stop(WorkEnd::TooManyNames);
        assert_eq!(work.end(), Some(WorkEnd::TooMuch(None)));
    }

    #[test]
    fn a_long_stanza_is_not_read_after_an_interrupt() {
        let interrupt = Interrupt::default();
        let work = Work::new(interrupt.clone());
        assert!(work.stanza(LONG_STANZA + 1));
        interrupt.raise(2);
        assert!(work.stanza(LONG_STANZA));
        assert!(!work.stanza(LONG_STANZA + 1));
        assert_eq!(work.end(), Some(WorkEnd::Interrupted));
    }

    #[test]
    fn the_work_ends_soon_after_an_interrupt() {
        let interrupt = Interrupt::default();
        let work = Work::new(interrupt.clone());
        assert!(work.goes_on(INTERVAL as usize));
        interrupt.raise(2);
        assert!(!work.goes_on(INTERVAL as usize));
        let work = Work::new(interrupt.clone());
        assert!(!work.steps(INTERVAL as usize, None));
        assert_eq!(work.end(), Some(WorkEnd::Interrupted));
    }
}
