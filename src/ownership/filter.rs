//! The seccomp filter that hands calls to the supervisor.
#![expect(unsafe_code, reason = "the kernel reads the program through a pointer")]

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};
use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF, sock_filter};

use super::calls::{self, AnsweredCall, Creation};

/// Offsets in `struct seccomp_data`. The architectures of the table are little-endian.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// A filter that notifies of these calls. Calls of other architectures are allowed.
fn program(calls: &[(c_long, AnsweredCall)]) -> Vec<sock_filter> {
    let allow = instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    let notify = instruction(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
    let mut program = vec![
        load(ARCHITECTURE),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, calls::ARCHITECTURE, 1, 0),
        allow,
        load(NUMBER),
    ];
    for (number, call) in calls {
        let is_call =
            |otherwise| instruction(BPF_JMP | BPF_JEQ | BPF_K, *number as u32, 0, otherwise);
        match condition(*call) {
            None => program.extend([is_call(1), notify]),
            Some(condition) => program.extend([
                is_call(4),
                load(ARGUMENTS + 8 * condition.argument as u32),
                instruction(BPF_JMP | condition.test | BPF_K, condition.value, 0, 1),
                notify,
                allow,
            ]),
        }
    }
    program.push(allow);
    program
}

/// Which calls of a number are handed over.
struct Condition {
    argument: usize,
    test: u32,
    value: u32,
}

fn condition(call: AnsweredCall) -> Option<Condition> {
    match call {
        // An open that creates nothing is the kernel's.
        AnsweredCall::Make {
            what: Creation::Open { flags },
            ..
        } => Some(Condition {
            argument: flags,
            test: BPF_JSET,
            value: libc::O_CREAT as u32,
        }),
        AnsweredCall::KeepCapabilities => Some(Condition {
            argument: 0,
            test: BPF_JEQ,
            value: libc::PR_SET_KEEPCAPS as u32,
        }),
        _ => None,
    }
}

/// Installs the filter for this process and its future children, and returns the listener's end. A
/// process that waits for an answer can only be killed meanwhile, so that no call is made twice (Linux 5.19).
pub(super) fn install(calls: &[(c_long, AnsweredCall)]) -> io::Result<OwnedFd> {
    let program = program(calls);
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    set(
        &program,
        listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    )
}

fn set(program: &[sock_filter], flags: libc::c_ulong) -> io::Result<OwnedFd> {
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
    match c_int::try_from(result) {
        // SAFETY: with these flags the result is a descriptor that nothing else owns.
        Ok(listener) if listener >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(listener) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}
