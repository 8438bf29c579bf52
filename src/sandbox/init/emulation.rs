//! Has the kernel start the host's emulator for programs of another architecture.
//!
//! The registration is one of the sandbox's own user namespace (Linux 6.7 and later), and the host's
//! do not count there any more. The file system that holds it is mounted nowhere, so scripts neither
//! see nor change it; it lasts as long as its descriptor is open.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::EMULATOR;
use crate::formats::arch;

/// Registers the emulator in [`EMULATOR`] for the architecture with this number of seccomp filters.
/// The calling process must be in a user and a mount namespace of its own, or it would register for
/// the whole host. /proc must be mounted.
pub(super) fn register(architecture: u32) -> Result<OwnedFd, Errno> {
    let architecture = arch::of_audit_number(architecture).ok_or(Errno::INVAL)?;
    let context = fsopen(c"binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&mounted, c"register", flags, Mode::empty())?;
    let entry = architecture.binfmt_entry(&format!("/proc/self/fd/{EMULATOR}"));
    rustix::io::write(&file, entry.as_bytes())?;
    Ok(mounted)
}
