//! What comes before the packages: the first steps, the files that they write, and the time of
//! scripts.

use crate::dpkg::configure::Services;
use crate::dpkg::staging::StagedPackages;
use crate::formats::package_key::PackageKey;
use crate::install::Error;
use crate::install::hooks::HookRunner;
use crate::install::scripts::ScriptPlace;
use crate::install::steps::{Options, Step, early_steps};
use crate::tree::base::base;
use crate::tree::rootfs::RootPath;

/// Executes the steps that are the same for every plan. Returns their number.
pub(super) fn execute_early_steps(
    options: &Options,
    place: ScriptPlace<'_>,
    hooks: &mut HookRunner,
) -> Result<usize, Error> {
    let early = early_steps(options);
    for (number, step) in early.iter().enumerate() {
        place.report.begin_step(number + 1, step.kind());
        execute_early(step, place, hooks)?;
    }
    place.report.end_steps();
    Ok(early.len())
}

/// Executes a step that comes before the packages are known.
pub(super) fn execute_early(
    step: &Step,
    place: ScriptPlace<'_>,
    hooks: &mut HookRunner,
) -> Result<(), Error> {
    match step {
        Step::Base(options) => base(place.root, options)?,
        Step::Files { files } => {
            for file in files {
                file.write_if_missing(place.root)?;
            }
        }
        Step::Hook(hook) => hooks.run(hook, place.hooks())?,
        Step::Apt { .. }
        | Step::Unpack { .. }
        | Step::Configure { .. }
        | Step::Preseed(_)
        | Step::Remove { .. }
        | Step::Runtime
        | Step::Triggers
        | Step::Archives { .. }
        | Step::Close(_)
        | Step::SecondStage(_)
        | Step::Tidy { .. }
        | Step::Settings(_) => {}
    }
    Ok(())
}

/// The files that are in the tree before the packages.
pub(super) fn own_files(steps: &[Step]) -> Vec<RootPath> {
    let mut paths = Services::paths();
    for step in steps {
        match step {
            Step::Base(base) => paths.extend(base.files()),
            Step::Apt { files } => paths.extend(files.iter().map(|file| file.path.clone())),
            Step::Files { files } => paths.extend(files.iter().map(|file| file.path.clone())),
            Step::Unpack { .. }
            | Step::Configure { .. }
            | Step::Preseed(_)
            | Step::Hook(_)
            | Step::Remove { .. }
            | Step::Runtime
            | Step::Triggers
            | Step::Archives { .. }
            | Step::Close(_)
            | Step::SecondStage(_)
            | Step::Tidy { .. }
            | Step::Settings(_) => {}
        }
    }
    paths
}

/// SOURCE_DATE_EPOCH of all scripts, by default: the newest build date among the packages of the
/// step that runs the first script. That is the essential set, unless the variant has none.
pub(super) fn newest_before_scripts(
    staging: &StagedPackages,
    packages: &[PackageKey],
    are_staged: bool,
) -> Result<i64, Error> {
    if !are_staged {
        staging.wait_for(packages)?;
    }
    Ok(staging.newest())
}
