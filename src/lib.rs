//! Builds Debian and Ubuntu root filesystems and images from the archive.
//!
//! `run::stages` has the stages of a run, in order. docs/architecture.md describes the modules.

// Tests of the whole program reach some items that are private to it otherwise.
#![cfg_attr(not(any(test, feature = "testing")), allow(unreachable_pub))]

pub(crate) mod archive;
pub(crate) mod bounded;
pub(crate) mod cli;
pub(crate) mod dpkg;
pub(crate) mod failure;
pub(crate) mod formats;
pub(crate) mod images;
pub(crate) mod install;
pub(crate) mod interrupt;
pub(crate) mod inventory;
pub(crate) mod kernel;
pub(crate) mod mark;
pub(crate) mod ownership;
pub(crate) mod pack;
pub(crate) mod plan;
pub(crate) mod privilege;
pub(crate) mod queue;
pub(crate) mod registry;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub(crate) mod tree;
pub(crate) mod ui;

pub use cli::main;
