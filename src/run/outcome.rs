//! What a run tells about its plan once it has ended: for programs, and for people.

use std::fmt::Write;

use crate::install::{Step, StepKey};
use crate::plan::{Plan, Reason, Selection};
use crate::report::Report;

/// The result of a run.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    plan: Plan,
    /// By package of the plan.
    reasons: Vec<Reason>,
    /// The steps that would install the plan, where the run ends with it.
    steps: Vec<Step>,
}

impl Done {
    pub(super) fn new(plan: Plan, selection: &Selection) -> Done {
        let reasons = plan.reasons(selection);
        Done {
            plan,
            reasons,
            steps: Vec::new(),
        }
    }

    /// Adds the steps that would install the plan. Their keys go to the report.
    pub(super) fn with_steps(mut self, steps: Vec<(StepKey, Step)>, report: &Report) -> Done {
        for (key, step) in steps {
            report.detail(format!("step {key}: {}", step.kind()));
            self.steps.push(step);
        }
        self
    }

    /// The number of packages.
    pub(crate) fn packages(&self) -> usize {
        self.plan.packages().len()
    }

    /// The size of all .debs, in bytes.
    pub(crate) fn download_size(&self) -> u64 {
        let packages = self.plan.packages().iter();
        packages.map(|chosen| chosen.package().size).sum()
    }

    /// One line `name=version:arch` a package, sorted.
    pub(crate) fn lines(&self) -> String {
        let mut lines = Vec::new();
        for chosen in self.plan.packages() {
            let package = chosen.package();
            lines.push(format!(
                "{}={}:{}\n",
                package.name, package.version, package.architecture
            ));
        }
        lines.sort();
        lines.concat()
    }

    /// The plan for a person: the packages in the order in which they are unpacked, the steps that
    /// would install them, then the totals.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut installed = 0;
        for (chosen, reason) in self.plan.packages().iter().zip(&self.reasons) {
            let package = chosen.package();
            installed += package.installed_size;
            let _ = writeln!(
                table,
                "{:<32} {:<28} {:<6} {:>8} KiB  {reason}",
                package.name,
                package.version.as_str(),
                package.architecture,
                package.installed_size
            );
        }
        for (number, step) in self.steps.iter().enumerate() {
            let _ = writeln!(table, "step {:>2}: {step}", number + 1);
        }
        let plural = if self.packages() == 1 { "" } else { "s" };
        let _ = writeln!(
            table,
            "{} package{plural}, {} KiB to download, {installed} KiB installed",
            self.packages(),
            self.download_size() / 1024
        );
        table
    }
}
