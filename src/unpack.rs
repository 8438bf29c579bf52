//! .debs → tree and dpkg database, decoded by many threads, committed in one order. (contract; body to come)
use crate::{chroot::Chroot, fetch::Fetch, plan::Plan, report::Report, rootfs::Rootfs};
use std::sync::Arc;

/// Decodes a plan's .debs ahead on all cores into a staging place inside the tree's file system (same file system, so that committing is
/// renaming), and commits them in order. Memory stays bounded whatever the size of a member; the same bytes for one job and many.
#[derive(Debug)]
pub struct Unpacker<'a> {
    _p: &'a (),
}
/// Urls etc. of one package of the plan, already made by bootstrap: index-aligned with plan.packages
pub type Sources = Vec<crate::store::Wanted>;
#[derive(Debug, thiserror::Error)]
#[error("unpack")]
pub struct Error;
impl<'a> Unpacker<'a> {
    /// Starts staging in the background: takes each verified .deb from `fetch` in plan order.
    pub fn start(
        _root: &'a Rootfs,
        _plan: Arc<Plan>,
        _sources: Sources,
        _fetch: Arc<Fetch>,
        _jobs: usize,
        _report: Report,
    ) -> Result<Unpacker<'a>, Error> {
        unimplemented!()
    }
    /// Lays the essential set: no script run (DPKG.md step 2).
    pub fn lay_essentials(&mut self) -> Result<(), Error> {
        unimplemented!()
    }
    /// Runs the essentials' preinsts and registers them (step 4).
    pub fn register_essentials(&mut self, _chroot: &Chroot) -> Result<(), Error> {
        unimplemented!()
    }
    /// One batch of apt's calls (step 6); indexes into plan.packages.
    pub fn batch(&mut self, _chroot: &Chroot, _packages: &[usize]) -> Result<(), Error> {
        unimplemented!()
    }
    /// A whole plan without scripts (variant extract): every file, no preinst; database as dpkg's after unpack.
    pub fn extract_all(&mut self) -> Result<(), Error> {
        unimplemented!()
    }
    /// No staging left; staging directory gone.
    pub fn finish(self) -> Result<(), Error> {
        unimplemented!()
    }
}
