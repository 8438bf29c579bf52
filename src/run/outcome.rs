//! What a run tells about its plan once it has ended: for programs, and for people.

use super::image_key::ImageKey;
use crate::formats::lock::Lock;
use crate::install::{Step, StepKey};
use crate::plan::{Plan, Reason, Selection};
use crate::report::{PackageTotals, PlannedPackage, PlannedRun, PlannedStep, Report};

/// The result of a run.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    plan: Plan,
    key: ImageKey,
    /// By package of the plan.
    reasons: Vec<Reason>,
    /// The steps that would install the plan, where the run ends with it.
    steps: Vec<Step>,
    /// The lock of an image of a build, where the run ends with the plan.
    pub(super) lock: Option<Lock>,
}

impl Done {
    pub(super) fn new(plan: Plan, selection: &Selection, key: ImageKey) -> Done {
        let reasons = plan.reasons(selection);
        Done {
            plan,
            key,
            reasons,
            steps: Vec::new(),
            lock: None,
        }
    }

    /// Adds the lock that a run would write.
    pub(super) fn with_lock(self, lock: Option<Lock>) -> Done {
        Done { lock, ..self }
    }

    /// Adds the steps that would install the plan. Their keys go to the report.
    pub(super) fn with_steps(mut self, steps: Vec<(StepKey, Step)>, report: &Report) -> Done {
        for (key, step) in steps {
            report.detail(format!("step {key}: {}", step.kind()));
            self.steps.push(step);
        }
        self
    }

    /// The key of the image, in hexadecimal: equal keys mean equal images.
    pub(crate) fn key(&self) -> String {
        self.key.digest.hexadecimal()
    }

    /// The key of the image with its name.
    pub(crate) fn named_key(&self) -> String {
        self.key.named.hexadecimal()
    }

    /// The number of packages and the size of all .debs.
    pub(crate) fn totals(&self) -> PackageTotals {
        let mut download_bytes = 0;
        for chosen in self.plan.packages() {
            download_bytes = chosen.package().size.saturating_add(download_bytes);
        }
        PackageTotals {
            count: self.plan.packages().len(),
            download_bytes,
        }
    }

    /// One line `name=version:arch` a package.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for chosen in self.plan.packages() {
            let package = chosen.package();
            lines.push(format!(
                "{}={}:{}\n",
                package.name, package.version, package.architecture
            ));
        }
        lines
    }

    /// The names of the packages, one a line, in the order in which they are unpacked.
    pub(crate) fn names(&self) -> String {
        let mut lines = String::new();
        for chosen in self.plan.packages() {
            lines.push_str(&chosen.package().name);
            lines.push('\n');
        }
        lines
    }

    /// What the run would install and how, as `--simulate` shows it.
    pub(crate) fn planned(&self) -> PlannedRun {
        let mut packages = Vec::new();
        for (chosen, reason) in self.plan.packages().iter().zip(&self.reasons) {
            let package = chosen.package();
            packages.push(PlannedPackage {
                name: package.name.clone(),
                version: package.version.as_str().to_owned(),
                architecture: package.architecture.clone(),
                download_bytes: package.size,
                installed_bytes: package.installed_size.saturating_mul(1024),
                reason: reason.to_string(),
            });
        }
        let mut steps = Vec::new();
        for (before, step) in self.steps.iter().enumerate() {
            steps.push(PlannedStep {
                number: before + 1,
                name: step.kind().to_owned(),
                description: step.to_string(),
            });
        }
        PlannedRun { packages, steps }
    }
}
