//! stub
use std::sync::Arc;
use crate::{archive::Source, fetch::Fetch, interrupt::Interrupt, plan::Plan, report::Report, rootfs::Rootfs, store, suite::{Suite, Variant}};
/// x
#[derive(Debug)] pub struct Course<'a> { pub suite: &'a Suite, pub variant: Variant, pub sources: &'a [Source], pub plan: &'a Arc<Plan>, pub debs: Vec<store::Wanted>, pub fetch: Arc<Fetch>, pub epoch: i64, pub jobs: usize }
/// x
#[derive(Debug, thiserror::Error)] #[error("install")] pub struct Error;
/// x
pub fn install(_root: &Rootfs, _course: Course<'_>, _interrupt: &Interrupt, _report: &Report) -> Result<(), Error> { Err(Error) }
