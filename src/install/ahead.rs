//! What an installation finds out from its steps before it executes them. Pure.

use crate::dpkg::configure::DpkgCall;
use crate::formats::package_key::PackageKey;
use crate::sandbox::PerlScript;

use super::hooks::{Hook, HookAction, HookStage};
use super::install_plan::InstallPlan;
use super::steps::Step;

/// The packages that a call of dpkg may configure.
pub(super) fn of_call(
    call: DpkgCall,
    packages: &[PackageKey],
    plan: &InstallPlan,
) -> Vec<PackageKey> {
    match call {
        DpkgCall::Configure | DpkgCall::ConfigureForced => packages.to_vec(),
        DpkgCall::Pending => plan.keys(),
        DpkgCall::Remove => Vec::new(),
    }
}

/// Whether nothing replaces or removes a Perl script while the sandbox covers it. In the sandbox
/// dpkg and the user's hooks could do neither, and what a hook writes on the host would be hidden.
pub(super) fn leaves_perl_scripts(steps: &[Step]) -> bool {
    for step in steps {
        if let Step::Remove { packages } = step
            && packages.iter().any(has_perl_script)
        {
            return false;
        }
        if let Step::Hook(hook) = step
            && !leaves_scripts_alone(hook)
        {
            return false;
        }
    }
    true
}

fn has_perl_script(package: &PackageKey) -> bool {
    let mut scripts = PerlScript::ALL.into_iter();
    scripts.any(|script| script.package() == package.name())
}

/// Whether a hook runs on the host, before the scripts are covered or after the last has run.
fn leaves_scripts_alone(hook: &Hook) -> bool {
    let is_outside = !matches!(hook.action, HookAction::InTree(_));
    is_outside && matches!(hook.stage, HookStage::Setup | HookStage::Customize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::version::Version;

    #[test]
    fn a_plan_that_removes_a_perl_script_is_noticed() {
        let version = Version::parse("1").unwrap();
        let key = |name: &str| PackageKey::new(name, "all", &version);
        let table = [
            (vec!["dash"], true),
            (vec!["dash", "debconf"], false),
            (vec!["init-system-helpers"], false),
            (vec!["debconf-i18n"], true),
        ];
        for (names, expected) in table {
            let packages: Vec<_> = names.iter().map(|name| key(name)).collect();
            let configured = Step::Configure {
                packages: packages.clone(),
                forced: false,
            };
            let removed = Step::Remove { packages };
            let found = leaves_perl_scripts(&[configured.clone(), removed]);
            assert_eq!(found, expected, "{names:?}");
            assert!(leaves_perl_scripts(&[configured]), "{names:?}");
        }
    }

    #[test]
    fn hooks_that_could_change_a_perl_script_are_noticed() {
        let on_host = HookAction::OnHost("true".to_owned());
        let in_tree = HookAction::InTree("true".to_owned());
        let table = [
            (HookStage::Setup, &on_host, true),
            (HookStage::Extract, &on_host, false),
            (HookStage::Essential, &on_host, false),
            (HookStage::Customize, &on_host, true),
            (HookStage::Essential, &in_tree, false),
            (HookStage::Customize, &in_tree, false),
        ];
        for (stage, action, expected) in table {
            let action = action.clone();
            let hook = Step::Hook(Hook { stage, action });
            let found = leaves_perl_scripts(std::slice::from_ref(&hook));
            assert_eq!(found, expected, "{hook:?}");
        }
    }
}
