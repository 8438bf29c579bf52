//! The page of `--timings`: where the time of a run went, to look at in a browser.
//!
//! This module makes the data: every span in milliseconds, and the critical path. The page is one
//! file that needs nothing else: `page.html` with its style, its script (`draw.js`, `interact.js`)
//! and the data as JSON. The script draws everything.

mod path;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::report::Stage;
use path::PathPart;

/// The time that a stage spent on one package or file.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) stage: Stage,
    /// The package or the file, as the stage names it: `bash`, `bash:amd64`, `bash 5.2-1 (amd64)`.
    pub(crate) item: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// A run, successful or not.
#[derive(Debug)]
pub(crate) struct TimedRun {
    /// The command that it was.
    pub(crate) title: String,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// The number of threads that it could use.
    pub(crate) jobs: usize,
    /// What it did, in any order.
    pub(crate) spans: Vec<Span>,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// The data of the page. Times are in milliseconds since the run began.
#[derive(Serialize)]
struct PageData<'a> {
    title: &'a str,
    failure: Option<&'a str>,
    took: f64,
    jobs: usize,
    /// In the order of their beginnings.
    spans: Vec<PageSpan>,
    path: Vec<PathPart>,
}

#[derive(Debug, Serialize)]
struct PageSpan {
    stage: Stage,
    item: String,
    /// The row that it shares with the other spans of its package.
    row: String,
    from: f64,
    to: f64,
}

/// The page of a run.
pub(crate) fn page(run: &TimedRun) -> String {
    let script = [
        include_str!("timings/draw.js"),
        include_str!("timings/interact.js"),
    ];
    let mut page = include_str!("timings/page.html").to_owned();
    page = page.replacen("@STYLE@", include_str!("timings/page.css").trim_end(), 1);
    page = page.replacen("@SCRIPT@", script.concat().trim_end(), 1);
    page.replacen("@DATA@", &embeddable(&PageData::new(run)), 1)
}

/// JSON that can stand in a script element: without `<`, nothing in it ends the element
/// (`</script>`) or begins a comment (`<!--`).
fn embeddable(data: &PageData) -> String {
    // Writing fails for maps with keys that are not strings only, and there is none.
    let json = serde_json::to_string(data).unwrap_or_default();
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

impl<'a> PageData<'a> {
    fn new(run: &'a TimedRun) -> PageData<'a> {
        let mut spans = Vec::new();
        let mut end = 0.0_f64;
        for span in &run.spans {
            let span = PageSpan::new(span, run.began);
            end = end.max(span.to);
            spans.push(span);
        }
        spans.sort_by(|a, b| a.from.total_cmp(&b.from).then(a.stage.cmp(&b.stage)));
        let path = path::critical(&spans);
        PageData {
            title: &run.title,
            failure: run.failure.as_deref(),
            took: milliseconds(run.took).max(end).max(0.1),
            jobs: run.jobs,
            spans,
            path,
        }
    }
}

impl PageSpan {
    fn new(span: &Span, began: Instant) -> PageSpan {
        PageSpan {
            stage: span.stage,
            item: span.item.clone(),
            row: row(span).to_owned(),
            from: milliseconds(span.from.saturating_duration_since(began)),
            to: milliseconds(span.to.saturating_duration_since(began)),
        }
    }
}

/// The name of a span's row: its package, or the whole item if the stage does not work on packages.
fn row(span: &Span) -> &str {
    match span.stage {
        Stage::Indexes | Stage::Plan | Stage::Pack | Stage::Push => &span.item,
        Stage::Download | Stage::Decode | Stage::Unpack | Stage::Configure => {
            span.item.split([' ', ':']).next().unwrap_or(&span.item)
        }
    }
}

/// Milliseconds, rounded to microseconds.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests;
