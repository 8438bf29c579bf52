//! Where maintainer scripts run: the sandbox, with services kept from starting.

use crate::dpkg::configure::Services;
use crate::interrupt::{Interrupt, Registration};
use crate::report::Report;
use crate::sandbox::{self, Sandbox, ScriptLimits};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::Error;

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
    pub(super) fn open(place: ScriptPlace<'a>) -> Result<ScriptHost<'a>, Error> {
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
    pub(super) fn close(self) -> Result<(), Error> {
        drop(self.sandbox);
        if let Some(services) = self.services {
            services.release()?;
        }
        Ok(())
    }
}
