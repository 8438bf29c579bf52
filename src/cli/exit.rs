//! Exit codes, and the report of a failure.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use super::Session;
use super::error::Error;
use crate::failure::Class;
use crate::ui::progress::Display;

/// The exit codes of the classes that are not signals: a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Other = 1,
    Usage = 2,
    Trust = 3,
    Packages = 4,
    Network = 5,
    Target = 6,
    Script = 7,
}

fn exit_code(class: Class) -> u8 {
    match class {
        Class::Other => Exit::Other as u8,
        Class::Usage => Exit::Usage as u8,
        Class::Trust => Exit::Trust as u8,
        Class::Packages => Exit::Packages as u8,
        Class::Network => Exit::Network as u8,
        Class::Target => Exit::Target as u8,
        Class::Script => Exit::Script as u8,
        Class::Interrupted { signal } => 128 + signal,
    }
}

/// Prints clap's message: the help that was asked for, or what is wrong with the command line.
pub(super) fn refused(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(Exit::Usage as u8)
    } else {
        ExitCode::SUCCESS
    }
}

/// The exit code of a command, whose error is reported.
pub(super) fn code(session: &Session, result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(Some(&session.display), &error),
    }
}

/// Reports an error with its causes and its hint. A cause that its effect repeats is left out.
pub(super) fn failed(display: Option<&Arc<Display>>, error: &Error) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut last = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let line = error.to_string();
        if !last.contains(&line) {
            text.push_str(&format!("\n  caused by: {}", line.replace('\n', "\n  ")));
        }
        last = line;
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\n\nhint: {hint}"));
    }
    match display {
        Some(display) => {
            display.clear();
            display.line(&text);
        }
        None => drop(writeln!(io::stderr(), "{text}")),
    }
    ExitCode::from(exit_code(error.class()))
}
