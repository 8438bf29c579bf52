//! `mmdebstrap`: the program under that name, or `rbootstrap mmdebstrap`.
//!
//! Takes the command line of mmdebstrap 1.5.7, and makes the same tree, last line and exit codes.
//! `getopt` splits the command line into options, `arguments` interprets them, `mirrors` reads the
//! sources, `outputs` decides the format.

mod arguments;
mod getopt;
mod mirrors;
mod outputs;
mod skip;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use self::arguments::{Arguments, keyrings_in};
use self::mirrors::{MirrorContext, SourceFiles};
use self::outputs::TargetWord;
use super::environment::Environment;
use super::hook_helper;
use super::hooks::ToldRun;
use super::host_files::host_files;
use super::own_options::OwnOptions;
use super::{Session, exit, listen_for_stops, print_data};
use crate::formats::suite::Variant;
use crate::install::{Additions, HostApt};
use crate::privilege::{self, Privilege, Product};
use crate::run::{
    self, Goal, InventoryOutputs, ListedSources, Outputs, Packages, PushOutputs, Request,
    SourceOptions, System,
};
use crate::ui::progress::{Display, LineStyle};

pub(super) const NAME: &str = "mmdebstrap";
/// The version whose options are accepted. Callers compare it.
const VERSION: &str = "1.5.7";

/// The name of the files with apt's and dpkg's configuration.
const CONFIGURATION: &str = "99mmdebstrap";

const USAGE: &str = "Usage:
    mmdebstrap [OPTION...] [SUITE [TARGET [MIRROR...]]]
";

