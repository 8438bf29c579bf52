//! The stream of `--progress json`: one JSON object per line, described in docs/json.md.
//!
//! [`JsonLine`] is the schema. Names, meanings and units of fields change only together with
//! [`VERSION`]; new events and new fields may be added without.

use std::collections::BTreeMap;
use std::io::{Stderr, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::report::{
    Event, Failure, Origin, PlannedPackage, PlannedStep, RunId, Stage, StepLabel, Summary, Unit,
};

use super::RunState;

/// The version of the schema.
pub(crate) const VERSION: u32 = 1;

/// The shortest time between two `progress` objects of a stage that counts bytes.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// One object of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonLine {
    /// The version of the schema.
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// The image that the run makes, where the process makes several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The installation step, during an installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepLabel>,
    /// Seconds since the run began.
    pub at: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: JsonEvent,
}

/// What happened. Amounts are in the stage's unit, times in seconds since the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(
    feature = "testing",
    expect(missing_docs, reason = "docs/json.md describes every field")
)]
pub enum JsonEvent {
    StageStarted {
        stage: Stage,
        unit: Unit,
        total: u64,
    },
    Progress {
        stage: Stage,
        done: u64,
        total: u64,
    },
    Working {
        stage: Stage,
        item: String,
    },
    StageEnded {
        stage: Stage,
        done: u64,
        seconds: f64,
    },
    Span {
        stage: Stage,
        item: String,
        from: f64,
        to: f64,
    },
    Note {
        text: String,
    },
    Warning {
        text: String,
    },
    Detail {
        text: String,
    },
    Output {
        text: String,
    },
    Plan {
        packages: Vec<PlannedPackage>,
        steps: Vec<PlannedStep>,
    },
    Summary {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        packages: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        download_bytes: Option<u64>,
        seconds: f64,
        stages: Vec<StageTime>,
    },
    Error {
        message: String,
        causes: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        class: String,
        code: u8,
    },
}

/// The time that a stage took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// From its start to its end.
    pub seconds: f64,
}

/// Writes the stream.
pub(super) struct Json {
    output: Stderr,
    stages: ShownStages,
}

/// The running stages, with the time of the last object about each.
#[derive(Default)]
struct ShownStages(BTreeMap<(RunId, Stage), Instant>);

impl Json {
    pub(super) fn new(output: Stderr) -> Json {
        Json {
            output,
            stages: ShownStages::default(),
        }
    }

    pub(super) fn write(&mut self, origin: &Origin, at: Duration, event: Event, run: &RunState) {
        let Some(event) = self.stages.event(origin.run, event, run) else {
            return;
        };
        let line = JsonLine {
            version: VERSION,
            run: origin.run,
            image: run.image.clone(),
            step: origin.step.as_deref().cloned(),
            at: rounded(at),
            event,
        };
        let _ = self.output.write_all(line.to_text().as_bytes());
    }
}

impl JsonLine {
    /// The line with its newline, in printable characters.
    fn to_text(&self) -> String {
        // Only a map with keys that are not strings cannot be written, and there is none.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        if text.contains(is_unescaped_control) {
            text = escape_controls(&text);
        }
        text.push('\n');
        text
    }
}

/// Control characters that JSON allows in strings and a terminal acts on.
fn is_unescaped_control(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}')
}

fn escape_controls(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unescaped_control(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

impl ShownStages {
    /// The object of an event, if it is to be written.
    fn event(&mut self, run_id: RunId, event: Event, run: &RunState) -> Option<JsonEvent> {
        Some(match event {
            Event::Note(text) => JsonEvent::Note { text },
            Event::Warning(text) => JsonEvent::Warning { text },
            Event::Detail(text) => JsonEvent::Detail { text },
            Event::Output(text) => JsonEvent::Output { text },
            Event::Began { stage, .. }
            | Event::Grew { stage, .. }
            | Event::Advanced { stage, .. } => self.progress(run_id, stage, run)?,
            Event::Working { stage, item } => JsonEvent::Working { stage, item },
            Event::Ended { stage } => {
                self.0.remove(&(run_id, stage));
                let count = run.stages.get(stage)?;
                JsonEvent::StageEnded {
                    stage,
                    done: count.done,
                    seconds: rounded(count.time()),
                }
            }
            Event::Span {
                stage,
                item,
                from,
                to,
            } => JsonEvent::Span {
                stage,
                item,
                from: rounded(from.saturating_duration_since(run.started)),
                to: rounded(to.saturating_duration_since(run.started)),
            },
            Event::Planned(plan) => JsonEvent::Plan {
                packages: plan.packages,
                steps: plan.steps,
            },
            Event::Finished(summary) => summary_event(summary, run),
            Event::Failed(failure) => failure.into(),
        })
    }

    /// `stage-started` if the stage did not run, else `progress`, unless the last one was just now.
    fn progress(&mut self, run_id: RunId, stage: Stage, run: &RunState) -> Option<JsonEvent> {
        let count = run.stages.get(stage).filter(|count| count.is_running())?;
        let now = Instant::now();
        let Some(last) = self.0.insert((run_id, stage), now) else {
            return Some(JsonEvent::StageStarted {
                stage,
                unit: stage.unit(),
                total: count.total,
            });
        };
        if stage.unit() == Unit::Bytes && now - last < PROGRESS_INTERVAL {
            self.0.insert((run_id, stage), last);
            return None;
        }
        Some(JsonEvent::Progress {
            stage,
            done: count.done,
            total: count.total,
        })
    }
}

fn summary_event(summary: Summary, run: &RunState) -> JsonEvent {
    let mut stages = Vec::new();
    for (stage, time) in run.stages.times() {
        let seconds = rounded(time);
        stages.push(StageTime { stage, seconds });
    }
    JsonEvent::Summary {
        name: summary.name,
        packages: summary.packages.map(|totals| totals.count),
        download_bytes: summary.packages.map(|totals| totals.download_bytes),
        seconds: rounded(run.started.elapsed()),
        stages,
    }
}

impl From<Failure> for JsonEvent {
    fn from(failure: Failure) -> JsonEvent {
        JsonEvent::Error {
            message: failure.message,
            causes: failure.causes,
            hint: failure.hint,
            class: failure.class.to_owned(),
            code: failure.code,
        }
    }
}

/// Seconds, rounded to microseconds.
fn rounded(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests;
