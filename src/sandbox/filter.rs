//! The seccomp filter of the box: nothing in it waits for the disk, and who asks how many processors there are is heard.
//!
//! fsync and its kin answer 0 at once: a tree that is not finished is thrown away after a crash anyway. sched_getaffinity goes to whoever
//! listens (`processors`). The numbers are the kernel's, by architecture, because a foreign program calls with those of its own.

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, sock_filter};

/// `AUDIT_ARCH_…` and the numbers of fsync, fdatasync, sync, sync_file_range, syncfs there, then that of sched_getaffinity (linux/audit.h,
/// asm/unistd.h).
const CALLS: [(u32, [u32; 5], u32); 8] = [
    (0xc000_003e, [74, 75, 162, 277, 306], 204),  // x86_64
    (0x4000_0003, [118, 148, 36, 314, 344], 242), // i386
    (0xc000_00b7, [82, 83, 81, 84, 267], 123),    // aarch64
    (0x4000_0028, [118, 148, 36, 341, 373], 242), // arm, EABI
    (0xc000_00f3, [82, 83, 81, 84, 267], 123),    // riscv64
    (0xc000_0102, [82, 83, 81, 84, 267], 123),    // loongarch64
    (0xc000_0015, [118, 148, 36, 308, 348], 223), // ppc64le
    (0x8000_0016, [118, 148, 36, 307, 338], 240), // s390x
];
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// The program for `seccomp(SECCOMP_SET_MODE_FILTER)`; where nobody listens, sched_getaffinity is a call as others are.
pub(super) fn program(listens: bool) -> Vec<sock_filter> {
    let mut program = vec![instruction(BPF_LD | BPF_W | BPF_ABS, ARCHITECTURE, 0, 0)];
    for (architecture, calls, asks) in CALLS {
        let block = calls.len() as u8 + 5;
        program.push(instruction(
            BPF_JMP | BPF_JEQ | BPF_K,
            architecture,
            0,
            block,
        ));
        program.push(instruction(BPF_LD | BPF_W | BPF_ABS, NUMBER, 0, 0));
        for (behind, call) in (3..=calls.len() as u8 + 2).rev().zip(calls) {
            program.push(instruction(BPF_JMP | BPF_JEQ | BPF_K, call, behind, 0));
        }
        program.push(instruction(BPF_JMP | BPF_JEQ | BPF_K, asks, 1, 0));
        program.push(instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0));
        program.push(instruction(
            BPF_RET | BPF_K,
            if listens {
                SECCOMP_RET_USER_NOTIF
            } else {
                SECCOMP_RET_ALLOW
            },
            0,
            0,
        ));
        program.push(instruction(BPF_RET | BPF_K, SECCOMP_RET_ERRNO, 0, 0));
    }
    program.push(instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0));
    program
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

    /// What the program answers, by the three instructions that it uses.
    fn answer(listens: bool, architecture: u32, number: u32) -> u32 {
        let (program, mut at, mut loaded) = (program(listens), 0, 0);
        loop {
            let step = &program[at];
            at += 1;
            match u32::from(step.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => {
                    loaded = if step.k == NUMBER {
                        number
                    } else {
                        architecture
                    }
                }
                code if code == BPF_RET | BPF_K => return step.k,
                _ => at += usize::from(if loaded == step.k { step.jt } else { step.jf }),
            }
        }
    }

    #[test]
    fn only_waiting_for_the_disk_is_answered() {
        for (architecture, calls, asks) in CALLS {
            for number in 0..500 {
                for (listens, asked) in [(true, SECCOMP_RET_USER_NOTIF), (false, SECCOMP_RET_ALLOW)]
                {
                    let expected = match number {
                        _ if calls.contains(&number) => SECCOMP_RET_ERRNO,
                        _ if number == asks => asked,
                        _ => SECCOMP_RET_ALLOW,
                    };
                    assert_eq!(
                        answer(listens, architecture, number),
                        expected,
                        "{architecture:x} {number}"
                    );
                }
            }
        }
        assert_eq!(answer(true, 0x1234, 74), SECCOMP_RET_ALLOW);
    }

    #[test]
    fn the_numbers_are_those_of_this_machine() {
        let here = [
            libc::SYS_fsync,
            libc::SYS_fdatasync,
            libc::SYS_sync,
            libc::SYS_sync_file_range,
            libc::SYS_syncfs,
        ];
        assert!(
            CALLS
                .iter()
                .any(|(_, calls, asks)| calls.map(i64::from) == here
                    && i64::from(*asks) == libc::SYS_sched_getaffinity)
        );
    }
}
