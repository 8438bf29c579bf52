//! The fuzz targets: functions that take any bytes and panic if a property does not hold.
//!
//! Each room checks its own parsers, in its `fuzz.rs`; this is the list of them. `fuzz/` hands them
//! to libFuzzer, and `tests/fuzz.rs` runs them over the seeds and over all former findings.

use crate::{archive, dpkg, formats, inventory, pack, plan, registry, run, sandbox, store};

/// A function to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Names its binary in fuzz/, and its directory in fuzz/seeds/.
    pub name: &'static str,
    pub check: fn(&[u8]),
}

/// All targets, by name.
pub const TARGETS: [FuzzTarget; 18] = [
    target("clearsigned", archive::fuzz::clearsigned),
    target("control_members", dpkg::fuzz::control_members),
    target("copyright", inventory::fuzz::copyright),
    target("deb", formats::fuzz::deb),
    target("images", run::fuzz::images),
    target("keyring", archive::fuzz::keyring),
    target("logins", registry::fuzz::logins),
    target("oci", pack::fuzz::oci),
    target("packages", archive::fuzz::packages),
    target("plan", plan::fuzz::plan),
    target("preferences", archive::fuzz::preferences),
    target("relations", formats::fuzz::relations),
    target("release", archive::fuzz::release),
    target("sources", archive::fuzz::sources),
    target("suites", formats::fuzz::suites),
    target("urls", store::fuzz::urls),
    target("versions", formats::fuzz::versions),
    target("wire", sandbox::fuzz::wire),
];

const fn target(name: &'static str, check: fn(&[u8])) -> FuzzTarget {
    FuzzTarget { name, check }
}

/// Runs the target of this name once.
///
/// # Panics
///
/// If a property does not hold, or there is no such target.
pub fn check(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap().check)(data);
}
