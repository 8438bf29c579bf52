//! The command line: options into requests, results into output and exit codes.
//!
//! Each command has its file (`bootstrap`, `pack`, `rm`, `suites`). `options` and `reporting` have
//! the groups of options, one struct for each heading of `--help`. CONTRIBUTING.md says how to add
//! an option or a command.

mod bootstrap;
mod build;
mod compatibility;
mod complaint;
mod configuration;
mod debootstrap;
mod diff;
mod documents;
mod environment;
mod error;
mod exit;
mod help;
mod hook_helper;
mod hooks;
mod host_files;
mod image;
mod inventory;
mod join;
mod limits;
mod lock;
mod mmdebstrap;
mod network;
mod options;
mod order;
mod own_options;
mod pack;
mod path_rules;
mod privileges;
mod profile;
mod push;
mod registry;
mod reporting;
mod rm;
mod sources;
mod suites;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod values;
mod variables;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::{FromArgMatches, Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::interrupt::{Interrupt, StopCause};
use crate::privilege::{self, Privilege};
use crate::report::Report;
use crate::sandbox;
use crate::ui::progress::Display;
use crate::ui::timings;
use bootstrap::BootstrapArgs;
use build::BuildArgs;
use diff::DiffArgs;
use documents::{CompletionsArgs, ManualArgs};
use environment::Environment;
use error::Error;
use join::JoinArgs;
use pack::PackArgs;
use privileges::PrivilegeArgs;
use push::PushCommandArgs;
use reporting::ReportingArgs;
use rm::RmArgs;

/// Make a Debian or Ubuntu root filesystem, or an image of one, from the archive
#[derive(Debug, Parser)]
#[command(name = "rbootstrap", version)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<CommandArgs>,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    #[command(flatten)]
    privileges: PrivilegeArgs,
    #[command(flatten)]
    reporting: ReportingArgs,
}

#[derive(Debug, Subcommand)]
enum CommandArgs {
    /// Make a root filesystem, as without a command; for a suite with the name of a command
    Bootstrap(Box<BootstrapArgs>),
    /// Build the images that a file describes, except those that are up to date
    Build(Box<BuildArgs>),
    /// Write an existing tree as a tar or an OCI image
    Pack(Box<PackArgs>),
    /// Write one OCI image from images of several platforms
    Join(JoinArgs),
    /// Push an OCI image to registries
    Push(PushCommandArgs),
    /// Show what has changed between the packages of two images, locks or manifests
    Diff(DiffArgs),
    /// Remove trees, also those that were made without root
    Rm(RmArgs),
    /// Make a tree with the words of debootstrap, as debootstrap leaves it
    #[command(
        disable_help_flag = true,
        override_usage = "rbootstrap debootstrap [OPTION]... SUITE TARGET [MIRROR [SCRIPT]]"
    )]
    Debootstrap {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Make a tree with the words of mmdebstrap, as mmdebstrap leaves it
    #[command(
        disable_help_flag = true,
        override_usage = "rbootstrap mmdebstrap [OPTION]... [SUITE [TARGET [MIRROR...]]]"
    )]
    Mmdebstrap {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// List the known suites
    Suites,
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Manual(ManualArgs),
}

/// What every command uses.
struct Session {
    display: Arc<Display>,
    report: Report,
    interrupt: Interrupt,
    environment: Environment,
    privilege: Result<Privilege, privilege::Error>,
}

impl Session {
    fn new(
        display: Arc<Display>,
        environment: Environment,
        privilege: Result<Privilege, privilege::Error>,
    ) -> Session {
        Session {
            report: display.new_run(),
            display,
            interrupt: Interrupt::default(),
            environment,
            privilege,
        }
    }
}

/// Runs the program: parses the command line, executes the command, reports a failure.
pub fn main() -> ExitCode {
    if let Some(code) = sandbox::own_process() {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    // Whatever the program is called: hooks run it by the name that it has.
    if let [_, option, words @ ..] = words.as_slice()
        && option == hook_helper::OPTION
    {
        return hook_helper::main(words);
    }
    limits::prepare();
    if let Some(words) = front_end_words(&words, debootstrap::NAME) {
        return debootstrap::main(words);
    }
    if let Some(words) = front_end_words(&words, mmdebstrap::NAME) {
        return mmdebstrap::main(words);
    }
    let cli = match parse(words) {
        Ok(cli) => cli,
        Err(error) => return exit::refused(error),
    };
    let environment = Environment::read();
    // Before the first thread.
    let privilege = cli.obtain_privilege(&environment);
    let display = cli.reporting.display();
    let session = Session::new(display, environment, privilege);
    if let Err(error) = cli.reporting.open_log(&session.display) {
        return exit::failed(&session.report, &error);
    }
    let page = cli.reporting.timings.clone();
    let title = cli.title();
    let jobs = cli.jobs();
    let result = cli.execute(&session);
    let failed = exit::report(&session, result);
    let written = match page {
        Some(path) => {
            let run = session
                .display
                .timed_run(session.report.run(), &title, jobs);
            reporting::write(&path, &timings::page(&run))
        }
        None => Ok(()),
    };
    let unwritten = exit::report(&session, written);
    failed.or(unwritten).unwrap_or(ExitCode::SUCCESS)
}

/// The words for another tool's name, if the program or its command is called so.
fn front_end_words(all: &[OsString], name: &str) -> Option<Vec<OsString>> {
    let program = Path::new(all.first()?).file_name()?;
    if program == name {
        return Some(all[1..].to_vec());
    }
    if !all.iter().any(|word| word == name) {
        return None;
    }
    let ordered = order::command_first(all.to_vec(), &help::command());
    let is_command = ordered.get(1).is_some_and(|word| word == name);
    is_command.then(|| ordered[2..].to_vec())
}

/// Parses the words of the command line. clap's error also carries requested help.
fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = help::command();
    let words = order::command_first(words.into_iter().collect(), &command);
    let matches = command.try_get_matches_from_mut(&words);
    let matches = matches.map_err(|error| variables::named(error, &command, &words))?;
    Cli::from_arg_matches(&matches)
}

