//! Chains and circles of dependencies that are longer than the resolver follows.

use std::fmt::Write;

use super::{Error, Variant, custom, solve, solve_native};
use crate::interrupt::Interrupt;
use crate::plan::{Selection, chain, mark, plan_until};
use crate::testing::listing::{TestRelease, index};

/// Packages that each depend on the next one, `p0` on `p1` and so on; the last one on `p0`.
fn circle(count: usize, field: &str) -> String {
    let mut text = String::new();
    for number in 0..count {
        let next = (number + 1) % count;
        writeln!(text, "p{number} 1 {field}:p{next}").unwrap();
    }
    text
}

fn assert_too_deep(found: Error, limit: usize, what: &str) {
    match found {
        Error::TooDeep { chain, limit: at } => {
            assert_eq!(at, limit, "{what}");
            assert_eq!(chain, ["p0", "p1", "p2"], "{what}");
        }
        other => panic!("{what}: {other}"),
    }
}

#[test]
fn chains_within_the_limit_are_followed() {
    let chain = circle(2000, "Depends").replace(":p0", ":end");
    let plan = solve_native(&format!("{chain}end 1"), Variant::Custom, "p0").unwrap();
    assert_eq!(plan.packages.len(), 2001);
    let circle = circle(1000, "Pre-Depends");
    let plan = solve_native(&circle, Variant::Custom, "p0").unwrap();
    assert_eq!(plan.packages.len(), 1000);
}

/// Solves more packages than the resolver follows that each need the next one.
fn solve_endless(variant: Variant, include: &str, circular: bool) -> Error {
    let count = chain::LIMIT + 1_000;
    let mut text = String::new();
    for number in 0..count {
        let next = number + 1;
        write!(
            text,
            "Package: p{number}\nVersion: 1\nArchitecture: amd64\n"
        )
        .unwrap();
        text.push_str("Essential: yes\n");
        if next < count {
            writeln!(text, "Pre-Depends: p{next}").unwrap();
        } else if circular {
            text.push_str("Pre-Depends: p0\n");
        }
        text.push('\n');
    }
    let release = TestRelease::new("trixie", "amd64");
    let listings = vec![release.listing("amd64", text)];
    solve(listings, variant, include, "").unwrap_err()
}

#[test]
fn marking_an_endless_chain_ends_with_an_error() {
    let error = solve_endless(Variant::Custom, "p0", false);
    assert_too_deep(error, mark::MAX_CHAIN, "marking");
}

/// Every package is a demand, so only ordering follows the circle.
#[test]
#[ignore = "needs time"]
fn ordering_an_endless_circle_ends_with_an_error() {
    let error = solve_endless(Variant::Essential, "", true);
    assert_too_deep(error, chain::LIMIT, "ordering");
}

#[test]
#[ignore = "needs time"]
fn an_endless_chain_of_a_target_release_ends_with_an_error() {
    let mut stanzas = String::new();
    for number in 0..chain::LIMIT + 1_000 {
        let next = number + 1;
        writeln!(stanzas, "p{number} 2 Depends:p{next}(>=2)").unwrap();
    }
    let listings = vec![
        super::listing("trixie", "amd64", "other 1"),
        super::listing("experimental", "amd64", &stanzas),
    ];
    let error = solve(listings, Variant::Custom, "p0/experimental", "").unwrap_err();
    assert_too_deep(error, chain::LIMIT, "target release");
}

/// An interrupt ends a plan that would take long, and is its error.
#[test]
fn an_interrupt_ends_choosing() {
    let stanzas = circle(5000, "Depends");
    let selection = Selection {
        variant: Variant::Custom,
        suite: String::new(),
        architectures: vec!["amd64".to_owned()],
        include: vec!["p0".to_owned()],
        local: Vec::new(),
        exclude: Vec::new(),
        usr_is_merged: false,
        first_alternatives: false,
    };
    let index = index(vec![super::listing("trixie", "amd64", &stanzas)]);
    let interrupt = Interrupt::default();
    interrupt.raise(2);
    let error = plan_until(&index, &selection, &interrupt).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
}

/// 4,000 packages that provide one name and conflict with it, as mail servers do, are no work.
#[test]
fn rivals_within_the_limit_are_refused_for_what_they_are() {
    let mut stanzas = String::new();
    for number in 0..4000 {
        writeln!(stanzas, "p{number} 1 Provides:v Conflicts:v").unwrap();
    }
    assert_eq!(
        custom(&stanzas, "p0 p1"),
        "`p0` and `p1` cannot be installed together\n  p0 1 conflicts with v, which p1 1 provides"
    );
}

#[test]
fn an_explanation_does_not_follow_an_endless_chain() {
    let stanzas = format!(
        "{}a 1 Conflicts:b Depends:c|p0\nb 1\nc 1\n",
        circle(chain::LIMIT + 1_000, "Depends")
    );
    assert_eq!(
        custom(&stanzas, "a b"),
        "`a` and `b` cannot be installed together\n  a 1 conflicts with b"
    );
}
