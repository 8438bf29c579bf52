//! Programs of the host that an interrupt ends, with all processes that they have started.
//!
//! Each has a process group of its own. An interrupt sends SIGTERM to the group, and SIGKILL to
//! what is left of it after [`GRACE`]. Dropping a program that still runs kills its group, so no
//! error leaves one behind. A program that may read from the user's terminal gets it while it runs.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::terminal::Terminal;
use super::{Interrupt, Registration};

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// How long the processes of a group are waited for after SIGKILL: zombies of an init that collects
/// none stay.
const AFTER_KILL: Duration = Duration::from_secs(1);
/// How often it is seen whether a group has processes left.
const INTERVAL: Duration = Duration::from_millis(10);

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    group: Arc<Group>,
    terminal: Option<Terminal>,
    interrupt: Interrupt,
    _registration: Registration,
}

/// A process group, until its first process is reaped: its number is in use as long.
#[derive(Debug)]
struct Group {
    state: Mutex<GroupState>,
    has_ended: Condvar,
}

#[derive(Debug)]
struct GroupState {
    leader: Option<Pid>,
    is_ending: bool,
}

impl Running {
    /// Starts a program.
    ///
    /// # Errors
    ///
    /// Those of starting a process, and if a stop was requested already.
    pub(crate) fn start(command: &mut Command, interrupt: &Interrupt) -> io::Result<Running> {
        Running::spawn(command, interrupt, None)
    }

    /// Starts a program that may read from the terminal and has its signals.
    pub(crate) fn start_in_foreground(
        command: &mut Command,
        interrupt: &Interrupt,
    ) -> io::Result<Running> {
        Running::spawn(command, interrupt, Terminal::of_this_group())
    }

    fn spawn(
        command: &mut Command,
        interrupt: &Interrupt,
        terminal: Option<Terminal>,
    ) -> io::Result<Running> {
        interrupt.check()?;
        let child = command.process_group(0).spawn()?;
        let leader = Pid::from_raw(child.id().cast_signed());
        if let Some(terminal) = &terminal {
            terminal.give(leader);
            // It may have tried to read before.
            let _ = killpg(leader, Signal::SIGCONT);
        }
        let group = Arc::new(Group {
            state: Mutex::new(GroupState {
                leader: Some(leader),
                is_ending: false,
            }),
            has_ended: Condvar::new(),
        });
        let to_end = Arc::clone(&group);
        Ok(Running {
            child,
            group,
            terminal,
            interrupt: interrupt.clone(),
            _registration: interrupt.on_raise(move || to_end.end()),
        })
    }

    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits for the end of the program, and after an interrupt for that of its whole group. What
    /// it leaves running otherwise goes on.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.child.stdin.take());
        let waited = self.wait_for_exit();
        if let Some(terminal) = &self.terminal {
            terminal.take_back();
        }
        waited?;
        let status = self.reap()?;
        // The terminal sends its signals to the foreground alone.
        if self.terminal.is_some() && matches!(status.signal(), Some(libc::SIGINT | libc::SIGQUIT))
        {
            let signal = status.signal().and_then(|signal| u8::try_from(signal).ok());
            self.interrupt.raise(signal.unwrap_or_default());
        }
        Ok(status)
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let mut state = self.group.state();
        if !state.is_ending {
            let status = self.child.wait();
            state.leader = None;
            return status;
        }
        drop(state);
        let status = self.child.wait();
        self.group.wait_for_rest();
        status
    }

    /// Waits until the program has ended, and leaves it to be reaped. One that the terminal has
    /// stopped stops this program too.
    fn wait_for_exit(&self) -> io::Result<()> {
        let process = Pid::from_raw(self.child.id().cast_signed());
        let mut flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        if self.terminal.is_some() {
            flags |= WaitPidFlag::WSTOPPED;
        }
        loop {
            match (waitid(Id::Pid(process), flags), &self.terminal) {
                (Err(Errno::EINTR), _) => {}
                (Ok(WaitStatus::Stopped(_, signal)), Some(terminal)) => {
                    let seen = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
                    let _ = waitid(Id::Pid(process), seen);
                    if signal == Signal::SIGTSTP {
                        terminal.take_back();
                        terminal.stop();
                    }
                    terminal.give(process);
                    let _ = killpg(process, Signal::SIGCONT);
                }
                (Err(error), _) => return Err(error.into()),
                (Ok(_), _) => return Ok(()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.group.state();
        if let Some(leader) = state.leader.take() {
            let _ = killpg(leader, Signal::SIGKILL);
            let _ = self.child.wait();
            if let Some(terminal) = &self.terminal {
                terminal.take_back();
            }
        }
        drop(state);
        self.group.has_ended.notify_all();
    }
}

impl Group {
    /// Ends all processes, now or after the grace. Does not wait.
    fn end(self: &Arc<Group>) {
        let mut state = self.state();
        let Some(leader) = state.leader.filter(|_| !state.is_ending) else {
            return;
        };
        state.is_ending = true;
        let _ = killpg(leader, Signal::SIGTERM);
        // A stopped process ends only if it goes on.
        let _ = killpg(leader, Signal::SIGCONT);
        drop(state);
        let group = Arc::clone(self);
        let killer = thread::Builder::new().name("killer".into());
        if killer.spawn(move || group.kill_after(GRACE)).is_err() {
            self.kill_after(Duration::ZERO);
        }
    }

    fn kill_after(&self, grace: Duration) {
        let is_there = |state: &mut GroupState| state.leader.is_some();
        let state = self.state();
        let waited = self.has_ended.wait_timeout_while(state, grace, is_there);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(leader) = state.leader {
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    /// Waits for what the first process has started, once that one is reaped and the group ends.
    fn wait_for_rest(&self) {
        let until = Instant::now() + GRACE + AFTER_KILL;
        let leader = self.state().leader;
        if let Some(leader) = leader {
            while killpg(leader, None).is_ok() && Instant::now() < until {
                thread::sleep(INTERVAL);
            }
        }
        self.state().leader = None;
        self.has_ended.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path by which a program that this one starts opens a file that is open here.
pub(crate) fn descriptor_path(open: &impl AsFd) -> PathBuf {
    let process = rustix::process::getpid().as_raw_nonzero();
    PathBuf::from(format!("/proc/{process}/fd/{}", open.as_fd().as_raw_fd()))
}

#[cfg(test)]
mod tests;
