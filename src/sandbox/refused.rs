//! What the host refuses to a sandbox, as bits, and what the user is told about it.

use super::Sandbox;
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
pub(super) const USER: u32 = 8192;
pub(super) const CGROUP: u32 = 16384;
pub(super) const MASKS: u32 = 32768;
pub(super) const SETUID: u32 = 65536;

/// What a user namespace can cost where it is permitted: a container may allow these to its root
/// only.
const COSTS: u32 = MOUNT | NET | DEV | PROC | NODEV;

const WARNINGS: [(u32, &str); 2] = [
    (PID, "can send signals to its processes"),
    (NET, "can reach its network"),
];

const DETAILS: [(u32, &str); 13] = [
    (IPC, "no IPC namespace"),
    (
        CGROUP,
        "no cgroup namespace: scripts see the names of the host's control groups",
    ),
    (UTS, "no UTS namespace: scripts see the host's name"),
    (
        FILTER,
        "no seccomp filter: all system calls are allowed, and fsync reaches the disk",
    ),
    (
        SETUID,
        "setuid bits of programs have no effect: without CAP_SYS_ADMIN a filter needs no_new_privs",
    ),
    (PIVOT, "no pivot_root: scripts cannot use chroot"),
    (NODEV, "scripts can open device nodes of packages"),
    (CAPABILITIES, "scripts keep all capabilities"),
    (LISTENER, "commands are not kept on one processor"),
    (DEV, "no private /dev"),
    (PROC, "no /proc"),
    (SYS, "no /sys"),
    (
        MASKS,
        "scripts can read the kernel's tables in /proc and the firmware's in /sys",
    ),
];

/// Whether scripts can reach the host's processes, network, files or kernel.
pub(super) fn is_weak(refused: u32) -> bool {
    let has_all_capabilities = refused & USER != 0 && refused & CAPABILITIES != 0;
    refused & (PID | NET | MOUNT) != 0 || has_all_capabilities
}

impl Sandbox {
    /// Whether scripts can see what differs from one run to the next: processes, the network, mounts
    /// or the host's name.
    pub(crate) fn shows_host(&self) -> bool {
        shows_host(self.refused)
    }
}

fn shows_host(refused: u32) -> bool {
    refused & (PID | NET | MOUNT | UTS) != 0
}

/// Whether scripts can leave the tree by chroot. In a container they would reach its files.
pub(super) fn is_open(refused: u32) -> bool {
    refused & CAPABILITIES != 0 && refused & (MOUNT | PIVOT) != 0
}

/// What the host does not allow: namespaces, and dropping capabilities.
pub(super) fn refusals(refused: u32) -> String {
    let names = missing(refused);
    match (names.is_empty(), refused & CAPABILITIES != 0) {
        (false, false) => format!("to create namespaces ({names})"),
        (false, true) => format!("to create namespaces ({names}) and to drop capabilities"),
        (true, _) => "to drop capabilities".to_owned(),
    }
}

/// How scripts run without a user namespace.
fn without_user_namespace(refused: u32) -> &'static str {
    match (refused & CAPABILITIES == 0, refused & FILTER == 0) {
        (true, true) => "run as its root, with few capabilities and system calls",
        (true, false) => "run as its root, with few capabilities and all system calls",
        (false, true) => "run as its root, with all its capabilities and few system calls",
        (false, false) => "run as its root, with all its capabilities and system calls",
    }
}

/// What scripts see where nothing can be mounted.
fn without_mounts(refused: u32) -> Option<&'static str> {
    match (refused & MOUNT != 0, refused & PROC != 0) {
        (true, true) => Some(
            "see the tree's own /dev, no /proc and no /sys, so that systemd-tmpfiles makes nothing",
        ),
        (true, false) => {
            Some("see the tree's own /dev, nothing but themselves in /proc, and no /sys")
        }
        (false, _) => None,
    }
}

/// The names of the missing namespaces.
pub(super) fn missing(refused: u32) -> String {
    let mut names = Vec::new();
    for (bit, name) in [
        (USER, "user"),
        (PID, "PID"),
        (NET, "network"),
        (MOUNT, "mount"),
    ] {
        if refused & bit != 0 {
            names.push(name);
        }
    }
    names.join(", ")
}

/// How many features the sandbox lacks that it may have without a user namespace.
pub(super) fn costs(refused: u32) -> u32 {
    (refused & COSTS).count_ones()
}

