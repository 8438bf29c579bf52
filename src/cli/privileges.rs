//! `--mode`: as whom the program works, decided before its first thread.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Args;

use super::bootstrap::BootstrapArgs;
use super::environment::Environment;
use super::{Cli, CommandArgs};
use crate::privilege::{self, Mode, Privilege, Product};
use crate::run::Goal;

/// The option that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Privileges")]
pub(super) struct PrivilegeArgs {
    /// Choose how to obtain root's rights: auto, root, userns, single-id, container
    ///
    /// A tree has files of many owners, which only root can make. A user becomes root of a user
    /// namespace, which needs newuidmap and entries in /etc/subuid and /etc/subgid. Without them, a
    /// namespace with one id is enough for an image: owners are recorded in memory.
    #[arg(
        long,
        global = true,
        value_name = "MODE",
        default_value = "auto",
        hide_possible_values = true,
        env = "RBOOTSTRAP_MODE"
    )]
    mode: Mode,
}

impl Cli {
    /// Obtains what the command needs.
    pub(super) fn obtain_privilege(
        &self,
        environment: &Environment,
    ) -> Result<Privilege, privilege::Error> {
        let mode = self.privileges.mode;
        let caller = environment.caller();
        match &self.command {
            None => self.bootstrap.obtain_privilege(mode, environment),
            Some(CommandArgs::Bootstrap(bootstrap)) => {
                bootstrap.obtain_privilege(mode, environment)
            }
            Some(CommandArgs::Build(build)) if build.makes_trees() => {
                privilege::obtain(mode, &caller, Product::Images)
            }
            Some(CommandArgs::Pack(pack)) if belongs_to_caller(&pack.directory) => {
                privilege::obtain_if_possible(mode, &caller)
            }
            Some(CommandArgs::Rm(_)) => privilege::obtain_if_possible(mode, &caller),
            Some(
                CommandArgs::Build(_)
                | CommandArgs::Pack(_)
                | CommandArgs::Join(_)
                | CommandArgs::Push(_)
                | CommandArgs::Diff(_)
                | CommandArgs::Suites
                | CommandArgs::Completions(_)
                | CommandArgs::Manual(_)
                | CommandArgs::Debootstrap { .. }
                | CommandArgs::Mmdebstrap { .. },
            ) => Ok(Privilege::of_caller()),
        }
    }
}

impl BootstrapArgs {
    fn obtain_privilege(
        &self,
        mode: Mode,
        environment: &Environment,
    ) -> Result<Privilege, privilege::Error> {
        match self.goal() {
            Goal::Make => privilege::obtain(mode, &environment.caller(), self.product(environment)),
            Goal::PrintDebs | Goal::Simulate | Goal::Download => Ok(Privilege::of_caller()),
        }
    }
}

/// Whether root of a user namespace would be the owner of a tree. Another user's tree has the ids
/// of the host.
fn belongs_to_caller(directory: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(directory).is_ok_and(|found| found.uid() == user)
}
