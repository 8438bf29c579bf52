//! The command for clap, and the texts around the options.
//!
//! `-h` has one line an option. `--help` adds what does not fit there: the option's whole
//! documentation, its values and its environment variable.

use clap::builder::styling::Styles;
use clap::{Arg, Command, CommandFactory};

use super::{Cli, variables};

pub(super) const USAGE: &str = "rbootstrap [OPTIONS] SUITE [TARGET] [MIRROR]
       rbootstrap push [OPTIONS] IMAGE [REGISTRY/NAME[:TAG]…]
       rbootstrap build [OPTIONS] FILE [NAME…]
       rbootstrap pack [OPTIONS] DIR [OUTPUT]
       rbootstrap join [OPTIONS] OUTPUT IMAGE…
       rbootstrap diff [OPTIONS] OLD NEW
       rbootstrap rm DIR…
       rbootstrap suites
       rbootstrap completions SHELL";

pub(super) const EXAMPLES: &str = "  rbootstrap trixie ./trixie
  rbootstrap --variant minbase --include vim,curl trixie trixie.tar.zst
  rbootstrap noble | docker import - noble
  rbootstrap noble ./noble --tar - | docker import - noble
  rbootstrap noble ./noble && rbootstrap pack ./noble | docker import - noble";

pub(super) const MORE_EXAMPLES: &str =
    "  rbootstrap --include curl=8.14.1-2,libc6:i386 --arch amd64,i386 trixie ./trixie
  rbootstrap trixie ./trixie http://mirror.example/debian
  rbootstrap --source 'deb [pin-priority=100] http://ftp.debian.org/debian sid main' \\
      --include vim/sid trixie ./trixie
  rbootstrap --print-debs --variant buildd sid";

pub(super) const EXIT_CODES: &str = "  0         success
  1         any failure that is not listed below
  2         the command line is wrong
  3         trust: a bad signature, digest or date, or a malformed or oversized index or package
  4         the requested packages cannot be installed together
  5         the network or the mirror failed
  6         the target or the disk is unusable, or the host denies a permission
  7         a maintainer script or dpkg failed
  129       hangup (SIGHUP); everything is undone
  130, 143  interrupted (SIGINT, SIGTERM); everything is undone";

pub(super) const ENVIRONMENT: &str = "  http_proxy, https_proxy,  proxies for downloads, and the hosts that need none; names in upper case
  all_proxy, no_proxy       come first
  SOURCE_DATE_EPOCH         the time of the image [default: the newest package's]
  TMPDIR                    the directory for temporary files [default: /tmp]
  RBOOTSTRAP_NO_ZYGOTES     if set, every run of a Perl script compiles it again (for debugging)";

/// The command with both helps complete.
pub(super) fn command() -> Command {
    Cli::command()
        .styles(Styles::plain())
        .max_term_width(100)
        .override_usage(USAGE)
        .after_help(format!("Examples:\n{EXAMPLES}"))
        .after_long_help(format!(
            "Examples:\n{EXAMPLES}\n{MORE_EXAMPLES}\n\n\
             Exit codes:\n{EXIT_CODES}\n\n\
             Environment:\n{ENVIRONMENT}"
        ))
        .mut_args(with_values_and_variable)
        .mut_subcommands(|command| command.mut_args(with_values_and_variable))
}

/// The command for manual pages, which have a place for values and environment variables.
pub(super) fn command_for_pages() -> Command {
    let with_values = |arg: Arg| arg.hide_possible_values(false);
    Cli::command()
        .override_usage(USAGE)
        .mut_args(with_values)
        .mut_subcommands(|command| command.mut_args(with_values))
        .mut_subcommand("bootstrap", |command| command.hide(true))
}

/// Moves the option's values and its environment variable to its long help. An empty variable sets
/// nothing.
fn with_values_and_variable(arg: Arg) -> Arg {
    let Some(help) = arg.get_long_help().or(arg.get_help()) else {
        return arg;
    };
    let mut text = help.to_string();
    if arg.is_hide_possible_values_set() {
        for value in arg.get_possible_values() {
            if let Some(meaning) = value.get_help()
                && !value.is_hide_set()
            {
                text.push_str(&format!("\n- {}: {meaning}", value.get_name()));
            }
        }
    }
    if let Some(variable) = arg.get_env() {
        text.push_str(&format!("\n\n[env: {}]", variable.to_string_lossy()));
    }
    variables::without_empty(arg.long_help(text).hide_env(true))
}
