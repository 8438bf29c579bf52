//! Where maintainer scripts run: the sandbox, with services kept from starting.

use crate::dpkg::configure::Services;
use crate::formats::arch::{self, Architecture};
use crate::interrupt::{Interrupt, Registration};
use crate::report::Report;
use crate::sandbox::{self, Command, Sandbox, ScriptLimits};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::Error;

/// The program that is tried, in the tree.
const TRIAL: &str = "var/lib/dpkg/rbootstrap-trial";

/// Where and within which limits scripts will run.
#[derive(Clone, Copy)]
pub(super) struct ScriptPlace<'a> {
    pub(super) root: &'a Rootfs,
    pub(super) sandbox: sandbox::Options,
    pub(super) limits: ScriptLimits,
    pub(super) interrupt: &'a Interrupt,
    pub(super) report: &'a Report,
}

/// A sandbox around the tree. Dropping it ends what runs in it before services are put back.
pub(super) struct ScriptHost<'a> {
    pub(super) sandbox: Sandbox,
    /// Keeps services from starting, once scripts run.
    services: Option<Services<'a>>,
    /// Cancels the sandbox on an interrupt.
    _registration: Registration,
}

impl<'a> ScriptHost<'a> {
    /// Builds the sandbox. This comes before any file is unpacked: a host that does not permit it
    /// fails at once.
    ///
    /// `architecture` is the tree's native one, whose programs the host must be able to run.
    pub(super) fn open(
        place: ScriptPlace<'a>,
        architecture: Option<&str>,
    ) -> Result<ScriptHost<'a>, Error> {
        let ScriptPlace {
            root,
            sandbox,
            limits,
            interrupt,
            report,
        } = place;
        for mount_point in ["proc", "sys"] {
            root.make_directory(&RootPath::known(mount_point), 0o755)?; // as base-files ships them
        }
        let sandbox = Sandbox::open(root, &sandbox, report)?.with_limits(limits);
        let cancel = sandbox.cancel();
        let registration = interrupt.on_raise(move || cancel.cancel());
        if let Some(architecture) = architecture {
            refuse_foreign(&sandbox, root, architecture)?;
        }
        Ok(ScriptHost {
            sandbox,
            services: None,
            _registration: registration,
        })
    }

    /// Keeps services from starting, from now on. True the first time.
    pub(super) fn hold_services(&mut self, root: &'a Rootfs) -> Result<bool, Error> {
        if self.services.is_some() {
            return Ok(false);
        }
        self.services = Some(Services::hold(root)?);
        Ok(true)
    }

    /// Ends all that runs in the sandbox, and puts back what kept services from starting.
    /// `is_shipped` tells which paths packages list.
    pub(super) fn close(self, is_shipped: &dyn Fn(&RootPath) -> bool) -> Result<(), Error> {
        drop(self.sandbox);
        if let Some(services) = self.services {
            services.release(is_shipped)?;
        }
        Ok(())
    }
}

/// Fails if the host cannot run programs of an architecture: a small one is tried.
fn refuse_foreign(sandbox: &Sandbox, root: &Rootfs, architecture: &str) -> Result<(), Error> {
    let known = arch::named(architecture);
    let is_host = arch::host().is_some_and(|host| host.name == architecture);
    let Some(program) = known.and_then(Architecture::exit_program) else {
        return Ok(());
    };
    if is_host {
        return Ok(());
    }
    let path = RootPath::known(TRIAL);
    root.write(&path, &program, 0o755)?;
    let command = Command {
        argv: vec![format!("/{TRIAL}").into()],
        env: Vec::new(),
    };
    let tried = sandbox.run(&command);
    root.remove(&path)?;
    match tried {
        Err(sandbox::Error::Foreign { architecture, .. }) => {
            let program = "dpkg".to_owned();
            Err(sandbox::Error::Foreign {
                program,
                architecture,
            }
            .into())
        }
        Err(error @ sandbox::Error::Cancelled) => Err(error.into()),
        // An emulator that fails says so when the first script runs.
        _ => Ok(()),
    }
}
