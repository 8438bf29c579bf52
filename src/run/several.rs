//! Several images of one index: a run for each, one after the other, and one layout for all.

use std::cell::{Cell, RefCell};

use super::request::{Goal, Request};
use super::{Done, Error, stages};
use crate::interrupt::Interrupt;
use crate::pack::oci::IndexWriter;
use crate::report::Report;

/// What the runs of one request share.
#[derive(Debug, Default)]
pub(super) struct SharedByImages {
    /// Becomes true if something stays that should have been removed.
    pub(super) stays: Cell<bool>,
    /// Takes the images, if there are several.
    pub(super) index: RefCell<Option<IndexWriter>>,
}

/// Makes all images of a request.
pub(super) fn make(
    request: &Request,
    interrupt: &Interrupt,
    report: &Report,
    shared: &SharedByImages,
) -> Result<Vec<Done>, Error> {
    if request.other_architectures.is_empty() {
        return Ok(vec![stages(request, interrupt, report, shared)?]);
    }
    if let (Goal::Make, Some(image)) = (request.goal, &request.outputs.image) {
        shared.index.replace(IndexWriter::open(image, None)?);
    }
    let mut done = vec![stages(request, interrupt, report, shared)?];
    for architectures in &request.other_architectures {
        let mut next = request.clone();
        next.system.architectures.clone_from(architectures);
        done.push(stages(&next, interrupt, report, shared)?);
    }
    if let Some(index) = shared.index.take() {
        index.finish(interrupt)?;
    }
    Ok(done)
}
