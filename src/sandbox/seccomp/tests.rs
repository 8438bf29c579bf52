use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K};
use libc::{BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ERRNO};

use super::*;
use crate::kernel::filter::{ARGUMENTS, argument_offset};

/// One system call.
#[derive(Clone, Copy)]
struct Call {
    column: usize,
    number: u32,
    arguments: [u32; 3],
}

/// Runs a program, by the instructions that it uses.
fn result(program: &[sock_filter], architecture: u32, call: Call) -> u32 {
    let mut at = 0;
    let mut loaded: u32 = 0;
    loop {
        let step = &program[at];
        at += 1;
        let code = u32::from(step.code);
        let holds = if code == BPF_JMP | BPF_JEQ | BPF_K {
            loaded == step.k
        } else if code == BPF_JMP | BPF_JGE | BPF_K {
            loaded >= step.k
        } else if code == BPF_JMP | BPF_JSET | BPF_K {
            loaded & step.k != 0
        } else if code == BPF_JMP | BPF_JA {
            at += step.k as usize;
            continue;
        } else if code == BPF_ALU | BPF_AND | BPF_K {
            loaded &= step.k;
            continue;
        } else if code == BPF_RET | BPF_K {
            return step.k;
        } else {
            assert_eq!(code, BPF_LD | BPF_W | BPF_ABS);
            loaded = match step.k {
                NUMBER => call.number,
                ARCHITECTURE => architecture,
                offset => {
                    let index = (offset - ARGUMENTS) / 8;
                    assert_eq!(offset, argument_offset(index, call.column == S390X));
                    call.arguments[index as usize]
                }
            };
            continue;
        };
        at += usize::from(if holds { step.jt } else { step.jf });
    }
}

fn answer_to(program: &[sock_filter], column: usize, number: u32, arguments: [u32; 3]) -> u32 {
    let call = Call {
        column,
        number,
        arguments,
    };
    let architecture = arch::named(ARCHITECTURES[column]).unwrap();
    result(program, architecture.audit_number(), call)
}

const ALONE: Policy = Policy {
    is_alone: true,
    records_owners: false,
};
const AMONG_OTHERS: Policy = Policy {
    is_alone: false,
    records_owners: false,
};

const EPERM: u32 = SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

#[test]
fn calls_are_answered_on_every_architecture() {
    let policy = policy(ALONE);
    assert!(policy.len() < 4096, "the kernel takes no longer programs");
    for column in 0..ARCHITECTURES.len() {
        for number in 0..600 {
            let is = |numbers: &Numbers| numbers[column] == number;
            let is_denied = DENIED.iter().any(|(_, numbers)| is(numbers));
            let expected = if SYNCS.iter().any(is) {
                SECCOMP_RET_ERRNO
            } else if is_denied {
                EPERM
            } else if is(&calls::CLONE3) {
                ENOSYS
            } else {
                SECCOMP_RET_ALLOW
            };
            let found = answer_to(&policy, column, number, [0; 3]);
            assert_eq!(found, expected, "column {column}, call {number}");
        }
    }
}

#[test]
fn unknown_architectures_and_x32_are_denied() {
    let policy = policy(ALONE);
    let call = Call {
        column: 0,
        number: 0,
        arguments: [0; 3],
    };
    assert_eq!(result(&policy, 0x1234, call), ENOSYS);
    assert_eq!(answer_to(&policy, 0, X32_BIT, [0; 3]), ENOSYS);
}

#[test]
fn arguments_decide() {
    let policy = policy(ALONE);
    let new_user = libc::CLONE_NEWUSER as u32;
    let vm = (libc::CLONE_VM | libc::CLONE_THREAD | libc::SIGCHLD) as u32;
    let netlink = libc::AF_NETLINK as u32;
    let no_family = SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;
    let no_protocol = SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT as u32;
    let allow = SECCOMP_RET_ALLOW;
    for column in 0..ARCHITECTURES.len() {
        let clone = |flags| match column {
            S390X => [0, flags, 0],
            _ => [flags, 0, 0],
        };
        let table = [
            (calls::CLONE, clone(new_user), EPERM),
            (calls::CLONE, clone(vm), allow),
            (calls::UNSHARE, [new_user, 0, 0], EPERM),
            (calls::UNSHARE, [CLONE_NEWTIME, 0, 0], EPERM),
            (calls::UNSHARE, [libc::CLONE_FS as u32, 0, 0], allow),
            (calls::MKNOD, [0, libc::S_IFBLK | 0o660, 0], EPERM),
            (calls::MKNODAT, [0, 0, libc::S_IFCHR | 0o666], EPERM),
            (calls::MKNODAT, [0, 0, libc::S_IFIFO | 0o666], allow),
            (calls::IOCTL, [0, TIOCSTI, 0], EPERM),
            (calls::IOCTL, [0, TIOCLINUX, 0], EPERM),
            (calls::IOCTL, [0, libc::TIOCGWINSZ as u32, 0], allow),
            (calls::SOCKET, [libc::AF_VSOCK as u32, 0, 0], no_family),
            (calls::SOCKET, [libc::AF_PACKET as u32, 0, 0], no_family),
            (calls::SOCKET, [libc::AF_ALG as u32, 0, 0], no_family),
            (calls::SOCKET, [libc::AF_INET as u32, 0, 0], allow),
            (calls::SOCKET, [libc::AF_UNIX as u32, 0, 9], allow),
            (calls::SOCKET, [netlink, 0, 0], allow),
            (calls::SOCKET, [netlink, 0, 15], allow),
            (calls::SOCKET, [netlink, 0, 9], no_protocol),
        ];
        for (numbers, arguments, expected) in table {
            let number = numbers[column];
            if number != NONE {
                let found = answer_to(&policy, column, number, arguments);
                assert_eq!(found, expected, "column {column}, {number} {arguments:?}");
            }
        }
    }
}

