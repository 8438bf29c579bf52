//! Seccomp filters: what the kernel answers to some system calls of the sandbox.
//!
//! The policy denies calls that reach beyond the tree: mounts and namespaces, kernel interfaces,
//! keyrings, the clock. It answers fsync and its relatives with success at once, because an
//! unfinished tree is thrown away after a crash anyway. Numbers differ by architecture, and one
//! kernel serves several: a foreign program calls with those of its own. An architecture that the
//! filter does not know gets ENOSYS.

mod calls;

#[cfg(test)]
mod tests;

use std::ffi::c_int;

use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF, sock_filter};

use crate::formats::arch;
use crate::kernel::filter::{
    self, ARCHITECTURE, NUMBER, answer, fail, jump, jump_if_equal, jump_if_less, jump_unless_any,
    jump_unless_equal, load, mask,
};
use calls::{ARCHITECTURES, DENIED, NONE, Numbers, SYNCS};

pub(super) use calls::SCHED_GETAFFINITY;

/// Column of x86_64 in `Numbers`, whose kernel also takes x32 calls: numbers with this bit set.
const X86_64: usize = 0;
const X32_BIT: u32 = 0x4000_0000;

/// Column of s390x in `Numbers`: big-endian, and `clone` takes its flags second.
const S390X: usize = 7;

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
    /// Fails with this error number.
    Fail(c_int),
    /// Fails with EPERM if this argument has one of these bits.
    DenyBits { argument: u32, bits: u32 },
    /// Fails with EPERM if this argument, reduced to the mask, is one of two values.
    DenyValues {
        argument: u32,
        mask: u32,
        values: [u32; 2],
    },
    /// `clone`: fails with EPERM for a new namespace.
    DenyNamespaces,
    /// `socket`: fails for families that reach beyond the network namespace, as on a kernel without
    /// them.
    LimitSockets,
}

/// What the filter of every command depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Whether there is a PID namespace. Without one, other processes than the commands' own can be
    /// named, and must not be traced.
    pub(super) is_alone: bool,
    /// Whether owners are recorded, by a supervisor that cannot see what `openat2` makes.
    pub(super) records_owners: bool,
}

/// The filter of every command.
pub(super) fn policy(policy: Policy) -> Vec<sock_filter> {
    let Policy {
        is_alone,
        records_owners,
    } = policy;
    let mut rules = Vec::new();
    let mut add = |numbers, action| rules.push(Rule { numbers, action });
    add(
        calls::IOCTL,
        Action::DenyValues {
            argument: 1,
            mask: u32::MAX,
            values: [TIOCSTI, TIOCLINUX],
        },
    );
    add(calls::PRLIMIT64, limits_of_others(is_alone));
    if !is_alone {
        add(calls::PTRACE, Action::Fail(libc::EPERM));
    }
    add(calls::CLONE, Action::DenyNamespaces);
    add(calls::SOCKET, Action::LimitSockets);
    for numbers in SYNCS {
        add(numbers, Action::Succeed);
    }
    if records_owners {
        // As on Linux before 5.6: programs then call openat.
        add(calls::OPENAT2, Action::Fail(libc::ENOSYS));
    }
    // Its flags are in memory, where a filter cannot read them. libc then calls clone.
    add(calls::CLONE3, Action::Fail(libc::ENOSYS));
    add(
        calls::UNSHARE,
        Action::DenyBits {
            argument: 0,
            bits: NAMESPACES | CLONE_NEWTIME,
        },
    );
    for (numbers, argument) in [(calls::MKNOD, 1), (calls::MKNODAT, 2)] {
        add(
            numbers,
            Action::DenyValues {
                argument,
                mask: libc::S_IFMT,
                values: [libc::S_IFCHR, libc::S_IFBLK],
            },
        );
    }
    for (_, numbers) in DENIED {
        add(numbers, Action::Fail(libc::EPERM));
    }
    program(&rules, answer_to_unknown())
}