impl Cli {
    fn execute(self, session: &Session) -> Result<(), Error> {
        listen_for_stops(session).map_err(Error::Signals)?;
        match self.command {
            None => self.bootstrap.execute(session),
            Some(CommandArgs::Bootstrap(bootstrap)) => bootstrap.execute(session),
            Some(CommandArgs::Build(build)) => build.execute(session),
            Some(CommandArgs::Pack(pack)) => pack.execute(session),
            Some(CommandArgs::Rm(rm)) => rm.execute(session),
            Some(CommandArgs::Join(join)) => join.execute(session),
            Some(CommandArgs::Push(push)) => push.execute(session),
            Some(CommandArgs::Diff(diff)) => diff.execute(session),
            Some(CommandArgs::Suites) => suites::execute(session),
            Some(CommandArgs::Completions(completions)) => completions.execute(),
            Some(CommandArgs::Manual(manual)) => manual.execute(),
            // `main` has taken these words.
            Some(CommandArgs::Debootstrap { .. } | CommandArgs::Mmdebstrap { .. }) => Ok(()),
        }
    }

    /// The heading of the timings page.
    fn title(&self) -> String {
        match &self.command {
            None => self.bootstrap.title(),
            Some(CommandArgs::Bootstrap(bootstrap)) => bootstrap.title(),
            Some(CommandArgs::Build(build)) => build.title(),
            Some(CommandArgs::Pack(pack)) => pack.title(),
            Some(CommandArgs::Rm(_)) => "rbootstrap rm".into(),
            Some(CommandArgs::Join(join)) => join.title(),
            Some(CommandArgs::Push(push)) => push.title(),
            Some(CommandArgs::Diff(_)) => "rbootstrap diff".into(),
            Some(
                CommandArgs::Suites
                | CommandArgs::Completions(_)
                | CommandArgs::Manual(_)
                | CommandArgs::Debootstrap { .. }
                | CommandArgs::Mmdebstrap { .. },
            ) => "rbootstrap".into(),
        }
    }

    /// The threads that the command may use, for the timings page.
    fn jobs(&self) -> usize {
        match &self.command {
            None => self.bootstrap.jobs(),
            Some(CommandArgs::Bootstrap(bootstrap)) => bootstrap.jobs(),
            Some(CommandArgs::Build(build)) => build.jobs(),
            Some(CommandArgs::Pack(pack)) => pack.jobs.count(),
            Some(
                CommandArgs::Join(_)
                | CommandArgs::Push(_)
                | CommandArgs::Diff(_)
                | CommandArgs::Rm(_)
                | CommandArgs::Suites
                | CommandArgs::Completions(_)
                | CommandArgs::Manual(_)
                | CommandArgs::Debootstrap { .. }
                | CommandArgs::Mmdebstrap { .. },
            ) => 1,
        }
    }
}

/// Raises the interrupt on SIGINT, SIGTERM and SIGHUP, and if the process that records owners
/// ends. The signal decides the exit code.
fn listen_for_stops(session: &Session) -> io::Result<()> {
    listen_for_signals(&session.interrupt)?;
    let Ok(privilege) = &session.privilege else {
        return Ok(());
    };
    let noted = session.interrupt.clone();
    let stopped = session.interrupt.clone();
    privilege.watch_supervisor(
        move || noted.note(StopCause::SupervisorEnded),
        move || stopped.stop(StopCause::SupervisorEnded),
    )
}

fn listen_for_signals(interrupt: &Interrupt) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let interrupt = interrupt.clone();
    let listener = thread::Builder::new().name("signals".into());
    listener.spawn(move || {
        for signal in signals.forever() {
            interrupt.raise(u8::try_from(signal).unwrap_or(0));
        }
    })?;
    Ok(())
}

/// Writes data to standard output. A reader that went away is not a failure.
fn print_data(text: &str) -> Result<(), Error> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
        _ => Ok(()),
    }
}
