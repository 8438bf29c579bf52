//! What tests share, unit tests and tests of the whole program alike (feature `testing`).
//!
//! [`FakeArchive`] publishes a signed archive of packages that a [`DebBuilder`] builds, [`Mirror`]
//! serves it with faults, and [`tree`] turns a tree into text. It may use every module; only tests
//! use it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "test code panics when it cannot go on, and writes its files with the standard library"
)]

pub mod archive;
pub mod base;
pub mod deb;
pub mod fuzz;
pub mod key;
pub mod listing;
pub mod mirror;
pub mod registry;
pub mod sample;
pub mod server;
pub mod tar;
pub mod tls;
pub mod tree;
pub mod unpacking;

pub use archive::{FakeArchive, FakeSuite};
pub use base::{exit_program, host_architecture};
pub use deb::{Damage, DebBuilder};
pub use key::ArchiveKey;
pub use mirror::{Mirror, MirrorFault};
pub use tar::TarEntry;

// The parts of the library that tests of the whole program call directly.
pub use crate::archive::{Index, Listing, Release};
pub use crate::formats::compress::{Compression, Integrity, decoder, encoder};
pub use crate::formats::digest::{Algorithm, Md5Hasher, digest};
pub use crate::formats::stanza::{Fields, fields, stanzas};
pub use crate::formats::suite::Variant;
pub use crate::plan::{Call, Chosen, LocalDeb, Plan, Selection, plan};
pub use crate::report::{RunId, Stage, StepLabel};
pub use crate::ui::progress::json::{JsonEvent, JsonLine, StageTime};
