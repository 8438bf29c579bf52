//! What tests share, unit tests and tests of the whole program alike (feature `testing`).

#[cfg(test)]
pub(crate) mod ignore;
pub mod listing;

// The parts of the library that tests of the whole program call directly.
pub use crate::archive::{Index, Listing};
pub use crate::formats::compress::{Compression, Integrity, decoder, encoder};
pub use crate::formats::digest::{Algorithm, Md5Hasher, digest};
pub use crate::formats::stanza::{Fields, fields, stanzas};
pub use crate::formats::suite::Variant;
pub use crate::plan::{Call, Chosen, Plan, Selection, plan};
