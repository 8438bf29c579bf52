//! The course of an installation: the base of the tree, the essential packages, then apt's calls of dpkg, then tidying up.
//!
//! Knows what comes when, and nothing of how: laying files is `unpack`'s, running scripts `configure`'s and the box's. The
//! essential packages are laid before any script runs, because scripts need them; all others are unpacked and configured as
//! apt would have dpkg do it, since what a script finds depends on it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

use crate::archive::{Source, SourcesFile, sources_file};
use crate::dpkg::configure::{self, Batch, Services, configure};
use crate::dpkg::unpack::{self, Ahead, Preinsts, Supply, Unpacker};
use crate::dpkg::{self, Masters, Users};
use crate::failure::Class;
use crate::formats::suite::{Suite, Variant};
use crate::interrupt::{Interrupt, Registration};
use crate::plan::{Call, Chosen, Plan};
use crate::report::{Report, Stage};
use crate::sandbox::{self, Sandbox};
use crate::store;
use crate::store::downloads::Downloads;
use crate::tree::base::{Base, base};
use crate::tree::rootfs::{self, RootPath, Rootfs};
use crate::tree::{apt, tidy};

/// What is known of an installation before its packages are.
#[derive(Clone, Debug)]
pub(crate) struct Ground<'a> {
    /// The suite that is made.
    pub(crate) suite: &'a Suite,
    /// Whether scripts run at all is its to say.
    pub(crate) variant: Variant,
    /// apt's sources, native architecture first.
    pub(crate) sources: &'a [Source],
    /// Who brings the packages.
    pub(crate) fetch: Arc<Downloads>,
    /// Threads that unpack.
    pub(crate) jobs: usize,
}

/// What is to be installed.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// The packages and their order.
    pub(crate) plan: Plan,
    /// What to ask `fetch` for, one for each of the plan's packages.
    pub(crate) debs: Vec<store::RemoteFile>,
    /// apt's preferences; empty where no source is pinned.
    pub(crate) preferences: String,
    /// SOURCE_DATE_EPOCH of the scripts, in seconds.
    pub(crate) epoch: i64,
}

/// A tree that has its base and waits for packages; what is foreseen is being staged in it.
#[derive(Debug)]
pub(crate) struct Installation<'a> {
    root: &'a Rootfs,
    architectures: Vec<String>,
    unpacker: Unpacker<'a>,
    /// The box; none where no script runs.
    chroot: Option<Sandbox>,
    /// Cancels the box on an interrupt.
    registration: Option<Registration>,
    report: &'a Report,
}

/// Why the tree could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The base of the tree, or apt's part of its database.
    #[error(transparent)]
    Database(#[from] dpkg::Error),
    /// A package could not be fetched or unpacked, or its preinst failed.
    #[error(transparent)]
    Unpack(#[from] unpack::Error),
    /// The box could not be built.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// A package could not be configured.
    #[error(transparent)]
    Configure(#[from] configure::Error),
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
            Error::Rootfs(_) => Class::Target,
        }
    }
}

