//! Hides what /proc and /sys tell of the host's kernel, memory, firmware and devices.
//!
//! Both file systems are mounted read-only. Much of them describes the machine, which scripts may
//! ask for, but these parts have no namespace, and a file that only root may read is readable for
//! scripts: their root is the host's. A hidden file is empty, a hidden directory an empty one.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree,
};

/// Files that everybody may read. Those that are root's alone are found by their modes.
const FILES: [&CStr; 7] = [
    c"/proc/kallsyms",
    c"/proc/key-users",
    c"/proc/keys",
    c"/proc/latency_stats",
    c"/proc/sched_debug",
    c"/proc/timer_list",
    c"/proc/timer_stats",
];

const DIRECTORIES: [&CStr; 7] = [
    c"/proc/acpi",
    c"/proc/asound",
    c"/proc/bus/pci",
    c"/proc/scsi",
    c"/sys/devices/virtual/dmi",
    c"/sys/devices/virtual/powercap",
    c"/sys/firmware",
];

/// What stays of /sys/devices: processors and memory, and what no hardware is behind. The others
/// have serial numbers, and a PCI device its memory.
const DEVICES: [&[u8]; 2] = [b"system", b"virtual"];

/// Hides what exists of them. `outside` is the host's root directory, whose /dev/null is read
/// instead of the files.
pub(super) fn hide(outside: impl AsFd) -> Result<(), Errno> {
    for path in FILES {
        ignore_absent(bind_read_only(&outside, c"dev/null", path))?;
    }
    for name in names(c"/proc")? {
        let path = below(b"/proc/", &name)?;
        if is_for_root_alone(&path) {
            ignore_absent(bind_read_only(&outside, c"dev/null", &path))?;
        }
    }
    for path in DIRECTORIES {
        ignore_absent(empty(path))?;
    }
    for name in names(c"/sys/devices")? {
        if !DEVICES.contains(&name.to_bytes()) {
            ignore_absent(empty(&below(b"/sys/devices/", &name)?))?;
        }
    }
    Ok(())
}

/// The entries of a directory; none if it does not exist.
fn names(directory: &CStr) -> Result<Vec<CString>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::open(directory, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut names = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn below(directory: &[u8], name: &CStr) -> Result<CString, Errno> {
    CString::new([directory, name.to_bytes()].concat()).map_err(|_| Errno::INVAL)
}

/// Whether this is a file that nobody but its owner may read or write.
fn is_for_root_alone(path: &CStr) -> bool {
    let Ok(found) = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) else {
        return false;
    };
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    is_file && found.st_mode & 0o077 == 0
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
