//! What a person or a program sees of a run: progress, messages, the page of timings.

pub(crate) mod progress;
pub(crate) mod timings;
