//! The installation as a list of steps, made of a plan. Pure: it can be printed, hashed and tested.

mod early;
mod extraction;
mod words;

use crate::archive::Source;
use crate::dpkg::configure::DpkgCall;
use crate::dpkg::unpack::Method;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::PathRule;
use crate::formats::profile::Profile;
use crate::formats::suite::{Suite, Variant};
use crate::plan::{self, Plan};
use crate::tree::apt::{AptFile, Automatic};
use crate::tree::base::{Base, BaseKind};
use crate::tree::settings::ProfileChanges;
use crate::tree::tidy::Kept;

pub(super) use self::early::early_steps;
use self::early::{add_archives, add_hooks, add_other_archives};
use self::extraction::{add_extraction, base_kind};
use super::additions::Additions;
use super::debootstrap_tree::{Closing, DebootstrapOptions, HostFile};
use super::hooks::{Hook, HookStage, Hooks};
use super::preseed::Preseed;
use super::second_stage::{FirstStage, SecondStage, downloads_only, first_stage};
use super::settings::changes;

/// One step of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Makes directories, devices and an empty database.
    Base(Base),
    /// Writes apt's sources, keyrings and pins.
    Apt { files: Vec<AptFile> },
    /// Writes files where the tree has none.
    Files { files: Vec<HostFile> },
    /// Unpacks packages.
    Unpack {
        packages: Vec<PackageKey>,
        method: Method,
    },
    /// Writes what scripts would have made and programs need: users, name services, certificates.
    Runtime,
    /// Has dpkg configure packages; `forced` where they depend on each other in circles.
    Configure {
        packages: Vec<PackageKey>,
        forced: bool,
    },
    /// Runs a command of the user's.
    Hook(Hook),
    /// Has debconf take the user's answers.
    Preseed(Preseed),
    /// Has dpkg remove packages that others replace.
    Remove { packages: Vec<PackageKey> },
    /// Has dpkg configure what is left and process every pending trigger.
    Triggers,
    /// Puts packages' .debs where apt keeps them.
    Archives { packages: Vec<PackageKey> },
    /// Leaves the rest to a second stage, which the tree does itself.
    SecondStage(SecondStage),
    /// Closes the sandbox and leaves everything else. /debootstrap goes unless it is kept.
    Close(Closing),
    /// Closes the sandbox and removes what belongs to this installation alone.
    Tidy {
        /// The packages that apt records as installed automatically, with their architectures; none
        /// where apt has no part.
        automatic: Option<Vec<Automatic>>,
        kept: Kept,
    },
    /// Makes the changes of a profile.
    Settings(ProfileChanges),
}

/// What the steps depend on besides the plan.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    variant: Variant,
    base: Base,
    apt: Vec<AptFile>,
    preseed: Option<Preseed>,
    profile: Option<Profile>,
    additions: Additions,
    /// The packages that the user has named.
    requested: Vec<PackageKey>,
    /// Where only the first of two stages is made.
    first_stage: Option<FirstStage>,
    /// Where the tree is to be as debootstrap's.
    debootstrap: Option<DebootstrapOptions>,
}

impl Options {
    /// The options for a tree of a suite, native architecture first, whose apt has no sources.
    pub(crate) fn new(variant: Variant, suite: &Suite, architectures: &[String]) -> Options {
        Options {
            variant,
            base: Base {
                architectures: architectures.to_vec(),
                merged_usr: suite.merged_usr,
                path_rules: Vec::new(),
                localtime: variant == Variant::Buildd,
                kind: base_kind(variant),
            },
            apt: Vec::new(),
            preseed: None,
            profile: None,
            additions: Additions::default(),
            requested: Vec::new(),
            first_stage: None,
            debootstrap: None,
        }
    }

    /// The options for a tree as debootstrap leaves it.
    pub(crate) fn with_debootstrap(mut self, debootstrap: DebootstrapOptions) -> Options {
        self.base.kind = match debootstrap.only_downloads {
            true => BaseKind::Downloads,
            false => BaseKind::Debootstrap,
        };
        self.debootstrap = Some(debootstrap);
        self
    }

    /// The options for the first of two stages.
    pub(crate) fn with_first_stage(
        mut self,
        suite: &str,
        sources: &[Source],
        extra_suites: &[String],
    ) -> Options {
        let variant = self.variant;
        self.first_stage = Some(FirstStage::new(suite, variant, sources, extra_suites));
        self
    }

