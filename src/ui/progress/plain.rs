//! Plain lines on standard error: messages, and one line for each stage that ended.

use std::io::{self, Write};

use crate::report::Event;

use super::text::{message, stage_line};
use super::{RunState, Verbosity};

/// Prints the message of an event if `verbosity` includes it.
pub(super) fn show_message(event: &Event, run: &RunState, verbosity: Verbosity) {
    if let Some(message) = message(event, run)
        && message.from <= verbosity
    {
        print_line(&message.text);
    }
}

/// Prints a line for a stage that ended.
pub(super) fn show_progress(event: &Event, run: &RunState) {
    if let Event::Ended { stage } = event
        && let Some(count) = run.stages.get(*stage)
    {
        print_line(&stage_line(*stage, count));
    }
}

/// Prints a line that is safe for a terminal. A standard error that is gone is not a reason to
/// fail.
pub(super) fn print_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
