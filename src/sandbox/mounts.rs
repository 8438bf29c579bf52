//! The mounts of the sandbox: the tree as its root, and a private /dev, /proc and /sys.
//!
//! They belong to the sandbox's mount namespace and vanish with it, so nothing is ever unmounted by
//! hand. Nothing is written into the tree: what has no directory to be mounted on is skipped.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, mount_remount, move_mount, open_tree, unmount,
};

use super::{SetupStep, masks, refused};

/// Device nodes: path on the host, path in the sandbox, major, minor. The console is a /dev/null:
/// the host's stays out of reach.
pub(super) const NODES: [(&CStr, &CStr, u32, u32); 7] = [
    (c"dev/null", c"/dev/null", 1, 3),
    (c"dev/zero", c"/dev/zero", 1, 5),
    (c"dev/full", c"/dev/full", 1, 7),
    (c"dev/random", c"/dev/random", 1, 8),
    (c"dev/urandom", c"/dev/urandom", 1, 9),
    (c"dev/tty", c"/dev/tty", 5, 0),
    (c"dev/null", c"/dev/console", 1, 3),
];
/// Symlinks: target, path in the sandbox.
pub(super) const LINKS: [(&CStr, &CStr); 5] = [
    (c"pts/ptmx", c"/dev/ptmx"),
    (c"/proc/self/fd", c"/dev/fd"),
    (c"/proc/self/fd/0", c"/dev/stdin"),
    (c"/proc/self/fd/1", c"/dev/stdout"),
    (c"/proc/self/fd/2", c"/dev/stderr"),
];

