//! All tests of the whole program, in one binary: what they share (keys, packages) is made once.
//!
//! `cargo test --test all flow::` runs one subject's.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by its panic"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own world, with every writer of the standard library"
)]
#![expect(unreachable_pub, reason = "what the subjects share is public to them")]

mod archive;
mod floors;
mod flow;
mod images;
mod interrupt;
mod live;
mod mirror;
mod pack;
mod packages;
mod pins;
mod refusals;
mod simulate;
mod suites;
mod target;
mod timings;
mod trust;
mod world;
