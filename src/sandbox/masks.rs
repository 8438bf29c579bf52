//! Hides files of /proc and /sys that tell of the host's kernel, memory and firmware.
//!
//! Both file systems are mounted read-only. Much of them describes the machine, which scripts may
//! ask for, but these files have no namespace and are root's to read. A file becomes an empty one,
//! a directory an empty directory.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree,
};

const FILES: [&CStr; 10] = [
    c"/proc/kallsyms",
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/key-users",
    c"/proc/kmsg",
    c"/proc/latency_stats",
    c"/proc/sched_debug",
    c"/proc/sysrq-trigger",
    c"/proc/timer_list",
    c"/proc/timer_stats",
];

const DIRECTORIES: [&CStr; 5] = [
    c"/proc/acpi",
    c"/proc/asound",
    c"/proc/scsi",
    c"/sys/devices/virtual/powercap",
    c"/sys/firmware",
];

/// Hides what exists of them. `outside` is the host's root directory, whose /dev/null is read
/// instead of the files.
pub(super) fn hide(outside: impl AsFd) -> Result<(), Errno> {
    for path in FILES {
        ignore_absent(bind_read_only(&outside, c"dev/null", path))?;
    }
    for path in DIRECTORIES {
        ignore_absent(empty(path))?;
    }
    Ok(())
}

fn ignore_absent(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        other => other,
    }
}

fn empty(path: &CStr) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount(c"tmpfs", path, c"tmpfs", flags, c"mode=0555,size=4k")
}

/// Mounts a file of the host on another one. It is the host's own inode: read-only, so that nobody
/// changes its mode or owner. A device can be written to all the same.
pub(super) fn bind_read_only(
    outside: impl AsFd,
    host_path: &CStr,
    path: &CStr,
) -> Result<(), Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let node = open_tree(outside, host_path, flags)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&node, c"", CWD, path, flags)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount_remount(path, flags, c"")
}
