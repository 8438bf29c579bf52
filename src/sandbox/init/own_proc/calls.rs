//! The system calls that name a file by a path, with the places of their arguments, and the filter
//! that hands them over.
//!
//! Numbers are those of the architecture that the program is built for.

use std::ffi::{c_int, c_long};

use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF, sock_filter};

use crate::kernel::filter::{
    ARCHITECTURE, NATIVE, NUMBER, answer, argument_offset, jump_if_equal, jump_unless_any,
    jump_unless_equal, load,
};

/// Whether a call follows a link at the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    #[cfg(target_arch = "x86_64")]
    Always,
    #[cfg(target_arch = "x86_64")]
    Never,
    /// Unless AT_SYMLINK_NOFOLLOW is in this argument.
    ByFlags(usize),
}

/// What a call does with the file. Numbers are places of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileCall {
    Open {
        flags: usize,
    },
    Stat {
        result: usize,
        follows: Follows,
    },
    Statx,
    StatFs {
        result: usize,
    },
    Access {
        mode: usize,
    },
    ReadLink {
        buffer: usize,
    },
    SetMode {
        mode: usize,
    },
    SetOwner {
        ids: usize,
        follows: Follows,
    },
    SetTimes,
    /// A new name of the file, if AT_SYMLINK_FOLLOW is in the last argument.
    Link,
    SetAttribute,
    GetAttribute,
    ListAttributes,
    RemoveAttribute,
}

/// One call: its number, the argument that is the path, and what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathCall {
    pub(super) number: c_long,
    pub(super) path: usize,
    pub(super) call: FileCall,
}

const fn call(number: c_long, path: usize, call: FileCall) -> PathCall {
    PathCall { number, path, call }
}

/// All of them; none on architectures whose structures are not known here.
pub(super) fn all() -> Vec<PathCall> {
    let mut all = Vec::new();
    #[cfg(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ))]
    all.extend(common());
    #[cfg(target_arch = "x86_64")]
    all.extend(older());
    all
}

#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
fn common() -> [PathCall; 16] {
    /// `faccessat2` and `fchmodat2`, which have the same number everywhere.
    const FACCESSAT2: c_long = 439;
    const FCHMODAT2: c_long = 452;
    [
        call(libc::SYS_openat, 1, FileCall::Open { flags: 2 }),
        call(
            libc::SYS_newfstatat,
            1,
            FileCall::Stat {
                result: 2,
                follows: Follows::ByFlags(3),
            },
        ),
        call(libc::SYS_statx, 1, FileCall::Statx),
        call(libc::SYS_statfs, 0, FileCall::StatFs { result: 1 }),
        call(libc::SYS_faccessat, 1, FileCall::Access { mode: 2 }),
        call(FACCESSAT2, 1, FileCall::Access { mode: 2 }),
        call(libc::SYS_readlinkat, 1, FileCall::ReadLink { buffer: 2 }),
        call(libc::SYS_fchmodat, 1, FileCall::SetMode { mode: 2 }),
        call(FCHMODAT2, 1, FileCall::SetMode { mode: 2 }),
        call(
            libc::SYS_fchownat,
            1,
            FileCall::SetOwner {
                ids: 2,
                follows: Follows::ByFlags(4),
            },
        ),
        call(libc::SYS_utimensat, 1, FileCall::SetTimes),
        call(libc::SYS_linkat, 1, FileCall::Link),
        call(libc::SYS_setxattr, 0, FileCall::SetAttribute),
        call(libc::SYS_getxattr, 0, FileCall::GetAttribute),
        call(libc::SYS_listxattr, 0, FileCall::ListAttributes),
        call(libc::SYS_removexattr, 0, FileCall::RemoveAttribute),
    ]
}

/// The older forms, without a directory.
#[cfg(target_arch = "x86_64")]
fn older() -> [PathCall; 7] {
    let stat = |follows| FileCall::Stat { result: 1, follows };
    [
        call(libc::SYS_open, 0, FileCall::Open { flags: 1 }),
        call(libc::SYS_stat, 0, stat(Follows::Always)),
        call(libc::SYS_lstat, 0, stat(Follows::Never)),
        call(libc::SYS_access, 0, FileCall::Access { mode: 1 }),
        call(libc::SYS_readlink, 0, FileCall::ReadLink { buffer: 1 }),
        call(libc::SYS_chmod, 0, FileCall::SetMode { mode: 1 }),
        call(
            libc::SYS_chown,
            0,
            FileCall::SetOwner {
                ids: 1,
                follows: Follows::Always,
            },
        ),
    ]
}

/// The filter that hands these calls over, but for those that name a descriptor by an empty path.
/// It allows calls of other architectures.
pub(super) fn filter(calls: &[PathCall]) -> Vec<sock_filter> {
    let allow = answer(SECCOMP_RET_ALLOW);
    let notify = answer(SECCOMP_RET_USER_NOTIF);
    let mut program = vec![
        load(ARCHITECTURE),
        jump_if_equal(NATIVE, 1),
        allow,
        load(NUMBER),
    ];
    for PathCall { number, call, .. } in calls {
        let number = *number as u32;
        match flags_of_stat(*call) {
            None => program.extend([jump_unless_equal(number, 1), notify]),
            Some(flags) => program.extend([
                jump_unless_equal(number, 4),
                // The architectures of the table are little-endian.
                load(argument_offset(flags as u32, false)),
                jump_unless_any(libc::AT_EMPTY_PATH as u32, 1),
                allow,
                notify,
            ]),
        }
    }
    program.push(allow);
    program
}

/// The flags of a call that glibc uses for fstat.
fn flags_of_stat(call: FileCall) -> Option<usize> {
    match call {
        FileCall::Stat {
            follows: Follows::ByFlags(flags),
            ..
        } => Some(flags),
        FileCall::Statx => Some(STATX_FLAGS),
        _ => None,
    }
}

/// Where `statx` has its flags, its mask and the address of its result.
pub(super) const STATX_FLAGS: usize = 2;
pub(super) const STATX_MASK: usize = 3;
pub(super) const STATX_RESULT: usize = 4;

impl Follows {
    pub(super) fn follows(self, arguments: &[u64; 6]) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Follows::Always => true,
            #[cfg(target_arch = "x86_64")]
            Follows::Never => false,
            Follows::ByFlags(flags) => arguments[flags] as c_int & libc::AT_SYMLINK_NOFOLLOW == 0,
        }
    }
}