/// The flags of a mount that a remount would otherwise clear.
const MOUNT_FLAGS: [(StatVfsMountFlags, MountFlags); 3] = [
    (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
    (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
];

/// Makes the current directory the root, and mounts the rest if the mount namespace is private.
/// Returns what was refused.
pub(super) fn enter(is_private: bool) -> Result<u32, (SetupStep, Errno)> {
    let mut refused = 0;
    if !is_private || attach_tree().is_err() {
        refused |= refused::MOUNT | refused::NODEV;
        rustix::process::chroot(c".").map_err(|e| (SetupStep::ChangeRoot, e))?;
    } else {
        if forbid_devices().is_err() {
            refused |= refused::NODEV;
        }
        let outside = rustix::fs::open(
            c"/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let outside = outside.map_err(|e| (SetupStep::LeaveOldRoot, e))?;
        // An initramfs cannot be moved. Then the root is changed within the private mounts.
        let pivoted = rustix::process::pivot_root(c".", c".").is_ok();
        if !pivoted {
            refused |= refused::PIVOT;
            rustix::process::chroot(c".").map_err(|e| (SetupStep::ChangeRoot, e))?;
        }
        refused |= mount_all(&outside);
        if masks::hide(&outside).is_err() {
            refused |= refused::MASKS;
        }
        if pivoted {
            // The old root lies on top of the new one. After this, no mount of the host is left.
            rustix::process::fchdir(&outside).map_err(|e| (SetupStep::LeaveOldRoot, e))?;
            unmount(c".", UnmountFlags::DETACH).map_err(|e| (SetupStep::LeaveOldRoot, e))?;
        }
    }
    rustix::process::chdir(c"/").map_err(|e| (SetupStep::EnterTree, e))?;
    check_null().map_err(|e| (SetupStep::OpenDevices, e))?;
    Ok(refused)
}

/// Fails if /dev/null is a device node that cannot be opened: without mounts, the tree's own /dev
/// may be on a file system mounted nodev. The shell then skips a command whose output is redirected
/// there, and scripts often ignore that. Where there is no node, the redirection makes a file.
fn check_null() -> Result<(), Errno> {
    let null = c"/dev/null";
    match rustix::fs::statat(CWD, null, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice => {
            can_be_opened(null)
        }
        _ => Ok(()),
    }
}

/// Makes the tree, which is the current directory, a mount of its own and enters it.
fn attach_tree() -> Result<(), Errno> {
    // Before anything else, so that no mount propagates to the host.
    make_private()?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, c".", flags)?;
    move_mount(
        &tree,
        c"",
        CWD,
        c".",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    rustix::process::fchdir(&tree)
}

/// Makes all mounts of the namespace private. The current directory is the tree. In a chroot, the
/// root of the namespace becomes the root directory.
pub(super) fn make_private() -> Result<(), Errno> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    match mount_change(c"/", private) {
        // The root directory is not a mount point: the caller is in a chroot.
        Err(Errno::INVAL) => {
            leave_chroot()?;
            mount_change(c"/", private)
        }
        changed => changed,
    }
}

/// Makes the root of the mount namespace the root directory, so that all mounts can be made
/// private. No process but this one leaves the chroot, and its new root is unmounted once the tree
/// is entered.
fn leave_chroot() -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tree = rustix::fs::open(c".", flags, Mode::empty())?;
    let root = rustix::fs::open(c"/", flags, Mode::empty())?;
    rustix::process::chroot(c".")?;
    // Outside of the root directory, `..` leads up to the first mount.
    rustix::process::fchdir(&root)?;
    let mut here = rustix::fs::statat(CWD, c".", AtFlags::empty())?;
    loop {
        rustix::process::chdir(c"..")?;
        let above = rustix::fs::statat(CWD, c".", AtFlags::empty())?;
        if (above.st_dev, above.st_ino) == (here.st_dev, here.st_ino) {
            break;
        }
        here = above;
    }
    rustix::process::chroot(c".")?;
    rustix::process::fchdir(&tree)
}

/// Makes the device nodes that packages ship useless inside the sandbox. The nodes of its own /dev
/// stay.
fn forbid_devices() -> Result<(), Errno> {
    let flags = rustix::fs::statvfs(c".")?.f_flag;
    let mut kept = MountFlags::BIND | MountFlags::NODEV;
    for (flag, mount_flag) in MOUNT_FLAGS {
        if flags.contains(flag) {
            kept |= mount_flag;
        }
    }
    mount_remount(c".", kept, c"")
}

fn mount_all(outside: &OwnedFd) -> u32 {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    let mut refused = 0;
    if make_dev(outside).is_err() {
        refused |= refused::DEV;
    }
    if mount(c"proc", c"/proc", c"proc", flags, None).is_err() {
        refused |= refused::PROC;
    }
    if mount(c"sysfs", c"/sys", c"sysfs", flags, None).is_err() {
        refused |= refused::SYS;
    }
    refused
}

fn make_dev(outside: &OwnedFd) -> Result<(), Errno> {
    let options = c"mode=0755,size=1m";
    mount(c"tmpfs", c"/dev", c"tmpfs", MountFlags::NOSUID, options)?;
    for (host_path, path, major, minor) in NODES {
        let mode = Mode::from_raw_mode(0o666);
        let device = rustix::fs::makedev(major, minor);
        let made = rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, mode, device);
        match made.and_then(|()| can_be_opened(path)) {
            Ok(()) => rustix::fs::chmodat(CWD, path, mode, AtFlags::empty())?,
            Err(_) => bind_node(outside, host_path, path)?,
        }
    }
    for (target, path) in LINKS {
        rustix::fs::symlinkat(target, CWD, path)?;
    }
    for directory in [c"/dev/pts", c"/dev/shm"] {
        rustix::fs::mkdirat(CWD, directory, Mode::from_raw_mode(0o755))?;
    }
    // Group 5 is tty. A user namespace may not map it.
    mount_terminals(c"newinstance,ptmxmode=0666,mode=0620,gid=5")
        .or_else(|_| mount_terminals(c"newinstance,ptmxmode=0666,mode=0620"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount(c"tmpfs", c"/dev/shm", c"tmpfs", flags, c"mode=1777")
}

fn mount_terminals(options: &CStr) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(c"devpts", c"/dev/pts", c"devpts", flags, options)
}

/// Whether a node can be opened: a user namespace may permit mknod only. /dev/tty answers ENXIO, as
/// there is no terminal.
fn can_be_opened(node: &CStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match rustix::fs::open(node, flags, Mode::empty()) {
        Ok(_) | Err(Errno::NXIO) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Mounts the host's node where creating one is not permitted.
fn bind_node(outside: &OwnedFd, host_path: &CStr, path: &CStr) -> Result<(), Errno> {
    let _ = rustix::fs::unlinkat(CWD, path, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    drop(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?);
    masks::bind_read_only(outside, host_path, path)
}
