//! Chains and circles of dependencies that are longer than the resolver follows.

use std::fmt::Write;

use super::{Error, Variant, custom, listing, solve};
use crate::plan::{chain, mark};

/// An index in which each package depends on the next one: `p0` on `p1`, and so on.
struct Links {
    count: usize,
    /// The field of the dependency, and other fields of each package.
    field: &'static str,
    more: &'static str,
    /// The last package depends on the first one.
    circular: bool,
}

impl Links {
    fn stanzas(&self) -> String {
        let mut text = String::new();
        for number in 0..self.count {
            let next = number + 1;
            write!(text, "p{number} 1 {}", self.more).unwrap();
            if next < self.count {
                write!(text, " {}:p{next}", self.field).unwrap();
            } else if self.circular {
                write!(text, " {}:p0", self.field).unwrap();
            }
            text.push('\n');
        }
        text
    }
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
    for (count, field, circular) in [(2001, "Depends", false), (1000, "Pre-Depends", true)] {
        let links = Links {
            count,
            field,
            more: "",
            circular,
        };
        let listings = vec![listing("trixie", "amd64", &links.stanzas())];
        let plan = solve(listings, Variant::Custom, "p0", "").unwrap();
        assert_eq!(plan.packages.len(), count);
    }
}

#[test]
fn endless_chains_end_with_an_error() {
    for circular in [false, true] {
        let links = Links {
            count: 300_000,
            field: "Pre-Depends",
            more: "Essential:yes",
            circular,
        };
        let stanzas = links.stanzas();
        // Marking reaches its limit from one demand, ordering its own if every package is a demand.
        for (variant, include, limit) in [
            (Variant::Custom, "p0", mark::MAX_CHAIN),
            (Variant::Essential, "", chain::LIMIT),
        ] {
            let listings = vec![listing("trixie", "amd64", &stanzas)];
            let error = solve(listings, variant, include, "").unwrap_err();
            assert_too_deep(error, limit, &format!("{variant:?}, circular: {circular}"));
        }
    }
}

#[test]
fn an_endless_chain_of_a_target_release_ends_with_an_error() {
    let mut stanzas = String::new();
    for number in 0..30_000 {
        let next = number + 1;
        writeln!(stanzas, "p{number} 2 Depends:p{next}(>=2)").unwrap();
    }
    let listings = vec![
        listing("trixie", "amd64", "other 1"),
        listing("experimental", "amd64", &stanzas),
    ];
    let error = solve(listings, Variant::Custom, "p0/experimental", "").unwrap_err();
    assert_too_deep(error, chain::LIMIT, "target release");
}

#[test]
fn an_explanation_does_not_follow_an_endless_chain() {
    let links = Links {
        count: 30_000,
        field: "Depends",
        more: "",
        circular: true,
    };
    let stanzas = format!(
        "{}a 1 Conflicts:b Depends:c|p0\nb 1\nc 1\n",
        links.stanzas()
    );
    assert_eq!(
        custom(&stanzas, "a b"),
        "`a` and `b` cannot be installed together\n  a 1 conflicts with b"
    );
}
