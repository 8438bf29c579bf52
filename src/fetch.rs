//! A plan's .debs, many at a time, in the background. (contract; body to come)
use crate::{
    report::Report,
    store::{Error, Store, Verified, Wanted},
};
use std::sync::Arc;
/// Downloads under way. Dropping it stops them.
#[derive(Debug)]
pub struct Fetch;
impl Fetch {
    /// Starts `connections` threads (std::thread) that fetch what is wanted.
    pub fn start(_store: Arc<Store>, _connections: usize, _report: Report) -> Fetch {
        unimplemented!()
    }
    /// Asks for a file; may be called before the plan is final. Same digest twice: one download. Earlier asked, earlier fetched; what is waited for comes first.
    pub fn want(&self, _wanted: Wanted) {
        unimplemented!()
    }
    /// Waits until the file is there and verified, and hands it over. The first failure of any wanted file fails every wait. A file not asked for yet is asked for now.
    pub fn take(&self, _wanted: &Wanted) -> Result<Arc<Verified>, Arc<Error>> {
        unimplemented!()
    }
}
