//! The program: reads the command line, runs what it asks for, says how it went.
//!
//! All that is printed is printed here and in `crate::ui::progress`, and the exit code is decided here. The work is the library's.

mod args;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::failure::Class;
use crate::interrupt::Interrupt;
use crate::pack::Options;
use crate::run::{self, Done, Goal, Image, Request};
use clap::Parser;

use crate::ui::progress::{Display, Verbosity, bytes};
use args::{Cli, Exit, Job};

/// Runs the program: parses the command line, does what it asks for, reports how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let timings = cli.reporting.timings.clone();
    let display = match display(&cli.reporting) {
        Ok(display) => display,
        Err(error) => return fail(None, &error, None, Exit::Target.into()),
    };
    let job = match cli.into_job() {
        Ok(job) => job,
        Err(error) => return fail(Some(&display), &error, error.hint(), Exit::Usage.into()),
    };
    let (made, jobs) = about(&job);
    let interrupt = Interrupt::default();
    if let Err(error) = listen_for_signals(&interrupt) {
        return fail(Some(&display), &error, None, Exit::Other.into());
    }
    let result = match job {
        Job::Suites => run::suites(&args::suite_directories()).map(|suites| print(&suites)),
        Job::Pack {
            directory,
            image,
            jobs,
            epoch,
        } => {
            let threads = u32::try_from(jobs).unwrap_or(u32::MAX);
            pack(
                &directory,
                &image,
                &Options {
                    epoch,
                    threads,
                    compression: image.compression,
                    interrupt,
                },
                &display,
            )
        }
        Job::Bootstrap(request) => make(&request, &interrupt, &display),
    };
    if let Some(Err(error)) = timings.map(|path| write(&path, &display.timings(&made, jobs))) {
        return fail(Some(&display), &error, None, Exit::Target.into());
    }
    match result {
        Ok(code) => code,
        Err(error) => fail(
            Some(&display),
            &error,
            error.hint().as_deref(),
            code(&error),
        ),
    }
}

/// What a page of timings is headed with, and how many threads the run is allowed.
fn about(job: &Job) -> (String, usize) {
    match job {
        Job::Suites => ("rbootstrap suites".into(), 1),
        Job::Pack {
            directory, jobs, ..
        } => (format!("rbootstrap pack {}", directory.display()), *jobs),
        Job::Bootstrap(request) => (
            format!("rbootstrap {}", request.system.suite),
            request.limits.jobs,
        ),
    }
}

fn make(
    request: &Request,
    interrupt: &Interrupt,
    display: &Arc<Display>,
) -> Result<ExitCode, run::Error> {
    let report = display.report();
    let done = run::run(request, interrupt, &report)?;
    display.clear();
    match request.goal {
        Goal::PrintDebs => return Ok(print(&done.lines())),
        Goal::Simulate => {
            let _ = write!(io::stderr(), "{}", done.table());
        }
        Goal::Download | Goal::Make => {}
    }
    report.note(summary(request, &done, display));
    if request.outputs.image.is_none() && request.goal == Goal::Make && is_pipe() {
        report.note(
            "standard output is a pipe and got nothing: add `--tar -` to have the image on it",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn pack(
    directory: &Path,
    image: &Image,
    options: &Options,
    display: &Arc<Display>,
) -> Result<ExitCode, run::Error> {
    let report = display.report();
    run::pack(directory, image, options, &report)?;
    display.clear();
    report.note(format!(
        "{}: packed in {:.1} s",
        directory.display(),
        display.elapsed().as_secs_f64()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The last line: packages, bytes, and the time that each stage took.
fn summary(request: &Request, done: &Done, display: &Display) -> String {
    let (elapsed, times) = (display.elapsed().as_secs_f64(), display.times());
    let (count, size) = (done.packages(), bytes(done.download_size()));
    format!(
        "{}: {count} packages, {size}, in {elapsed:.1} s ({times})",
        request.system.suite
    )
}

fn display(reporting: &args::Reporting) -> Result<Arc<Display>, LogError> {
    let verbosity = match (reporting.quiet, reporting.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, 0) => Verbosity::Normal,
        (_, 1) => Verbosity::Verbose,
        _ => Verbosity::Everything,
    };
    let log = reporting.log.as_deref().map(create);
    Ok(Display::new(
        reporting.progress,
        verbosity,
        log.transpose()?,
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "logs and pages are files of the user's, never ones in the tree"
)]
fn create(path: &Path) -> Result<File, LogError> {
    File::create(path).map_err(|source| LogError {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, page: &str) -> Result<(), LogError> {
    let written = create(path)?.write_all(page.as_bytes());
    written.map_err(|source| LogError {
        path: path.to_owned(),
        source,
    })
}

/// A log or a page that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// SIGINT, SIGTERM and SIGHUP undo what was begun; the signal decides the exit code.
fn listen_for_signals(interrupt: &Interrupt) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let interrupt = interrupt.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                interrupt.raise(u8::try_from(signal).unwrap_or(0));
            }
        })?;
    Ok(())
}

fn is_pipe() -> bool {
    let stdout = io::stdout();
    !stdout.is_terminal()
        && rustix::fs::fstat(&stdout).is_ok_and(|s| {
            rustix::fs::FileType::from_raw_mode(s.st_mode) == rustix::fs::FileType::Fifo
        })
}

/// Data on standard output. A reader that went away is no failure of ours.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Exit::Other.into(),
        _ => ExitCode::SUCCESS,
    }
}

/// `error:` with its chain of causes, a blank line, `hint:`.
fn fail(
    display: Option<&Arc<Display>>,
    error: &dyn std::error::Error,
    hint: Option<&str>,
    code: ExitCode,
) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !last.contains(&line) {
            text.push_str(&format!("\n  caused by: {}", line.replace('\n', "\n  ")));
        }
        (last, cause) = (line, error.source());
    }
    if let Some(hint) = hint {
        text.push_str(&format!("\n\nhint: {hint}"));
    }
    match display {
        Some(display) => {
            display.clear();
            display.line(&text);
        }
        None => drop(writeln!(io::stderr(), "{text}")),
    }
    code
}

fn code(error: &run::Error) -> ExitCode {
    match error.class() {
        Class::Other => Exit::Other.into(),
        Class::Usage => Exit::Usage.into(),
        Class::Trust => Exit::Trust.into(),
        Class::Packages => Exit::Packages.into(),
        Class::Network => Exit::Network.into(),
        Class::Target => Exit::Target.into(),
        Class::Script => Exit::Script.into(),
        Class::Interrupted { signal } => ExitCode::from(128 + signal),
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
