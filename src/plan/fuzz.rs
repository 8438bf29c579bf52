//! What must hold for any index and selection (see `testing::fuzz`).

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use super::{Call, Chosen, Plan, Selection};
use crate::archive::{Index, Listing};
use crate::formats::package::Package;
use crate::formats::relation::{Constraint, Relation};
use crate::formats::suite::Variant;
use crate::testing::listing::{TestRelease, index};

/// A line `VARIANT PACKAGE…`, then Packages files, each after a line `%SUITE`.
pub(crate) fn plan(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('%');
    let mut words = parts.next().unwrap_or_default().split_whitespace();
    let variant = words.next().unwrap_or_default().parse();
    let selection = Selection {
        variant: variant.unwrap_or(Variant::Custom),
        suite: "trixie".to_owned(),
        architectures: vec!["amd64".to_owned()],
        include: words.map(str::to_owned).collect(),
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    let mut listings = Vec::new();
    for part in parts {
        let (suite, text) = part.split_once('\n').unwrap_or((part, ""));
        listings.push(listing(suite, text));
    }
    let index: Index = index(listings);
    let Ok(plan) = super::plan(&index, &selection) else {
        return;
    };
    check(&plan);
    let again = super::plan(&index, &selection).unwrap();
    assert_eq!(again.calls(), plan.calls());
}

fn listing(suite: &str, text: &str) -> Listing {
    let release = TestRelease {
        not_automatic: suite == "experimental",
        ..TestRelease::new(suite, "amd64")
    };
    release.listing("amd64", text.to_owned())
}

/// Every package is unpacked and configured at most once, none is there twice, and something meets
/// each dependency.
fn check(plan: &Plan) {
    let mut unpacked = vec![0; plan.packages().len()];
    let mut removes = false;
    for call in plan.calls() {
        match call {
            Call::Unpack(numbers) => {
                for number in numbers {
                    unpacked[*number] += 1;
                }
            }
            Call::Remove(_) => removes = true,
            Call::Configure(_) => {}
        }
    }
    let essential = plan.essential_count();
    assert!(unpacked[..essential].iter().all(|times| *times == 0));
    assert!(unpacked[essential..].iter().all(|times| *times == 1));
    if removes {
        return;
    }
    let packages: Vec<&Package> = plan.packages().iter().map(Chosen::package).collect();
    for (number, package) in packages.iter().enumerate() {
        for group in package.depends.iter().chain(&package.pre_depends) {
            // Only one architecture is planned for; what names another is not looked at.
            let is_plain = |relation: &Relation| relation.architecture.is_none();
            let is_met = group.iter().any(|relation| meets(&packages, relation));
            assert!(
                !group.iter().all(is_plain) || is_met,
                "{}: {group:?}",
                package.name
            );
        }
        for other in &packages[number + 1..] {
            assert!(
                other.name != package.name,
                "{} is there twice",
                package.name
            );
        }
    }
}

fn meets(packages: &[&Package], relation: &Relation) -> bool {
    for package in packages {
        let admits = |constraint: &Constraint| constraint.admits(&package.version);
        // apt finds names without regard to case.
        let is_named = package.name.eq_ignore_ascii_case(&relation.name);
        if is_named && relation.constraint.as_ref().is_none_or(admits) {
            return true;
        }
        for provided in &package.provides {
            let is_admitted = match (&relation.constraint, &provided.version) {
                (None, _) => true,
                (Some(constraint), Some(version)) => constraint.admits(version),
                (Some(_), None) => false,
            };
            if provided.name.eq_ignore_ascii_case(&relation.name) && is_admitted {
                return true;
            }
        }
    }
    false
}
