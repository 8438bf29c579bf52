//! Packages made of bytes, unpacked into trees of their own; what scripts would do is done by the
//! test.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own world, with every writer of the standard library"
)]

mod refusals;
mod staging_tests;
mod together;
mod unpacking;

use std::os::unix::fs::PermissionsExt;

use super::State;
use super::maintainer_scripts::Preinsts;
use super::staging::{self, PackageFile, Staging};
use super::unpack::{Error, Unpacking, extract};
use crate::formats::deb::Deb;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::{PathRule, PathRuleKind};
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::testing::tar::{TarEntry, directory, entry, file, hard_link, symlink};
use crate::testing::unpacking::{Packed, World, keys, package_file, packed, read};
use crate::tree::STAGING;
use crate::tree::rootfs::RootPath;
