//! Which packages, and in which order; no I/O. (contract; body to come)
use crate::{archive::Index, package::Package, suite::Variant};

/// What a user wants installed.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub variant: Variant,
    /// The suite asked for, by name (`trixie`), for apt's ?narrow
    pub suite: String,
    /// native first, foreign ones behind
    pub architectures: Vec<String>,
    /// --include, in the user's order: `pkg`, `pkg=version`, `pkg/suite`, `pkg:arch`, `pkg-`. (`./file.deb` arrives as Demand of its own later)
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}
/// A package that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub package: Package,
    /// index into Index::listings of where it comes from (first listing with that very version)
    pub listing: usize,
    /// came in only as a dependency (apt's Auto-Installed), false for all of the essential set
    pub automatic: bool,
}
/// One of apt's calls of dpkg; numbers index Plan::packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call { Unpack(Vec<usize>), Configure(Vec<usize>) }
/// A solved demand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// the essential set in the order of unpacking, then the others likewise
    pub packages: Vec<Chosen>,
    /// how many of `packages` are the first set (laid before any script runs)
    pub essentials: usize,
    /// apt's calls for the others, in order; `dpkg --configure --pending` follows
    pub calls: Vec<Call>,
}
#[derive(Debug, thiserror::Error)]
#[error("plan")]
pub struct Error;
pub fn plan(_index: &Index, _wanted: &Wanted) -> Result<Plan, Error> { unimplemented!() }
