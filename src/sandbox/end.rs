//! The end of the sandbox: PID 1 ends by itself when its socket is closed, or is killed.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::kernel::wait;

/// How long PID 1 may take to end its processes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for the end of PID 1, whose socket was closed. What ran in the sandbox may have kept it
/// from ending: then it is killed.
pub(super) fn await_end(init: Pid) {
    if !ends_by_itself(init) {
        let _ = kill(init, Signal::SIGKILL);
    }
    let _ = wait::reap(init.as_raw());
}

/// False if PID 1 is still there after [`PATIENCE`].
fn ends_by_itself(init: Pid) -> bool {
    let known = rustix::process::Pid::from_raw(init.as_raw());
    let opened = known.map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    // Where processes have no descriptors, nothing is known before its end.
    let Some(Ok(process)) = opened else {
        return true;
    };
    let mut watched = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    wait::poll_until(&mut watched, Instant::now() + PATIENCE) != Ok(false)
}
