//! The options on what is trusted, and which checks are turned off.

use std::path::PathBuf;

use clap::Args;

use crate::sandbox::{self, ScriptLimits};

#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(super) struct TrustArgs {
    /// Trust these keys instead of the built-in ones
    ///
    /// An OpenPGP keyring: .gpg or .pgp, or .asc with ASCII armor. May be given more than once. The
    /// tree's apt gets these keys too, unless the distribution's own have signed the archive.
    #[arg(long, value_name = "FILE", env = "RBOOTSTRAP_KEYRING")]
    pub(super) keyring: Vec<PathBuf>,

    /// Do not check signatures
    ///
    /// Anyone between this machine and the mirror can then choose what is installed.
    #[arg(long, conflicts_with = "force_check_gpg")]
    pub(super) no_check_gpg: bool,

    /// Accept an index whose Valid-Until has passed
    ///
    /// For snapshots, and for mirrors that are not up to date. Everything else is still checked.
    #[arg(long)]
    pub(super) no_check_valid_until: bool,

    /// Accept a release that is older than one of an earlier run
    ///
    /// The cache remembers the newest date of each source. An older release can be a replay that
    /// hides updates. The option holds for this run only.
    #[arg(long)]
    pub(super) allow_rollback: bool,

    /// Accept a release of another suite than the requested one
    ///
    /// A release of another suite can be a replay, and is refused for the suites that `rbootstrap
    /// suites` lists.
    #[arg(long)]
    pub(super) allow_other_suite: bool,

    /// Run scripts although the host refuses a sandbox
    ///
    /// Where the host refuses a PID, network or mount namespace, maintainer scripts can reach its
    /// processes, network or files, and the run ends before the first one. With this option it goes
    /// on. In a container, whose own boundary remains, it always goes on, with a warning.
    #[arg(long)]
    pub(super) allow_weak_sandbox: bool,
}

impl TrustArgs {
    pub(super) fn sandbox(&self, limits: ScriptLimits, shares_perl: bool) -> sandbox::Options {
        sandbox::Options {
            allow_weak: self.allow_weak_sandbox,
            limits,
            is_contained: false,
            shares_perl,
            records_owners: false,
            emulated: None,
        }
    }
}