/// Runs mmdebstrap with these arguments. A wrong option is exit code 2, every other failure 1.
pub(super) fn main(words: Vec<OsString>) -> ExitCode {
    let began = Instant::now();
    // `rbootstrap mmdebstrap --hook-helper`
    if words
        .first()
        .is_some_and(|word| word == hook_helper::OPTION)
    {
        return hook_helper::main(&words[1..]);
    }
    if words.first().is_some_and(|word| word == "--unshare-helper") {
        return refuse(
            "--unshare-helper is not supported: use unshare --map-auto --map-user=65536 \
             --map-group=65536 --keep-caps -- COMMAND",
        );
    }
    let words = match getopt::read(words) {
        Ok(words) => words,
        Err(error) => {
            say(&format!("{error}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let mut arguments = match Arguments::read(words) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    if arguments.show_version {
        return print(&format!("{NAME} {VERSION}\n"));
    }
    if arguments.show_manual {
        return print(&manual());
    }
    if arguments.show_help {
        return print(&help());
    }
    match execute(&mut arguments, began) {
        Ok(code) => code,
        Err(error) => refuse(&error),
    }
}

/// The manual page as text, where `*` marks emphasis.
fn manual() -> String {
    let synopsis = "mmdebstrap [OPTION...] [*SUITE* [*TARGET* [*MIRROR*...]]]";
    format!(
        "NAME\n    mmdebstrap - multi-mirror Debian chroot creation\n\n\
         SYNOPSIS\n    {synopsis}\n\nOPTIONS\n{}",
        options()
    )
}

fn help() -> String {
    format!("{USAGE}\nOptions (see mmdebstrap(1)):\n{}", options())
}

/// A line for each option.
fn options() -> String {
    let mut text = String::new();
    for (name, _) in getopt::LONG {
        let (name, value) = match name.strip_suffix('=') {
            Some(name) => (name, " VALUE"),
            None => (name, ""),
        };
        text.push_str(&format!("    --{name}{value}\n"));
    }
    text
}

fn execute(arguments: &mut Arguments, began: Instant) -> Result<ExitCode, String> {
    if let Some(path) = &arguments.log_file {
        redirect_errors(path)?;
    }
    let environment = Environment::read();
    let target = TargetWord::decide(arguments.target.as_deref(), arguments.format)?;
    let mut request = request(arguments, &target, &environment)?;
    if request.goal == Goal::Make {
        // Before the first thread.
        let product = match request.outputs.directory {
            Some(_) => Product::Directory,
            None => Product::Images,
        };
        request.privilege = privilege::obtain(arguments.mode, &environment.caller(), product);
    }
    tell_hooks(arguments, &target, &environment, &mut request);
    let style = match arguments.verbosity {
        0 => LineStyle::Silent,
        _ => LineStyle::AllOnStderr,
    };
    let display = Display::with_lines(style, arguments.verbosity > 1);
    let session = Session::new(display, environment, request.privilege.clone());
    listen_for_stops(&session).map_err(|source| format!("cannot listen for signals: {source}"))?;
    for note in &arguments.notes {
        session.report.note(note);
    }
    match run::run(&request, &session.interrupt, &session.report) {
        Ok(_) => {
            let seconds = began.elapsed().as_secs_f64();
            session
                .report
                .note(format!("success in {seconds:.4} seconds"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            exit::failed(&session.report, &super::Error::Run(error));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Translates the options into a request.
fn request(
    arguments: &Arguments,
    target: &TargetWord,
    environment: &Environment,
) -> Result<Request, String> {
    let files = SourceFiles::read(
        &arguments.mirrors,
        &MirrorContext {
            suite: arguments.suite.as_deref(),
            components: &arguments.components,
            architectures: &arguments.architectures,
            environment,
        },
    )?;
    let own = OwnOptions::read(environment)?;
    let mut request = Request {
        goal: match arguments.simulate {
            true => Goal::Simulate,
            false => Goal::Make,
        },
        privilege: Ok(Privilege::of_caller()),
        system: system(arguments),
        other_architectures: Vec::new(),
        packages: Packages {
            include: arguments.include.clone(),
            exclude: Vec::new(),
        },
        sources: sources(arguments, &files, environment),
        locked: None,
        outputs: Outputs {
            push: PushOutputs::default(),
            checksums: None,
            says_key: false,
            lock: None,
            directory: target.directory.clone(),
            image: target.image.clone(),
            devices: arguments.skips.devices(),
            inventory: InventoryOutputs::default(),
            epoch: environment.epoch().map_err(|error| error.to_string())?,
            takes_any_directory: arguments.skips.empty,
            keep_failed: target.directory.is_some(),
            temporary: environment.temporary(),
        },
        cache: own.cache,
        network: own.network,
        limits: own.limits,
        sandbox: own.sandbox,
        additions: additions(arguments, &files),
        debootstrap: None,
    };
    let applied = arguments.configuration.apply(&mut request);
    applied.map_err(|error| error.to_string())?;
    Ok(request)
}

/// What the tree gets besides packages, and what is not tidied away.
fn additions(arguments: &Arguments, files: &SourceFiles) -> Additions {
    let mut additions = arguments.configuration.additions(CONFIGURATION);
    additions.files.extend(files.files());
    additions.files.extend(host_files());
    additions.hooks.list = arguments.hooks.clone();
    additions.hooks.helpers.without_devices = arguments.skips.copied_nodes;
    additions.has_lists = arguments.skips.kept.lists || !arguments.hooks.is_empty();
    additions.without_localtime = true;
    additions.kept = arguments.skips.kept;
    additions.essential_archives = arguments.skips.unlink;
    additions
}

fn system(arguments: &Arguments) -> System {
    System {
        suite: arguments.suite.clone().unwrap_or_default(),
        variant: arguments.variant.unwrap_or(Variant::Important),
        architectures: arguments.architectures.clone(),
        merged_usr: arguments.merged_usr,
        usr_is_merged: arguments.usr_is_merged,
        first_stage: false,
        path_rules: Vec::new(),
        preseed: Vec::new(),
        profile: None,
    }
}

/// Only the sources that the MIRRORs name. As with apt, the host's keys are trusted, too.
fn sources(arguments: &Arguments, files: &SourceFiles, environment: &Environment) -> SourceOptions {
    let mut further_keyrings = Vec::new();
    if arguments.keyrings.is_empty() {
        further_keyrings = keyrings_in(Path::new("/etc/apt/trusted.gpg.d"));
        let single = PathBuf::from("/etc/apt/trusted.gpg");
        further_keyrings.extend(Some(single).filter(|path| path.is_file()));
    }
    SourceOptions {
        suite_directories: environment.configuration_directories("suites"),
        components: arguments.components.clone(),
        mirror: None,
        further_mirrors: Vec::new(),
        snapshot: None,
        extra_sources: Vec::new(),
        only: Some(files.texts()),
        auth_files: Vec::new(),
        keeps_logins: false,
        keyrings: arguments.keyrings.clone(),
        further_keyrings,
        check_signatures: true,
        accept_expired: false,
        accept_older: true,
        accept_other_suite: true,
        pockets: true,
        listed: ListedSources::Nothing,
    }
}

/// Sets the environment of hooks and the options of helpers.
fn tell_hooks(
    arguments: &Arguments,
    target: &TargetWord,
    environment: &Environment,
    request: &mut Request,
) {
    let privilege = request.privilege.as_ref();
    let told = ToldRun {
        suite: arguments.suite.as_deref(),
        format: target.format.name(),
        include: &arguments.include,
        in_user_namespace: privilege.is_ok_and(|privilege| privilege.is_in_user_namespace()),
        verbosity: arguments.verbosity,
        program: environment.program(),
    };
    let hooks = &mut request.additions.hooks;
    hooks.helpers.own_files = told.in_user_namespace;
    hooks.environment = told.environment(environment);
    hooks.host_apt = Some(HostApt {
        keyring: arguments.apt_trust.keyring.clone(),
        keyrings: arguments.apt_trust.keyrings.clone(),
        directory: environment.temporary(),
    });
}

/// Redirects all messages into a file.
fn redirect_errors(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).open(path);
    let file = opened.map_err(|error| format!("cannot open {shown}: {error}"))?;
    nix::unistd::dup2_stderr(&file).map_err(|error| format!("cannot open STDERR: {error}"))
}

fn print(text: &str) -> ExitCode {
    match print_data(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn refuse(error: &str) -> ExitCode {
    say(&format!("E: {error}\n"));
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "there is no display yet")]
fn say(text: &str) {
    eprint!("{text}");
}
