//! `rbootstrap SUITE`: makes a root filesystem, an image of one, or only the plan.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::iter;
use std::path::PathBuf;

use clap::Args;
use rustix::fs::{FileType, fstat};

use super::compatibility::CompatibilityArgs;
use super::configuration::ConfigurationArgs;
use super::environment::Environment;
use super::error::Error;
use super::hooks::{HookArgs, ToldRun};
use super::image::ImageArgs;
use super::inventory::InventoryArgs;
use super::lock::LockArgs;
use super::options::{GivenImage, OutputArgs, PackageArgs, RunArgs};
use super::profile::ProfileArgs;
use super::registry::{AccessArgs, PushArgs};
use super::sources::SourceArgs;
use super::trust::TrustArgs;
use super::{Session, print_data, target};
use crate::formats::arch;
use crate::install::Additions;
use crate::privilege::{Privilege, Product};
use crate::report::{Event, PackageTotals, Summary};
use crate::run::{self, Goal, Outputs, Request, System};
use crate::store;

/// The name of the files with apt's and dpkg's configuration.
const CONFIGURATION: &str = "99rbootstrap";

#[derive(Debug, Args)]
pub(super) struct BootstrapArgs {
    /// A codename or suite name: noble, trixie, stable, sid
    #[arg(required = true)]
    suite: Option<String>,

    /// A directory, a tar or an OCI image; `-`, or no TARGET in a pipe, is a tar on standard output
    ///
    /// A name ending in .tar, .tar.gz, .tgz, .tar.xz, .txz or .tar.zst is a tar, compressed by its
    /// ending, and one ending in .oci.tar is an OCI image. One ending in .squashfs, .sqfs, .ext2 or
    /// .ext4 is a file system, which a program of this host makes. A name without the ending of a
    /// file is a directory, which must be empty or absent.
    target: Option<PathBuf>,

    /// Use only this mirror, release pocket only
    ///
    /// Replaces the suite's own sources. A URL that begins with http://, https://, file: or copy:.
    #[arg(env = "RBOOTSTRAP_MIRROR")]
    mirror: Option<String>,

    /// What follows: debootstrap's SCRIPT, or a mistake.
    #[arg(hide = true)]
    more: Vec<String>,

    #[command(flatten)]
    packages: PackageArgs,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    configuration: ConfigurationArgs,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    push: PushArgs,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    profile: ProfileArgs,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    compatibility: CompatibilityArgs,
}

impl BootstrapArgs {
    /// With these options, which do not change what is made, in place of its own.
    pub(super) fn with_run_args(self, run: RunArgs, access: AccessArgs) -> BootstrapArgs {
        BootstrapArgs {
            push: self.push.with_access(access),
            run,
            ..self
        }
    }

    pub(super) fn title(&self) -> String {
        format!("rbootstrap {}", self.suite.as_deref().unwrap_or_default())
    }

    /// The threads that the run may use.
    pub(super) fn jobs(&self) -> usize {
        self.run.performance.limits().jobs
    }

    pub(super) fn execute(self, session: &Session) -> Result<(), Error> {
        let request = self.into_told_request(session)?;
        let report = &session.report;
        let runs = run::run(&request, &session.interrupt, report)?;
        let mut totals = PackageTotals {
            count: 0,
            download_bytes: 0,
        };
        let mut lines = Vec::new();
        for done in runs {
            let own = done.totals();
            totals.count += own.count;
            totals.download_bytes = totals.download_bytes.saturating_add(own.download_bytes);
            match request.goal {
                Goal::PrintDebs => lines.extend(done.lines()),
                Goal::Simulate => report.send(Event::Planned(done.planned())),
                Goal::Download | Goal::Make => {}
            }
        }
        if request.goal == Goal::PrintDebs {
            lines.sort();
            lines.dedup();
            session.display.clear();
            return print_data(&lines.concat());
        }
        if makes_only_a_directory(&request) && stdout_is_pipe() {
            report.note(
                "standard output is a pipe and got nothing: add `--tar -` to write the image to it",
            );
        }
        if let Some(directory) = &request.outputs.directory
            && request
                .privilege
                .is_ok_and(|privilege| privilege.is_in_user_namespace())
        {
            report.note(format!(
                "the owners of {0} are subordinate ids: `rbootstrap rm {0}` removes it",
                directory.display()
            ));
        }
        report.send(Event::Finished(Summary {
            name: request.system.suite,
            packages: Some(totals),
        }));
        Ok(())
    }

    /// How far the run goes.
    pub(super) fn goal(&self) -> Goal {
        self.output.goal()
    }

    /// What the run makes: an image where the options contradict each other, which is refused later.
    pub(super) fn product(&self, environment: &Environment) -> Product {
        let given = GivenImage {
            target: self.target.as_deref(),
            image: &self.image,
            push: &self.push,
        };
        match self.output.outputs(given, environment) {
            Ok(Outputs {
                directory: Some(_), ..
            }) => Product::Directory,
            Ok(_) | Err(_) => Product::Images,
        }
    }

