//! Checks that the fields of a lock fit together.
//!
//! Each error names its field, such as `packages[3].digest`. Checks that need the tree, such as
//! whether a path is inside it, are left to `run`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::digest::Digest;
use super::super::package::Package;
use super::super::path_rule::{PathRule, PathRuleKind};
use super::super::suite::Variant;
use super::{
    BadLock, CheckedLock, Lock, LockedCall, LockedPackage, LockedPathRule, bad, digest_of,
};

/// All bits of a mode that a file can have.
const MODE_BITS: u32 = 0o7777;

/// Checks a lock but for its checksum, and parses its digests.
pub(super) fn check(lock: Lock) -> Result<CheckedLock, BadLock> {
    let variant = check_options(&lock)?;
    let path_rules = check_path_rules(&lock)?;
    let mut releases = Vec::new();
    for (number, source) in lock.sources.iter().enumerate() {
        let field = format!("sources[{number}].release");
        releases.push(digest_of(&field, &source.release)?);
    }
    if lock.essential_count > lock.packages.len() {
        return Err(bad("essential_count", "it exceeds the number of packages"));
    }
    check_files(&lock)?;
    let packages = check_packages(&lock)?;
    for (number, call) in lock.calls.iter().enumerate() {
        let (LockedCall::Unpack(numbers)
        | LockedCall::Configure(numbers)
        | LockedCall::Remove(numbers)) = call;
        if numbers.iter().any(|at| *at >= lock.packages.len()) {
            let problem = "it names a package that the lock does not have";
            return Err(bad(&format!("calls[{number}]"), problem));
        }
    }
    Ok(CheckedLock {
        lock,
        variant,
        path_rules,
        releases,
        packages,
    })
}

fn check_options(lock: &Lock) -> Result<Variant, BadLock> {
    let options = &lock.options;
    if options.architectures.is_empty() {
        return Err(bad("options.architectures", "it is empty"));
    }
    let variant: Result<Variant, _> = options.variant.parse();
    variant.map_err(|error| bad("options.variant", &error.to_string()))
}

fn check_path_rules(lock: &Lock) -> Result<Vec<PathRule>, BadLock> {
    let mut rules = Vec::new();
    for (number, rule) in lock.options.path_rules.iter().enumerate() {
        let rule = match rule {
            LockedPathRule::Exclude(pattern) => PathRule::new(PathRuleKind::Exclude, pattern),
            LockedPathRule::Include(pattern) => PathRule::new(PathRuleKind::Include, pattern),
        };
        match rule {
            Ok(rule) => rules.push(rule),
            Err(error) => {
                let field = format!("options.path_rules[{number}]");
                return Err(bad(&field, &error.to_string()));
            }
        }
    }
    Ok(rules)
}

/// Checks the modes, contents and paths of apt's files, and that no file is below another.
fn check_files(lock: &Lock) -> Result<(), BadLock> {
    let mut forms = BTreeMap::new();
    for (number, file) in lock.apt_files.iter().enumerate() {
        let field = format!("apt_files[{number}]");
        if file.mode & !MODE_BITS != 0 {
            let problem = format!("{:o} is not the mode of a file", file.mode);
            return Err(bad(&format!("{field}.mode"), &problem));
        }
        file.content(&field)?;
        if let Some(first) = forms.insert(directory_form(&file.path), number) {
            let problem = format!("apt_files[{first}] has the same");
            return Err(bad(&format!("{field}.path"), &problem));
        }
    }
    // What is below a file comes right after it.
    let below = forms.iter().skip(1);
    for ((upper, upper_number), (lower, lower_number)) in forms.iter().zip(below) {
        if lower.starts_with(upper) {
            let problem = format!("it is below that of apt_files[{upper_number}], a file");
            return Err(bad(&format!("apt_files[{lower_number}].path"), &problem));
        }
    }
    Ok(())
}

/// A path with one slash behind each name, so that one is a prefix of what is below it.
fn directory_form(path: &str) -> String {
    let mut form = String::new();
    for name in path.split('/') {
        if !["", "."].contains(&name) {
            form.push_str(name);
            form.push('/');
        }
    }
    form
}

fn check_packages(lock: &Lock) -> Result<Vec<Digest>, BadLock> {
    let mut digests = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, package) in lock.packages.iter().enumerate() {
        digests.push(check_package(lock, number, package)?);
        let LockedPackage {
            name, architecture, ..
        } = package;
        if !seen.insert([name, architecture]) {
            let problem = format!("{name}:{architecture} is listed twice");
            return Err(bad(&format!("packages[{number}].name"), &problem));
        }
    }
    Ok(digests)
}

/// Checks that a package is what its stanza says.
fn check_package(lock: &Lock, number: usize, package: &LockedPackage) -> Result<Digest, BadLock> {
    let field = |name: &str| format!("packages[{number}].{name}");
    if package.source.is_some_and(|at| at >= lock.sources.len()) {
        return Err(bad(&field("source"), "the lock has no such source"));
    }
    let digest = digest_of(&field("digest"), &package.digest)?;
    let said = Package::parse(&package.stanza).map_err(|error| BadLock::Field {
        field: field("stanza"),
        problem: error.to_string(),
    })?;
    let pairs = [
        ("name", &package.name, said.name.clone()),
        ("version", &package.version, said.version.to_string()),
        ("architecture", &package.architecture, said.architecture),
    ];
    for (name, found, said) in pairs {
        if *found != said {
            let problem = format!("it is `{found}`, but the stanza has `{said}`");
            return Err(bad(&field(name), &problem));
        }
    }
    if package.size != said.size {
        let problem = format!("it is {}, but the stanza has {}", package.size, said.size);
        return Err(bad(&field("size"), &problem));
    }
    match said.digest {
        Some(said) if said == digest => Ok(digest),
        Some(said) => {
            let problem = format!("it is {digest}, but the stanza has {said}");
            Err(bad(&field("digest"), &problem))
        }
        None => Err(bad(&field("digest"), "the stanza has none")),
    }
}
