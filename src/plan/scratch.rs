//! The packages of `--variant scratch`: those that the user names and their runtime dependencies,
//! without packages that only maintainer scripts need, because no maintainer script runs.

use std::collections::BTreeSet;

use super::{Plan, Reason, Selection};
use crate::formats::package::Package;
use crate::formats::relation::Relation;

/// The release's files, and the locale C.UTF-8.
pub(super) const PACKAGES: [&str; 2] = [BASE_FILES, LOCALES];
const BASE_FILES: &str = "base-files";
/// The package with the locale C.UTF-8.
pub(crate) const LOCALES: &str = "libc-bin";
/// How the names of the packages begin that have the C library.
const C_LIBRARY: &str = "libc6";

/// Packages that others depend on only for their maintainer scripts, or for what these generate.
/// `--include` adds them back.
const FOR_SCRIPTS: [&str; 15] = [
    "adduser",
    "apt",
    "ca-certificates-java", // its postinst makes Java's keystore
    "cdebconf",
    "debconf",
    "debianutils",
    "dpkg",
    "init-system-helpers",
    "install-info",
    "java-common", // update-java-alternatives
    "sensible-utils",
    "ucf",
    "update-inetd",
    "usr-is-merged",
    "usrmerge",
];

/// Dependencies that only maintainer scripts need: the package and its dependency.
const DEPENDENCIES_FOR_SCRIPTS: [(&str, &str); 1] = [
    ("ca-certificates", "openssl"), // update-ca-certificates
];

/// The plan without the packages that only scripts need, and without those that only these need.
pub(super) fn without_tools_of_scripts(plan: Plan, selection: &Selection) -> Plan {
    let reasons = plan.reasons(selection);
    let mut kept = BTreeSet::new();
    let mut waiting = Vec::new();
    for (number, reason) in reasons.iter().enumerate() {
        let name = plan.packages[number].package.name.as_str();
        if *reason == Reason::Requested || name == BASE_FILES {
            waiting.push(number);
        }
    }
    while let Some(number) = waiting.pop() {
        if kept.insert(number) {
            waiting.extend(needed(&plan, number));
        }
    }
    let has_c_library = |number: &usize| {
        let package = &plan.packages[*number].package;
        package.name.starts_with(C_LIBRARY)
    };
    if kept.iter().any(has_c_library) {
        for (number, chosen) in plan.packages.iter().enumerate() {
            if chosen.package.name == LOCALES {
                kept.insert(number);
            }
        }
    }
    let mut packages = Vec::new();
    let mut essential_count = 0;
    for (number, chosen) in plan.packages.into_iter().enumerate() {
        if kept.contains(&number) {
            essential_count += usize::from(number < plan.essential_count);
            packages.push(chosen);
        }
    }
    Plan {
        packages,
        essential_count,
        // Only a variant whose scripts run has calls.
        calls: Vec::new(),
    }
}

/// The packages of the plan that one needs when it runs.
fn needed(plan: &Plan, number: usize) -> Vec<usize> {
    let package = &plan.packages[number].package;
    let mut needed = Vec::new();
    // Its only dependency is awk, for its scripts.
    if package.name == BASE_FILES {
        return needed;
    }
    for group in package.pre_depends.iter().chain(&package.depends) {
        for alternative in group {
            let found = answers(plan, package, alternative);
            if found.is_empty() {
                continue;
            }
            for number in found {
                let name = plan.packages[number].package.name.as_str();
                let is_for_scripts = FOR_SCRIPTS.contains(&name)
                    || DEPENDENCIES_FOR_SCRIPTS.contains(&(package.name.as_str(), name));
                if !is_for_scripts {
                    needed.push(number);
                }
            }
            break;
        }
    }
    needed
}

/// The packages of the plan that satisfy a relation: packages of that name, preferably of the same
/// architecture, or else packages that provide it.
fn answers(plan: &Plan, package: &Package, wanted: &Relation) -> Vec<usize> {
    let mut own = Vec::new();
    let mut others = Vec::new();
    let mut providers = Vec::new();
    for (number, chosen) in plan.packages.iter().enumerate() {
        let other = &chosen.package;
        if other.name == wanted.name {
            let is_own = [package.architecture.as_str(), "all"].contains(&&*other.architecture);
            match is_own {
                true => own.push(number),
                false => others.push(number),
            }
        } else if other.provides.iter().any(|one| one.name == wanted.name) {
            providers.push(number);
        }
    }
    for found in [own, others, providers] {
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}