    /// As [`BootstrapArgs::into_request`], with what the session knows.
    pub(super) fn into_told_request(self, session: &Session) -> Result<Request, Error> {
        let mut request = self.into_request(&session.environment)?;
        request.privilege = session.privilege.clone();
        tell_hooks(&mut request, &session.environment);
        Ok(request)
    }

    /// Splits the options by the stage that reads them.
    pub(super) fn into_request(self, environment: &Environment) -> Result<Request, Error> {
        if let Some(word) = self.more.into_iter().next() {
            let word = store::hidden(&word);
            return Err(Error::FourthWord { word });
        }
        if let Some(target) = &self.target {
            target::refuse_url("TARGET", target)?;
        }
        let suite = self.suite.unwrap_or_default();
        let scripts = self.run.performance.script_limits();
        let sandbox = self.trust.sandbox(scripts, environment.shares_perl());
        let given = GivenImage {
            target: self.target.as_deref(),
            image: &self.image,
            push: &self.push,
        };
        let mut outputs = self.output.outputs(given, environment)?;
        if let Some(path) = &self.lock.lock {
            target::require_file("--lock", path)?;
        }
        outputs.lock = self.lock.lock;
        let other_architectures = self.packages.other_architectures();
        if !other_architectures.is_empty() {
            refuse_single(&outputs, self.output.goal() == Goal::Make)?;
        }
        let configuration = self.configuration.read()?;
        let mut additions = configuration.additions(CONFIGURATION);
        additions.hooks.list = self.hooks.0;
        let has_several = !other_architectures.is_empty();
        outputs.inventory = self.inventory.outputs(has_several)?;
        let system = System {
            profile: self.profile.choice(environment),
            ..self.packages.system(suite, &self.compatibility)
        };
        refuse_equal_platforms(&system.architectures, &other_architectures)?;
        refuse_first_stage(&system, &additions)?;
        let mut request = Request {
            goal: self.output.goal(),
            other_architectures,
            privilege: Ok(Privilege::of_caller()),
            system,
            packages: self.packages.packages(),
            sources: self.sources.options(self.trust, self.mirror, environment)?,
            outputs,
            cache: self.run.cache.options(environment),
            network: self.run.network.options(),
            limits: self.run.performance.limits(),
            sandbox,
            additions,
            debootstrap: None,
            locked: self.lock.locked,
        };
        configuration.apply(&mut request)?;
        Ok(request)
    }
}

/// Fails if an output is for a single image, and there are several.
fn refuse_single(outputs: &Outputs, makes_tree: bool) -> Result<(), Error> {
    let is_oci = outputs.has_oci_image();
    if outputs.lock.is_some() {
        return Err(Error::SeveralLocks);
    }
    match makes_tree && (!is_oci || outputs.directory.is_some()) {
        true => Err(Error::SeveralArchitectures),
        false => Ok(()),
    }
}

/// Adds the variables that hooks see.
fn tell_hooks(request: &mut Request, environment: &Environment) {
    let privilege = request.privilege.as_ref();
    let told = ToldRun {
        suite: Some(&request.system.suite),
        format: match &request.outputs {
            Outputs {
                directory: None,
                image: Some(image),
                ..
            } => image.format(),
            // Registries alone get the image.
            Outputs {
                directory: None, ..
            } => "tar",
            Outputs { .. } => "directory",
        },
        include: &request.packages.include,
        in_user_namespace: privilege.is_ok_and(|privilege| privilege.is_in_user_namespace()),
        verbosity: 1,
        program: environment.program(),
    };
    let hooks = &mut request.additions.hooks;
    hooks.helpers.own_files = told.in_user_namespace;
    hooks.environment = told.environment(environment);
}

/// Fails if the first of two stages is asked for and there is nothing to configure, or a hook to run.
fn refuse_first_stage(system: &System, additions: &Additions) -> Result<(), Error> {
    if !system.first_stage {
        return Ok(());
    }
    if !system.variant.configures() {
        return Err(Error::NothingToConfigure {
            variant: system.variant.name(),
        });
    }
    match additions.hooks.list.is_empty() {
        true => Ok(()),
        false => Err(Error::HooksInFirstStage),
    }
}

/// Fails for two images of one native architecture: an index tells its images apart by it.
fn refuse_equal_platforms(first: &[String], others: &[Vec<String>]) -> Result<(), Error> {
    let host = arch::host().map_or("", |host| host.name);
    let mut natives = BTreeSet::new();
    for architectures in iter::once(first).chain(others.iter().map(Vec::as_slice)) {
        let native = architectures.first().map_or(host, String::as_str);
        if !natives.insert(native) {
            return Err(Error::EqualPlatforms {
                architecture: native.to_owned(),
            });
        }
    }
    Ok(())
}

fn makes_only_a_directory(request: &Request) -> bool {
    let outputs = &request.outputs;
    request.goal == Goal::Make && outputs.image.is_none() && outputs.push.references.is_empty()
}

fn stdout_is_pipe() -> bool {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return false;
    }
    match fstat(&stdout) {
        Ok(found) => FileType::from_raw_mode(found.st_mode) == FileType::Fifo,
        Err(_) => false,
    }
}
