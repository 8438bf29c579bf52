//! Keeps commands on one processor as long as they cannot notice.
//!
//! A maintainer script runs a hundred short programs in a row, each waited for by the one before.
//! The kernel would spread them over all processors, with cold caches and sleeping cores; on one
//! they take a tenth less time. So a command stays on the processor that it was started on. A
//! seccomp listener hears of processes that ask for the number of processors (java writes other
//! files where there is only one, xz cuts other blocks): they are released first and get the true
//! answer. A command that runs long is released with everything else in the sandbox.
//!
//! Runs in PID 1, so it must not allocate. The answer "continue" needs Linux 5.5, which every
//! kernel with openat2 has.

use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::kernel::filter::install_with_listener;
use crate::kernel::listener::{CallAnswer, CallListener};
use crate::sandbox::seccomp::{self, SCHED_GETAFFINITY};

/// After this time a command is more than a starter of others.
const LONG: Duration = Duration::from_millis(300);

pub(super) struct Processors {
    /// Those that the sandbox may use.
    all: CpuSet,
    /// The filter's descriptor: readable when a process asks for its processors. `None` where the
    /// supervisor of [`ownership`](crate::ownership), which hears of these calls first, releases
    /// the process.
    listener: Option<CallListener>,
    /// When the running command has run long.
    deadline: Option<Instant>,
}

/// A filter that notifies its listener of calls of sched_getaffinity.
pub(super) fn filter() -> Vec<libc::sock_filter> {
    seccomp::listener(SCHED_GETAFFINITY)
}

/// Keeps the calling process and its future children on the current processor.
pub(super) fn stay() {
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    let _ = sched_setaffinity(None, &here);
}

/// Whether a process on one processor has all of them again when it has asked.
fn is_released_who_asks(all: &CpuSet) -> bool {
    stay();
    let asked = sched_getaffinity(None);
    let _ = sched_setaffinity(None, all);
    asked.is_ok_and(|asked| asked == *all)
}

impl Processors {
    /// Installs the filter. `None` if there is only one processor, or the kernel refuses: it takes
    /// one listener for a process.
    pub(super) fn listen(filter: &[libc::sock_filter]) -> Option<Processors> {
        // Before the filter: afterwards this process would have to answer itself.
        let all = sched_getaffinity(None).ok()?;
        if all.count() < 2 {
            return None;
        }
        let listener = match install_with_listener(filter, 0) {
            Ok(listener) => Some(CallListener::new(listener)),
            Err(_) if is_released_who_asks(&all) => None,
            Err(_) => return None,
        };
        Some(Processors {
            all,
            listener,
            deadline: None,
        })
    }

    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn command_started(&mut self) {
        self.deadline = Some(Instant::now() + LONG);
    }

    pub(super) fn command_ended(&mut self) {
        self.deadline = None;
    }

    /// How long to wait before calling [`has_run_long`](Processors::has_run_long).
    pub(super) fn timeout(&self) -> PollTimeout {
        let Some(deadline) = self.deadline else {
            return PollTimeout::NONE;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
    }

    /// Whether the command has run long. True once for each command.
    pub(super) fn has_run_long(&mut self) -> bool {
        let Some(deadline) = self.deadline else {
            return false;
        };
        if deadline > Instant::now() {
            return false;
        }
        self.deadline = None;
        true
    }

    /// Releases every process in the sandbox, whose PIDs are 2 to `newest`. Those that have ended
    /// are skipped.
    pub(super) fn release_all(&self, newest: c_int) {
        for pid in 2..=newest {
            self.release(pid);
        }
    }

    /// Releases the process that asks, and the one that it asks about, before the kernel answers.
    pub(super) fn answer(&self) {
        let Some(listener) = &self.listener else {
            return;
        };
        // The process may have been killed meanwhile.
        let Some(asked) = listener.receive() else {
            return;
        };
        self.release(asked.thread as c_int);
        self.release(asked.arguments[0] as c_int);
        listener.answer(&asked, CallAnswer::Continue);
    }

    fn release(&self, pid: c_int) {
        // PID 1 is this process, which uses all processors.
        if pid > 1 {
            let _ = sched_setaffinity(Pid::from_raw(pid), &self.all);
        }
    }
}