    /// The options with rules for paths that are not unpacked, by this program and by the tree's
    /// dpkg.
    pub(crate) fn with_path_rules(mut self, rules: &[PathRule]) -> Options {
        self.base.path_rules = rules.to_vec();
        self
    }

    /// The options with files for the tree's apt: sources, keyrings, preferences.
    pub(crate) fn with_apt_files(mut self, files: &[AptFile]) -> Options {
        self.apt.extend_from_slice(files);
        self
    }

    /// The options with files, rules and hooks of the user's.
    pub(crate) fn with_additions(mut self, additions: &Additions) -> Options {
        self.base.localtime &= !additions.without_localtime;
        self.additions = additions.clone();
        self
    }

    /// The rules for paths that are not unpacked; the last that matches counts.
    pub(super) fn path_rules(&self) -> Vec<PathRule> {
        let mut rules = self.additions.dpkg_rules.clone();
        rules.extend_from_slice(&self.base.path_rules);
        rules
    }

    pub(super) fn hooks(&self) -> &Hooks {
        &self.additions.hooks
    }

    /// The options with answers to debconf's questions.
    pub(crate) fn with_preseed(mut self, preseed: Option<&Preseed>) -> Options {
        self.preseed = preseed.cloned();
        self
    }

    /// The options with a profile's settings.
    pub(crate) fn with_profile(mut self, profile: Option<&Profile>) -> Options {
        self.profile = profile.cloned();
        self
    }

    /// The options with the packages that the user has named.
    pub(crate) fn with_requested(mut self, requested: &[PackageKey]) -> Options {
        self.requested = requested.to_vec();
        self
    }

    /// The first step's: it is the same whatever the plan is.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// The tree's native architecture.
    pub(crate) fn architecture(&self) -> Option<&str> {
        self.base.architectures.first().map(String::as_str)
    }

    /// Whether maintainer scripts run.
    pub(crate) fn has_scripts(&self) -> bool {
        self.configures() && self.first_stage.is_none() && !self.only_downloads()
    }

    /// Whether dpkg keeps conffiles that are there before their packages, whatever they are: so
    /// debootstrap calls it for all but the required packages.
    pub(super) fn keeps_conffiles(&self, call: DpkgCall) -> bool {
        self.debootstrap.is_some() && call != DpkgCall::ConfigureForced
    }

    fn only_downloads(&self) -> bool {
        let debootstrap = self.debootstrap.as_ref();
        debootstrap.is_some_and(|debootstrap| debootstrap.only_downloads)
    }

    /// Whether the packages are configured, be it in a second stage.
    fn configures(&self) -> bool {
        self.variant.configures()
    }
}

/// The steps that install a plan.
pub(crate) fn steps(plan: &Plan, options: &Options) -> Vec<Step> {
    let mut keys = Vec::new();
    for chosen in plan.packages() {
        keys.push(chosen.package().key());
    }
    let mut steps = early_steps(options);
    if !options.apt.is_empty() && options.variant != Variant::Scratch {
        steps.push(Step::Apt {
            files: options.apt.clone(),
        });
    }
    if let Some(debootstrap) = &options.debootstrap
        && !debootstrap.files.is_empty()
    {
        steps.push(Step::Files {
            files: debootstrap.files.clone(),
        });
    }
    add_archives(&keys, options, &mut steps);
    if options.configures() {
        script_steps(plan, &keys, options, &mut steps);
        if let Some(preseed) = &options.preseed {
            insert_preseed(preseed, &keys, &mut steps);
        }
        add_hooks(HookStage::Customize, options, &mut steps);
    } else {
        add_extraction(keys, options, &mut steps);
        add_hooks(HookStage::Extract, options, &mut steps);
    }
    steps.push(match &options.debootstrap {
        Some(debootstrap) => Step::Close(Closing::new(debootstrap, plan)),
        None => Step::Tidy {
            automatic: (!plan.calls().is_empty()).then(|| automatic(plan, options)),
            kept: options.additions.kept,
        },
    });
    if let Some(profile) = &options.profile {
        steps.push(Step::Settings(changes(profile, plan)));
    }
    match (&options.first_stage, &options.debootstrap) {
        (Some(about), Some(debootstrap)) if debootstrap.only_downloads => {
            downloads_only(plan, steps, about, debootstrap.saves_state)
        }
        (Some(about), _) if options.configures() => first_stage(plan, steps, about),
        (_, Some(debootstrap)) if !debootstrap.has_debs => with_archives(plan, steps),
        _ => steps,
    }
}

