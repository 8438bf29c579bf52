//! Why a command could not be run in the sandbox.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::limits::Exceeded;
use crate::failure::Class;

/// A command that runs and fails is not an error here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot change the root directory: root lacks CAP_SYS_CHROOT")]
    Permission,
    /// Scripts would see the host's own processes, network or files.
    #[error("the host allows no sandbox for maintainer scripts: it refuses {missing}")]
    Weak {
        /// Namespaces, or dropping capabilities.
        missing: String,
    },
    /// No /dev can be mounted, and the tree's own is of no use.
    #[error("maintainer scripts cannot open /dev/null: the tree is on a file system mounted nodev")]
    Devices(#[source] io::Error),
    #[error("cannot run commands in the tree: {step} failed")]
    Setup {
        step: SetupStep,
        #[source]
        source: io::Error,
    },
    /// A process, a pipe or a socket could not be created.
    #[error("cannot start a process for the tree")]
    Start(#[source] io::Error),
    #[error("the tree has no {program}")]
    NotFound { program: String },
    /// A program for another architecture, and no emulator on the host.
    #[error("the host cannot run {architecture} programs such as the tree's {program}")]
    Foreign {
        program: String,
        /// Debian's name.
        architecture: &'static str,
    },
    /// The host has an emulator, and its kernel does not start it in the tree.
    #[error("the host cannot run {architecture} programs: it does not start {} for them", emulator.display())]
    NotEmulated {
        emulator: PathBuf,
        /// Debian's name.
        architecture: &'static str,
    },
    #[error("cannot run the tree's {program}")]
    Exec {
        program: String,
        #[source]
        source: io::Error,
    },
    /// More arguments than a command can have, or none.
    #[error("the arguments of {program} are too long: {bytes} bytes")]
    TooLong {
        program: String,
        /// Size of the arguments and the environment.
        bytes: usize,
    },
    #[error("`{argument}` contains a NUL byte")]
    Nul { argument: String },
    /// The command was killed, and the sandbox with it.
    #[error("{program} {limit}")]
    Exceeded {
        program: String,
        limit: Exceeded,
        /// The last 64 KiB of its output.
        output: Vec<u8>,
    },
    /// [`Cancel`](super::Cancel) was used.
    #[error("interrupted")]
    Cancelled,
    /// Another process killed the sandbox.
    #[error("the process that runs the tree's commands ended")]
    Died,
}

impl Error {
    /// The class that decides the exit code. A program that the packages did not bring, or that
    /// lacks its interpreter, is a failure of the packages; the rest is what the host permits.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::NotFound { .. } | Error::Exec { .. } | Error::Exceeded { .. } => Class::Script,
            Error::Permission
            | Error::Weak { .. }
            | Error::Devices(_)
            | Error::Setup { .. }
            | Error::Start(_)
            | Error::Foreign { .. }
            | Error::NotEmulated { .. }
            | Error::TooLong { .. }
            | Error::Nul { .. }
            | Error::Died => Class::Target,
            Error::Cancelled => Class::Other,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Foreign { architecture, .. } => Some(format!(
                "install qemu-user-static to run {architecture} programs"
            )),
            Error::NotEmulated { .. } => Some(
                "register it with binfmt_misc, on the host of a container: install \
                 qemu-user-static and binfmt-support there; Linux 6.7 and later needs no \
                 registration where user namespaces are allowed"
                    .into(),
            ),
            Error::Weak { .. } => Some(
                "run it as root with CAP_SYS_ADMIN, or in a container with CAP_SETPCAP and --mode \
                 container; --allow-weak-sandbox runs the scripts all the same, with the host's \
                 processes, network or files in their reach"
                    .into(),
            ),
            Error::Exceeded { limit, .. } => Some(limit.hint().to_owned()),
            Error::Permission => {
                Some("give it to the container: docker run --cap-add SYS_CHROOT".into())
            }
            Error::Devices(_) => Some(
                "put it on another file system (TMPDIR for an image): docker run --tmpfs \
                 /tmp:exec,dev, or a volume; docker run --cap-add SYS_ADMIN permits mounts instead"
                    .into(),
            ),
            Error::Setup { .. }
            | Error::Start(_)
            | Error::NotFound { .. }
            | Error::Exec { .. }
            | Error::TooLong { .. }
            | Error::Nul { .. }
            | Error::Cancelled
            | Error::Died => None,
        }
    }
}

/// What PID 1 of the sandbox does before it runs commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetupStep {
    Execute = 1,
    EnterTree,
    ChangeRoot,
    LeaveOldRoot,
    WatchChildren,
    OpenDevices,
}

impl SetupStep {
    /// The step with this number; entering the tree for a number that no step has.
    pub(super) fn from_number(number: u32) -> SetupStep {
        match number {
            1 => SetupStep::Execute,
            3 => SetupStep::ChangeRoot,
            4 => SetupStep::LeaveOldRoot,
            5 => SetupStep::WatchChildren,
            6 => SetupStep::OpenDevices,
            _ => SetupStep::EnterTree,
        }
    }
}

impl fmt::Display for SetupStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetupStep::Execute => "executing this program again",
            SetupStep::EnterTree => "entering it",
            SetupStep::ChangeRoot => "making it the root directory",
            SetupStep::LeaveOldRoot => "leaving the host's root directory",
            SetupStep::WatchChildren => "waiting for the end of processes",
            SetupStep::OpenDevices => "opening /dev/null",
        })
    }
}
