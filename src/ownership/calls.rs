//! The system calls that the supervisor answers, with the places of their arguments.
//!
//! Numbers are those of the architecture that the program is built for. Where it lacks a call, as
//! most lack `stat` and `chown`, its newer form is in the table anyway.

use std::ffi::{c_int, c_long};

/// The flag of `open` for a file without a name; O_TMPFILE is this and O_DIRECTORY.
pub(super) const UNNAMED: c_int = libc::O_TMPFILE & !libc::O_DIRECTORY;

/// How the arguments of a call name a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// By the descriptor in the first argument.
    Descriptor,
    /// By the path in the first argument.
    Path { follows: bool },
    /// By a directory and a path, the first two, and by `AT_*` flags in this argument.
    At { flags: usize },
}

/// What a call makes, and which argument has its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// A file, with the flags of `open` in this argument and the mode in the next.
    Open {
        flags: usize,
    },
    /// `creat`, an `open` with fixed flags.
    #[cfg(target_arch = "x86_64")]
    Create {
        mode: usize,
    },
    Directory {
        mode: usize,
    },
    /// A FIFO, socket or regular file; the number of a device is in the next argument.
    Node {
        mode: usize,
    },
    Symlink {
        target: usize,
    },
}

/// Ids of users or of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdKind {
    User,
    Group,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnsweredCall {
    /// Writes a `struct stat` to the address in this argument.
    Stat {
        file: Operand,
        result: usize,
    },
    Statx,
    /// Sets the owner in this argument and the group in the next.
    SetOwner {
        file: Operand,
        ids: usize,
    },
    /// Makes a file below the directory in one argument (the current one without) at the path in
    /// another.
    Make {
        directory: Option<usize>,
        path: usize,
        what: Creation,
    },
    Ids(IdCall),
    /// Starts another program, which may have setuid and setgid bits.
    Execute(Operand),
    /// `bind`, which makes the file of a socket.
    Bind,
    /// An extended attribute, by its name in the second argument.
    SetAttribute(AttributeOperand),
    GetAttribute(AttributeOperand),
    ListAttributes(AttributeOperand),
    RemoveAttribute(AttributeOperand),
    Affinity,
}

/// A call on the ids of its process (credentials(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdCall {
    /// `getuid`, `getgid`.
    Real(IdKind),
    /// `geteuid`, `getegid`.
    Effective(IdKind),
    /// `getresuid`, `getresgid`.
    All(IdKind),
    /// `getgroups`.
    Groups,
    /// `setuid`, `setgid`.
    Set(IdKind),
    /// `setreuid`, `setregid`.
    SetTwo(IdKind),
    /// `setresuid`, `setresgid`.
    SetThree(IdKind),
    /// `setfsuid`, `setfsgid`.
    SetForFiles(IdKind),
    /// `setgroups`.
    SetGroups,
    /// `prctl(PR_SET_KEEPCAPS)`.
    KeepCapabilities,
}

/// How a call on extended attributes names its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttributeOperand {
    Path,
    Link,
    Descriptor,
}

/// All calls that are answered. None on architectures whose structures are not known here.
pub(super) fn all() -> Vec<(c_long, AnsweredCall)> {
    let mut all = Vec::new();
    #[cfg(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ))]
    {
        all.extend(of_files());
        all.extend(of_ids());
        all.extend(of_attributes());
    }
    #[cfg(target_arch = "x86_64")]
    all.extend(of_paths());
    all
}

const fn make(directory: Option<usize>, path: usize, what: Creation) -> AnsweredCall {
    AnsweredCall::Make {
        directory,
        path,
        what,
    }
}

const fn stat(file: Operand, result: usize) -> AnsweredCall {
    AnsweredCall::Stat { file, result }
}

const fn set_owner(file: Operand, ids: usize) -> AnsweredCall {
    AnsweredCall::SetOwner { file, ids }
}

#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
fn of_files() -> [(c_long, AnsweredCall); 11] {
    use Operand::{At, Descriptor};
    [
        (libc::SYS_fstat, stat(Descriptor, 1)),
        (libc::SYS_newfstatat, stat(At { flags: 3 }, 2)),
        (libc::SYS_statx, AnsweredCall::Statx),
        (libc::SYS_fchown, set_owner(Descriptor, 1)),
        (libc::SYS_fchownat, set_owner(At { flags: 4 }, 2)),
        (
            libc::SYS_openat,
            make(Some(0), 1, Creation::Open { flags: 2 }),
        ),
        (
            libc::SYS_mkdirat,
            make(Some(0), 1, Creation::Directory { mode: 2 }),
        ),
        (
            libc::SYS_mknodat,
            make(Some(0), 1, Creation::Node { mode: 2 }),
        ),
        (
            libc::SYS_symlinkat,
            make(Some(1), 2, Creation::Symlink { target: 0 }),
        ),
        (libc::SYS_bind, AnsweredCall::Bind),
        (libc::SYS_sched_getaffinity, AnsweredCall::Affinity),
    ]
}

