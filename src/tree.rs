//! The target tree: the only door into it, how it is claimed, the files that no package ships, and
//! what is removed at the end.

pub(crate) mod apt;
pub(crate) mod base;
pub(crate) mod identity;
pub(crate) mod listed;
mod path;
pub(crate) mod readable;
pub(crate) mod rootfs;
pub(crate) mod runtime;
pub(crate) mod secrets;
pub(crate) mod settings;
pub(crate) mod target;
pub(crate) mod tidy;

/// Where packages are staged: on the tree's own file system, so that placing a file is renaming it.
/// In the sandbox an empty directory hides it from scripts.
pub(crate) const STAGING: &str = "var/lib/dpkg/rbootstrap.tmp";
