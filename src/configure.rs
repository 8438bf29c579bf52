//! Maintainer scripts, through the tree's own dpkg. (contract; body to come)
use crate::chroot::Chroot;
/// The environment that every maintainer script and dpkg call gets (DPKG.md "Running a preinst").
pub fn environment(_epoch: i64) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    unimplemented!()
}
#[derive(Debug, thiserror::Error)]
#[error("configure")]
pub struct Error;
/// `dpkg --configure …`; names as dpkg takes them (pkg or pkg:arch)
pub fn configure(_chroot: &Chroot, _names: &[String]) -> Result<(), Error> {
    unimplemented!()
}