/// The older forms, with a path in place of a directory and a path.
#[cfg(target_arch = "x86_64")]
fn of_paths() -> [(c_long, AnsweredCall); 9] {
    let follows = Operand::Path { follows: true };
    let itself = Operand::Path { follows: false };
    [
        (libc::SYS_stat, stat(follows, 1)),
        (libc::SYS_lstat, stat(itself, 1)),
        (libc::SYS_chown, set_owner(follows, 1)),
        (libc::SYS_lchown, set_owner(itself, 1)),
        (libc::SYS_open, make(None, 0, Creation::Open { flags: 1 })),
        (libc::SYS_creat, make(None, 0, Creation::Create { mode: 1 })),
        (
            libc::SYS_mkdir,
            make(None, 0, Creation::Directory { mode: 1 }),
        ),
        (libc::SYS_mknod, make(None, 0, Creation::Node { mode: 1 })),
        (
            libc::SYS_symlink,
            make(None, 1, Creation::Symlink { target: 0 }),
        ),
    ]
}

#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
fn of_ids() -> [(c_long, AnsweredCall); 19] {
    use IdCall::{All, Effective, Groups, KeepCapabilities, Real};
    use IdCall::{Set, SetForFiles, SetGroups, SetThree, SetTwo};
    use IdKind::{Group, User};
    let execute = Operand::Path { follows: true };
    let execute_at = Operand::At { flags: 4 };
    [
        (libc::SYS_getuid, AnsweredCall::Ids(Real(User))),
        (libc::SYS_getgid, AnsweredCall::Ids(Real(Group))),
        (libc::SYS_geteuid, AnsweredCall::Ids(Effective(User))),
        (libc::SYS_getegid, AnsweredCall::Ids(Effective(Group))),
        (libc::SYS_getresuid, AnsweredCall::Ids(All(User))),
        (libc::SYS_getresgid, AnsweredCall::Ids(All(Group))),
        (libc::SYS_getgroups, AnsweredCall::Ids(Groups)),
        (libc::SYS_setuid, AnsweredCall::Ids(Set(User))),
        (libc::SYS_setgid, AnsweredCall::Ids(Set(Group))),
        (libc::SYS_setreuid, AnsweredCall::Ids(SetTwo(User))),
        (libc::SYS_setregid, AnsweredCall::Ids(SetTwo(Group))),
        (libc::SYS_setresuid, AnsweredCall::Ids(SetThree(User))),
        (libc::SYS_setresgid, AnsweredCall::Ids(SetThree(Group))),
        (libc::SYS_setfsuid, AnsweredCall::Ids(SetForFiles(User))),
        (libc::SYS_setfsgid, AnsweredCall::Ids(SetForFiles(Group))),
        (libc::SYS_setgroups, AnsweredCall::Ids(SetGroups)),
        (libc::SYS_prctl, AnsweredCall::Ids(KeepCapabilities)),
        (libc::SYS_execve, AnsweredCall::Execute(execute)),
        (libc::SYS_execveat, AnsweredCall::Execute(execute_at)),
    ]
}

/// Access control lists have ids.
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
fn of_attributes() -> [(c_long, AnsweredCall); 12] {
    use AttributeOperand::{Descriptor, Link, Path};
    [
        (libc::SYS_setxattr, AnsweredCall::SetAttribute(Path)),
        (libc::SYS_lsetxattr, AnsweredCall::SetAttribute(Link)),
        (libc::SYS_fsetxattr, AnsweredCall::SetAttribute(Descriptor)),
        (libc::SYS_getxattr, AnsweredCall::GetAttribute(Path)),
        (libc::SYS_lgetxattr, AnsweredCall::GetAttribute(Link)),
        (libc::SYS_fgetxattr, AnsweredCall::GetAttribute(Descriptor)),
        (libc::SYS_listxattr, AnsweredCall::ListAttributes(Path)),
        (libc::SYS_llistxattr, AnsweredCall::ListAttributes(Link)),
        (
            libc::SYS_flistxattr,
            AnsweredCall::ListAttributes(Descriptor),
        ),
        (libc::SYS_removexattr, AnsweredCall::RemoveAttribute(Path)),
        (libc::SYS_lremovexattr, AnsweredCall::RemoveAttribute(Link)),
        (
            libc::SYS_fremovexattr,
            AnsweredCall::RemoveAttribute(Descriptor),
        ),
    ]
}
