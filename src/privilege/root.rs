//! Checks the ids and capabilities that root needs and may lack in a container.

use std::fs;

use rustix::thread::{CapabilitySet, capabilities};

use super::id_map::NOBODY;
use super::{Error, IdMap};

/// Without these, owners, modes or setgid bits in a tree would be wrong.
const NEEDED: [(CapabilitySet, &str); 4] = [
    (CapabilitySet::CHOWN, "CHOWN"),
    (CapabilitySet::DAC_OVERRIDE, "DAC_OVERRIDE"),
    (CapabilitySet::FOWNER, "FOWNER"),
    (CapabilitySet::FSETID, "FSETID"),
];

/// Fails if root has too few ids.
pub(super) fn check_ids() -> Result<(), Error> {
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        // Without /proc nothing is known here; a later check says that it is missing.
        let Some(map) = IdMap::parse(&text) else {
            continue;
        };
        if map.end() <= u64::from(NOBODY) {
            let found = map.count();
            return Err(Error::FewIds { file, found });
        }
    }
    Ok(())
}

/// Fails if root has too few capabilities.
pub(super) fn check_capabilities() -> Result<(), Error> {
    let effective = capabilities(None).map(|sets| sets.effective);
    let effective = effective.unwrap_or(CapabilitySet::all());
    let mut missing = Vec::new();
    for (capability, name) in NEEDED {
        if !effective.contains(capability) {
            missing.push(name);
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::Capabilities { missing }),
    }
}

/// Whether this process is in a PID namespace of a container. False where that cannot be found out.
pub(super) fn is_in_container() -> bool {
    /// The inode of the initial PID namespace (PROC_PID_INIT_INO in linux/proc_ns.h).
    const INITIAL: u64 = 0xefff_fffc;
    let namespace = rustix::fs::stat(c"/proc/self/ns/pid");
    namespace.is_ok_and(|found| found.st_ino != INITIAL)
}
