//! Executes hooks: on the host, in the tree's sandbox, or as a helper.
//!
//! Commands on the host have the caller's environment, terminal and working directory, and the
//! variables that mmdebstrap sets for hooks. Their standard output goes to standard error, because
//! this program's standard output may be an image.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Access, AtFlags, CWD};

use super::host_apt::AptConfiguration;
use super::{CopyPlace, Error, Hook, HookAction, HookStage, Hooks, copy};
use crate::dpkg::script_failure::LastLines;
use crate::interrupt::Interrupt;
use crate::interrupt::child::Running;
use crate::report::Report;
use crate::sandbox::{self, HookMounts, Sandbox};
use crate::tree::rootfs::Rootfs;

/// The caller's variables that hooks do not get: they name paths of the host, which a hook that
/// calls chroot(8) would look up in the tree.
const REMOVED: [&str; 2] = ["TMPDIR", "APT_CONFIG"];

/// The system's directories, which end a hook's PATH.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The tree that hooks change.
#[derive(Clone, Copy)]
pub(in crate::install) struct HookPlace<'a> {
    pub(in crate::install) root: &'a Rootfs,
    pub(in crate::install) interrupt: &'a Interrupt,
    pub(in crate::install) report: &'a Report,
}

/// Runs the hooks of one installation. Mounts made by a hook stay until this is dropped.
pub(in crate::install) struct HookRunner {
    hooks: Hooks,
    /// Those of the tree, native first.
    architectures: Vec<String>,
    mounts: Option<HookMounts>,
    /// The configuration of the host's apt, once a hook has run.
    apt_configuration: Option<AptConfiguration>,
}

impl HookRunner {
    pub(in crate::install) fn new(hooks: &Hooks, architectures: &[String]) -> HookRunner {
        HookRunner {
            hooks: hooks.clone(),
            architectures: architectures.to_vec(),
            mounts: None,
            apt_configuration: None,
        }
    }

    /// Runs a hook on the host.
    pub(in crate::install) fn run(
        &mut self,
        hook: &Hook,
        place: HookPlace<'_>,
    ) -> Result<(), Error> {
        match &hook.action {
            HookAction::OnHost(text) => self.on_host(hook.stage, OsStr::new(text), place),
            HookAction::Program(path) => self.on_host(hook.stage, path.as_os_str(), place),
            HookAction::Copy { text, helper } => {
                place
                    .report
                    .detail(format!("running the {} hook: {text}", hook.stage));
                let place = CopyPlace {
                    root: place.root,
                    options: self.hooks.helpers,
                    interrupt: place.interrupt,
                    report: place.report,
                };
                copy(helper, place)
            }
            // The caller has the sandbox.
            HookAction::InTree(_) => Ok(()),
        }
    }

    fn on_host(
        &mut self,
        stage: HookStage,
        text: &OsStr,
        place: HookPlace<'_>,
    ) -> Result<(), Error> {
        let shown = text.to_string_lossy();
        let failed_to_start = |source| Error::Start {
            program: shown.clone().into_owned(),
            source,
        };
        let root = std::path::absolute(place.root.path()).map_err(failed_to_start)?;
        let apt_configuration = self.apt_configuration(&root)?;
        let mounts = match &self.mounts {
            Some(mounts) => mounts,
            None => {
                let mounts = HookMounts::open(&root);
                if !mounts.are_private() {
                    place.report.detail(
                        "the host allows no mounts for hooks: the tree has no /proc and /sys in them",
                    );
                }
                self.mounts.insert(mounts)
            }
        };
        let command = mounts.command(&root, stage != HookStage::Setup);
        let mut command = command.map_err(failed_to_start)?;
        if is_program(text) {
            command.arg(text).arg(&root);
        } else {
            command.args(["sh", "-c"]).arg(text).arg("exec").arg(&root);
        }
        let report = place.report;
        report.detail(format!("running the {stage} hook on the host: {shown}"));
        self.set_environment(&mut command, stage);
        if let Some(path) = apt_configuration {
            command.env("MMDEBSTRAP_APT_CONFIG", path);
        }
        let running = Running::start(&mut command, place.interrupt);
        let status = running.and_then(|mut running| running.wait());
        let status = status.map_err(failed_to_start)?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::Failed {
                stage,
                command: shown.into_owned(),
                status,
                output: None,
            }),
        }
    }

    /// The configuration of the host's apt for this tree, written for the first hook.
    fn apt_configuration(&mut self, root: &Path) -> Result<Option<PathBuf>, Error> {
        if let (None, Some(host_apt)) = (&self.apt_configuration, &self.hooks.host_apt) {
            self.apt_configuration = Some(host_apt.write(root, &self.architectures)?);
        }
        Ok(self.apt_configuration.as_ref().map(AptConfiguration::path))
    }

    fn set_environment(&self, command: &mut Command, stage: HookStage) {
        for name in REMOVED {
            command.env_remove(name);
        }
        for (name, value) in self.variables(stage) {
            command.env(name, value);
        }
    }

    fn variables(&self, stage: HookStage) -> Vec<(OsString, OsString)> {
        let mut variables = self.hooks.environment.clone();
        variables.push(("MMDEBSTRAP_HOOK".into(), stage.name().into()));
        variables
    }

    /// Runs a text in the tree's shell.
    pub(in crate::install) fn in_tree(
        &self,
        hook: &Hook,
        text: &str,
        sandbox: &Sandbox,
        mut environment: Vec<(OsString, OsString)>,
    ) -> Result<(), Error> {
        environment.extend(self.variables(hook.stage));
        let command = sandbox::Command {
            argv: vec!["sh".into(), "-c".into(), text.into()],
            env: environment,
        };
        let finished = sandbox.run(&command).map_err(|source| Error::Sandbox {
            stage: hook.stage,
            command: text.to_owned(),
            source,
        })?;
        match finished.status.success() {
            true => Ok(()),
            false => Err(Error::Failed {
                stage: hook.stage,
                command: text.to_owned(),
                status: finished.status,
                output: LastLines::of_output(&finished.output),
            }),
        }
    }
}

/// As mmdebstrap decides: an executable file, or a word without a character that is special to sh.
fn is_program(text: &OsStr) -> bool {
    let is_executable = rustix::fs::accessat(CWD, text, Access::EXEC_OK, AtFlags::empty()).is_ok();
    let is_plain = |letter: &u8| letter.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(letter);
    is_executable || text.as_encoded_bytes().iter().all(is_plain)
}

/// A PATH for hooks: the caller's, then the system's directories.
pub(crate) fn hook_path(own: &Path) -> OsString {
    let mut path = OsString::from(own);
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    path
}
