//! On which processors the box's commands run: on one, as long as nobody can tell.
//!
//! A maintainer script is a hundred short programs in a row, each waited for by the one before. The kernel would spread them over all
//! processors, where each finds caches that are cold and wakes one that sleeps; on one they take a tenth less time. So a command stays on the
//! processor that it was started on. Whoever asks how many there are (java writes other files where there is but one, xz cuts other blocks) is
//! let go first and gets the true answer, and a command that takes long is let go with everything else in the box.
//!
//! This runs in the process inside and may not allocate, as all that it does (`inside`). A kernel with openat2, without which nothing here
//! works, also knows the answer "go on" (Linux 5.5).
#![expect(
    unsafe_code,
    reason = "seccomp's notifications are structures that the kernel fills"
)]

use std::ffi::c_int;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// How long a command is taken for one of those that only start others.
const PATIENCE: Duration = Duration::from_millis(300);

/// Keeps commands on one processor.
pub(super) struct Processors {
    /// Those that the box may use.
    all: CpuSet,
    /// Where the kernel says that somebody asks for them.
    listener: OwnedFd,
    /// When the command under way will have taken long.
    deadline: Option<Instant>,
}

/// The processors that this process may use, unless there is only one, or more than can be told. To be called before the filter is set:
/// after it the answer would be this process's own to give.
pub(super) fn all() -> Option<CpuSet> {
    sched_getaffinity(None).ok().filter(|all| all.count() > 1)
}

/// Has the calling process, and what it will start, stay on the processor that it is on.
pub(super) fn stay() {
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    let _ = sched_setaffinity(None, &here);
}

impl Processors {
    pub(super) fn new(all: CpuSet, listener: OwnedFd) -> Processors {
        Processors {
            all,
            listener,
            deadline: None,
        }
    }

    /// What becomes readable when somebody asks.
    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// A command was started.
    pub(super) fn started(&mut self) {
        self.deadline = Some(Instant::now() + PATIENCE);
    }

    /// The command has ended.
    pub(super) fn ended(&mut self) {
        self.deadline = None;
    }

    /// How long to wait before asking whether the command [is late](Processors::is_late).
    pub(super) fn timeout(&self) -> PollTimeout {
        let Some(deadline) = self.deadline else {
            return PollTimeout::NONE;
        };
        let left = deadline
            .saturating_duration_since(Instant::now())
            .as_millis()
            + 1;
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    /// Whether the command has taken long by now; told once.
    pub(super) fn is_late(&mut self) -> bool {
        let late = self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now());
        if late {
            self.deadline = None;
        }
        late
    }

    /// Lets go everything in the box, whose processes have the numbers from 2 up to `newest`. Those that have ended are no error.
    pub(super) fn release_all(&self, newest: c_int) {
        (2..=newest).for_each(|number| self.release(number));
    }

    /// Lets go who asks, and who is asked about, before the kernel answers.
    pub(super) fn answer(&self) {
        // SAFETY: all-zero is what the kernel wants to find, and fills.
        let mut asked: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the descriptor is a listener, the pointer leads to a structure of the size that the request's number tells.
        let received = unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut asked,
            )
        };
        if received != 0 {
            return; // whoever asked was killed meanwhile
        }
        self.release(asked.pid as c_int);
        self.release(asked.data.args[0] as c_int);
        // SAFETY: all-zero is a valid value.
        let mut response: libc::seccomp_notif_resp = unsafe { mem::zeroed() };
        (response.id, response.flags) = (asked.id, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
        // SAFETY: as above; the kernel reads it.
        unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw mut response,
            )
        };
    }

    fn release(&self, number: c_int) {
        // 1 is the process inside, which is nowhere kept.
        if number > 1 {
            let _ = sched_setaffinity(Pid::from_raw(number), &self.all);
        }
    }
}
