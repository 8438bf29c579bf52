//! What the host refuses to a sandbox, as bits, and what the user is told about it.

use crate::report::Report;

pub(super) const MOUNT: u32 = 1;
pub(super) const PID: u32 = 2;
pub(super) const IPC: u32 = 4;
pub(super) const UTS: u32 = 8;
pub(super) const NET: u32 = 16;
pub(super) const FILTER: u32 = 32;
pub(super) const DEV: u32 = 64;
pub(super) const PROC: u32 = 128;
pub(super) const SYS: u32 = 256;
pub(super) const LISTENER: u32 = 512;
pub(super) const PIVOT: u32 = 1024;
pub(super) const CAPABILITIES: u32 = 2048;
pub(super) const NODEV: u32 = 4096;

const WARNINGS: [(u32, &str); 3] = [
    (
        MOUNT,
        "no mount namespace: scripts see the tree's own /dev, no /proc and no /sys",
    ),
    (PID, "no PID namespace: scripts see the host's processes"),
    (NET, "no network namespace: scripts can reach the network"),
];

const DETAILS: [(u32, &str); 10] = [
    (IPC, "no IPC namespace"),
    (UTS, "no UTS namespace: scripts see the host's name"),
    (
        FILTER,
        "no seccomp filter: all system calls are allowed, and fsync reaches the disk",
    ),
    (PIVOT, "no pivot_root: scripts cannot use chroot"),
    (NODEV, "scripts can open device nodes of packages"),
    (CAPABILITIES, "scripts keep all capabilities"),
    (LISTENER, "commands are not kept on one processor"),
    (DEV, "no private /dev"),
    (PROC, "no /proc"),
    (SYS, "no /sys"),
];

/// Reports what was refused.
pub(super) fn tell(refused: u32, report: &Report) {
    for (bit, text) in WARNINGS {
        if refused & bit != 0 {
            report.warning(format!("the host allows {text}"));
        }
    }
    for (bit, text) in DETAILS {
        if refused & bit != 0 {
            report.detail(format!("in the sandbox: {text}"));
        }
    }
}
