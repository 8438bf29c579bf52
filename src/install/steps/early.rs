//! The steps that need no plan, and the places of hooks.

use super::{Options, Step};
use crate::formats::package_key::PackageKey;
use crate::install::hooks::HookStage;

/// The steps before the packages are known: they are the same for every plan.
pub(in crate::install) fn early_steps(options: &Options) -> Vec<Step> {
    let mut steps = vec![Step::Base(options.base.clone())];
    let files = &options.additions.files;
    if !files.is_empty() {
        steps.push(Step::Files {
            files: files.clone(),
        });
    }
    add_hooks(HookStage::Setup, options, &mut steps);
    steps
}

/// Adds the step that puts all .debs into the tree before the first is unpacked, where they stay.
pub(super) fn add_archives(keys: &[PackageKey], options: &Options, steps: &mut Vec<Step>) {
    if keeps_essential_archives(options) {
        push_archives(keys, options, steps);
    }
}

/// Adds the step that puts the .debs of the packages that are not essential into the tree, where
/// they alone stay: mmdebstrap removes the others as soon as they are configured.
pub(super) fn add_other_archives(others: &[PackageKey], options: &Options, steps: &mut Vec<Step>) {
    if !keeps_essential_archives(options) {
        push_archives(others, options, steps);
    }
}

fn keeps_essential_archives(options: &Options) -> bool {
    options.additions.essential_archives || !options.configures()
}

fn push_archives(keys: &[PackageKey], options: &Options, steps: &mut Vec<Step>) {
    if options.additions.kept.archives && !keys.is_empty() {
        steps.push(Step::Archives {
            packages: keys.to_vec(),
        });
    }
}

pub(super) fn add_hooks(stage: HookStage, options: &Options, steps: &mut Vec<Step>) {
    for hook in &options.additions.hooks.list {
        if hook.stage == stage {
            steps.push(Step::Hook(hook.clone()));
        }
    }
}
