//! Hostile packages and indexes: malformed, lying, and far larger than they look. Each case has its
//! exit code and a part of its message.
//!
//! After every run a directory outside of the target is as it was, and after a failure the target
//! is gone. The packages of a table are in one archive, and each is asked for alone. `case` builds
//! a package from raw parts, `harness` runs a table, `bombs` has what grows.

mod ar;
mod bombs;
mod case;
mod compression;
mod control;
mod harness;
mod headers;
pub mod indexes;
mod links;
mod names;
mod nodes;
mod reference;
mod tree;
