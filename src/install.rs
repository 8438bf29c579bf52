//! Installs a plan in a tree: the installation is a list of steps, and one loop executes it.
//!
//! `steps` makes the list of a plan, `key` names the tree after each step by a hash, `execute` runs
//! the list over the state of the tree. How packages are unpacked and configured is left to `dpkg`.

mod additions;
mod ahead;
mod debootstrap_tree;
mod execute;
mod hooks;
mod install_plan;
mod key;
mod preseed;
mod scripts;
mod second_stage;
mod settings;
mod snapshot;
mod steps;
mod tarball;

use std::process::ExitStatus;

use crate::dpkg::script_failure::LastLines;
use crate::dpkg::{self, configure, unpack};
use crate::failure::Class;
use crate::sandbox;
use crate::tree::rootfs;

pub(crate) use additions::Additions;
pub(crate) use debootstrap_tree::{DebootstrapOptions, HostFile, RequiredPackages};
pub(crate) use execute::{Installation, Installed, Setup};
pub(crate) use hooks::{
    BadHook, CopyPlace, Helper, HelperOptions, Hook, HookStage, HostApt, copy as copy_by_helper,
    hook_path,
};
pub(crate) use install_plan::InstallPlan;
pub(crate) use key::StepKey;
pub(crate) use preseed::Preseed;
pub(crate) use snapshot::{SnapshotOptions, Snapshots};
pub(crate) use steps::{Options, Step};
pub(crate) use tarball::{Error as TarballError, unpack_tarball};

/// Why the plan could not be installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The base of the tree, or dpkg's or apt's database.
    #[error(transparent)]
    Database(#[from] dpkg::Error),
    /// A package could not be fetched or unpacked, or its preinst failed.
    #[error(transparent)]
    Unpack(#[from] unpack::Error),
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// A package could not be configured or removed.
    #[error(transparent)]
    Configure(#[from] configure::Error),
    /// debconf did not take the answers.
    #[error("debconf-set-selections did not accept the answers of --preseed: {status}")]
    Preseed {
        status: ExitStatus,
        #[source]
        output: Option<LastLines>,
    },
    /// A command of the user's.
    #[error(transparent)]
    Hook(#[from] hooks::Error),
    /// The tree of a snapshot could not be made.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// The tree could not be written or tidied.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Database(error) => error.class(),
            Error::Unpack(error) => error.class(),
            Error::Sandbox(error) => error.class(),
            Error::Configure(error) => error.class(),
            Error::Preseed { .. } => Class::Script,
            Error::Hook(error) => error.class(),
            Error::Snapshot(error) => error.class(),
            Error::Rootfs(_) => Class::Target,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Unpack(error) => error.hint(),
            Error::Sandbox(error) => error.hint(),
            Error::Configure(error) => error.hint(),
            Error::Hook(error) => error.hint(),
            Error::Snapshot(error) => error.hint(),
            Error::Preseed { .. } => Some(
                "correct the lines that its output names, or leave them out of the --preseed file"
                    .into(),
            ),
            Error::Database(_) | Error::Rootfs(_) => None,
        }
    }
}
