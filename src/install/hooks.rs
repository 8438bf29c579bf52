//! Hooks: the user's own commands between the steps of an installation.
//!
//! A hook is mmdebstrap's: a command on the host with the tree's path as `$1`, a command inside the
//! tree, or a helper that copies files between host and tree. [`Hook::parse`] reads a command,
//! `running` executes it; `helper` reads a helper's words, and `copying` copies.

mod copying;
mod helper;
mod host_apt;
mod incoming;
mod running;
mod tars;
mod words;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::dpkg::script_failure::LastLines;
use crate::failure::Class;
use crate::sandbox;
use crate::tree::rootfs;

pub(crate) use copying::{CopyPlace, copy};
pub(crate) use helper::Helper;
pub(crate) use host_apt::HostApt;
pub(super) use incoming::{Error as IncomingError, Incoming};
pub(crate) use running::hook_path;
pub(super) use running::{HookPlace, HookRunner};

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookStage {
    /// Before the indexes are read. The tree has directories and configuration only.
    Setup,
    /// Once the essential packages are unpacked.
    Extract,
    /// Once the essential packages are configured.
    Essential,
    /// Once all packages are configured.
    Customize,
}

/// A command of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) stage: HookStage,
    pub(crate) action: HookAction,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookAction {
    /// A program, or a text for sh, on the host. `$1` is the tree.
    OnHost(String),
    /// A program on the host, whatever characters its path has.
    Program(PathBuf),
    /// A text for the tree's sh, in the sandbox.
    InTree(String),
    /// Copies files. The text is as the user wrote it.
    Copy { text: String, helper: Helper },
}

/// The hooks of a run, and their environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) list: Vec<Hook>,
    /// Environment variables for hooks, in addition to the caller's.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Lets hooks on the host call its apt for the tree.
    pub(crate) host_apt: Option<HostApt>,
    pub(crate) helpers: HelperOptions,
}

/// How files are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HelperOptions {
    /// Does not copy device nodes into the tree.
    pub(crate) without_devices: bool,
    /// Makes the caller the owner of files that are copied out of the tree.
    pub(crate) own_files: bool,
}

/// A hook that cannot be parsed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHook {
    #[error("{helper} needs at least one path and the path to copy to")]
    Paths { helper: &'static str },
    #[error("`{text}` has a quote that is not closed")]
    Quote { text: String },
    #[error("a setup hook cannot run in the tree, which has no programs yet")]
    NoPrograms,
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the {stage} hook `{command}` failed: {status}")]
    Failed {
        stage: HookStage,
        command: String,
        status: ExitStatus,
        #[source]
        output: Option<LastLines>,
    },
    /// The program of a hook, or the tar of a helper.
    #[error("cannot start `{program}`")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("the {stage} hook `{command}` failed")]
    Sandbox {
        stage: HookStage,
        command: String,
        #[source]
        source: sandbox::Error,
    },
    /// A path in the tree that a helper needs.
    #[error("{helper}: {} is not {expected}", path.display())]
    NotThere {
        helper: &'static str,
        /// On the host.
        path: PathBuf,
        /// `a directory`
        expected: &'static str,
    },
    /// A path on the host.
    #[error("{helper}: {}", path.display())]
    Io {
        helper: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// apt's configuration for hooks, in the directory for temporary files.
    #[error("cannot write a configuration of apt for hooks in {}", directory.display())]
    AptConfiguration {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{helper}: tar failed: {status}")]
    Tar {
        helper: &'static str,
        status: ExitStatus,
        #[source]
        output: Option<LastLines>,
    },
    #[error("{helper}: cannot unpack the archive in the tree")]
    Unpack {
        helper: &'static str,
        #[source]
        source: incoming::Error,
    },
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

impl Error {
    /// Whether it is a tar whose reader has ended.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Tar { status, .. } if status.signal() == Some(libc::SIGPIPE))
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Failed { .. } | Error::Sandbox { .. } | Error::Tar { .. } => Class::Script,
            Error::Start { .. } | Error::NotThere { .. } | Error::Io { .. } => Class::Script,
            Error::Unpack { .. } => Class::Script,
            Error::AptConfiguration { .. } | Error::Rootfs(_) => Class::Target,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NotThere { .. } => {
                Some("helpers create no directories: mkdir -p \"$1/…\" in a hook before".into())
            }
            Error::Start { program, .. } if program == "tar" => {
                Some("copying between host and tree needs tar on the host".into())
            }
            Error::AptConfiguration { .. } => Some(
                "TMPDIR names another directory; the target's path must have no `\"` and no line end"
                    .into(),
            ),
            Error::Failed { .. }
            | Error::Start { .. }
            | Error::Sandbox { .. }
            | Error::Io { .. }
            | Error::Tar { .. }
            | Error::Unpack { .. }
            | Error::Rootfs(_) => None,
        }
    }
}

impl HookStage {
    pub(crate) const ALL: [HookStage; 4] = [
        HookStage::Setup,
        HookStage::Extract,
        HookStage::Essential,
        HookStage::Customize,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            HookStage::Setup => "setup",
            HookStage::Extract => "extract",
            HookStage::Essential => "essential",
            HookStage::Customize => "customize",
        }
    }

    /// The stage of a name, or of the beginning of a file's name.
    pub(crate) fn beginning(name: &str) -> Option<HookStage> {
        let mut stages = HookStage::ALL.into_iter();
        stages.find(|stage| name.starts_with(stage.name()))
    }
}

impl fmt::Display for HookStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Hook {
    /// Reads a command for the host: one of the helpers, if it begins as one.
    pub(crate) fn parse(stage: HookStage, text: &str) -> Result<Hook, BadHook> {
        let action = match Helper::parse(text)? {
            Some(helper) => HookAction::Copy {
                text: text.to_owned(),
                helper,
            },
            None => HookAction::OnHost(text.to_owned()),
        };
        Ok(Hook { stage, action })
    }

    /// A program on the host.
    pub(crate) fn program(stage: HookStage, path: &Path) -> Hook {
        Hook {
            stage,
            action: HookAction::Program(path.to_owned()),
        }
    }

    /// A command for the tree's shell.
    pub(crate) fn in_tree(stage: HookStage, text: &str) -> Result<Hook, BadHook> {
        match stage {
            HookStage::Setup => Err(BadHook::NoPrograms),
            HookStage::Extract | HookStage::Essential | HookStage::Customize => Ok(Hook {
                stage,
                action: HookAction::InTree(text.to_owned()),
            }),
        }
    }

    /// Where it runs and what it is, as words for [`StepKey`](super::StepKey) and for people.
    pub(crate) fn words(&self) -> [Cow<'_, str>; 3] {
        let stage = self.stage.name().into();
        match &self.action {
            HookAction::OnHost(text) => [stage, "on-host".into(), text.into()],
            HookAction::Program(path) => [stage, "on-host".into(), path.to_string_lossy()],
            HookAction::InTree(text) => [stage, "in-tree".into(), text.into()],
            HookAction::Copy { text, .. } => [stage, "helper".into(), text.into()],
        }
    }
}

#[cfg(test)]
mod tests;
