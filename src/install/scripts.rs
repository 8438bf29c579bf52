//! Where maintainer scripts run: the sandbox, with services kept from starting.
//!
//! A host that allows no sandbox, or cannot run the tree's programs, is refused when the sandbox is
//! opened. Which scripts run is left to `dpkg`, what a sandbox is to `sandbox`.

use crate::dpkg::configure::{SavedStandIn, Services};
use crate::formats::arch::{self, Architecture};
use crate::interrupt::{Interrupt, Registration};
use crate::report::{Report, Stage};
use crate::sandbox::{self, Command, Sandbox, emulator};
use crate::tree::rootfs::{RootPath, Rootfs};

use super::Error;
use super::hooks::HookPlace;

/// The program that is tried, in the tree: one for its architecture that exits at once.
const TRIAL: &str = "var/lib/dpkg/rbootstrap-trial";

/// Where and within which limits scripts will run.
#[derive(Clone, Copy)]
pub(super) struct ScriptPlace<'a> {
    pub(super) root: &'a Rootfs,
    pub(super) sandbox: sandbox::Options,
    /// The tree's native one, whose programs the host must be able to run.
    pub(super) architecture: Option<&'static Architecture>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) report: &'a Report,
}

impl<'a> ScriptPlace<'a> {
    /// The place of hooks.
    pub(super) fn hooks(self) -> HookPlace<'a> {
        HookPlace {
            root: self.root,
            interrupt: self.interrupt,
            report: self.report,
        }
    }
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
        for mount_point in ["proc", "sys"] {
            // As base-files ships them.
            let path = RootPath::known(mount_point);
            place.root.make_directory(&path, 0o755)?;
        }
        let foreign = place
            .architecture
            .filter(|known| arch::host() != Some(*known));
        let Some(foreign) = foreign else {
            return ScriptHost::start(place, None, place.report);
        };
        let emulator = emulator::find(foreign);
        let emulated = match emulator {
            Some(_) => ScriptHost::emulated(place, foreign)?,
            None => None,
        };
        let host = ScriptHost::start(place, emulated, place.report)?;
        match (try_program(&host.sandbox, place.root, foreign), emulator) {
            (Err(Error::Sandbox(sandbox::Error::Foreign { .. })), Some(emulator)) => {
                let architecture = foreign.name;
                let error = sandbox::Error::NotEmulated {
                    emulator,
                    architecture,
                };
                Err(error.into())
            }
            (tried, _) => tried.map(|()| host),
        }
    }

    /// The architecture that the sandbox emulates, if it is this one: `None` where the host starts
    /// its programs. A processor that runs them is faster than an emulator, and an emulator of the
    /// sandbox's own is out of the scripts' reach.
    fn emulated(
        place: ScriptPlace<'a>,
        foreign: &'static Architecture,
    ) -> Result<Option<&'static Architecture>, Error> {
        let (first, second) = match arch::has_other_calls(foreign.name) {
            true => (None, Some(foreign)),
            false => (Some(foreign), None),
        };
        let trial = ScriptHost::start(place, first, &Report::silent())?;
        match try_program(&trial.sandbox, place.root, foreign) {
            Err(Error::Sandbox(sandbox::Error::Foreign { .. })) => Ok(second),
            _ => Ok(first),
        }
    }

    /// Starts the sandbox, in which the host's emulator runs the programs of `emulated`.
    fn start(
        place: ScriptPlace<'a>,
        emulated: Option<&'static Architecture>,
        report: &Report,
    ) -> Result<ScriptHost<'a>, Error> {
        let options = sandbox::Options {
            emulated,
            ..place.sandbox
        };
        let sandbox = Sandbox::open(place.root, &options, report)?;
        let cancel = sandbox.cancel();
        let registration = place.interrupt.on_raise(move || cancel.cancel());
        Ok(ScriptHost {
            sandbox,
            services: None,
            _registration: registration,
        })
    }

    /// The host of `scripts`, opened where it is not yet. From now on it keeps services from
    /// starting, and the first time it reports that packages are being configured, this many.
    pub(super) fn ready<'s>(
        scripts: &'s mut Option<ScriptHost<'a>>,
        place: ScriptPlace<'a>,
        packages: u64,
    ) -> Result<&'s mut ScriptHost<'a>, Error> {
        let host = match scripts {
            Some(host) => host,
            None => scripts.insert(ScriptHost::open(place)?),
        };
        if host.services.is_none() {
            host.services = Some(Services::hold(place.root)?);
            place.report.began(Stage::Configure, packages);
        }
        Ok(host)
    }

    /// What keeps services from starting, if something does.
    pub(super) fn stand_ins(&self) -> Option<Vec<SavedStandIn>> {
        self.services.as_ref().map(Services::saved)
    }

    /// Continues in a tree that already has the stand-ins, and reports that this many packages are
    /// being configured.
    pub(super) fn resume(&mut self, services: Services<'a>, place: ScriptPlace<'a>, packages: u64) {
        self.services = Some(services);
        place.report.began(Stage::Configure, packages);
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

/// Fails if the sandbox cannot run programs of an architecture: a small one is tried.
fn try_program(sandbox: &Sandbox, root: &Rootfs, architecture: &Architecture) -> Result<(), Error> {
    let Some(program) = architecture.exit_program() else {
        return Ok(());
    };
    let path = RootPath::known(TRIAL);
    root.write(&path, &program, 0o755)?;
    let command = Command {
        argv: vec![format!("/{TRIAL}").into()],
        env: Vec::new(),
    };
    let tried = sandbox.run(&command);
    root.remove(&path)?;
    match tried {
        // An emulator that fails says so when the first script runs.
        Ok(_) => Ok(()),
        Err(sandbox::Error::Foreign { architecture, .. }) => Err(sandbox::Error::Foreign {
            program: "dpkg".to_owned(),
            architecture,
        }
        .into()),
        Err(sandbox::Error::Exceeded { limit, output, .. }) => Err(sandbox::Error::Exceeded {
            program: format!("a small {} program", architecture.name),
            limit,
            output,
        }
        .into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn a_program_that_does_not_end_is_reported() {
        let tree = tempfile::tempdir().unwrap();
        let root = Rootfs::open(tree.path()).unwrap();
        for path in ["var", "var/lib", "var/lib/dpkg"] {
            root.make_directory(&RootPath::known(path), 0o755).unwrap();
        }
        let mut sandbox = sandbox::Options::default();
        sandbox.limits.time = Some(Duration::ZERO);
        let foreign = ["arm64", "amd64"].into_iter().filter_map(arch::named);
        let mut foreign = foreign.filter(|known| arch::host().is_none_or(|h| h.name != known.name));
        let foreign = foreign.next().unwrap();
        let interrupt = Interrupt::default();
        let report = Report::silent();
        let opened = ScriptHost::open(ScriptPlace {
            root: &root,
            sandbox,
            architecture: Some(foreign),
            interrupt: &interrupt,
            report: &report,
        });
        let error = opened.err().unwrap().to_string();
        let name = foreign.name;
        assert_eq!(
            error,
            format!("a small {name} program did not end within 0 s")
        );
        assert!(root.read(&RootPath::known(TRIAL)).unwrap().is_none());
    }
}
