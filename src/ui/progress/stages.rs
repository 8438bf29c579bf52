//! Counts what each stage of a run has done and how long it took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::report::{Event, Stage};

/// The stages of one run that began so far.
#[derive(Debug, Default)]
pub(super) struct Stages(BTreeMap<Stage, StageCount>);

/// How far a stage is. Amounts are in the stage's own unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct StageCount {
    pub(super) done: u64,
    /// The work known so far, 0 if unknown.
    pub(super) total: u64,
    began: Instant,
    /// The time from its beginning to its end, if it ended.
    took: Option<Duration>,
}

impl Stages {
    /// Counts an event. A stage that has ended can begin again: its totals and its time add up.
    ///
    /// Returns false for the end of a stage that does not run; such an event is not shown.
    pub(super) fn count(&mut self, event: &Event) -> bool {
        match *event {
            Event::Began { stage, total } => self.grow(stage, total),
            Event::Grew { stage, by } => self.grow(stage, by),
            Event::Advanced { stage, by } => {
                if let Some(count) = self.0.get_mut(&stage) {
                    count.done = count.done.saturating_add(by);
                }
            }
            Event::Ended { stage } => return self.end(stage),
            _ => {}
        }
        true
    }

    fn end(&mut self, stage: Stage) -> bool {
        match self.0.get_mut(&stage) {
            Some(count) if count.is_running() => {
                count.took = Some(count.began.elapsed());
                true
            }
            _ => false,
        }
    }

    fn grow(&mut self, stage: Stage, by: u64) {
        let count = self.0.entry(stage).or_insert_with(StageCount::new);
        count.total = count.total.saturating_add(by);
        count.took = None;
    }

    pub(super) fn get(&self, stage: Stage) -> Option<&StageCount> {
        self.0.get(&stage)
    }

    /// Every stage and its time so far, in the order of stages.
    pub(super) fn times(&self) -> impl Iterator<Item = (Stage, Duration)> {
        self.0.iter().map(|(stage, count)| (*stage, count.time()))
    }
}

impl StageCount {
    fn new() -> StageCount {
        StageCount {
            done: 0,
            total: 0,
            began: Instant::now(),
            took: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.took.is_none()
    }

    /// The time until it ended, or until now.
    pub(super) fn time(&self) -> Duration {
        self.took.unwrap_or_else(|| self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_begins_again_adds_up_and_ends_once_more() {
        let stage = Stage::Download;
        let mut stages = Stages::default();
        let mut ended = Vec::new();
        for event in [
            Event::Ended { stage },
            Event::Grew { stage, by: 10 },
            Event::Advanced { stage, by: 10 },
            Event::Ended { stage },
            Event::Ended { stage },
            Event::Began { stage, total: 5 },
            Event::Advanced { stage, by: 5 },
            Event::Ended { stage },
        ] {
            let is_shown = stages.count(&event);
            if matches!(event, Event::Ended { .. }) {
                ended.push(is_shown);
            }
        }
        assert_eq!(ended, [false, true, false, true]);
        let count = stages.get(stage).unwrap();
        assert_eq!((count.done, count.total), (15, 15));
        assert_eq!(stages.times().count(), 1);
    }
}
