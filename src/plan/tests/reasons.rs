//! Why packages are in a plan, by variant and demand.

use super::super::{Selection, plan};
use super::listing;
use crate::formats::suite::Variant;
use crate::testing::listing::index;

const STANZAS: &str = "
base 1 Essential:yes Depends:libbase
libbase 1
apt 1 Depends:libapt
libapt 1
init 1 Priority:required
hello 1 Depends:libhello
libhello 1
g++ 1
exim 1 Provides:mail-transport-agent Depends:libhello
";

/// Each planned package with its reason, sorted.
fn reasons(variant: Variant, include: &str) -> String {
    let selection = Selection {
        variant,
        suite: "trixie".into(),
        architectures: vec!["amd64".into()],
        include: include.split_whitespace().map(str::to_owned).collect(),
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    let listings = vec![listing("trixie", "amd64", STANZAS)];
    let plan = plan(&index(listings), &selection).unwrap();
    let mut lines = Vec::new();
    for (chosen, reason) in plan.packages().iter().zip(plan.reasons(&selection)) {
        lines.push(format!("{}: {reason:?}", chosen.package().name));
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn without_a_base_only_the_users_packages_are_requested() {
    insta::assert_snapshot!(reasons(Variant::Custom, "hello base"), @"
    base: Requested
    hello: Requested
    libbase: Dependency
    libhello: Dependency
    ");
}

#[test]
fn the_variant_and_the_user_demand_packages() {
    insta::assert_snapshot!(reasons(Variant::Minbase, "Hello=1 g++"), @"
    apt: Variant
    base: Essential
    g++: Requested
    hello: Requested
    init: Variant
    libapt: Dependency
    libbase: Dependency
    libhello: Dependency
    ");
}

#[test]
fn a_provider_serves_a_virtual_demand() {
    for variant in [Variant::Custom, Variant::Extract] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(reasons(variant, "mail-transport-agent"), @"
            exim: Requested
            libhello: Dependency
            ");
        }
    }
    insta::assert_snapshot!(reasons(Variant::Essential, "mail-transport-agent libhello+"), @"
    base: Essential
    exim: Requested
    libbase: Dependency
    libhello: Requested
    ");
}
