//! Why the host refuses a user namespace, and what its administrator can change.

use std::fs;

use rustix::io::Errno;

use super::Error;
use super::namespace::words;

/// Why the host refuses a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamespaceRefusal {
    /// The sysctl user.max_user_namespaces is 0.
    NoneAllowed,
    /// As many as the sysctl allows exist, or they are nested too deep.
    TooMany,
    /// Debian's sysctl kernel.unprivileged_userns_clone is 0.
    Unprivileged,
    /// The sysctl kernel.apparmor_restrict_unprivileged_userns is 1.
    AppArmor,
    /// A seccomp filter, as in most containers.
    Filter,
    /// The root directory is not a mount.
    Chroot,
    /// The kernel is built without user namespaces.
    Kernel,
    Unknown,
}

/// The error for a namespace that cannot be created.
pub(super) fn of_namespace(errno: Errno) -> Error {
    let refusal = match errno {
        Errno::NOSPC | Errno::USERS if is("/proc/sys/user/max_user_namespaces", "0") => {
            NamespaceRefusal::NoneAllowed
        }
        Errno::NOSPC | Errno::USERS => NamespaceRefusal::TooMany,
        Errno::INVAL | Errno::NOSYS => NamespaceRefusal::Kernel,
        _ => of_permission(),
    };
    error(refusal, errno)
}

/// The error for a namespace whose root has no rights.
pub(super) fn of_rights(errno: Errno) -> Error {
    error(of_permission(), errno)
}

fn error(refusal: NamespaceRefusal, errno: Errno) -> Error {
    let reason = words(errno);
    Error::Namespace { refusal, reason }
}

fn of_permission() -> NamespaceRefusal {
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        NamespaceRefusal::Unprivileged
    } else if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        NamespaceRefusal::AppArmor
    } else if !is_root_a_mount() {
        NamespaceRefusal::Chroot
    } else if has_filter() {
        NamespaceRefusal::Filter
    } else {
        NamespaceRefusal::Unknown
    }
}

fn is(file: &str, value: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == value)
}

/// Whether this process has a seccomp filter (proc_pid_status(5)).
fn has_filter() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    lines.any(|line| {
        line.strip_prefix("Seccomp:")
            .is_some_and(|mode| mode.trim() == "2")
    })
}

/// Whether this process sees a mount at `/`, field 5 of proc_pid_mountinfo(5).
fn is_root_a_mount() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points = mounts.lines().map(|line| line.split(' ').nth(4));
    points.any(|point| point == Some("/"))
}

impl NamespaceRefusal {
    /// The reason, as the end of a sentence.
    pub(super) fn cause(self) -> &'static str {
        match self {
            NamespaceRefusal::NoneAllowed => {
                "none is allowed: the sysctl user.max_user_namespaces is 0"
            }
            NamespaceRefusal::TooMany => {
                "there are as many as the sysctl user.max_user_namespaces allows, or they are \
                 nested too deep"
            }
            NamespaceRefusal::Unprivileged => {
                "users may have none: the sysctl kernel.unprivileged_userns_clone is 0"
            }
            NamespaceRefusal::AppArmor => {
                "AppArmor restricts them: the sysctl \
                 kernel.apparmor_restrict_unprivileged_userns is 1"
            }
            NamespaceRefusal::Filter => "a seccomp filter denies them, as in most containers",
            NamespaceRefusal::Chroot => "the program runs in a chroot",
            NamespaceRefusal::Kernel => "the kernel is built without them",
            NamespaceRefusal::Unknown => "the kernel denies them",
        }
    }

    /// What the user or the administrator can change.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            NamespaceRefusal::NoneAllowed | NamespaceRefusal::TooMany => {
                "run it as root, or allow more: sysctl -w user.max_user_namespaces=15000"
            }
            NamespaceRefusal::Unprivileged => {
                "run it as root, or allow them: sysctl -w kernel.unprivileged_userns_clone=1"
            }
            NamespaceRefusal::AppArmor => {
                "run it as root, or allow them: sysctl -w \
                 kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with \
                 `userns,` for this program"
            }
            NamespaceRefusal::Filter => {
                "run the container as root (docker run --user 0), or allow namespaces in it \
                 (--security-opt seccomp=unconfined)"
            }
            NamespaceRefusal::Chroot => "run it as root, or outside of the chroot",
            NamespaceRefusal::Kernel | NamespaceRefusal::Unknown => "run it as root",
        }
    }
}
