//! The installation as a list of steps, made of a plan. Pure: it can be printed, hashed and tested.

use std::fmt;

use crate::archive::{Source, SourcesFile, sources_file};
use crate::dpkg::unpack::Method;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::PathRule;
use crate::formats::suite::{Suite, Variant};
use crate::plan::{self, Plan};
use crate::tree::apt::{AptFile, Automatic, preferences_file};
use crate::tree::base::Base;
use crate::tree::rootfs::RootPath;

/// One step of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Makes directories, devices and an empty database.
    Base(Base),
    /// Writes apt's sources and pins.
    Apt { files: Vec<AptFile> },
    /// Unpacks packages.
    Unpack {
        packages: Vec<PackageKey>,
        method: Method,
    },
    /// Has dpkg configure packages; `forced` where they depend on each other in circles.
    Configure {
        packages: Vec<PackageKey>,
        forced: bool,
    },
    /// Has dpkg remove packages that others replace.
    Remove { packages: Vec<PackageKey> },
    /// Has dpkg configure what is left and process every pending trigger.
    Triggers,
    /// Closes the sandbox and removes what belongs to this installation alone.
    Tidy {
        /// The packages that apt records as installed automatically, with their architectures; none
        /// where apt has no part.
        automatic: Option<Vec<Automatic>>,
    },
}

/// What the steps depend on besides the plan.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    variant: Variant,
    base: Base,
    apt: Vec<AptFile>,
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
            },
            apt: Vec::new(),
        }
    }

    /// The options with sources for the tree's apt.
    pub(crate) fn with_sources(mut self, suite: &Suite, sources: &[Source]) -> Options {
        if !sources.is_empty() {
            let SourcesFile { path, text } = sources_file(suite, sources, &self.base.architectures);
            let path = RootPath::parse(path).unwrap_or_default();
            self.apt.push(AptFile { path, text });
        }
        self
    }

    /// The options with rules for paths that are not unpacked, by this program and by the tree's
    /// dpkg.
    pub(crate) fn with_path_rules(mut self, rules: &[PathRule]) -> Options {
        self.base.path_rules = rules.to_vec();
        self
    }

    /// The options with apt's preferences, which are empty where no source is pinned, and left out
    /// where apt has no sources.
    pub(crate) fn with_preferences(mut self, preferences: &str) -> Options {
        if !self.apt.is_empty() {
            self.apt.extend(preferences_file(preferences));
        }
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
        self.variant != Variant::Extract
    }
}

/// The steps that install a plan.
pub(crate) fn steps(plan: &Plan, options: &Options) -> Vec<Step> {
    let mut keys = Vec::new();
    for chosen in plan.packages() {
        keys.push(chosen.package().key());
    }
    let mut steps = vec![Step::Base(options.base.clone())];
    if !options.apt.is_empty() {
        steps.push(Step::Apt {
            files: options.apt.clone(),
        });
    }
    if options.has_scripts() {
        script_steps(plan, &keys, &mut steps);
    } else if !keys.is_empty() {
        steps.push(Step::Unpack {
            packages: keys,
            method: Method::Extract,
        });
    }
    let automatic = (!plan.calls().is_empty()).then(|| automatic(plan, options));
    steps.push(Step::Tidy { automatic });
    steps
}

/// The steps between base and tidy where scripts run: the essential packages, then apt's calls.
fn script_steps(plan: &Plan, keys: &[PackageKey], steps: &mut Vec<Step>) {
    let essentials = &keys[..plan.essential_count()];
    if !essentials.is_empty() {
        steps.push(Step::Unpack {
            packages: essentials.to_vec(),
            method: Method::Together,
        });
        steps.push(Step::Configure {
            packages: essentials.to_vec(),
            forced: true,
        });
    }
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
    steps.push(Step::Triggers);
}

fn select(keys: &[PackageKey], numbers: &[usize]) -> Vec<PackageKey> {
    numbers.iter().map(|&number| keys[number].clone()).collect()
}

/// The packages that came in only because others need them, in the plan's order.
fn automatic(plan: &Plan, options: &Options) -> Vec<Automatic> {
    let native = options.base.architectures.first();
    let mut automatic = Vec::new();
    for chosen in plan.packages() {
        if !chosen.is_automatic() {
            continue;
        }
        let package = chosen.package();
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

impl Step {
    /// The kind of step, in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Step::Base(_) => "base",
            Step::Apt { .. } => "apt",
            Step::Unpack { .. } => "unpack",
            Step::Configure { .. } => "configure",
            Step::Remove { .. } => "remove",
            Step::Triggers => "triggers",
            Step::Tidy { .. } => "tidy",
        }
    }

    /// The packages that the step is about.
    pub(crate) fn packages(&self) -> &[PackageKey] {
        match self {
            Step::Unpack { packages, .. }
            | Step::Configure { packages, .. }
            | Step::Remove { packages } => packages,
            Step::Base(_) | Step::Apt { .. } | Step::Triggers | Step::Tidy { .. } => &[],
        }
    }

    /// How the step differs from others of its kind.
    fn manner(&self) -> &'static str {
        match self {
            Step::Unpack {
                method: Method::Extract,
                ..
            } => "files only",
            Step::Unpack {
                method: Method::Together,
                ..
            } => "together",
            Step::Configure { forced: true, .. } => "with --force-depends",
            Step::Remove { .. } => "with --force-depends",
            Step::Base(_)
            | Step::Apt { .. }
            | Step::Unpack { .. }
            | Step::Configure { .. }
            | Step::Triggers
            | Step::Tidy { .. } => "",
        }
    }
}

/// A line: the kind, its manner, and the packages as dpkg names them.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Step::Base(base) => {
                write!(f, " {}", base.architectures.join(" "))?;
                for rule in &base.path_rules {
                    write!(f, " {rule}")?;
                }
            }
            Step::Apt { files } => {
                for file in files {
                    write!(f, " {}", file.path)?;
                }
            }
            Step::Unpack { .. }
            | Step::Configure { .. }
            | Step::Remove { .. }
            | Step::Triggers
            | Step::Tidy { .. } => {}
        }
        if !self.manner().is_empty() {
            write!(f, " {}", self.manner())?;
        }
        for key in self.packages() {
            write!(f, " {}", key.dpkg_name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
