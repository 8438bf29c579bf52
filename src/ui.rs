//! What users and other programs see of a run: progress, messages and the timings page.

pub(crate) mod progress;
pub(crate) mod timings;
