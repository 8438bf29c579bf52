//! The environment variables that set options.
//!
//! An empty variable counts as unset, and an error about a value names the variable that it comes
//! from, not an option that nobody typed.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

/// The option without its variable, if that is set and empty.
pub(super) fn without_empty(arg: Arg) -> Arg {
    let is_empty = |value: OsString| value.is_empty();
    match arg.get_env().and_then(env::var_os).is_some_and(is_empty) {
        true => arg.env(Resettable::Reset),
        false => arg,
    }
}

/// The error of a command line. Options whose values come from variables are called by these.
pub(super) fn named(mut error: clap::Error, command: &Command, words: &[OsString]) -> clap::Error {
    // clap builds only the subcommand that it parses, and shows no arguments of the others.
    let mut command = command.clone();
    command.build();
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        if let Some(ContextValue::String(shown)) = error.get(kind)
            && let Some(variable) = variable_of(shown, &command, words)
        {
            error.insert(kind, ContextValue::String(variable));
        }
    }
    error
}

/// The variable that sets an option, given as clap shows it, unless it is among the words.
fn variable_of(shown: &str, command: &Command, words: &[OsString]) -> Option<String> {
    let mut args: Vec<&Arg> = command.get_arguments().collect();
    for subcommand in command.get_subcommands() {
        args.extend(subcommand.get_arguments());
    }
    for arg in args {
        if arg.to_string() != shown {
            continue;
        }
        let variable = arg.get_env()?;
        if env::var_os(variable).is_none() || is_typed(arg, words) {
            return None;
        }
        return Some(variable.to_string_lossy().into_owned());
    }
    None
}

fn is_typed(arg: &Arg, words: &[OsString]) -> bool {
    let Some(long) = arg.get_long() else {
        return false;
    };
    words.iter().any(|word| {
        let word = word.to_string_lossy();
        let option = word.split('=').next().unwrap_or_default();
        option.strip_prefix("--") == Some(long)
    })
}
