//! The tree that is being made: the one door into it, its claim, the files that no package brings, and what does not stay.

pub(crate) mod apt;
pub(crate) mod rootfs;
pub(crate) mod target;
pub(crate) mod tidy;
