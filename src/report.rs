//! What a stage may tell the user while it works.
//!
//! Stages hand [`Event`]s to a [`Report`]; who listens (a terminal with bars, plain lines, a JSON stream, nobody) is decided by
//! the command line. Nothing below the command line prints.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The stages that a user sees, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// Release files and package indexes.
    Indexes,
    /// Choosing packages.
    Plan,
    /// Fetching .debs.
    Download,
    /// Decoding .debs ahead of need; seen in [`Event::Span`] only.
    Decode,
    /// Laying files and the database.
    Unpack,
    /// Maintainer scripts.
    Configure,
    /// Writing the image.
    Pack,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Worth knowing: a line for the user.
    Note(String),
    /// Worth acting on: a line for the user, shown even where notes are not.
    Warning(String),
    /// A detail for `-v` and the log.
    Detail(String),
    /// A stage began; `total` in the stage's own unit (bytes for indexes, downloads and images, packages otherwise), 0 where unknown.
    Began {
        /// The stage.
        stage: Stage,
        /// How much there is to do.
        total: u64,
    },
    /// There is more to do than was known.
    Grew {
        /// The stage.
        stage: Stage,
        /// By how much.
        by: u64,
    },
    /// A stage got on.
    Advanced {
        /// The stage.
        stage: Stage,
        /// By how much.
        by: u64,
    },
    /// A stage turned to this item (a package, a file).
    Working {
        /// The stage.
        stage: Stage,
        /// The item's name.
        item: String,
    },
    /// A stage ended.
    Ended {
        /// The stage.
        stage: Stage,
    },
    /// One package's step took from `from` to `to`.
    Span {
        /// The stage.
        stage: Stage,
        /// The package or index.
        item: String,
        /// When it began.
        from: Instant,
        /// When it ended.
        to: Instant,
    },
    /// What a script or dpkg wrote, as it came, whole lines.
    Output(String),
}

/// Where a stage sends its events. Cheap to clone; may be used from every thread.
#[derive(Clone)]
pub(crate) struct Report(Arc<dyn Fn(Event) + Send + Sync>);

impl Report {
    /// A report whose events `listener` hears, on whichever thread they happen.
    pub(crate) fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Report {
        Report(Arc::new(listener))
    }

    /// A report that nobody hears.
    pub(crate) fn silent() -> Report {
        Report::new(drop)
    }

    /// Sends an event.
    pub(crate) fn send(&self, event: Event) {
        (self.0)(event);
    }

    /// Sends a [`Event::Note`].
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.send(Event::Note(text.into()));
    }

    /// Sends a [`Event::Warning`].
    pub(crate) fn warning(&self, text: impl Into<String>) {
        self.send(Event::Warning(text.into()));
    }

    /// Sends a [`Event::Detail`].
    pub(crate) fn detail(&self, text: impl Into<String>) {
        self.send(Event::Detail(text.into()));
    }

    /// Sends a [`Event::Began`].
    pub(crate) fn began(&self, stage: Stage, total: u64) {
        self.send(Event::Began { stage, total });
    }

    /// Sends a [`Event::Advanced`].
    pub(crate) fn advanced(&self, stage: Stage, by: u64) {
        self.send(Event::Advanced { stage, by });
    }

    /// Sends a [`Event::Ended`].
    pub(crate) fn ended(&self, stage: Stage) {
        self.send(Event::Ended { stage });
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}
