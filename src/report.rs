//! What a run tells its user while it works.
//!
//! Stages send [`Event`]s to a [`Report`]. Every event arrives with its [`Origin`]: the run and,
//! during an installation, the step. The command line decides what listens: bars, plain lines, a
//! JSON stream or nothing. No module below the command line prints.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// The stages of a run that a user sees, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Fetches and reads release files and package indexes.
    Indexes,
    /// Chooses packages.
    Plan,
    /// Fetches .debs.
    Download,
    /// Decodes .debs before they are unpacked. It has spans only: it never begins, advances or
    /// ends.
    Decode,
    /// Writes the packages' files and dpkg's database.
    Unpack,
    /// Runs maintainer scripts.
    Configure,
    /// Writes the image.
    Pack,
    /// Sends the image to a registry.
    Push,
}

/// What a stage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Bytes,
    Packages,
}

impl Stage {
    /// The name that users see, also in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::Indexes => "indexes",
            Stage::Plan => "plan",
            Stage::Download => "download",
            Stage::Decode => "decode",
            Stage::Unpack => "unpack",
            Stage::Configure => "configure",
            Stage::Pack => "pack",
            Stage::Push => "push",
        }
    }

    /// The unit of the stage's totals.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Stage::Indexes | Stage::Download | Stage::Pack | Stage::Push => Unit::Bytes,
            Stage::Plan | Stage::Decode | Stage::Unpack | Stage::Configure => Unit::Packages,
        }
    }
}

/// One thing that happened. Amounts are in the stage's own [`Unit`].
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Information for the user.
    Note(String),
    /// A problem that the user may have to act on.
    Warning(String),
    /// A detail for `-v` and the log.
    Detail(String),
    /// A line that dpkg or a maintainer script wrote.
    Output(String),
    /// A stage began. `total` is the work known so far, 0 if unknown.
    Began { stage: Stage, total: u64 },
    /// A stage's total grew.
    Grew { stage: Stage, by: u64 },
    /// A stage completed a part of its work.
    Advanced { stage: Stage, by: u64 },
    /// A stage began to work on a package or a file.
    Working { stage: Stage, item: String },
    /// A stage ended.
    Ended { stage: Stage },
    /// A stage worked on one package or file during this time.
    Span {
        stage: Stage,
        item: String,
        from: Instant,
        to: Instant,
    },
    /// What a simulated run would do.
    Planned(PlannedRun),
    /// The run succeeded.
    Finished(Summary),
    /// The run failed.
    Failed(Failure),
}

/// What a run would install, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedRun {
    /// The packages in the order of their unpacking.
    pub(crate) packages: Vec<PlannedPackage>,
    /// The steps of the installation, in order.
    pub(crate) steps: Vec<PlannedStep>,
}

/// A package of a plan, as `--simulate` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPackage {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// The size of its .deb in bytes.
    pub download_bytes: u64,
    /// Its Installed-Size in bytes.
    pub installed_bytes: u64,
    /// Why it is in the plan, in one word.
    pub reason: String,
}

/// A step of a planned installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Its number in the list of steps, from 1.
    pub number: usize,
    /// Its kind, in one word.
    pub name: String,
    /// What it does and with which packages.
    pub description: String,
}

/// What a successful run made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The suite, or the directory that was packed.
    pub(crate) name: String,
    /// The packages, if the run chose any.
    pub(crate) packages: Option<PackageTotals>,
}

/// How much a plan contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackageTotals {
    /// The number of packages.
    pub(crate) count: usize,
    /// The size of their .debs in bytes.
    pub(crate) download_bytes: u64,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// Its causes, the nearest first.
    pub(crate) causes: Vec<String>,
    /// What the user can do.
    pub(crate) hint: Option<String>,
    /// The class of the exit code, as the documentation names it.
    pub(crate) class: &'static str,
    /// The exit code.
    pub(crate) code: u8,
}

/// The number of a run in this process, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(u32);

impl RunId {
    /// A number that no other run in this process has.
    pub(crate) fn next() -> RunId {
        static LAST: AtomicU32 = AtomicU32::new(0);
        RunId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A step of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLabel {
    /// Its number in the list of steps, from 1.
    pub number: usize,
    /// Its kind, in one word.
    pub name: String,
}

/// Where an event comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) run: RunId,
    /// The installation step that was executed at the time.
    pub(crate) step: Option<Arc<StepLabel>>,
}

type EventListener = dyn Fn(&Origin, Event) + Send + Sync;

/// Where a stage sends its events. Cheap to clone, usable from every thread.
#[derive(Clone)]
pub(crate) struct Report {
    run: RunId,
    /// The current step of the installation. All clones share it.
    step: Arc<Mutex<Option<Arc<StepLabel>>>>,
    listener: Arc<EventListener>,
}

impl Report {
    /// The report of a new run. `listener` is called on the thread that sends the event.
    pub(crate) fn of_new_run(listener: impl Fn(&Origin, Event) + Send + Sync + 'static) -> Report {
        Report {
            run: RunId::next(),
            step: Arc::default(),
            listener: Arc::new(listener),
        }
    }

    /// As [`Report::of_new_run`], for a listener that ignores where events come from.
    #[cfg(test)]
    pub(crate) fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Report {
        Report::of_new_run(move |_, event| listener(event))
    }

    /// A report without a listener.
    pub(crate) fn silent() -> Report {
        Report::of_new_run(|_, _| {})
    }

    /// The run that this report belongs to.
    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    /// Begins a step of the installation; `number` counts from 1. Events carry it until the next
    /// one begins or [`Report::end_steps`] is called. After a failure it stays: the error carries
    /// the step that failed.
    pub(crate) fn begin_step(&self, number: usize, name: &str) {
        let label = StepLabel {
            number,
            name: name.to_owned(),
        };
        *self.step() = Some(Arc::new(label));
    }

    /// Ends the last step.
    pub(crate) fn end_steps(&self) {
        *self.step() = None;
    }

    fn step(&self) -> MutexGuard<'_, Option<Arc<StepLabel>>> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(&self, event: Event) {
        let origin = Origin {
            run: self.run,
            step: self.step().clone(),
        };
        (self.listener)(&origin, event);
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.send(Event::Note(text.into()));
    }

    pub(crate) fn warning(&self, text: impl Into<String>) {
        self.send(Event::Warning(text.into()));
    }

    pub(crate) fn detail(&self, text: impl Into<String>) {
        self.send(Event::Detail(text.into()));
    }

    pub(crate) fn began(&self, stage: Stage, total: u64) {
        self.send(Event::Began { stage, total });
    }

    pub(crate) fn advanced(&self, stage: Stage, by: u64) {
        self.send(Event::Advanced { stage, by });
    }

    pub(crate) fn ended(&self, stage: Stage) {
        self.send(Event::Ended { stage });
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report({:?})", self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_carry_their_run_and_step() {
        let origins = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&origins);
        let report = Report::of_new_run(move |origin, _| {
            let step = origin.step.as_deref().cloned();
            heard.lock().unwrap().push((origin.run, step));
        });
        let clone = report.clone();
        report.note("before");
        report.begin_step(3, "configure");
        clone.note("during");
        report.end_steps();
        clone.note("after");
        let step = StepLabel {
            number: 3,
            name: "configure".into(),
        };
        let run = report.run();
        assert_ne!(Report::silent().run(), run);
        assert_eq!(
            *origins.lock().unwrap(),
            [(run, None), (run, Some(step)), (run, None)]
        );
    }
}