#[test]
fn only_own_processes_are_traced() {
    let policies = [policy(ALONE), policy(AMONG_OTHERS)];
    for (column, number) in calls::PTRACE.into_iter().enumerate() {
        let answers = policies.each_ref();
        let answers = answers.map(|policy| answer_to(policy, column, number, [16, 1, 0]));
        assert_eq!(answers, [SECCOMP_RET_ALLOW, EPERM], "column {column}");
    }
}

#[test]
fn the_first_process_keeps_its_limits() {
    for (column, number) in calls::PRLIMIT64.into_iter().enumerate() {
        let answer = |rules, process| answer_to(&policy(rules), column, number, [process, 7, 0]);
        for (process, alone, among_others) in [
            (0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW),
            (1, EPERM, EPERM),
            (4711, SECCOMP_RET_ALLOW, EPERM),
        ] {
            assert_eq!(answer(ALONE, process), alone, "column {column}, {process}");
            assert_eq!(
                answer(AMONG_OTHERS, process),
                among_others,
                "column {column}, {process}"
            );
        }
    }
}

#[test]
fn files_are_made_by_calls_that_a_supervisor_sees() {
    let recording = Policy {
        records_owners: true,
        ..ALONE
    };
    for (column, number) in calls::OPENAT2.into_iter().enumerate() {
        let answer = |rules| answer_to(&policy(rules), column, number, [0; 3]);
        assert_eq!(answer(ALONE), SECCOMP_RET_ALLOW, "column {column}");
        assert_eq!(answer(recording), ENOSYS, "column {column}");
    }
}

#[test]
fn a_listener_hears_of_one_call_only() {
    let program = listener(SCHED_GETAFFINITY);
    let notify = SECCOMP_RET_USER_NOTIF;
    assert_eq!(answer_to(&program, S390X, 240, [0; 3]), notify);
    assert_eq!(answer_to(&program, S390X, 204, [0; 3]), SECCOMP_RET_ALLOW);
    assert_eq!(answer_to(&program, S390X, 118, [0; 3]), SECCOMP_RET_ALLOW);
}

#[test]
fn the_numbers_are_those_of_this_machine() {
    let here = [
        (SYNCS[0], libc::SYS_fsync),
        (SYNCS[1], libc::SYS_fdatasync),
        (SYNCS[2], libc::SYS_sync),
        (SYNCS[3], libc::SYS_sync_file_range),
        (SYNCS[4], libc::SYS_syncfs),
        (SCHED_GETAFFINITY, libc::SYS_sched_getaffinity),
        (calls::CLONE, libc::SYS_clone),
        (calls::UNSHARE, libc::SYS_unshare),
        (calls::MKNODAT, libc::SYS_mknodat),
        (calls::SOCKET, libc::SYS_socket),
        (calls::IOCTL, libc::SYS_ioctl),
        (calls::PTRACE, libc::SYS_ptrace),
        (calls::PRLIMIT64, libc::SYS_prlimit64),
        (calls::OPENAT2, libc::SYS_openat2),
    ];
    let host = arch::host().unwrap().name;
    let column = ARCHITECTURES.iter().position(|name| *name == host).unwrap();
    for (numbers, number) in here {
        assert_eq!(i64::from(numbers[column]), number);
    }
    let by_name = [
        ("mount", libc::SYS_mount),
        ("keyctl", libc::SYS_keyctl),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("kexec_file_load", libc::SYS_kexec_file_load),
    ];
    for (name, number) in by_name {
        let found = DENIED.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(i64::from(found.1[column]), number, "{name}");
    }
}