/// Denies the limits of the sandbox's first process, which has any number without a PID namespace:
/// then only those of the calling process are permitted, by the number 0, as setrlimit calls it.
fn limits_of_others(is_alone: bool) -> Action {
    match is_alone {
        true => Action::DenyValues {
            argument: 0,
            mask: u32::MAX,
            values: [1, 1],
        },
        false => Action::DenyBits {
            argument: 0,
            bits: u32::MAX,
        },
    }
}

/// Unknown architectures are denied, unless this is one.
fn answer_to_unknown() -> sock_filter {
    match arch::host() {
        Some(host) if ARCHITECTURES.contains(&host.name) => fail(libc::ENOSYS),
        _ => answer(SECCOMP_RET_ALLOW),
    }
}

/// The flags of `clone` and `unshare` for new namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
/// For `unshare` only: in the flags of `clone` it is part of the signal.
const CLONE_NEWTIME: u32 = 0x80;

/// The ioctls that type on a terminal (asm/ioctls.h).
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

/// A program that notifies the listener of one call.
pub(super) fn listener(numbers: Numbers) -> Vec<sock_filter> {
    let action = Action::Notify;
    program(&[Rule { numbers, action }], answer(SECCOMP_RET_ALLOW))
}

/// A program for `SECCOMP_SET_MODE_FILTER` that allows what no rule names. `other` answers all
/// calls of unknown architectures.
fn program(rules: &[Rule], other: sock_filter) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE)];
    for (column, name) in ARCHITECTURES.into_iter().enumerate() {
        let Some(architecture) = arch::named(name) else {
            continue;
        };
        let mut block = vec![load(NUMBER)];
        if column == X86_64 {
            block.push(jump_if_less(X32_BIT, 1));
            block.push(other);
        }
        for rule in rules {
            let number = rule.numbers[column];
            if number != NONE {
                let answer = rule.action.instructions(column);
                block.push(jump_unless_equal(number, answer.len() as u8));
                block.extend(answer);
            }
        }
        block.push(answer(SECCOMP_RET_ALLOW));
        let known = architecture.audit_number();
        // A block is too long for the distance of a conditional jump.
        program.push(jump_if_equal(known, 1));
        program.push(jump(block.len() as u32));
        program.append(&mut block);
    }
    program.push(other);
    program
}

impl Action {
    /// Each ends with an answer on every way.
    fn instructions(self, column: usize) -> Vec<sock_filter> {
        let argument = |number| load(filter::argument_offset(number, column == S390X));
        let denied = fail(libc::EPERM);
        let allowed = answer(SECCOMP_RET_ALLOW);
        match self {
            Action::Succeed => vec![fail(0)],
            Action::Notify => vec![answer(SECCOMP_RET_USER_NOTIF)],
            Action::Fail(error) => vec![fail(error)],
            Action::DenyBits {
                argument: number,
                bits,
            } => vec![argument(number), jump_unless_any(bits, 1), denied, allowed],
            Action::DenyValues {
                argument: number,
                mask: bits,
                values: [first, second],
            } => vec![
                argument(number),
                mask(bits),
                jump_if_equal(first, 1),
                jump_unless_equal(second, 1),
                denied,
                allowed,
            ],
            Action::DenyNamespaces => Action::DenyBits {
                argument: if column == S390X { 1 } else { 0 },
                bits: NAMESPACES,
            }
            .instructions(column),
            Action::LimitSockets => vec![
                argument(0),
                jump_if_equal(libc::AF_VSOCK as u32, 2),
                jump_if_equal(libc::AF_PACKET as u32, 1),
                jump_unless_equal(libc::AF_ALG as u32, 1),
                fail(libc::EAFNOSUPPORT),
                jump_unless_equal(libc::AF_NETLINK as u32, 4),
                argument(2),
                jump_if_equal(libc::NETLINK_ROUTE as u32, 2),
                jump_if_equal(libc::NETLINK_KOBJECT_UEVENT as u32, 1),
                fail(libc::EPROTONOSUPPORT),
                allowed,
            ],
        }
    }
}