/// Inserts the step that keeps the .debs in the tree before the step that closes it, after all
/// packages are configured.
fn with_archives(plan: &Plan, mut steps: Vec<Step>) -> Vec<Step> {
    let packages = plan.packages().iter();
    let packages = packages.map(|chosen| chosen.package().key()).collect();
    let close = |step: &Step| matches!(step, Step::Close(_));
    let place = steps.iter().position(close).unwrap_or(steps.len());
    steps.insert(place, Step::Archives { packages });
    steps
}

/// The steps between base and tidy where scripts run: the essential packages, then apt's calls.
fn script_steps(plan: &Plan, keys: &[PackageKey], options: &Options, steps: &mut Vec<Step>) {
    let essentials = &keys[..plan.essential_count()];
    if !essentials.is_empty() {
        steps.push(Step::Unpack {
            packages: essentials.to_vec(),
            method: Method::Together,
        });
    }
    add_hooks(HookStage::Extract, options, steps);
    if !essentials.is_empty() {
        steps.push(Step::Configure {
            packages: essentials.to_vec(),
            forced: true,
        });
    }
    add_other_archives(&keys[essentials.len()..], options, steps);
    add_hooks(HookStage::Essential, options, steps);
    for call in plan.calls() {
        steps.push(match call {
            plan::Call::Unpack(numbers) => Step::Unpack {
                packages: select(keys, numbers),
                method: Method::InTurn,
            },
            plan::Call::Configure(numbers) => Step::Configure {
                packages: select(keys, numbers),
                forced: false,
            },
            plan::Call::Remove(numbers) => Step::Remove {
                packages: select(keys, numbers),
            },
        });
    }
    // Without packages there is no dpkg.
    if !keys.is_empty() {
        steps.push(Step::Triggers);
    }
}

/// Inserts the step that answers debconf's questions. debconf can take answers as soon as its files
/// are at their paths: among packages that are placed together this is before anything is
/// configured. Elsewhere its conffile is in place only once it is configured itself.
fn insert_preseed(preseed: &Preseed, keys: &[PackageKey], steps: &mut Vec<Step>) {
    let step = Step::Preseed(preseed.clone());
    let mut debconf = keys.to_vec();
    debconf.retain(is_debconf);
    for place in 0..steps.len() {
        match &steps[place] {
            Step::Unpack {
                packages,
                method: Method::Together,
            } if packages.iter().any(is_debconf) => {
                steps.insert(place + 1, step);
                return;
            }
            Step::Configure { packages, forced } => {
                let Some(last) = packages.iter().position(is_debconf) else {
                    continue;
                };
                let forced = *forced;
                let mut packages = packages.clone();
                let others = packages.split_off(last + 1);
                steps[place] = Step::Configure { packages, forced };
                steps.insert(place + 1, step);
                if !others.is_empty() {
                    let packages = others;
                    steps.insert(place + 2, Step::Configure { packages, forced });
                }
                return;
            }
            Step::Triggers if !debconf.is_empty() => {
                let own = Step::Configure {
                    packages: debconf,
                    forced: false,
                };
                steps.splice(place..place, [own, step]);
                return;
            }
            _ => {}
        }
    }
}

fn is_debconf(key: &PackageKey) -> bool {
    key.name() == "debconf"
}

fn select(keys: &[PackageKey], numbers: &[usize]) -> Vec<PackageKey> {
    numbers.iter().map(|&number| keys[number].clone()).collect()
}

/// The packages that came in only because others need them, in the plan's order; with a profile
/// that says so, all that the user has not named.
fn automatic(plan: &Plan, options: &Options) -> Vec<Automatic> {
    let native = options.base.architectures.first();
    let profile = options.profile.as_ref();
    let all_automatic = profile.is_some_and(|profile| profile.all_automatic);
    let mut automatic = Vec::new();
    for chosen in plan.packages() {
        let package = chosen.package();
        let is_named = options.requested.contains(&package.key());
        if !(chosen.is_automatic() || all_automatic && !is_named) {
            continue;
        }
        let own = &package.architecture;
        let architecture = match native {
            Some(native) if own == "all" => native,
            _ => own,
        };
        automatic.push(Automatic {
            name: package.name.clone(),
            architecture: architecture.clone(),
        });
    }
    automatic
}

/// The packages that a second stage unpacks before the first script.
pub(super) fn first_of_second_stage(steps: &[Step]) -> Option<&[PackageKey]> {
    steps.iter().find_map(|step| match step {
        Step::SecondStage(second) => Some(second.first.as_slice()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
