//! What is to be staged, in which order, and what became of it; the threads and the waiting are
//! left to `staging`.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use crate::dpkg::unpack::Error;
use crate::formats::package_key::PackageKey;

use super::{PackageFile, Staged};

/// The packages that were asked for, by their keys.
#[derive(Default)]
pub(super) struct Queue {
    slots: HashMap<PackageKey, Slot>,
    /// The packages that no thread has begun with, in the order in which they are to be staged.
    waiting: VecDeque<PackageKey>,
    /// How many packages threads are working on.
    running: usize,
    stopped: bool,
}

struct Slot {
    file: Arc<PackageFile>,
    /// Whether the package is certainly needed. A prefetch that fails is no failure.
    is_planned: bool,
    state: SlotState,
}

enum SlotState {
    /// In the queue, or a prefetch that failed.
    Waiting,
    UnderWay,
    Done(Box<Result<Staged, Error>>),
    Taken,
}

/// A package that a thread has begun with.
pub(super) struct Task {
    pub(super) file: Arc<PackageFile>,
    /// Whether it was planned when it was begun.
    was_planned: bool,
}

impl Queue {
    /// Adds a package, unless it was asked for before.
    pub(super) fn enqueue(&mut self, file: PackageFile) {
        let key = file.key.clone();
        let known = self.slots.get(&key);
        // Another source may have another file of the same version; the plan's counts.
        if known.is_some_and(|slot| slot.file.deb.digest == file.deb.digest) {
            return;
        }
        let slot = Slot {
            file: Arc::new(file),
            is_planned: false,
            state: SlotState::Waiting,
        };
        self.slots.insert(key.clone(), slot);
        self.waiting.push_back(key);
    }

    /// Has these packages staged in their order, and no others. Returns how many are waiting.
    pub(super) fn plan(&mut self, files: Vec<PackageFile>) -> usize {
        let mut waiting = VecDeque::new();
        for file in files {
            let key = file.key.clone();
            self.enqueue(file);
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            slot.is_planned = true;
            if matches!(slot.state, SlotState::Waiting) {
                waiting.push_back(key);
            }
        }
        self.waiting = waiting;
        self.waiting.len()
    }

    /// The next package to stage; none when nothing waits or staging has stopped.
    pub(super) fn next(&mut self) -> Option<Task> {
        if self.stopped {
            return None;
        }
        let key = self.waiting.pop_front()?;
        let slot = self.slots.get_mut(&key)?;
        slot.state = SlotState::UnderWay;
        self.running += 1;
        Some(Task {
            file: Arc::clone(&slot.file),
            was_planned: slot.is_planned,
        })
    }

    /// Keeps the result of a task. True when the package waits again: its prefetch has failed, and
    /// meanwhile the plan needs it.
    pub(super) fn done(&mut self, task: Task, staged: Result<Staged, Error>) -> bool {
        self.running -= 1;
        let key = &task.file.key;
        let slot = self.slots.get_mut(key);
        // A slot with another file has replaced this one.
        let Some(slot) = slot.filter(|slot| Arc::ptr_eq(&slot.file, &task.file)) else {
            return false;
        };
        if staged.is_ok() || task.was_planned {
            // Unpacking will come to the failure, or to a package that is not staged any more.
            self.stopped |= staged.is_err();
            slot.state = SlotState::Done(Box::new(staged));
            return false;
        }
        slot.state = SlotState::Waiting;
        if slot.is_planned {
            self.waiting.push_front(key.clone());
        }
        slot.is_planned
    }

    /// A planned package when it is staged, or the reason why it never will be.
    pub(super) fn take(&mut self, key: &PackageKey) -> Option<Result<Staged, Error>> {
        if let Some(slot) = self.slots.get_mut(key)
            && matches!(slot.state, SlotState::Done(_))
        {
            return slot.take();
        }
        let comes = self.slots.get(key).is_some_and(Slot::comes);
        if comes && !(self.stopped && self.running == 0) {
            return None;
        }
        Some(Err(self.failure().unwrap_or(Error::Stopped)))
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn is_running(&self) -> bool {
        self.running > 0
    }

    /// The failure that has stopped staging, whichever package it was about.
    fn failure(&mut self) -> Option<Error> {
        for slot in self.slots.values_mut() {
            if let SlotState::Done(staged) = &slot.state
                && staged.is_err()
            {
                return slot.take()?.err();
            }
        }
        None
    }
}

impl Slot {
    /// Whether the package is still to be staged.
    fn comes(&self) -> bool {
        self.is_planned && matches!(self.state, SlotState::Waiting | SlotState::UnderWay)
    }

    fn take(&mut self) -> Option<Result<Staged, Error>> {
        match mem::replace(&mut self.state, SlotState::Taken) {
            SlotState::Done(staged) => Some(*staged),
            _ => None,
        }
    }
}
