//! Progress bars on a terminal, one for each stage of a run, with messages above them.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::{Event, Stage, Unit};

use super::stages::StageCount;
use super::text::{message, printable_line};
use super::{RunState, Verbosity, plain};

/// How often the bars are drawn, per second.
const DRAWS_PER_SECOND: u8 = 10;

/// How often a bar moves without news from its stage.
const TICK: Duration = Duration::from_millis(120);

/// The bars on the screen.
pub(super) struct Bars {
    all: MultiProgress,
    by_stage: BTreeMap<Stage, ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Bars {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        Bars {
            all: MultiProgress::with_draw_target(target),
            by_stage: BTreeMap::new(),
        }
    }

    /// Removes all bars.
    pub(super) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.by_stage).into_values() {
            bar.finish_and_clear();
        }
    }

    pub(super) fn show(&mut self, event: &Event, run: &RunState, verbosity: Verbosity) {
        match event {
            Event::Began { stage, .. }
            | Event::Grew { stage, .. }
            | Event::Advanced { stage, .. } => self.update(*stage, run),
            Event::Working { stage, item } => {
                if let Some(bar) = self.by_stage.get(stage) {
                    bar.set_message(printable_line(item));
                }
            }
            Event::Ended { stage } => {
                if let Some(bar) = self.by_stage.get(stage) {
                    bar.set_message("");
                    bar.finish();
                }
            }
            Event::Planned(_) | Event::Finished(_) | Event::Failed(_) => self.clear(),
            _ => {}
        }
        if let Some(message) = message(event, run)
            && message.from <= verbosity
        {
            self.all.suspend(|| plain::print_line(&message.text));
        }
    }

    fn update(&mut self, stage: Stage, run: &RunState) {
        let Some(count) = run.stages.get(stage) else {
            return;
        };
        let all = &self.all;
        let bar = self
            .by_stage
            .entry(stage)
            .or_insert_with(|| all.add(new_bar(stage, count)));
        bar.set_length(count.total.max(count.done));
        bar.set_position(count.done);
    }
}

fn new_bar(stage: Stage, count: &StageCount) -> ProgressBar {
    let amounts = match stage.unit() {
        Unit::Bytes => "{decimal_bytes:>10} / {decimal_total_bytes:<10}",
        Unit::Packages => "{pos:>10} / {len:<10}",
    };
    let template = format!("{{prefix:<10}} [{{bar:30}}] {amounts} {{wide_msg}}");
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = ProgressBar::new(count.total).with_style(style);
    bar.set_prefix(stage.name());
    bar.enable_steady_tick(TICK);
    bar
}
