//! Seccomp filters: what the kernel answers to some system calls of the sandbox.
//!
//! The policy answers fsync and its relatives with success at once, because an unfinished tree is thrown away after a crash
//! anyway. Numbers differ by architecture, and one kernel serves several: a foreign program calls with those of its own.
#![expect(unsafe_code, reason = "the kernel reads the program through a pointer")]

use std::ffi::c_int;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, sock_filter};

use crate::formats::arch;

/// The architectures whose system calls are known.
const ARCHITECTURES: [&str; 8] = [
    "amd64", "i386", "arm64", "armhf", "riscv64", "loong64", "ppc64el", "s390x",
];

/// The number of one system call (asm/unistd.h) on each of `ARCHITECTURES`; `NONE` where it does not exist.
pub(super) type Numbers = [u32; 8];

const NONE: u32 = u32::MAX;

/// sync_file_range, under its other names where the arguments are in another order.
const SYNC_FILE_RANGE: Numbers = [277, 314, 84, 341, 84, 84, 308, 307];

/// The calls that wait for the disk: fsync, fdatasync, sync, sync_file_range, syncfs.
const SYNCS: [Numbers; 5] = [
    [74, 118, 82, 118, 82, 82, 118, 118],
    [75, 148, 83, 148, 83, 83, 148, 148],
    [162, 36, 81, 36, 81, 81, 36, 36],
    SYNC_FILE_RANGE,
    [306, 344, 267, 373, 267, 267, 348, 338],
];

pub(super) const SCHED_GETAFFINITY: Numbers = [204, 242, 123, 242, 123, 123, 223, 240];

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// The answer to one system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) numbers: Numbers,
    pub(super) action: Action,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Returns 0 without doing anything.
    Succeed,
    /// Asks the listener of the filter.
    Notify,
}

/// The filter of every command.
pub(super) fn policy() -> Vec<sock_filter> {
    let mut rules = Vec::new();
    for numbers in SYNCS {
        let action = Action::Succeed;
        rules.push(Rule { numbers, action });
    }
    program(&rules)
}

/// A program for `SECCOMP_SET_MODE_FILTER` that allows what no rule names.
pub(super) fn program(rules: &[Rule]) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE)];
    for (column, name) in ARCHITECTURES.into_iter().enumerate() {
        let Some(architecture) = arch::named(name) else {
            continue;
        };
        let mut block = vec![load(NUMBER)];
        for rule in rules {
            let number = rule.numbers[column];
            if number != NONE {
                let answer = rule.action.instructions();
                block.push(jump_unless_equal(number, answer.len() as u8));
                block.extend(answer);
            }
        }
        block.push(answer(SECCOMP_RET_ALLOW));
        program.push(jump_unless_equal(
            architecture.audit_number(),
            block.len() as u8,
        ));
        program.append(&mut block);
    }
    program.push(answer(SECCOMP_RET_ALLOW));
    program
}

impl Action {
    fn instructions(self) -> Vec<sock_filter> {
        match self {
            Action::Succeed => vec![answer(SECCOMP_RET_ERRNO)],
            Action::Notify => vec![answer(SECCOMP_RET_USER_NOTIF)],
        }
    }
}

/// Installs a filter for this process and its future children. The result is the listener's descriptor if `flags` ask for one, or
/// else 0. `None` if the kernel refuses: without CAP_SYS_ADMIN it wants `no_new_privs`, which would take setuid from what scripts
/// start, and having no filter is better than that.
pub(super) fn install(program: &[sock_filter], flags: libc::c_ulong) -> Option<c_int> {
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
    c_int::try_from(result).ok().filter(|result| *result >= 0)
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn jump_unless_equal(value: u32, distance: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, value, 0, distance)
}

fn answer(value: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, value, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit_number(name: &str) -> u32 {
        arch::named(name).unwrap().audit_number()
    }

    /// Runs a program on a call of that number.
    fn result(program: &[sock_filter], architecture: u32, number: u32) -> u32 {
        let mut at = 0;
        let mut loaded = 0;
        loop {
            let step = &program[at];
            at += 1;
            let code = u32::from(step.code);
            if code == BPF_LD | BPF_W | BPF_ABS {
                loaded = match step.k {
                    NUMBER => number,
                    _ => architecture,
                };
            } else if code == BPF_RET | BPF_K {
                return step.k;
            } else {
                at += usize::from(if loaded == step.k { step.jt } else { step.jf });
            }
        }
    }

    #[test]
    fn only_waiting_for_the_disk_is_answered() {
        let program = policy();
        for (column, name) in ARCHITECTURES.into_iter().enumerate() {
            for number in 0..500 {
                let syncs = SYNCS.iter().any(|numbers| numbers[column] == number);
                let expected = if syncs {
                    SECCOMP_RET_ERRNO
                } else {
                    SECCOMP_RET_ALLOW
                };
                let found = result(&program, audit_number(name), number);
                assert_eq!(found, expected, "{name} {number}");
            }
        }
        assert_eq!(result(&program, 0x1234, 74), SECCOMP_RET_ALLOW);
    }

    #[test]
    fn a_listener_hears_of_one_call_only() {
        let rule = Rule {
            numbers: SCHED_GETAFFINITY,
            action: Action::Notify,
        };
        let program = program(&[rule]);
        let s390x = audit_number("s390x");
        assert_eq!(result(&program, s390x, 240), SECCOMP_RET_USER_NOTIF);
        assert_eq!(result(&program, s390x, 204), SECCOMP_RET_ALLOW);
        assert_eq!(result(&program, s390x, 118), SECCOMP_RET_ALLOW);
    }

    #[test]
    fn the_numbers_are_those_of_this_machine() {
        let here = [
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_sync,
            libc::SYS_sync_file_range,
            libc::SYS_syncfs,
            libc::SYS_sched_getaffinity,
        ];
        let host = arch::host().unwrap().name;
        let column = ARCHITECTURES.iter().position(|name| *name == host).unwrap();
        let mut known: Vec<i64> = SYNCS.iter().map(|call| call[column].into()).collect();
        known.push(SCHED_GETAFFINITY[column].into());
        assert_eq!(known, here);
    }
}
