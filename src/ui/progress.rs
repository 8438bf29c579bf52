//! Shows the events of runs on standard error: as bars, plain lines or JSON.
//!
//! [`Display`] listens to every run of the process. It counts what each stage has done (`stages`),
//! shows each event in one way (`bars`, `plain`, `json`) and writes all of them to the log.
//! Standard output carries the image or the requested data, and is never written to here.

mod bars;
pub(crate) mod json;
mod lines;
mod log;
mod plain;
mod stages;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use clap::ValueEnum;

use crate::report::{Event, Origin, Report, RunId};

use super::timings::{Span, TimedRun};
use bars::Bars;
use json::Json;
pub(crate) use lines::LineStyle;
use lines::Lines;
use log::Log;
use stages::Stages;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// One line per stage
    Plain,
    /// One JSON object per line (see docs/json.md)
    Json,
    /// No progress, only messages
    None,
}

/// The least important messages that are shown. JSON and the log have all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Warnings, errors and requested output (`-q`).
    Warnings,
    /// Notes too (the default).
    Notes,
    /// Details too (`-v`).
    Details,
    /// The output of dpkg and maintainer scripts too (`-vv`).
    ScriptOutput,
}

/// Shows events, and keeps what the timings page needs.
pub(crate) struct Display {
    state: Mutex<DisplayState>,
}

struct DisplayState {
    output: Output,
    log: Option<Log>,
    runs: BTreeMap<RunId, RunState>,
}

/// Where events go.
enum Output {
    Bars(Bars, Verbosity),
    Plain(Verbosity),
    Json(Json),
    Lines(Lines),
    /// Messages without progress.
    Messages(Verbosity),
}

/// What is known of one run.
struct RunState {
    started: Instant,
    stages: Stages,
    spans: Vec<Span>,
    failure: Option<String>,
    /// The image that the run makes, where the process makes several.
    image: Option<String>,
}

impl Display {
    pub(crate) fn new(progress: Progress, verbosity: Verbosity) -> Arc<Display> {
        let is_terminal = io::stderr().is_terminal();
        let output = match progress {
            Progress::Json => Output::Json(Json::new(io::stderr())),
            _ if verbosity == Verbosity::Warnings => Output::Messages(verbosity),
            Progress::None => Output::Messages(verbosity),
            Progress::Auto if is_terminal => Output::Bars(Bars::new(), verbosity),
            Progress::Auto | Progress::Plain => Output::Plain(verbosity),
        };
        Display::of(output)
    }

    /// Shows events as debootstrap's lines. `verbose` adds what dpkg and scripts say.
    pub(crate) fn with_lines(style: LineStyle, verbose: bool) -> Arc<Display> {
        Display::of(Output::Lines(Lines::new(style, verbose)))
    }

    fn of(output: Output) -> Arc<Display> {
        let state = DisplayState {
            output,
            log: None,
            runs: BTreeMap::new(),
        };
        Arc::new(Display {
            state: Mutex::new(state),
        })
    }

    /// Writes everything from now on to `file` too, as text.
    pub(crate) fn log_to(&self, file: File) {
        self.state().log = Some(Log::new(file));
    }

    /// Begins a run whose events are shown here.
    pub(crate) fn new_run(self: &Arc<Display>) -> Report {
        self.new_run_of(None)
    }

    /// As [`Display::new_run`], for one of several images. Its messages have its name, and as text
    /// it has no stages.
    pub(crate) fn new_image(self: &Arc<Display>, name: &str) -> Report {
        self.new_run_of(Some(name.to_owned()))
    }

    fn new_run_of(self: &Arc<Display>, image: Option<String>) -> Report {
        let display = Arc::clone(self);
        let report = Report::of_new_run(move |origin, event| display.state().show(origin, event));
        let run = RunState {
            started: Instant::now(),
            stages: Stages::default(),
            spans: Vec::new(),
            failure: None,
            image,
        };
        self.state().runs.insert(report.run(), run);
        report
    }

    /// Removes the bars, so that output on standard output does not mix with them.
    pub(crate) fn clear(&self) {
        if let Output::Bars(bars, _) = &mut self.state().output {
            bars.clear();
        }
    }

    /// The data of a run's timings page. `jobs` is the number of threads that the run may use.
    pub(crate) fn timed_run(&self, run: RunId, title: &str, jobs: usize) -> TimedRun {
        let state = self.state();
        let run = &state.runs[&run];
        TimedRun {
            title: title.to_owned(),
            began: run.started,
            took: run.started.elapsed(),
            jobs,
            spans: run.spans.clone(),
            failure: run.failure.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, DisplayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DisplayState {
    fn show(&mut self, origin: &Origin, event: Event) {
        let Some(run) = self.runs.get_mut(&origin.run) else {
            return;
        };
        if !run.keep(&event) {
            return;
        }
        let at = run.started.elapsed();
        if let Some(log) = &mut self.log {
            log.write(at, &event, run);
        }
        let is_one_of_several = run.image.is_some();
        match &mut self.output {
            Output::Bars(_, verbosity) | Output::Plain(verbosity) if is_one_of_several => {
                plain::show_message(&event, run, *verbosity);
            }
            Output::Bars(bars, verbosity) => bars.show(&event, run, *verbosity),
            Output::Plain(verbosity) => {
                plain::show_message(&event, run, *verbosity);
                plain::show_progress(&event, run);
            }
            Output::Lines(lines) => lines.show(&event),
            Output::Json(json) => json.write(origin, at, event, run),
            Output::Messages(verbosity) => plain::show_message(&event, run, *verbosity),
        }
    }
}

impl RunState {
    /// Keeps what later output needs. Returns false if the event is not to be shown.
    fn keep(&mut self, event: &Event) -> bool {
        match event {
            Event::Span {
                stage,
                item,
                from,
                to,
            } => self.spans.push(Span {
                stage: *stage,
                item: item.clone(),
                from: *from,
                to: *to,
            }),
            Event::Failed(failure) => self.failure = Some(failure.message.clone()),
            _ => {}
        }
        self.stages.count(event)
    }
}
