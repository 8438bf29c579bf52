//! Steps about packages, hooks and answers, over the state of the tree.

use crate::dpkg::configure::{CallDetails, DpkgCall, configure, repeated_scripts};
use crate::dpkg::maintainer_scripts::{Preinsts, Scripts};
use crate::dpkg::staging;
use crate::dpkg::unpack::{
    Method, Unpacking, extract, place_together, register_together, unpack_in_turn,
};
use crate::dpkg::{self, State};
use crate::formats::package_key::PackageKey;
use crate::install::Error;
use crate::install::ahead::of_call;
use crate::install::hooks::{Hook, HookAction};
use crate::install::install_plan::{InstallPlan, in_order_of};
use crate::install::preseed::{Preseed, set_selections};
use crate::install::scripts::ScriptHost;
use crate::sandbox::Command;
use crate::tree::apt;

use super::Installation;
use super::early::newest_before_scripts;

impl Installation<'_> {
    /// Puts the .debs of packages into the tree.
    pub(super) fn archive(
        &mut self,
        packages: &[PackageKey],
        plan: &InstallPlan,
    ) -> Result<(), Error> {
        for file in in_order_of(packages, plan) {
            let mut deb = staging::original(&self.fetch, &file, self.place.interrupt)?;
            self.newest_archived = self.newest_archived.max(deb.built);
            apt::write_archive(self.root, &file.key, &mut deb.file)?;
        }
        Ok(())
    }

    pub(super) fn unpack(
        &mut self,
        packages: &[PackageKey],
        method: Method,
        plan: &InstallPlan,
        unpacking: Unpacking<'_>,
    ) -> Result<(), Error> {
        let unpacking = Unpacking {
            placed: self.placed.as_ref(),
            ..unpacking
        };
        let state = &mut self.state;
        let placed = match method {
            Method::Extract | Method::Recorded | Method::Locales => {
                extract(unpacking, packages, method, state)?;
                return Ok(state.reread_settings(self.root)?);
            }
            Method::Together => Some(place_together(unpacking, packages, method, state)?),
            Method::InTurn => None,
        };
        let epoch = match self.script_epoch.or(plan.epoch) {
            Some(epoch) => epoch,
            None => newest_before_scripts(unpacking.staging, packages, placed.is_some())?,
        };
        self.script_epoch = Some(epoch);
        let count = plan.debs.len() as u64;
        let host = ScriptHost::ready(&mut self.scripts, self.place, count)?;
        let directory = self.staging.directory();
        let run = |command: &Command| {
            if let Some(placed) = &self.placed {
                placed.settle(directory);
            }
            host.sandbox.run(command)
        };
        let mut scripts = Scripts {
            root: self.root,
            run: &run,
            preinsts: Preinsts::WithEffect,
            epoch,
            forces: &mut self.forces,
        };
        match placed {
            Some(placed) => {
                if self.may_cover_perl {
                    host.sandbox.cover_perl_scripts()?;
                }
                register_together(unpacking, placed, state, &mut scripts)?;
            }
            None => unpack_in_turn(unpacking, packages, state, &mut scripts)?,
        }
        Ok(())
    }

    /// Has the tree's dpkg configure or remove packages, without those that have disappeared.
    pub(super) fn configure(
        &mut self,
        call: DpkgCall,
        packages: &[PackageKey],
        plan: &InstallPlan,
    ) -> Result<(), Error> {
        self.settle();
        let mut names = Vec::new();
        for key in packages {
            if self.state.ledger.contains(key) {
                names.push(key.dpkg_name());
            }
        }
        let details = CallDetails {
            names,
            keeps_existing: self.options.keeps_conffiles(call)
                || self.has_own_conffile(call, packages),
            environment: dpkg::script_environment(self.script_epoch.or(plan.epoch)),
            repeated: repeated_scripts(self.root, &self.state, &of_call(call, packages, plan)),
        };
        let count = plan.debs.len() as u64;
        let host = ScriptHost::ready(&mut self.scripts, self.place, count)?;
        configure(&host.sandbox, call, details, self.report)?;
        Ok(self.state.reread(self.root)?)
    }

    /// Whether a package that a call configures has a conffile that was there before all packages.
    /// No other file counts: `--force-confold` also changes what the scripts of the call's other
    /// packages do, such as those that call ucf.
    fn has_own_conffile(&self, call: DpkgCall, packages: &[PackageKey]) -> bool {
        let State { ledger, status, .. } = &self.state;
        for path in &self.own_files {
            for owner in ledger.owners(path) {
                let is_named = call == DpkgCall::Pending || packages.contains(owner);
                let qualified = ledger.qualified(owner);
                let is_conffile = status.conffile_digest(qualified, path).is_some();
                if is_named && is_conffile && !status.is_configured(qualified) {
                    return true;
                }
            }
        }
        false
    }

    /// Runs a hook, which may change anything in the tree.
    pub(super) fn hook(&mut self, hook: &Hook, plan: &InstallPlan) -> Result<(), Error> {
        if let HookAction::InTree(text) = &hook.action {
            self.settle();
            let environment = dpkg::script_environment(self.script_epoch.or(plan.epoch));
            let count = plan.debs.len() as u64;
            let host = ScriptHost::ready(&mut self.scripts, self.place, count)?;
            self.hooks.in_tree(hook, text, &host.sandbox, environment)?;
        } else {
            self.hooks.run(hook, self.place.hooks())?;
        }
        self.state = State::read(self.root)?;
        Ok(())
    }

    /// Has the tree's debconf take the user's answers.
    pub(super) fn preseed(&mut self, preseed: &Preseed, plan: &InstallPlan) -> Result<(), Error> {
        self.settle();
        let environment = dpkg::script_environment(self.script_epoch.or(plan.epoch));
        let count = plan.debs.len() as u64;
        let host = ScriptHost::ready(&mut self.scripts, self.place, count)?;
        set_selections(preseed, self.root, &host.sandbox, environment)
    }

    /// Waits until what scripts change can be told from what is placed.
    fn settle(&self) {
        if let Some(placed) = &self.placed {
            placed.settle(self.staging.directory());
        }
    }
}
