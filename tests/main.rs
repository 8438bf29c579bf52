//! Tests of the whole program, in one binary: it links once, and builds the shared packages and
//! keys once.
//!
//! `cargo test --test all flow::` runs those of one module. A test that needs more than a plain
//! user has is ignored, and its reason lists the needs: `needs root, dpkg`. `scripts/test` finds
//! out what the host offers and runs these tests too.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own context, with every writer of the standard library"
)]
#![expect(clippy::print_stdout, reason = "a table prints how many cases it ran")]
#![expect(unreachable_pub, reason = "modules share what is public in them")]

mod archive;
mod build;
mod context;
mod debootstrap;
mod disks;
mod dpkg;
mod emulation;
mod engines;
mod faults;
mod field;
mod floors;
mod flow;
mod fuzz;
mod hooks;
mod hostile;
mod images;
mod interrupt;
mod inventory;
mod json;
mod links;
mod live;
mod local;
mod lock;
mod logins;
mod manuals;
mod mirror;
mod mmdebstrap;
mod oci;
mod pack;
mod packages;
mod pins;
mod prefixes;
mod preflight;
mod preseed;
mod privilege;
mod profiles;
mod push;
mod refusals;
mod registry;
mod reproducible;
mod sandbox;
mod scratch;
mod scripts;
mod second_stage;
mod sharing;
mod simulate;
mod snapshots;
mod suites;
mod table;
mod target;
mod third_party;
mod timings;
mod tree_keys;
mod trust;
mod zygotes;
