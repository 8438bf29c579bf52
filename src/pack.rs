//! tree → tar, reproducibly. (contract; body to come)
use crate::{compress::Compression, report::Report, rootfs::Rootfs};
use std::io::Write;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Directory,
    Tar(Compression),
}
#[derive(Clone, Debug)]
pub struct Options {
    /// seconds since the epoch: later times are clamped to it
    pub epoch: Option<i64>,
    pub threads: u32,
    pub compression: Compression,
}
#[derive(Debug, thiserror::Error)]
#[error("pack")]
pub struct Error;
/// Writes the tree as a tar (pax, sorted, numeric owners, hard links, xattrs); without what is below /dev, /proc, /sys (the directories stay).
pub fn tar<W: Write>(_root: &Rootfs, _output: W, _options: &Options, _report: &Report) -> Result<W, Error> {
    unimplemented!()
}
