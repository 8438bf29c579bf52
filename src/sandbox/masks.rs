//! Hides what /proc and /sys tell of the host's kernel, memory, firmware and devices, and the
//! tree's staging directory.
//!
//! /proc and /sys are mounted read-only. Much of them describes the machine, which scripts may
//! ask for, but these parts have no namespace, and a file that only root may read is readable for
//! scripts: their root is the host's. A hidden file is empty, a hidden directory an empty one.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree,
};

use crate::tree::STAGING;

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
/// instead of the files. Fails if anything could not be hidden, after trying the rest.
pub(super) fn hide(outside: impl AsFd) -> Result<(), Errno> {
    let null = match rustix::fs::statat(&outside, c"dev/null", AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => c"dev/null",
        Err(_) => c"/dev/null", // the sandbox's own
    };
    let files = for_each(files(), |path| bind_read_only(&outside, null, path));
    let directories = for_each(directories(), empty);
    files.and(directories).and(hide_staging())
}

/// Keeps scripts from the files that the host's side is about to place.
fn hide_staging() -> Result<(), Errno> {
    let path = CString::new(format!("/{STAGING}")).map_err(|_| Errno::INVAL)?;
    let paths = vec![path];
    let listed = Ok(());
    for_each(Found { paths, listed }, empty)
}

/// Whether this path below /proc is hidden from scripts, where nothing can be mounted over it. Files
/// that are for root alone are found by their modes.
pub(super) fn is_hidden(path: &str) -> bool {
    let path = path.as_bytes();
    let hides = |hidden: &CStr| {
        let hidden = hidden.to_bytes().strip_prefix(b"/proc/");
        let below = hidden.and_then(|hidden| path.strip_prefix(hidden));
        below.is_some_and(|below| matches!(below, [] | [b'/', ..]))
    };
    FILES.iter().chain(&DIRECTORIES).any(|hidden| hides(hidden))
}

/// What to hide, as far as it could be listed.
struct Found {
    paths: Vec<CString>,
    listed: Result<(), Errno>,
}

fn files() -> Found {
    let mut found = entries(b"/proc/");
    found.paths.retain(|path| {
        let found = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| is_for_root_alone(&found))
    });
    found.paths.extend(FILES.map(CString::from));
    found
}

fn directories() -> Found {
    let mut found = entries(b"/sys/devices/");
    found.paths.retain(|path| {
        let name = path.to_bytes().rsplit(|&byte| byte == b'/').next();
        name.is_some_and(|name| !DEVICES.contains(&name))
    });
    found.paths.extend(DIRECTORIES.map(CString::from));
    found
}

/// Hides all of these, also after one has failed. Returns the first error, other than that it does
/// not exist.
fn for_each(found: Found, mut hide: impl FnMut(&CStr) -> Result<(), Errno>) -> Result<(), Errno> {
    let mut outcome = found.listed;
    for path in found.paths {
        outcome = outcome.and(match hide(&path) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            hidden => hidden,
        });
    }
    outcome
}

/// The paths of a directory's entries; none if it does not exist. The directory ends with a slash.
fn entries(directory: &[u8]) -> Found {
    let mut paths = Vec::new();
    let listed = match list(directory, &mut paths) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        listed => listed,
    };
    Found { paths, listed }
}

fn list(directory: &[u8], paths: &mut Vec<CString>) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for entry in Dir::new(rustix::fs::open(directory, flags, Mode::empty())?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            let path = CString::new([directory, name].concat());
            paths.push(path.map_err(|_| Errno::INVAL)?);
        }
    }
    Ok(())
}

/// Whether this is a file that nobody but its owner may read or write.
pub(super) fn is_for_root_alone(found: &Stat) -> bool {
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    is_file && found.st_mode & 0o077 == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_found_by_their_paths() {
        for (path, hidden) in [
            ("kallsyms", true),
            ("keys", true),
            ("key", false),
            ("keys2", false),
            ("acpi", true),
            ("acpi/wakeup", true),
            ("bus/pci/devices", true),
            ("bus/input", false),
            ("cpuinfo", false),
            ("sys/firmware", false),
        ] {
            assert_eq!(is_hidden(path), hidden, "{path}");
        }
    }

    #[test]
    fn all_are_tried_and_the_first_error_counts() {
        let table = [
            (Ok(()), [Ok(()); 3], Ok(())),
            (
                Ok(()),
                [Err(Errno::NOENT), Ok(()), Err(Errno::NOTDIR)],
                Ok(()),
            ),
            (
                Ok(()),
                [Ok(()), Err(Errno::PERM), Err(Errno::NOMEM)],
                Err(Errno::PERM),
            ),
            (Err(Errno::ACCESS), [Ok(()); 3], Err(Errno::ACCESS)),
        ];
        let paths = [c"/a", c"/b", c"/c"];
        for (listed, answers, expected) in table {
            let mut tried = Vec::new();
            let found = Found {
                paths: paths.map(CString::from).into(),
                listed,
            };
            let outcome = for_each(found, |path| {
                tried.push(path.to_owned());
                answers[tried.len() - 1]
            });
            assert_eq!(outcome, expected);
            assert_eq!(tried, paths.map(CString::from));
        }
    }
}
