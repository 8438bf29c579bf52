//! What an installation finds out from its steps before it executes them. Pure.

use crate::dpkg::configure::DpkgCall;
use crate::formats::package_key::PackageKey;
use crate::sandbox::PerlScript;

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

/// Whether a package with one of the Perl scripts is removed. dpkg could not remove a script that is
/// covered in the sandbox.
pub(super) fn removes_perl_script(steps: &[Step]) -> bool {
    for step in steps {
        if let Step::Remove { packages } = step {
            for script in PerlScript::ALL {
                if packages.iter().any(|key| key.name() == script.package()) {
                    return true;
                }
            }
        }
    }
    false
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
            (vec!["dash"], false),
            (vec!["dash", "debconf"], true),
            (vec!["init-system-helpers"], true),
            (vec!["debconf-i18n"], false),
        ];
        for (names, expected) in table {
            let packages = names.iter().map(|name| key(name)).collect::<Vec<_>>();
            let configured = Step::Configure {
                packages: packages.clone(),
                forced: false,
            };
            let removed = Step::Remove { packages };
            let found = removes_perl_script(&[configured.clone(), removed]);
            assert_eq!(found, expected, "{names:?}");
            assert!(!removes_perl_script(&[configured]), "{names:?}");
        }
    }
}
