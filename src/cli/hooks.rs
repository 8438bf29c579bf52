//! `--hook` and `--hook-dir`, whose order on the command line counts across both, and what hooks
//! are told.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::environment::Environment;
use crate::install::{BadHook, Hook, HookStage, hook_path};

const HOOK: &str = "hook";
const DIRECTORY: &str = "hook-dir";

/// Behind the name of a stage: the command runs in the tree.
const IN_TREE: &str = "-in-tree";

/// The hooks in the order of the command line.
#[derive(Debug)]
pub(super) struct HookArgs(pub(super) Vec<Hook>);

/// A value that is no hook, or a directory that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "expected STAGE=COMMAND, where STAGE is one of setup, extract, essential, customize, or \
             one of the last three with -in-tree"
    )]
    Form,
    #[error(transparent)]
    Hook(#[from] BadHook),
    #[error("{}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{}: no executable file has the name of a stage", path.display())]
    Empty { path: PathBuf },
}

impl Args for HookArgs {
    fn augment_args(command: Command) -> Command {
        let hook = Arg::new(HOOK)
            .long(HOOK)
            .value_name("STAGE=COMMAND")
            .action(ArgAction::Append)
            .value_parser(parse)
            .help("Run a command between the steps")
            .long_help(
                "Run a command between the steps\n\n\
                 STAGE is setup (before the indexes are read; the tree has configuration only), \
                 extract (the essential packages are unpacked), essential (they are configured) or \
                 customize (all packages are configured). The command is a program, or a text for \
                 sh, on this host, with the tree's path as $1. With -in-tree behind the stage it is \
                 a text for the tree's sh, in the sandbox: customize-in-tree='useradd user'. \
                 copy-in, copy-out, sync-in, sync-out, tar-in, tar-out, upload and download copy \
                 files, as mmdebstrap's: 'customize=download /etc/os-release ./os-release'. A \
                 command that fails ends the run with exit code 7. May be given more than once.",
            );
        let directory = Arg::new(DIRECTORY)
            .long(DIRECTORY)
            .value_name("DIR")
            .action(ArgAction::Append)
            .value_parser(OsStringValueParser::new().try_map(read_directory))
            .help("Run the programs of a directory as hooks")
            .long_help(
                "Run the programs of a directory as hooks\n\n\
                 The executable files whose names begin with a stage, in the order of their names. \
                 May be given more than once.",
            );
        command.next_help_heading("Hooks").arg(hook).arg(directory)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for HookArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        let positions = matches.indices_of(HOOK).unwrap_or_default();
        let hooks = matches.get_many::<Hook>(HOOK).unwrap_or_default();
        for (position, hook) in positions.zip(hooks) {
            found.push((position, vec![hook.clone()]));
        }
        let positions = matches.indices_of(DIRECTORY).unwrap_or_default();
        let directories = matches.get_many::<Vec<Hook>>(DIRECTORY).unwrap_or_default();
        found.extend(positions.zip(directories.cloned()));
        found.sort_by_key(|(position, _)| *position);
        let mut hooks = Vec::new();
        for (_, given) in found {
            hooks.extend(given);
        }
        Ok(HookArgs(hooks))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn parse(value: &str) -> Result<Hook, Error> {
    let (stage, command) = value.split_once('=').ok_or(Error::Form)?;
    let in_tree = stage.strip_suffix(IN_TREE);
    let name = in_tree.unwrap_or(stage);
    let mut stages = HookStage::ALL.into_iter();
    let stage = stages.find(|stage| stage.name() == name);
    let stage = stage.filter(|_| !command.trim().is_empty());
    let stage = stage.ok_or(Error::Form)?;
    Ok(match in_tree {
        Some(_) => Hook::in_tree(stage, command)?,
        None => Hook::parse(stage, command)?,
    })
}

fn read_directory(path: OsString) -> Result<Vec<Hook>, Error> {
    let hooks = directory(Path::new(&path))?;
    match hooks.is_empty() {
        true => Err(Error::Empty { path: path.into() }),
        false => Ok(hooks),
    }
}

/// The executable files of a directory whose names begin with a stage, in the order of their names.
pub(super) fn directory(path: &Path) -> Result<Vec<Hook>, Error> {
    let failed = |source| Error::Directory {
        path: path.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    let mut hooks = Vec::new();
    for name in names {
        let file = path.join(&name);
        let found = match fs::metadata(&file) {
            Ok(found) => found,
            // A dangling symlink, which run-parts(8) and mmdebstrap skip, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let is_program = found.is_file() && found.permissions().mode() & 0o111 != 0;
        if let Some(stage) = HookStage::beginning(&name.to_string_lossy())
            && is_program
        {
            hooks.push(Hook::program(stage, &file));
        }
    }
    Ok(hooks)
}

/// What hooks are told about a run.
pub(super) struct ToldRun<'a> {
    pub(super) suite: Option<&'a str>,
    /// mmdebstrap's name of the format, or `oci`.
    pub(super) format: &'a str,
    pub(super) include: &'a [String],
    pub(super) in_user_namespace: bool,
    /// 0 for silence to 3 for everything.
    pub(super) verbosity: u8,
    /// How this program was called.
    pub(super) program: OsString,
}

impl ToldRun<'_> {
    /// The variables that mmdebstrap sets for hooks.
    pub(super) fn environment(&self, environment: &Environment) -> Vec<(OsString, OsString)> {
        let mut include = Vec::new();
        for word in self.include {
            include.push(word.replace('%', "%25").replace(',', "%2C"));
        }
        let mode = match self.in_user_namespace {
            true => "unshare",
            false => "root",
        };
        let own_path = environment.path_variable();
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        for (name, value) in [
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
            ("LC_ALL", "C.UTF-8"),
            ("LANGUAGE", "C.UTF-8"),
            ("LANG", "C.UTF-8"),
            ("MMDEBSTRAP_MODE", mode),
            ("MMDEBSTRAP_FORMAT", self.format),
            ("MMDEBSTRAP_INCLUDE", &include.join(",")),
            ("MMDEBSTRAP_VERBOSITY", &self.verbosity.to_string()),
            // The helper needs no socket: it runs as the user that owns the host's files.
            ("MMDEBSTRAP_HOOKSOCK", "2"),
        ] {
            variables.push((name.into(), value.into()));
        }
        variables.push(("PATH".into(), hook_path(&own_path)));
        variables.push(("MMDEBSTRAP_ARGV0".into(), self.program.clone()));
        if let Some(suite) = self.suite {
            variables.push(("MMDEBSTRAP_SUITE".into(), suite.into()));
        }
        if self.in_user_namespace {
            variables.push(("container".into(), "mmdebstrap-unshare".into()));
        }
        variables
    }
}
