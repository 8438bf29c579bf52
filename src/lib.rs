//! Makes a Debian or Ubuntu root filesystem from the archive itself.
//!
//! `bootstrap::run` tells the whole story; docs/architecture.md shows the rooms that it leads through.

pub mod compress;
pub mod digest;
pub mod package;
pub mod report;
pub mod rootfs;
pub mod interrupt;
pub mod apt;
pub mod archive;
pub mod chroot;
pub mod configure;
pub mod deb;
pub mod dpkg;
pub mod fetch;
pub mod pack;
pub mod plan;
pub mod store;
pub mod suite;
pub mod target;
pub mod tidy;
pub mod unpack;
