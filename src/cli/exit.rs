//! Exit codes, and the report of a failure.

use std::env;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};

use super::Session;
use super::error::Error;
use super::limits;
use super::reporting::asks_for_json;
use crate::failure::Class;
use crate::report::{Event, Failure, Report};
use crate::store;
use crate::ui::progress::{Display, Progress, Verbosity};

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

/// The exit code of a class, and its name in JSON.
fn exit_code(class: Class) -> (u8, &'static str) {
    match class {
        Class::Other => (Exit::Other as u8, "other"),
        Class::Usage => (Exit::Usage as u8, "usage"),
        Class::Trust => (Exit::Trust as u8, "trust"),
        Class::Packages => (Exit::Packages as u8, "packages"),
        Class::Network => (Exit::Network as u8, "network"),
        Class::Target => (Exit::Target as u8, "target"),
        Class::Script => (Exit::Script as u8, "script"),
        Class::Interrupted { signal } => (128 + signal, "interrupted"),
    }
}

/// clap's error without the passwords of URLs that it repeats.
pub(super) fn without_passwords(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(word)) = error.get(kind) {
            let hidden = store::hidden(word);
            if hidden != *word {
                // A suggestion repeats the word.
                error.remove(ContextKind::Suggested);
                error.insert(kind, ContextValue::String(hidden));
            }
        }
    }
    error
}

/// Shows clap's message: the help that was asked for, or what is wrong with the command line.
pub(super) fn refused(error: clap::Error) -> ExitCode {
    let error = &without_passwords(error);
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if asks_for_json(env::args_os(), env::var_os("RBOOTSTRAP_PROGRESS")) {
        let report = Display::new(Progress::Json, Verbosity::Notes).new_run();
        report.send(Event::Failed(refusal(error)));
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage as u8)
}

/// clap's message as a failure: its tips are the hint, and its usage is left out.
fn refusal(error: &clap::Error) -> Failure {
    let (code, class) = exit_code(Class::Usage);
    let text = error.render().to_string();
    let mut paragraphs = text.trim_end().split("\n\n");
    let message = paragraphs.next().unwrap_or_default();
    let mut hints = Vec::new();
    for paragraph in paragraphs {
        let paragraph = paragraph.trim();
        if !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information") {
            hints.push(paragraph.trim_start_matches("tip: "));
        }
    }
    Failure {
        message: message.trim_start_matches("error: ").to_owned(),
        causes: Vec::new(),
        hint: Some(hints.join("\n")).filter(|hint| !hint.is_empty()),
        class,
        code,
    }
}

/// Reports the error of a result; gives its exit code.
pub(super) fn report(session: &Session, result: Result<(), Error>) -> Option<ExitCode> {
    match result {
        Ok(()) => None,
        Err(error) => Some(failed(&session.report, &error)),
    }
}

/// Reports an error with its causes and its hint. A cause that its effect repeats is left out.
pub(super) fn failed(report: &Report, error: &Error) -> ExitCode {
    let failure = failure(error, error.class(), error.hint());
    let code = failure.code;
    report.send(Event::Failed(failure));
    ExitCode::from(code)
}

/// An error with its causes, as it is reported.
pub(super) fn failure(
    error: &(dyn std::error::Error + 'static),
    class: Class,
    hint: Option<String>,
) -> Failure {
    let mut causes = Vec::new();
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !last.contains(&line) {
            causes.push(line.clone());
        }
        last = line;
        cause = error.source();
    }
    let (code, class) = exit_code(class);
    Failure {
        message: error.to_string(),
        causes,
        hint: limits::hint(error).or(hint),
        class,
        code,
    }
}
