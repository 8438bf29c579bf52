//! What is mounted inside the box: the tree as its root, and a /dev, /proc and /sys of its own.
//!
//! All of it belongs to the box's mount namespace and goes with it, so nothing here is ever unmounted by hand, and nothing is
//! written into the tree: what lacks a directory to be mounted on is left out. Runs after the clone: no allocation.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use super::{Step, refused};

/// Device nodes: path outside, path inside, major, minor. The console swallows what it is told: the host's is not ours.
const NODES: [(&CStr, &CStr, u32, u32); 7] = [
    (c"dev/null", c"/dev/null", 1, 3),
    (c"dev/zero", c"/dev/zero", 1, 5),
    (c"dev/full", c"/dev/full", 1, 7),
    (c"dev/random", c"/dev/random", 1, 8),
    (c"dev/urandom", c"/dev/urandom", 1, 9),
    (c"dev/tty", c"/dev/tty", 5, 0),
    (c"dev/null", c"/dev/console", 1, 3),
];
const LINKS: [(&CStr, &CStr); 5] = [
    (c"pts/ptmx", c"/dev/ptmx"),
    (c"/proc/self/fd", c"/dev/fd"),
    (c"/proc/self/fd/0", c"/dev/stdin"),
    (c"/proc/self/fd/1", c"/dev/stdout"),
    (c"/proc/self/fd/2", c"/dev/stderr"),
];

/// Makes the current directory the root, with mounts where the mount namespace is ours. Says what was refused.
pub(super) fn enter(own_namespace: bool) -> Result<u32, (Step, Errno)> {
    let mut refused = 0;
    if !own_namespace || attach_tree().is_err() {
        refused |= refused::MOUNT;
        rustix::process::chroot(c".").map_err(|e| (Step::Sandbox, e))?;
    } else {
        let outside = rustix::fs::open(
            c"/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let outside = outside.map_err(|e| (Step::Pivot, e))?;
        // The first root of a machine (an initramfs) cannot be moved: then the root is changed within our mounts.
        let pivoted = rustix::process::pivot_root(c".", c".").is_ok();
        if !pivoted {
            rustix::process::chroot(c".").map_err(|e| (Step::Sandbox, e))?;
        }
        refused |= mount_all(&outside);
        if pivoted {
            // The old root lies on top of the new one. Behind this line there is no way to the host's files.
            rustix::process::fchdir(&outside).map_err(|e| (Step::Pivot, e))?;
            rustix::mount::unmount(c".", UnmountFlags::DETACH).map_err(|e| (Step::Pivot, e))?;
        }
    }
    rustix::process::chdir(c"/").map_err(|e| (Step::Tree, e))?;
    Ok(refused)
}

/// Makes the tree, which is the current directory, a mount of its own and goes there.
fn attach_tree() -> Result<(), Errno> {
    // First of all: nothing that follows may travel to the host.
    rustix::mount::mount_change(
        c"/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let tree = rustix::mount::open_tree(
        CWD,
        c".",
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    rustix::mount::move_mount(
        &tree,
        c"",
        CWD,
        c".",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    rustix::process::fchdir(&tree)
}

fn mount_all(outside: &OwnedFd) -> u32 {
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mut refused = 0;
    if make_dev(outside).is_err() {
        refused |= refused::DEV;
    }
    if rustix::mount::mount(c"proc", c"/proc", c"proc", quiet | MountFlags::RDONLY, None).is_err() {
        refused |= refused::PROC;
    }
    if rustix::mount::mount(
        c"sysfs",
        c"/sys",
        c"sysfs",
        quiet | MountFlags::RDONLY,
        None,
    )
    .is_err()
    {
        refused |= refused::SYS;
    }
    refused
}

fn make_dev(outside: &OwnedFd) -> Result<(), Errno> {
    rustix::mount::mount(
        c"tmpfs",
        c"/dev",
        c"tmpfs",
        MountFlags::NOSUID,
        c"mode=0755,size=1m",
    )?;
    for (there, here, major, minor) in NODES {
        let mode = Mode::from_raw_mode(0o666);
        let made = rustix::fs::mknodat(
            CWD,
            here,
            FileType::CharacterDevice,
            mode,
            rustix::fs::makedev(major, minor),
        );
        match made.and_then(|()| works(here)) {
            Ok(()) => rustix::fs::chmodat(CWD, here, mode, rustix::fs::AtFlags::empty())?,
            Err(_) => bind_node(outside, there, here)?,
        }
    }
    for (target, here) in LINKS {
        rustix::fs::symlinkat(target, CWD, here)?;
    }
    for directory in [c"/dev/pts", c"/dev/shm"] {
        rustix::fs::mkdirat(CWD, directory, Mode::from_raw_mode(0o755))?;
    }
    let terminals = |options| {
        rustix::mount::mount(
            c"devpts",
            c"/dev/pts",
            c"devpts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
            options,
        )
    };
    // Group 5 is tty; a user namespace may not know it.
    terminals(c"newinstance,ptmxmode=0666,mode=0620,gid=5")
        .or_else(|_| terminals(c"newinstance,ptmxmode=0666,mode=0620"))?;
    rustix::mount::mount(
        c"tmpfs",
        c"/dev/shm",
        c"tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=1777",
    )
}

/// In a user namespace a node may be made and still not be opened. /dev/tty has no terminal to open.
fn works(node: &CStr) -> Result<(), Errno> {
    match rustix::fs::open(
        node,
        OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    ) {
        Ok(_) | Err(Errno::NXIO) => Ok(()),
        Err(e) => Err(e),
    }
}

/// The host's node in place of one that we may not make.
fn bind_node(outside: &OwnedFd, there: &CStr, here: &CStr) -> Result<(), Errno> {
    let _ = rustix::fs::unlinkat(CWD, here, rustix::fs::AtFlags::empty());
    drop(rustix::fs::open(
        here,
        OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o666),
    )?);
    let node = rustix::mount::open_tree(
        outside.as_fd(),
        there,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    rustix::mount::move_mount(
        &node,
        c"",
        CWD,
        here,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
}
