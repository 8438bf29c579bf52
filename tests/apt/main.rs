//! Compares the resolver with apt: the packages, their versions and architectures, and the order.
//!
//! `scripts/test` runs a sample if the host has apt and a mirror of Debian answers. All of it takes
//! about half an hour: `cargo test --release --test apt -- --ignored --nocapture`.
//! RBOOTSTRAP_APT_DEMANDS is the number of random demands for a suite (500); the other numbers
//! follow from it. RBOOTSTRAP_APT_SEED seeds the generator. RBOOTSTRAP_APT_ASK has demands to use
//! instead, separated by `;`. docs/resolver.md has the figures.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the test prints what it compared"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "apt's directory is not a target tree"
)]

mod cases;
mod compare;
mod demands;
mod excerpt;
mod host;

use std::sync::Mutex;

use rbootstrap::testing::Variant;

use compare::Demand;
use demands::{Catalogue, Dice};
use host::{Apt, Setting};

/// Lets one test at a time run apt.
static TURN: Mutex<()> = Mutex::new(());

const VARIANTS: [Variant; 7] = [
    Variant::Essential,
    Variant::Apt,
    Variant::Buildd,
    Variant::Minbase,
    Variant::Important,
    Variant::Standard,
    Variant::Custom,
];

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The number of random demands for a suite.
fn count() -> usize {
    number("RBOOTSTRAP_APT_DEMANDS", 500)
}

/// The demands in RBOOTSTRAP_APT_ASK.
fn demands_from_environment() -> Option<Vec<Demand>> {
    let text = std::env::var("RBOOTSTRAP_APT_ASK").ok()?;
    let words = |demand: &str| demand.split_whitespace().map(str::to_owned).collect();
    Some(
        text.split(';')
            .map(|demand| Demand {
                kind: "asked",
                variant: Variant::Minbase,
                words: words(demand),
            })
            .collect(),
    )
}

/// Compares the answers to the demands that `draw` makes from the packages of a setting.
fn compare_answers(setting: Setting, draw: impl FnOnce(&Catalogue<'_>, &mut Dice) -> Vec<Demand>) {
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let apt = Apt::new(setting).unwrap_or_else(|reason| panic!("apt cannot be asked: {reason}"));
    let mut dice = Dice::new(number("RBOOTSTRAP_APT_SEED", 1) as u64);
    let demands =
        demands_from_environment().unwrap_or_else(|| draw(&Catalogue::of(&apt.index), &mut dice));
    let differences = compare::compare(&apt, &demands);
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        demands.len(),
        differences.join("\n")
    );
}

#[test]
#[ignore = "needs apt, network"]
fn a_sample_is_answered_as_by_apt() {
    for suite in ["trixie", "bookworm"] {
        compare_answers(Setting::plain(suite), |catalogue, dice| {
            let mut demands = catalogue.random(14, dice);
            demands.extend(catalogue.clashing(6, dice));
            demands
        });
    }
}

#[test]
#[ignore = "asks apt some 700 times"]
fn random_demands_of_trixie() {
    random("trixie");
}

#[test]
#[ignore = "asks apt some 700 times"]
fn random_demands_of_bookworm() {
    random("bookworm");
}

fn random(suite: &str) {
    compare_answers(Setting::plain(suite), |catalogue, dice| {
        let mut demands = catalogue.random(count(), dice);
        demands.extend(catalogue.clashing(count() * 2 / 5, dice));
        demands
    });
}

#[test]
#[ignore = "asks apt some 700 times"]
fn variants_of_trixie() {
    variants("trixie");
}

#[test]
#[ignore = "asks apt some 700 times"]
fn variants_of_bookworm() {
    variants("bookworm");
}

fn variants(suite: &str) {
    compare_answers(Setting::plain(suite), |catalogue, dice| {
        let mut demands = Vec::new();
        for variant in VARIANTS {
            let kind = match variant {
                Variant::Essential => "essential",
                Variant::Apt => "apt",
                Variant::Buildd => "buildd",
                Variant::Minbase => "minbase",
                Variant::Important => "important",
                Variant::Standard => "standard",
                Variant::Custom | Variant::Extract | Variant::Scratch => "custom",
            };
            if variant != Variant::Custom {
                demands.push(Demand {
                    kind,
                    variant,
                    words: Vec::new(),
                });
            }
            let random = catalogue
                .random(count() / 5, dice)
                .into_iter()
                .map(|demand| Demand {
                    kind,
                    variant,
                    ..demand
                });
            demands.extend(random);
        }
        demands
    });
}

#[test]
#[ignore = "asks apt some 400 times"]
fn pockets_of_trixie() {
    several(Setting::plain("trixie").and(&[
        ("trixie-updates", None),
        ("trixie-security", None),
        ("trixie-backports", None),
    ]));
}

#[test]
#[ignore = "asks apt some 400 times"]
fn pockets_of_bookworm() {
    several(Setting::plain("bookworm").and(&[
        ("bookworm-updates", None),
        ("bookworm-security", None),
        ("bookworm-backports", None),
    ]));
}

#[test]
#[ignore = "asks apt some 400 times"]
fn a_newer_suite_pinned_low_beside_trixie() {
    several(Setting::plain("trixie").and(&[("sid", Some(50))]));
}

#[test]
#[ignore = "asks apt some 400 times"]
fn a_newer_suite_pinned_low_beside_bookworm() {
    several(Setting::plain("bookworm").and(&[("trixie", Some(50))]));
}

#[test]
#[ignore = "asks apt some 100 times"]
fn an_older_suite_pinned_high_beside_trixie() {
    let setting = Setting::plain("trixie").and(&[("bookworm", Some(990))]);
    compare_answers(setting, |catalogue, dice| {
        catalogue.of_several(count() / 5, dice)
    });
}

#[test]
#[ignore = "asks apt some 100 times"]
fn a_newer_suite_as_good_as_bookworm() {
    let setting = Setting::plain("bookworm").and(&[("trixie", None)]);
    compare_answers(setting, |catalogue, dice| {
        catalogue.of_several(count() / 5, dice)
    });
}

fn several(setting: Setting) {
    compare_answers(setting, |catalogue, dice| {
        let mut demands = catalogue.of_several(count() / 5, dice);
        for kind in ["pkg=version", "pkg/suite", "pkg-"] {
            demands.extend(catalogue.written(kind, count() / 5, dice));
        }
        demands
    });
}

#[test]
#[ignore = "asks apt some 100 times"]
fn a_second_architecture_of_trixie() {
    compare_answers(Setting::plain("trixie").with("i386"), |catalogue, dice| {
        catalogue.foreign("i386", count() / 5, dice)
    });
}

#[test]
#[ignore = "asks apt some 100 times"]
fn another_second_architecture_of_trixie() {
    compare_answers(Setting::plain("trixie").with("arm64"), |catalogue, dice| {
        catalogue.foreign("arm64", count() / 5, dice)
    });
}

#[test]
#[ignore = "asks apt some 100 times"]
fn a_second_architecture_of_bookworm() {
    compare_answers(
        Setting::plain("bookworm").with("i386"),
        |catalogue, dice| catalogue.foreign("i386", count() / 5, dice),
    );
}
