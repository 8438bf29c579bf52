//! Programs of the host that an interrupt ends together with their descendants.
//!
//! They stay in this program's process group, so terminals and shells treat them as part of it. An
//! interrupt sends SIGTERM to a program and its descendants, and SIGKILL to those still running
//! after [`GRACE`]. Dropping a running program kills it and its descendants, so an error leaves no
//! process behind.

use std::io::{self, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::Interrupt;
use super::process_tree::ProcessTree;

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// How long after the program this process may receive a signal that is sent to both, such as
/// SIGINT from the terminal.
const SIGNAL_DELAY: Duration = Duration::from_millis(200);

/// How much of a program's messages is kept, in bytes.
const MESSAGES: usize = 64 << 10;

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    is_reaped: bool,
    interrupt: Interrupt,
}

/// What a program writes to its standard error.
#[derive(Debug)]
pub(crate) struct Messages(Option<JoinHandle<Vec<u8>>>);

impl Messages {
    /// Waits for their end, and returns at most the last [`MESSAGES`] bytes.
    pub(crate) fn last(self) -> Vec<u8> {
        let listener = self.0.map(JoinHandle::join);
        listener.and_then(Result::ok).unwrap_or_default()
    }
}

/// What ends the wait for a program.
enum WaitEnd {
    Exit,
    Interrupt,
    Late,
}

impl Running {
    /// Starts a program.
    ///
    /// # Errors
    ///
    /// Those of starting a process, and if a stop was requested already.
    pub(crate) fn start(command: &mut Command, interrupt: &Interrupt) -> io::Result<Running> {
        interrupt.check()?;
        Ok(Running {
            child: command.spawn()?,
            is_reaped: false,
            interrupt: interrupt.clone(),
        })
    }

    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Reads standard error to its end, if it is a pipe.
    pub(crate) fn hear(&mut self) -> Messages {
        let stderr = self.child.stderr.take();
        Messages(stderr.map(|stderr| thread::spawn(move || last_bytes(stderr))))
    }

    /// Waits for the program to end, and after an interrupt for its descendants too. Without an
    /// interrupt, processes that it leaves running are left alone.
    ///
    /// # Errors
    ///
    /// If a stop was requested before the program ended, whatever its status is.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.wait_at_most(Duration::MAX)
    }

    /// As [`wait`](Running::wait), but ends a program and its descendants that take longer than
    /// this.
    ///
    /// # Errors
    ///
    /// Also `TimedOut`, if the program took too long.
    pub(crate) fn wait_at_most(&mut self, longest: Duration) -> io::Result<ExitStatus> {
        drop(self.child.stdin.take());
        let (sender, events) = mpsc::channel();
        let raised = sender.clone();
        let _registration = self.interrupt.on_raise(move || {
            let _ = raised.send(WaitEnd::Interrupt);
        });
        let process = self.process();
        let waiter = thread::Builder::new().name("waiter".into());
        let waiter = waiter.spawn(move || {
            wait_for_exit(process);
            let _ = sender.send(WaitEnd::Exit);
        })?;
        let end = match events.recv_timeout(longest) {
            Ok(end) => end,
            Err(RecvTimeoutError::Timeout) => WaitEnd::Late,
            Err(RecvTimeoutError::Disconnected) => WaitEnd::Exit,
        };
        match end {
            WaitEnd::Exit => {}
            WaitEnd::Interrupt | WaitEnd::Late => ProcessTree::of(process).end(GRACE),
        }
        let _ = waiter.join();
        let status = self.child.wait()?;
        self.is_reaped = true;
        if !status.success() {
            let _ = events.recv_timeout(SIGNAL_DELAY);
        }
        self.interrupt.check()?;
        match end {
            WaitEnd::Late => Err(io::ErrorKind::TimedOut.into()),
            WaitEnd::Exit | WaitEnd::Interrupt => Ok(status),
        }
    }

    fn process(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            ProcessTree::of(self.process()).kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until a child has ended, without reaping it, so that its PID is not reused.
fn wait_for_exit(process: Pid) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(process), flags) == Err(Errno::EINTR) {}
}

fn last_bytes(mut input: impl Read) -> Vec<u8> {
    let mut last = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return last,
            Ok(length) => last.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return last,
        }
        let superfluous = last.len().saturating_sub(MESSAGES);
        last.drain(..superfluous);
    }
}

#[cfg(test)]
mod tests;
