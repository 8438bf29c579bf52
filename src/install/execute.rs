//! Executes steps over the state of a tree, one after another.
//!
//! How packages are unpacked and configured is left to `dpkg`; which steps there are to `steps`.

mod early;
mod listing;
mod packages;
mod snapshots;

use std::sync::Arc;

use crate::dpkg::PlacedFiles;
use crate::dpkg::configure::DpkgCall;
use crate::dpkg::maintainer_scripts::Forces;
use crate::dpkg::staging::{self, Prefetcher, StagedPackages, Staging};
use crate::dpkg::unpack::Unpacking;
use crate::dpkg::{Masters, State, Users};
use crate::formats::arch;
use crate::formats::deb::ExtendedAttribute;
use crate::formats::suite::MergedUsr;
use crate::interrupt::Interrupt;
use crate::report::{Report, Stage};
use crate::sandbox;
use crate::store::downloads::Downloads;
use crate::tree::apt::{self, Automatic};
use crate::tree::base::BaseKind;
use crate::tree::listed::ListedTree;
use crate::tree::rootfs::{RootPath, Rootfs};
use crate::tree::runtime;
use crate::tree::tidy::{self, Kept};

use self::early::{execute_early, execute_early_steps, newest_before_scripts, own_files};
use super::Error;
use super::ahead::leaves_perl_scripts;
use super::hooks::HookRunner;
use super::install_plan::{InstallPlan, in_staging_order};
use super::key::keys;
use super::scripts::{ScriptHost, ScriptPlace};
use super::second_stage::{SecondStage, Times};
use super::snapshot::{SnapshotOptions, Snapshots};
use super::steps::{Options, Step, first_of_second_stage, steps};
use snapshots::now;

/// What an installation needs before its packages are known.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) sandbox: sandbox::Options,
    /// Brings the packages.
    pub(crate) fetch: Arc<Downloads>,
    /// The number of threads that decode packages.
    pub(crate) jobs: usize,
    pub(crate) snapshots: SnapshotOptions,
    /// Set if a list of the finished tree will do instead of the tree: the time after which the run
    /// writes files, in seconds since the epoch.
    pub(crate) listed_until: Option<i64>,
}

/// A tree in which steps are executed.
pub(crate) struct Installation<'a> {
    root: &'a Rootfs,
    options: Options,
    /// The files that are written before the first package. A package may ship them too.
    own_files: Vec<RootPath>,
    state: State,
    /// How many steps are done.
    done: usize,
    /// SOURCE_DATE_EPOCH of the scripts, in seconds, once a package is unpacked.
    script_epoch: Option<i64>,
    /// The tree's dpkg's answers about its options.
    forces: Forces,
    /// Whether the sandbox may cover Perl scripts: no step changes them.
    may_cover_perl: bool,
    /// None until a script may run. Declared before `staging`, so that it ends first on every path.
    scripts: Option<ScriptHost<'a>>,
    hooks: HookRunner,
    place: ScriptPlace<'a>,
    staging: Staging<'a>,
    /// Where the .debs come from.
    fetch: Arc<Downloads>,
    /// The newest build date of the .debs that are put into the tree, in seconds since the epoch.
    newest_archived: i64,
    snapshots: SnapshotOptions,
    listed_until: Option<i64>,
    /// The files that were placed; None where no snapshot is to be kept any more.
    placed: Option<PlacedFiles>,
    /// In nanoseconds since the epoch.
    began: i64,
    /// The attributes that the root directory had before.
    root_attributes: Vec<ExtendedAttribute>,
    report: &'a Report,
}

/// The times of a finished installation, in seconds since the epoch.
pub(crate) struct Installed {
    /// That of the image: the user's SOURCE_DATE_EPOCH or, by default, the newest build date among
    /// all packages.
    pub(crate) epoch: i64,
    /// No later than any time of what the installation itself has made. Times that come from a
    /// snapshot may be before the run.
    pub(crate) began: i64,
    /// The tree, if it was known and only its list was asked for.
    pub(crate) listed: Option<ListedTree>,
}

