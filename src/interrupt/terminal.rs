//! The terminal that a program in a process group of its own reads from.
//!
//! A terminal lets only its foreground group read, and sends the signals of its keys to that group
//! alone (termios(3), "Job control").

use std::os::fd::OwnedFd;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::unistd::{Pid, getpgrp};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

/// The terminal of this process, whose foreground its group is or was.
#[derive(Debug)]
pub(super) struct Terminal(OwnedFd);

impl Terminal {
    /// `None` without a terminal, and in its background.
    pub(super) fn of_this_group() -> Option<Terminal> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        let group = tcgetpgrp(&terminal).ok()?;
        let is_own = group.as_raw_nonzero().get() == getpgrp().as_raw();
        is_own.then_some(Terminal(terminal))
    }

    /// Makes a group the foreground.
    pub(super) fn give(&self, group: Pid) {
        let Some(group) = rustix::process::Pid::from_raw(group.as_raw()) else {
            return;
        };
        // A process of the background that asks for this is stopped, unless it blocks the signal.
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTTOU);
        let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        let _ = tcsetpgrp(&self.0, group);
        if let Ok(before) = before {
            let _ = before.thread_set_mask();
        }
    }

    /// Makes this process's group the foreground again.
    pub(super) fn take_back(&self) {
        self.give(getpgrp());
    }

    /// Stops this process's group, as the terminal would. Returns once it goes on.
    pub(super) fn stop(&self) {
        let _ = killpg(getpgrp(), Signal::SIGTSTP);
    }
}