impl<'a> Installation<'a> {
    /// Makes the base of an empty tree, builds the box and starts the threads that stage packages.
    pub(crate) fn begin(
        root: &'a Rootfs,
        ground: Ground<'_>,
        interrupt: &Interrupt,
        report: &'a Report,
    ) -> Result<Installation<'a>, Error> {
        let Ground {
            suite,
            variant,
            sources,
            fetch,
            jobs,
        } = ground;
        let architectures = sources
            .first()
            .map(|source| source.architectures.clone())
            .unwrap_or_default();
        base(
            root,
            &Base {
                architectures: architectures.clone(),
                merged_usr: suite.merged_usr,
            },
        )?;
        if !sources.is_empty() {
            let SourcesFile { path, text } = sources_file(suite, sources, &architectures);
            apt::write_sources(root, &RootPath::parse(path).unwrap_or_default(), &text)?;
        }
        let (chroot, registration) = match variant {
            Variant::Extract => (None, None),
            _ => {
                let (sandbox, registration) = open_box(root, interrupt, report)?;
                (Some(sandbox), Some(registration))
            }
        };
        let options = unpack::Options {
            jobs,
            paths: Vec::new(),
            preinsts: Preinsts::WithEffect,
        };
        let unpacker = Unpacker::start(root, fetch, options, report.clone())?;
        Ok(Installation {
            root,
            architectures,
            unpacker,
            chroot,
            registration,
            report,
        })
    }

    /// A way to have packages staged that will be in the plan.
    pub(crate) fn ahead(&self) -> Ahead {
        self.unpacker.ahead()
    }

    /// Installs a plan. When it returns, nothing runs in the tree and nothing is mounted, whether it failed or not.
    pub(crate) fn install(self, course: &Course) -> Result<(), Error> {
        let Installation {
            root,
            architectures,
            mut unpacker,
            chroot,
            registration: _registration,
            report,
        } = self;
        let Course {
            plan,
            debs,
            preferences,
            epoch,
        } = course;
        apt::write_preferences(root, preferences)?;
        let supply = |(chosen, deb): (&Chosen, &store::RemoteFile)| Supply {
            package: chosen.package().name.clone(),
            deb: deb.clone(),
        };
        unpacker.plan(
            plan.packages().iter().zip(debs).map(supply).collect(),
            plan.essential_count(),
            *epoch,
        );
        match chroot {
            None => unpacker.extract_all()?,
            Some(chroot) => {
                let scripts = Scripts {
                    chroot,
                    environment: dpkg::script_environment(*epoch),
                    report,
                };
                run_scripts(root, plan, &mut unpacker, scripts)?;
            }
        }
        unpacker.finish()?;
        tidy::tidy(root)?;
        if !plan.calls().is_empty() {
            apt::write_extended_states(root, &automatic(plan, architectures.first()))?;
        }
        if let Some(uid) = Users::read(root, &Masters::default())?.user("_apt") {
            apt::own_partial_directories(root, uid)?;
        }
        Ok(())
    }
}

struct Scripts<'a> {
    chroot: Sandbox,
    environment: Vec<(OsString, OsString)>,
    report: &'a Report,
}

/// Builds the box before any file is unpacked: a host that does not allow it says so at once, and the process inside is cloned
/// off a program that has not yet filled its memory.
fn open_box(
    root: &Rootfs,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<(Sandbox, Registration), Error> {
    for mount_point in ["proc", "sys"] {
        root.make_directory(&RootPath::known(mount_point), 0o755)?; // as base-files ships them
    }
    let chroot = Sandbox::open(root, report)?;
    let cancel = chroot.cancel();
    let registration = interrupt.on_raise(move || cancel.cancel());
    Ok((chroot, registration))
}

fn run_scripts(
    root: &Rootfs,
    plan: &Plan,
    unpacker: &mut Unpacker<'_>,
    scripts: Scripts<'_>,
) -> Result<(), Error> {
    unpacker.lay_essentials()?;
    let services = Services::hold(root)?;
    // Declared after `services`, so that on every path the box is closed before they are put back.
    let Scripts {
        chroot,
        environment,
        report,
    } = scripts;
    let run = |batch: Batch<'_>| configure(&chroot, batch, &environment, report);
    report.began(Stage::Configure, plan.packages().len() as u64);
    unpacker.register_essentials(&chroot)?;
    let essentials: Vec<usize> = (0..plan.essential_count()).collect();
    run(Batch::Essentials(&names(
        plan,
        &essentials,
        unpacker.disappeared(),
    )))?;
    for call in plan.calls() {
        match call {
            Call::Unpack(packages) => unpacker.batch(&chroot, packages)?,
            Call::Configure(packages) => run(Batch::Listed(&names(
                plan,
                packages,
                unpacker.disappeared(),
            )))?,
            Call::Remove(packages) => run(Batch::Removed(&names(
                plan,
                packages,
                unpacker.disappeared(),
            )))?,
        }
    }
    run(Batch::Pending)?;
    report.ended(Stage::Configure);
    drop(chroot);
    Ok(services.release()?)
}

/// Packages as apt names them to dpkg, without those that are no longer there.
fn names(plan: &Plan, numbers: &[usize], disappeared: &BTreeSet<usize>) -> Vec<String> {
    numbers
        .iter()
        .filter(|number| !disappeared.contains(number))
        .filter_map(|&number| plan.packages().get(number))
        .map(|chosen| chosen.package().key().dpkg_name())
        .collect()
}

/// What came in only because something else needs it, in the plan's order. apt counts what is for all architectures as native.
fn automatic(plan: &Plan, native: Option<&String>) -> Vec<(String, String)> {
    let automatic = plan
        .packages()
        .iter()
        .filter(|chosen| chosen.is_automatic());
    let architecture = |own: &String| native.filter(|_| own == "all").unwrap_or(own).clone();
    automatic
        .map(Chosen::package)
        .map(|package| (package.name.clone(), architecture(&package.architecture)))
        .collect()
}
