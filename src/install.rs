//! The course of an installation: the base of the tree, the essential packages, then apt's calls of dpkg, then tidying up.
//!
//! Knows what comes when, and nothing of how: laying files is `unpack`'s, running scripts `configure`'s and the box's. The
//! essential packages are laid before any script runs, because scripts need them; all others are unpacked and configured as
//! apt would have dpkg do it, since what a script finds depends on it.

use std::ffi::OsString;
use std::sync::Arc;

use crate::archive::Source;
use crate::chroot::{self, Chroot};
use crate::configure::{self, Batch, Services, configure};
use crate::dpkg::{self, Base};
use crate::fetch::Fetch;
use crate::interrupt::Interrupt;
use crate::plan::{Call, Chosen, Plan};
use crate::report::{Report, Stage};
use crate::rootfs::{self, RootPath, Rootfs};
use crate::store;
use crate::suite::{Suite, Variant};
use crate::unpack::{self, Preinsts, Supply, Unpacker};
use crate::{apt, tidy};

/// What is to be installed, and how.
#[derive(Clone, Debug)]
pub struct Course<'a> {
    /// The suite that is made.
    pub suite: &'a Suite,
    /// Whether scripts run at all is its to say.
    pub variant: Variant,
    /// apt's sources, native architecture first.
    pub sources: &'a [Source],
    /// The packages and their order.
    pub plan: &'a Arc<Plan>,
    /// What to ask `fetch` for, one for each of the plan's packages.
    pub debs: Vec<store::Wanted>,
    /// Downloads under way.
    pub fetch: Arc<Fetch>,
    /// SOURCE_DATE_EPOCH of the scripts, in seconds.
    pub epoch: i64,
    /// Threads that unpack.
    pub jobs: usize,
}

/// Why the tree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base of the tree, or apt's part of its database.
    #[error(transparent)]
    Database(#[from] dpkg::Error),
    /// A package could not be fetched or unpacked, or its preinst failed.
    #[error(transparent)]
    Unpack(#[from] unpack::Error),
    /// The box could not be built.
    #[error(transparent)]
    Chroot(#[from] chroot::Error),
    /// A package could not be configured.
    #[error(transparent)]
    Configure(#[from] configure::Error),
    /// The tree could not be written or tidied.
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

/// Installs a plan into an empty tree. When it returns, nothing runs in the tree and nothing is mounted, whether it failed or not.
pub fn install(root: &Rootfs, course: Course<'_>, interrupt: &Interrupt, report: &Report) -> Result<(), Error> {
    let Course { suite, variant, sources, plan, debs, fetch, epoch, jobs } = course;
    let architectures = sources.first().map(|source| source.architectures.clone()).unwrap_or_default();
    dpkg::base(root, &Base { architectures: architectures.clone(), merged_usr: suite.merged_usr })?;
    apt::write_sources(root, suite, sources, &architectures)?;
    let scripts = match variant {
        Variant::Extract => None,
        _ => Some(Scripts { chroot: open_box(root, interrupt, report)?, environment: dpkg::script_environment(epoch), report }),
    };
    let supply = Supply { plan: Arc::clone(plan), sources: debs, fetch };
    let options = unpack::Options { epoch, jobs, paths: Vec::new(), preinsts: Preinsts::WithEffect };
    let mut unpacker = Unpacker::start(root, supply, options, report.clone())?;
    match scripts {
        None => unpacker.extract_all()?,
        Some(scripts) => run_scripts(root, plan, &mut unpacker, scripts)?,
    }
    unpacker.finish()?;
    tidy::tidy(root)?;
    dpkg::extended_states(root, &automatic(plan, architectures.first()))?;
    dpkg::own_apt_directories(root)?;
    Ok(())
}

struct Scripts<'a> {
    chroot: Chroot,
    environment: Vec<(OsString, OsString)>,
    report: &'a Report,
}

/// Builds the box before any file is unpacked: a host that does not allow it says so at once, and the process inside is cloned
/// off a program that has not yet filled its memory.
fn open_box(root: &Rootfs, interrupt: &Interrupt, report: &Report) -> Result<Chroot, Error> {
    for mount_point in ["proc", "sys"] {
        root.make_directory(&RootPath::known(mount_point), 0o755)?; // as base-files ships them
    }
    let chroot = Chroot::open(root, report)?;
    let cancel = chroot.cancel();
    interrupt.on_raise(move || cancel.cancel());
    Ok(chroot)
}

fn run_scripts(root: &Rootfs, plan: &Plan, unpacker: &mut Unpacker<'_>, scripts: Scripts<'_>) -> Result<(), Error> {
    unpacker.lay_essentials()?;
    let services = Services::hold(root)?;
    // Declared after `services`, so that on every path the box is closed before they are put back.
    let Scripts { chroot, environment, report } = scripts;
    let run = |batch: Batch<'_>| configure(&chroot, batch, &environment, report);
    report.began(Stage::Configure, plan.packages.len() as u64);
    unpacker.register_essentials(&chroot)?;
    // apt, too, leaves out what dpkg said has disappeared.
    let there = |numbers: &[usize], unpacker: &Unpacker<'_>| -> Vec<String> {
        let there = numbers.iter().filter(|&&number| !unpacker.has_disappeared(number));
        names(there.filter_map(|&number| plan.packages.get(number)))
    };
    let essentials: Vec<usize> = (0..plan.essentials).collect();
    run(Batch::Essentials(&there(&essentials, unpacker)))?;
    for call in &plan.calls {
        match call {
            Call::Unpack(packages) => unpacker.batch(&chroot, packages)?,
            Call::Configure(packages) => run(Batch::Listed(&there(packages, unpacker)))?,
            Call::Remove(packages) => run(Batch::Removed(&there(packages, unpacker)))?,
        }
    }
    run(Batch::Pending)?;
    report.ended(Stage::Configure);
    drop(chroot);
    Ok(services.release()?)
}

/// Packages as apt names them to dpkg.
fn names<'a>(packages: impl Iterator<Item = &'a Chosen>) -> Vec<String> {
    let name = |Chosen { package, .. }: &Chosen| match package.architecture.as_str() {
        "all" => package.name.clone(),
        architecture => format!("{}:{architecture}", package.name),
    };
    packages.map(name).collect()
}

/// What came in only because something else needs it, in the plan's order. apt counts what is for all architectures as native.
fn automatic(plan: &Plan, native: Option<&String>) -> Vec<(String, String)> {
    let automatic = plan.packages.iter().filter(|chosen| chosen.automatic);
    let architecture = |own: &String| native.filter(|_| own == "all").unwrap_or(own).clone();
    automatic.map(|Chosen { package, .. }| (package.name.clone(), architecture(&package.architecture))).collect()
}
