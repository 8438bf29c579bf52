//! Runs the fuzz targets over their seeds, among which are all inputs that once were findings.
//!
//! `scripts/fuzz` looks for new ones.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rbootstrap::testing::fuzz::{TARGETS, check};
use rbootstrap::testing::tree;

fn directory(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

#[test]
fn every_seed_passes() {
    let mut ran = 0;
    let mut failed = Vec::new();
    for target in TARGETS {
        let seeds = tree::files(&directory("seeds").join(target.name));
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            let data = fs::read(&seed).unwrap();
            if catch_unwind(|| check(target.name, &data)).is_err() {
                failed.push(seed);
            }
            ran += 1;
        }
    }
    println!("{ran} seeds of {} targets", TARGETS.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Nothing is fuzzed that is not also run here, and nothing is listed that is not fuzzed.
#[test]
fn every_target_has_a_binary_and_seeds() {
    let mut names = BTreeSet::new();
    let mut files = BTreeSet::new();
    for target in TARGETS {
        names.insert(target.name.to_owned());
        files.insert(format!("{}.rs", target.name));
    }
    let in_directory = |name| BTreeSet::from_iter(tree::names(&directory(name)));
    assert_eq!(in_directory("fuzz_targets"), files);
    assert_eq!(in_directory("seeds"), names);
}
