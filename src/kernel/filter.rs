//! Seccomp filters: the instructions of which they consist, and their installation (seccomp(2)).
#![expect(unsafe_code, reason = "the kernel reads the program through a pointer")]

use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K};
use libc::{BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ERRNO, sock_filter};

/// Offsets in `struct seccomp_data` (linux/seccomp.h).
pub(crate) const NUMBER: u32 = 0;
pub(crate) const ARCHITECTURE: u32 = 4;
pub(crate) const ARGUMENTS: u32 = 16;

/// The number of this architecture in linux/audit.h, where calls are answered: amd64, arm64 and
/// riscv64.
pub(crate) const NATIVE: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    0xc000_00f3
};

/// Where the low half of an argument is.
pub(crate) fn argument_offset(number: u32, is_big_endian: bool) -> u32 {
    let low_half = if is_big_endian { 4 } else { 0 };
    ARGUMENTS + 8 * number + low_half
}

/// Installs a filter for this process and its future children.
pub(crate) fn install(program: &[sock_filter]) -> io::Result<()> {
    set(program, 0).map(drop)
}

/// Installs a filter as [`install`] does, and returns the listener that hears of its notifications.
/// `flags` are further flags of `SECCOMP_SET_MODE_FILTER`.
pub(crate) fn install_with_listener(
    program: &[sock_filter],
    flags: c_ulong,
) -> io::Result<OwnedFd> {
    let listener = set(program, flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    // SAFETY: with this flag the result is a descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as c_int) })
}

fn set(program: &[sock_filter], flags: c_ulong) -> io::Result<c_long> {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which is only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        0.. => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(crate) fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

/// Reduces what was loaded to these bits.
pub(crate) fn mask(bits: u32) -> sock_filter {
    instruction(BPF_ALU | BPF_AND | BPF_K, bits, 0, 0)
}

/// Skips so many instructions.
pub(crate) fn jump(distance: u32) -> sock_filter {
    instruction(BPF_JMP | BPF_JA, distance, 0, 0)
}

pub(crate) fn jump_if_equal(value: u32, distance: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, value, distance, 0)
}

pub(crate) fn jump_unless_equal(value: u32, distance: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, value, 0, distance)
}

pub(crate) fn jump_unless_any(bits: u32, distance: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JSET | BPF_K, bits, 0, distance)
}

pub(crate) fn jump_if_less(value: u32, distance: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JGE | BPF_K, value, 0, distance)
}

/// Ends the filter with a `SECCOMP_RET_*` value.
pub(crate) fn answer(value: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, value, 0, 0)
}

/// Ends the filter: the call fails with this error number, or succeeds with 0.
pub(crate) fn fail(error: c_int) -> sock_filter {
    answer(SECCOMP_RET_ERRNO | error as u32)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}