impl<'a> Installation<'a> {
    /// Executes the first step, which is the same for every plan, builds the sandbox, and starts
    /// the threads that stage packages.
    pub(crate) fn begin(
        root: &'a Rootfs,
        setup: Setup,
        interrupt: &'a Interrupt,
        report: &'a Report,
    ) -> Result<Installation<'a>, Error> {
        let Setup {
            options,
            sandbox,
            fetch,
            jobs,
            mut snapshots,
            listed_until,
        } = setup;
        let began = now();
        let root_attributes = root.root_attributes()?;
        // What is there already is not the run's to keep or remove.
        if !root.names(&RootPath::default())?.is_empty() {
            snapshots.kept = Snapshots::None;
        }
        let place = ScriptPlace {
            root,
            sandbox,
            architecture: options.architecture().and_then(arch::named),
            interrupt,
            report,
        };
        let mut hooks = HookRunner::new(options.hooks(), &options.base().architectures);
        let done = execute_early_steps(&options, place, &mut hooks)?;
        // Before the sandbox, which hides its directory.
        let staging = start_staging(place, &options, &fetch, jobs)?;
        let has_scripts = options.has_scripts();
        let scripts = has_scripts.then(|| ScriptHost::open(place)).transpose()?;
        Ok(Installation {
            root,
            options,
            own_files: Vec::new(),
            state: State::read(root)?,
            done,
            script_epoch: None,
            forces: Forces::default(),
            may_cover_perl: false,
            scripts,
            hooks,
            place,
            staging,
            fetch,
            newest_archived: 0,
            snapshots,
            listed_until,
            placed: None,
            began,
            root_attributes,
            report,
        })
    }

    /// A way to have packages staged that will be in the plan.
    pub(crate) fn prefetcher(&self) -> Prefetcher {
        self.staging.prefetcher()
    }

    /// Executes the other steps of a plan. When it returns, nothing runs in the tree and nothing is
    /// mounted, whether it failed or not.
    ///
    /// Consumes the installation, whose sandbox ends with it.
    pub(crate) fn install(mut self, plan: &InstallPlan) -> Result<Installed, Error> {
        let options = self
            .options
            .clone()
            .with_apt_files(&plan.apt)
            .with_requested(&plan.requested);
        let steps = steps(&plan.plan, &options);
        self.own_files = own_files(&steps);
        self.may_cover_perl = leaves_perl_scripts(&steps);
        let refused = self
            .scripts
            .as_ref()
            .map_or(0, |scripts| scripts.sandbox.refused());
        let keys = keys(&steps, &plan.circumstances(refused));
        self.report.began(Stage::Unpack, plan.debs.len() as u64);
        let snapshots = self.snapshots(&steps, &keys, plan);
        if let Some(installed) = self.list_known(&snapshots)? {
            return Ok(installed);
        }
        let staged = self.staging.plan(in_staging_order(&steps, plan));
        if let Some(first) = first_of_second_stage(&steps) {
            let newest = newest_before_scripts(&staged, first, false)?;
            self.script_epoch = plan.epoch.or(Some(newest));
        }
        self.start_after_snapshot(&snapshots, &staged)?;
        for (step, key) in steps.iter().zip(keys).skip(self.done) {
            self.report.begin_step(self.done + 1, step.kind());
            self.report.detail(format!("step {key}: {step}"));
            self.execute(step, plan, &staged)?;
            if cfg!(debug_assertions) {
                self.compare_state(step)?;
            }
            self.keep_snapshot(self.done, &snapshots, &staged);
            self.done += 1;
        }
        self.report.end_steps();
        Ok(Installed {
            epoch: plan.epoch.unwrap_or(self.newest(&staged)),
            began: self.began.div_euclid(1_000_000_000),
            listed: None,
        })
    }

    fn execute(
        &mut self,
        step: &Step,
        plan: &InstallPlan,
        staged: &StagedPackages,
    ) -> Result<(), Error> {
        match step {
            Step::Base(_) | Step::Files { .. } => {
                execute_early(step, self.place, &mut self.hooks)?;
            }
            Step::Apt { files } => {
                for file in files {
                    file.write(self.root)?;
                }
            }
            Step::Unpack { packages, method } => {
                let unpacking = Unpacking {
                    root: self.root,
                    staging: staged,
                    report: self.report,
                    interrupt: self.place.interrupt,
                    merges_usr: self.options.base().merged_usr == MergedUsr::WithPackage,
                    placed: None, // `unpack` has the files
                };
                self.unpack(packages, *method, plan, unpacking)?;
            }
            Step::Configure { packages, forced } => {
                let call = match forced {
                    true => DpkgCall::ConfigureForced,
                    false => DpkgCall::Configure,
                };
                self.configure(call, packages, plan)?;
            }
            Step::Hook(hook) => self.hook(hook, plan)?,
            Step::Preseed(preseed) => self.preseed(preseed, plan)?,
            Step::Settings(settings) => settings.apply(self.root)?,
            Step::Runtime => {
                runtime::write(self.root)?;
                self.state.reread_settings(self.root)?;
            }
            Step::Remove { packages } => self.configure(DpkgCall::Remove, packages, plan)?,
            Step::Triggers => {
                self.configure(DpkgCall::Pending, &[], plan)?;
                self.report.ended(Stage::Configure);
            }
            Step::Archives { packages } => self.archive(packages, plan)?,
            Step::SecondStage(second) => self.leave_second_stage(second, plan, staged)?,
            Step::Close(closing) => {
                self.close()?;
                closing.finish(self.root, &mut self.state)?;
            }
            Step::Tidy { automatic, kept } => self.tidy(automatic.as_deref(), *kept)?,
        }
        Ok(())
    }

    /// Writes the script that goes on from here, and ends the first stage.
    fn leave_second_stage(
        &mut self,
        second: &SecondStage,
        plan: &InstallPlan,
        staged: &StagedPackages,
    ) -> Result<(), Error> {
        let times = Times {
            scripts: self.script_epoch.or(plan.epoch),
            latest: plan.epoch.unwrap_or(self.newest(staged)),
        };
        second.write(self.root, times)?;
        self.staging.finish()?;
        self.leave_only_downloads()?;
        self.report.ended(Stage::Unpack);
        Ok(())
    }

    /// Removes the directory where packages would have been staged from a tree of downloads, unless
    /// it was there with something in it.
    fn leave_only_downloads(&self) -> Result<(), Error> {
        let directory = RootPath::known("var/lib/dpkg");
        if self.options.base().kind == BaseKind::Downloads
            && self.root.names(&directory)?.is_empty()
        {
            self.root.remove_tree(&directory)?;
        }
        Ok(())
    }

    /// The newest build date of the packages that are in the tree, in seconds since the epoch.
    fn newest(&self, staged: &StagedPackages) -> i64 {
        staged.newest().max(self.newest_archived)
    }

    /// Ends all that works in the tree.
    fn close(&mut self) -> Result<(), Error> {
        if let Some(scripts) = self.scripts.take() {
            let ledger = &self.state.ledger;
            scripts.close(&|path| ledger.owner(path).is_some())?;
        }
        self.staging.finish()?;
        self.report.ended(Stage::Unpack);
        Ok(())
    }

    fn tidy(&mut self, automatic: Option<&[Automatic]>, kept: Kept) -> Result<(), Error> {
        self.close()?;
        tidy::tidy(self.root, kept)?;
        if let Some(automatic) = automatic {
            apt::write_extended_states(self.root, automatic)?;
        }
        let users = Users::read(self.root, &Masters::default())?;
        if let Some(uid) = users.user("_apt") {
            apt::own_directories(self.root, uid, kept.auxfiles)?;
        }
        Ok(())
    }

    /// Compares the state with what the tree says. They differ where a step is wrong.
    fn compare_state(&self, step: &Step) -> Result<(), Error> {
        let difference = self.state.difference(self.root)?;
        let kind = step.kind();
        let difference = difference.unwrap_or_default();
        debug_assert!(
            difference.is_empty(),
            "after the step `{kind}` the state is not what the tree says:\n{difference}"
        );
        Ok(())
    }
}

/// Starts the threads that stage packages as they are downloaded.
fn start_staging<'a>(
    place: ScriptPlace<'a>,
    options: &Options,
    fetch: &Arc<Downloads>,
    jobs: usize,
) -> Result<Staging<'a>, Error> {
    let options = staging::Options {
        source: staging::downloads(Arc::clone(fetch), place.interrupt.clone()),
        rules: options.path_rules(),
        jobs,
    };
    Ok(Staging::start(place.root, options, place.report.clone())?)
}
