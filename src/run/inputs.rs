//! What a run starts from: its sources, the selection of packages, and what the steps need besides.

use super::request::Request;
use super::sources::{self, Sources};
use super::target_debs::TargetDebs;
use super::{Error, debootstrap, local, preseed, profile};
use crate::formats::lock::LockedProfile;
use crate::formats::path_rule::PathRule;
use crate::formats::profile::Profile;
use crate::formats::suite::MergedUsr;
use crate::install::{self, HookStage, Preseed};
use crate::interrupt::Interrupt;
use crate::plan::{LocalDeb, Selection};
use crate::report::Report;
use crate::tree::rootfs::Rootfs;

/// Everything that is known before anything is written.
pub(super) struct Inputs {
    pub(super) sources: Sources,
    pub(super) selection: Selection,
    pub(super) options: install::Options,
    pub(super) preseed: Option<Preseed>,
    /// Whether secrets that scripts made are removed.
    pub(super) removes_secrets: bool,
    /// The profiles with their names.
    pub(super) profiles: Vec<LockedProfile>,
    /// The packages that the target has, where they alone are installed.
    pub(super) target_debs: Option<TargetDebs>,
}

impl Inputs {
    /// Reads the files that the request names.
    pub(super) fn read(
        request: &Request,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<Inputs, Error> {
        let sources = debootstrap::choose_sources(request, report)?;
        let local = local::read(&request.packages.include, interrupt, report)?;
        let mut selection = select(request, &sources, local);
        let target_debs = debootstrap::target_debs(request, interrupt, report)?;
        if let Some(found) = &target_debs {
            found.select(&mut selection);
        } else if request.debootstrap.is_some() {
            debootstrap::adapt(&mut selection, &sources);
        }
        let preseed = preseed::read(&request.system, report)?;
        let profiles = match &request.system.profile {
            Some(choice) => profile::load(choice)?,
            None => Vec::new(),
        };
        let profile = profile::add_up(&profiles)?;
        let options = step_options(request, &sources, target_debs.as_ref())
            .with_path_rules(&path_rules(request, profile.as_ref()))
            .with_preseed(preseed.as_ref())
            .with_profile(profile.as_ref());
        Ok(Inputs {
            sources,
            selection,
            options,
            preseed,
            removes_secrets: removes_secrets(request, profile.as_ref()),
            profiles,
            target_debs,
        })
    }
}

impl Inputs {
    /// Reads the sources again that setup hooks may have changed in the tree.
    pub(super) fn reread_sources(
        &mut self,
        request: &Request,
        root: &Rootfs,
        report: &Report,
    ) -> Result<(), Error> {
        let hooks = &request.additions.hooks.list;
        let is_changed = hooks.iter().any(|hook| hook.stage == HookStage::Setup);
        if is_changed && let Some(given) = &request.sources.only {
            let options = sources::in_tree(&request.sources, given, root)?;
            self.sources = sources::choose(&request.system, &options, report)?;
        }
        Ok(())
    }
}

/// Whether secrets that scripts made are removed.
fn removes_secrets(request: &Request, profile: Option<&Profile>) -> bool {
    let choice = request.system.profile.as_ref();
    let keeps = choice.is_some_and(|choice| choice.keeps_secrets);
    profile.is_some_and(|profile| profile.remove_secrets && !keeps)
}

/// The rules of the profiles and after them the user's, of which the last one that matches counts.
pub(super) fn path_rules(request: &Request, profile: Option<&Profile>) -> Vec<PathRule> {
    let mut rules = profile.map(Profile::path_rules).unwrap_or_default();
    rules.extend(request.system.path_rules.iter().cloned());
    rules
}

pub(super) fn step_options(
    request: &Request,
    sources: &Sources,
    target_debs: Option<&TargetDebs>,
) -> install::Options {
    let system = &request.system;
    let options = install::Options::new(system.variant, &sources.suite, &sources.architectures)
        .with_additions(&request.additions);
    let options = match debootstrap::options(request, &sources.suite, target_debs) {
        Some(debootstrap) => options.with_debootstrap(debootstrap),
        None => options,
    };
    let wanted = request.debootstrap.as_ref();
    let only_downloads = wanted.is_some_and(|wanted| wanted.only_downloads);
    let extra_suites = wanted.map_or(&[][..], |wanted| &wanted.extra_suites);
    match system.first_stage || only_downloads {
        true => options.with_first_stage(&system.suite, &sources.list, extra_suites),
        false => options,
    }
}

fn select(request: &Request, sources: &Sources, local: Vec<LocalDeb>) -> Selection {
    let packages = &request.packages;
    Selection {
        variant: request.system.variant,
        suite: request.system.suite.clone(),
        architectures: sources.architectures.clone(),
        include: packages.include.clone(),
        local,
        exclude: packages.exclude.clone(),
        usr_is_merged: sources.suite.merged_usr == MergedUsr::WithPackage,
        first_alternatives: request.debootstrap.is_some(),
    }
}
