//! Makes a Debian or Ubuntu root filesystem from the archive itself.
//!
//! `bootstrap::run` tells the whole story; docs/architecture.md shows the rooms that it leads through.

pub mod apt;
pub mod archive;
pub mod bootstrap;
pub mod chroot;
pub mod compress;
pub mod configure;
pub mod deb;
pub mod digest;
pub mod dpkg;
pub mod fetch;
pub mod install;
pub mod interrupt;
pub mod pack;
pub mod package;
pub mod plan;
pub mod report;
pub mod rootfs;
#[cfg(test)]
mod skipping;
pub mod store;
pub mod suite;
pub mod target;
pub mod tidy;
pub mod unpack;
