//! The capabilities of the commands: what maintainer scripts need, and nothing that reaches beyond
//! the tree.
//!
//! Measured on 1,316 packages: with these their scripts leave the same tree as with all. PID 1
//! keeps its own, so that scripts, which have fewer, cannot trace it. Runs between clone and exec,
//! so it must not allocate.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// For files of other owners, for daemons that change their user, for file capabilities, and for
/// signals within the sandbox.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::KILL);

/// What the commands keep. A root that was not pivoted into can be escaped by chroot.
pub(super) fn kept(is_pivoted: bool) -> CapabilitySet {
    if is_pivoted {
        KEPT.union(CapabilitySet::SYS_CHROOT)
    } else {
        KEPT
    }
}

/// Whether the bounding set can be reduced. Otherwise root gets every capability back with its next
/// exec.
pub(super) fn can_be_dropped() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETPCAP))
}

/// Drops all other capabilities of the calling process, for good.
pub(super) fn drop_except(kept: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break, // the kernel knows no more
            Err(e) => return Err(e),
        }
    }
    clear_ambient_capability_set()?;
    let permitted = capabilities(None)?.permitted & kept;
    let sets = CapabilitySets {
        effective: permitted,
        permitted,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}