/// Reports what was refused: what weakens the sandbox in one warning.
pub(super) fn tell(refused: u32, is_contained: bool, report: &Report) {
    let mut effects = Vec::new();
    if refused & USER != 0 {
        effects.push(without_user_namespace(refused));
    }
    effects.extend(without_mounts(refused));
    for (bit, effect) in WARNINGS {
        if refused & bit != 0 {
            effects.push(effect);
        }
    }
    if !effects.is_empty() {
        let host = match is_contained {
            true => "container",
            false => "host",
        };
        // A container with the capability still may have no user namespaces.
        let remedy = match is_contained && is_weak(refused) {
            true => " (docker run --cap-add SYS_ADMIN permits more)",
            false => "",
        };
        let missing = missing(refused);
        let effects = effects.join(", ");
        report.warning(format!(
            "the {host} allows no {missing} namespace: maintainer scripts {effects}{remedy}"
        ));
    }
    for (bit, text) in DETAILS {
        if refused & bit != 0 {
            report.detail(format!("in the sandbox: {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::report::Event;

    #[test]
    fn every_bit_has_one_line() {
        let mut cases = 0;
        for bit in 0..u32::BITS {
            let bit = 1 << bit;
            if bit > SETUID {
                continue;
            }
            let (sender, receiver) = mpsc::channel();
            let report = Report::new(move |event| drop(sender.send(event)));
            tell(bit, false, &report);
            drop(report);
            let warns = bit & (MOUNT | PID | NET | USER) != 0;
            for event in receiver.iter() {
                assert_eq!(matches!(event, Event::Warning(_)), warns, "{event:?}");
                cases += 1;
            }
        }
        assert_eq!(cases, 17);
    }

    #[test]
    fn what_weakens_the_sandbox_is_one_warning() {
        let all = USER | PID | NET | MOUNT;
        let with_proc = "the container allows no user, PID, network, mount namespace: maintainer \
                         scripts run as its root, with few capabilities and system calls, see the \
                         tree's own /dev, nothing but themselves in /proc, and no /sys, can send \
                         signals to its processes, can reach its network (docker run --cap-add \
                         SYS_ADMIN permits more)";
        let table = [
            (all, true, with_proc),
            (
                all | PROC,
                true,
                "the container allows no user, PID, network, mount namespace: maintainer scripts \
                 run as its root, with few capabilities and system calls, see the tree's own /dev, \
                 no /proc and no /sys, so that systemd-tmpfiles makes nothing, can send signals to \
                 its processes, can reach its network (docker run --cap-add SYS_ADMIN permits more)",
            ),
            (
                USER,
                true,
                "the container allows no user namespace: maintainer scripts run as its root, with \
                 few capabilities and system calls",
            ),
            (
                PID,
                false,
                "the host allows no PID namespace: maintainer scripts can send signals to its processes",
            ),
            (
                USER | FILTER,
                false,
                "the host allows no user namespace: maintainer scripts run as its root, with few \
                 capabilities and all system calls",
            ),
        ];
        for (refused, is_contained, expected) in table {
            let (sender, receiver) = mpsc::channel();
            let report = Report::new(move |event| drop(sender.send(event)));
            tell(refused, is_contained, &report);
            drop(report);
            let events: Vec<Event> = receiver.iter().collect();
            assert!(
                matches!(&events[..], [Event::Warning(text), ..] if text == expected),
                "{events:?}"
            );
        }
    }

    #[test]
    fn a_sandbox_without_namespaces_is_weak() {
        let table = [
            (0, false, ""),
            (USER | CGROUP | IPC | UTS, false, "user"),
            (USER | CAPABILITIES, true, "user"),
            (CAPABILITIES, false, ""),
            (USER | PID, true, "user, PID"),
            (NET, true, "network"),
            (PID | NET | MOUNT, true, "PID, network, mount"),
        ];
        for (refused, weak, names) in table {
            assert_eq!(is_weak(refused), weak, "{refused}");
            assert_eq!(missing(refused), names);
        }
    }

    #[test]
    fn a_sandbox_without_a_namespace_of_the_host_s_state_shows_the_host() {
        let table = [
            (0, false),
            (USER | CGROUP | IPC | FILTER, false),
            (PID, true),
            (NET, true),
            (MOUNT, true),
            (UTS | USER, true),
        ];
        for (refused, shows) in table {
            assert_eq!(shows_host(refused), shows, "{refused}");
        }
    }

    #[test]
    fn a_root_that_chroot_can_leave_is_open() {
        let table = [
            (USER | PID | NET | MOUNT | PIVOT, false),
            (CAPABILITIES, false),
            (CAPABILITIES | MOUNT, true),
            (USER | CAPABILITIES | PIVOT, true),
        ];
        for (refused, open) in table {
            assert_eq!(is_open(refused), open, "{refused}");
        }
        assert_eq!(refusals(CAPABILITIES), "to drop capabilities");
        assert_eq!(refusals(PID | NET), "to create namespaces (PID, network)");
        let both = "to create namespaces (user) and to drop capabilities";
        assert_eq!(refusals(USER | CAPABILITIES), both);
    }
}
