//! The seccomp filter that hands calls to the supervisor.

use std::ffi::c_long;
use std::io;
use std::os::fd::OwnedFd;

use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF, sock_filter};

use super::calls::{AnsweredCall, Creation, IdCall, UNNAMED};
use crate::kernel::filter::{
    ARCHITECTURE, NATIVE, NUMBER, answer, argument_offset, install_with_listener, jump_if_equal,
    jump_unless_any, jump_unless_equal, load,
};

/// The program that hands over these calls. It allows calls of other architectures.
fn program(calls: &[(c_long, AnsweredCall)]) -> Vec<sock_filter> {
    let allow = answer(SECCOMP_RET_ALLOW);
    let notify = answer(SECCOMP_RET_USER_NOTIF);
    let mut program = vec![
        load(ARCHITECTURE),
        jump_if_equal(NATIVE, 1),
        allow,
        load(NUMBER),
    ];
    for (number, call) in calls {
        let number = *number as u32;
        match condition(*call) {
            None => program.extend([jump_unless_equal(number, 1), notify]),
            Some(condition) => program.extend([
                jump_unless_equal(number, 4),
                // The architectures of the table are little-endian.
                load(argument_offset(condition.argument, false)),
                condition.test.jump_unless(1),
                notify,
                allow,
            ]),
        }
    }
    program.push(allow);
    program
}

/// Which calls of one number are handed over.
struct Condition {
    argument: u32,
    test: Test,
}

enum Test {
    HasAny(u32),
    Is(u32),
}

impl Test {
    fn jump_unless(&self, distance: u8) -> sock_filter {
        match *self {
            Test::HasAny(bits) => jump_unless_any(bits, distance),
            Test::Is(value) => jump_unless_equal(value, distance),
        }
    }
}

fn condition(call: AnsweredCall) -> Option<Condition> {
    match call {
        // The kernel answers an open that creates nothing.
        AnsweredCall::Make {
            what: Creation::Open { flags },
            ..
        } => Some(Condition {
            argument: flags as u32,
            test: Test::HasAny((libc::O_CREAT | UNNAMED) as u32),
        }),
        AnsweredCall::Ids(IdCall::KeepCapabilities) => Some(Condition {
            argument: 0,
            test: Test::Is(libc::PR_SET_KEEPCAPS as u32),
        }),
        _ => None,
    }
}

/// Installs the filter for this process and its future children, and returns its listener. Only a
/// fatal signal interrupts a process that waits for an answer, so no call is made twice (Linux
/// 5.19).
pub(super) fn install(calls: &[(c_long, AnsweredCall)]) -> io::Result<OwnedFd> {
    let program = program(calls);
    install_with_listener(&program, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
}
