//! `debootstrap`: the program under that name, or `rbootstrap debootstrap`.
//!
//! Accepts debootstrap's command line, and produces the same tree, messages and exit code. `run`
//! decides what such a tree contains.

mod arguments;
mod mirror;
mod words;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use self::arguments::DebootstrapArgs;
use super::environment::Environment;
use super::{Session, exit, listen_for_stops, print_data};
use crate::failure::with_causes;
use crate::install;
use crate::interrupt::StopCause;
use crate::privilege::{self, Mode, Product};
use crate::run::{self, Goal, Request};
use crate::tree::rootfs::{self, RootPath, Rootfs};
use crate::tree::target::{self, Target};
use crate::ui::progress::{Display, LineStyle};

pub(super) const NAME: &str = "debootstrap";
/// The version whose options are accepted. Callers compare it.
const VERSION: &str = "1.0.141";

/// The directory of the log in the tree while it is made, and the log.
const DIRECTORY: &str = "debootstrap";
const LOG: &str = "debootstrap.log";

/// A failure before the run, printed on one line.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Words(String),
    #[error("{}: {source}", path.display())]
    Log {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}", with_causes(.source))]
    Target {
        #[from]
        source: target::Error,
    },
    #[error("{}", with_causes(.source))]
    Tarball {
        #[from]
        source: install::TarballError,
    },
    #[error("debootstrap can only run as root")]
    NotRoot,
}

/// Runs debootstrap with these arguments. Every failure is exit code 1.
pub(super) fn main(words: Vec<OsString>) -> ExitCode {
    let command = DebootstrapArgs::command();
    let mut full = vec![OsString::from(NAME)];
    full.extend(words::without_empty(words, &command));
    let matches = command.try_get_matches_from(full);
    let arguments = match matches.and_then(|found| DebootstrapArgs::from_arg_matches(&found)) {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let text = exit::without_passwords(error).render().to_string();
            let line = text.lines().next().unwrap_or_default();
            return refuse(&Error::Words(line.trim_start_matches("error: ").to_owned()));
        }
    };
    if arguments.version {
        return print(&format!("{NAME} {VERSION}\n"));
    }
    match execute(&arguments) {
        Ok(code) => code,
        Err(error) => refuse(&error),
    }
}

fn execute(arguments: &DebootstrapArgs) -> Result<ExitCode, Error> {
    let environment = Environment::read();
    let mut request = arguments.request(&environment).map_err(Error::Words)?;
    if request.goal == Goal::Make {
        let product = match arguments.only_downloads() {
            // All of its files may belong to one user.
            true => Product::Images,
            false if !rustix::process::geteuid().is_root() => return Err(Error::NotRoot),
            false => Product::Directory,
        };
        // Before the first thread.
        request.privilege = privilege::obtain(Mode::Auto, &environment.caller(), product);
    }
    let style = match request.goal {
        Goal::PrintDebs => LineStyle::AllOnStderr,
        Goal::Make | Goal::Simulate | Goal::Download => LineStyle::Debootstrap,
    };
    let display = Display::with_lines(style, arguments.verbose);
    let session = Session::new(display, environment, request.privilege.clone());
    if let Err(source) = listen_for_stops(&session) {
        return Err(Error::Words(format!("cannot listen for signals: {source}")));
    }
    if let (Goal::Make, Some(target)) = (request.goal, &request.outputs.directory)
        && let Err(error) = prepare(target, arguments, &session)
    {
        return match session.interrupt.cause() {
            Some(StopCause::Signal(signal)) => Ok(ExitCode::from(128 + signal)),
            Some(StopCause::SupervisorEnded) | None => Err(error),
        };
    }
    let done = match run::run(&request, &session.interrupt, &session.report) {
        Ok(done) => done,
        Err(error) => return Ok(failed(&session, &request, error)),
    };
    if request.goal == Goal::PrintDebs {
        let names: Vec<String> = done.iter().map(run::Done::names).collect();
        arguments.forget_target();
        return Ok(print(&names.concat()));
    }
    arguments.forget_target();
    let is_whole = request.outputs.directory.is_some()
        && !request.system.first_stage
        && !arguments.only_downloads();
    if is_whole {
        return Ok(print("I: Base system installed successfully.\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(session: &Session, request: &Request, error: run::Error) -> ExitCode {
    let code = exit::failed(&session.report, &super::Error::Run(error));
    if let Some(target) = &request.outputs.directory {
        let log = target.join(DIRECTORY).join(LOG);
        session
            .report
            .warning(format!("See {} for details", log.display()));
    }
    match session.interrupt.cause() {
        Some(_) => code,
        None => ExitCode::FAILURE,
    }
}

/// Unpacks the tarball into the target and opens the log, which the tarball may contain, too.
/// Meanwhile it claims the target, as the run does later, so that nothing is written to the running
/// system or to the target of another run.
fn prepare(target: &Path, arguments: &DebootstrapArgs, session: &Session) -> Result<(), Error> {
    let claimed = Target::occupy(target)?;
    if let Some(tarball) = &arguments.unpack_tarball {
        let Session {
            interrupt, report, ..
        } = session;
        install::unpack_tarball(tarball, claimed.root(), interrupt, report)?;
    }
    session.display.log_to(open_log(claimed.root())?);
    Ok(())
}

/// Opens the log. A script of an earlier run may have replaced it with anything.
fn open_log(root: &Rootfs) -> Result<File, Error> {
    let directory = RootPath::known(DIRECTORY);
    let made = root.make_directory(&directory, 0o755);
    let opened = made.and_then(|_| root.open_log(&directory.entry(LOG.as_bytes())));
    opened.map_err(log_error)
}

fn log_error(error: rootfs::Error) -> Error {
    let path = error.path.to_string();
    Error::Log {
        path: error.root.join(path.trim_start_matches('/')),
        source: error.source,
    }
}

fn print(text: &str) -> ExitCode {
    match print_data(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

#[expect(clippy::print_stderr, reason = "there is no display yet")]
fn refuse(error: &Error) -> ExitCode {
    eprintln!("E: {error}");
    ExitCode::FAILURE
}
