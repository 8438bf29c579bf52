//! Hosts whose kernel or container lacks system calls.

use super::hosts::{Host, host};

/// A program for which these system calls do not exist.
macro_rules! without_calls {
    ($through:literal, $calls:literal) => {
        concat!(
            "exec ",
            $through,
            " strace --follow-forks -qq -o /dev/null --inject=",
            $calls,
            ":error=ENOSYS \"$@\""
        )
    };
}

/// Kernels and containers without system calls.
pub const WITHOUT_CALLS: [Host; 5] = [
    host(
        "root",
        "auto",
        without_calls!("env", "openat2,faccessat2,clone3"),
    ),
    host("root", "auto", without_calls!("env", "statx")).refused(&["call statx is refused"]),
    host(
        "user",
        "single-id",
        without_calls!("setpriv --reuid=1234 --regid=1234 --clear-groups", "statx"),
    )
    .refused(&["call statx is refused"]),
    host(
        "user",
        "single-id",
        without_calls!(
            "setpriv --reuid=1234 --regid=1234 --clear-groups",
            "openat2"
        ),
    )
    .refused(&["call openat2 is needed"]),
    host(
        "user",
        "single-id",
        without_calls!(
            "setpriv --reuid=1234 --regid=1234 --clear-groups",
            "process_vm_readv"
        ),
    ),
];
