//! The file of `--log`: every message, stage and span as a line of text with its time.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use crate::report::Event;

use super::RunState;
use super::text::{message, printable, stage_line};

pub(super) struct Log(File);

impl Log {
    pub(super) fn new(file: File) -> Log {
        Log(file)
    }

    /// Writes the event's line, if it has one. A full disk loses lines, not the run.
    pub(super) fn write(&mut self, at: Duration, event: &Event, run: &RunState) {
        if let Some(line) = line(event, run) {
            let _ = writeln!(self.0, "{:9.3} {line}", at.as_secs_f64());
        }
    }
}

fn line(event: &Event, run: &RunState) -> Option<String> {
    match event {
        Event::Ended { stage } => Some(stage_line(*stage, run.stages.get(*stage)?)),
        Event::Span {
            stage,
            item,
            from,
            to,
        } => {
            let seconds = (*to - *from).as_secs_f64();
            let item = printable(item);
            Some(format!("{} {item}: {seconds:.3} s", stage.name()))
        }
        _ => message(event, run).map(|message| message.text),
    }
}
