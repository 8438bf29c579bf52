//! Answers calls on files of /proc where none can be mounted.
//!
//! A container without CAP_SYS_ADMIN permits no mount, so the tree has an empty /proc. Programs then
//! fail or do nothing: systemd-tmpfiles reaches every file through `/proc/self/fd/N`. This process
//! therefore opens such files itself, in the container's /proc, and gives the calling process the
//! descriptor: what a process has open, what /proc tells of it, and what it tells of the kernel.
//!
//! The container's /proc also leads to other processes, whose `root` is outside of the tree. So a
//! process sees none but itself, and never gets a directory of /proc, from which `..` would lead
//! there.
//!
//! `path` says what a path names, `calls` which calls name one; `answers` and `changes` answer them,
//! with what `asked` reads from the caller; `mounts` adds /proc to lists of mounts. Each command has
//! filters and a listener of its own, which its child sends here before it executes the program: a
//! listener that had been made here would also hear of the calls of this process, which reads the
//! memory of its callers.
#![expect(unsafe_code, reason = "fork needs a process with one thread")]

mod answers;
mod asked;
mod calls;
mod changes;
mod mounts;
mod path;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use libc::sock_filter;
use nix::unistd::{ForkResult, fork};
use rustix::fs::{Mode, OFlags};

use crate::kernel::caller::CallingProcess;
use crate::kernel::descriptors::{receive_with_descriptor, send_with_descriptor};
use crate::kernel::filter::{self, install_with_listener};
use crate::kernel::listener::CallListener;
use crate::kernel::wait;
use calls::PathCall;

/// Files of /proc for commands that have no /proc.
pub(super) struct OwnProc {
    /// /proc of the container.
    processes: OwnedFd,
    calls: Vec<PathCall>,
    handover: Handover,
    /// Where listeners arrive.
    arrivals: UnixStream,
    /// Of the running command.
    listener: Option<CallListener>,
}

/// What the child of a command needs to hand its calls over.
pub(super) struct Handover {
    /// What every command is denied.
    policy: Vec<sock_filter>,
    filter: Vec<sock_filter>,
    socket: UnixStream,
}

/// Opens the container's /proc, before the root is changed. `None` if there is none, or one of other
/// processes.
pub(super) fn open_processes() -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let processes = rustix::fs::open(c"/proc", flags, Mode::empty()).ok()?;
    let file_system = rustix::fs::fstatfs(&processes).ok()?;
    let is_proc = file_system.f_type == libc::PROC_SUPER_MAGIC;
    (is_proc && has_own_numbers(processes.as_fd())).then_some(processes)
}

/// Whether the processes have the numbers that this one sees, and not those of another PID
/// namespace, where they are other processes.
fn has_own_numbers(processes: BorrowedFd<'_>) -> bool {
    let own = CallingProcess {
        thread: std::process::id(),
        processes,
    };
    // The numbers of a process in the namespace of this /proc and in those below it.
    let numbers = own.status_field("NSpid:").unwrap_or_default();
    numbers == own.thread.to_string()
}

impl OwnProc {
    /// `None` where it is not known how calls name files, or the kernel takes no filter.
    pub(super) fn new(processes: OwnedFd, policy: &[sock_filter]) -> Option<OwnProc> {
        let calls = calls::all();
        if calls.is_empty() {
            return None;
        }
        let (arrivals, socket) = UnixStream::pair().ok()?;
        // A child has sent its listener, if any, before this process goes on.
        arrivals.set_nonblocking(true).ok()?;
        let handover = Handover {
            policy: policy.to_vec(),
            filter: calls::filter(&calls),
            socket,
        };
        let mut own_proc = OwnProc {
            processes,
            calls,
            handover,
            arrivals,
            listener: None,
        };
        own_proc.can_listen().then_some(own_proc)
    }

    /// Whether the kernel gives a child a listener.
    fn can_listen(&mut self) -> bool {
        // SAFETY: this process has one thread. The child makes system calls and ends.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let _ = self.handover.install();
                // SAFETY: ends this process without what the parent does at its end.
                unsafe { libc::_exit(0) }
            }
            Ok(ForkResult::Parent { child }) => {
                let _ = wait::reap(child.as_raw());
            }
            Err(_) => {}
        }
        self.command_started();
        self.listener.take().is_some()
    }

    pub(super) fn handover(&self) -> &Handover {
        &self.handover
    }

    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// Takes the listener of a command that has been started. One whose program could not be
    /// executed has sent one, too.
    pub(super) fn command_started(&mut self) {
        while let Some(listener) = receive_with_descriptor(self.arrivals.as_fd(), &mut [0]) {
            self.listener = Some(CallListener::new(listener));
        }
        if let Some(listener) = &self.listener {
            listener.take_turns();
        }
    }

    /// A call that waits for an answer then fails.
    pub(super) fn command_ended(&mut self) {
        self.listener = None;
    }

    /// Answers one call. Ends with the listener when no process has the filter any more.
    pub(super) fn answer(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        // The process may have been killed meanwhile.
        if let Some(notification) = listener.receive() {
            let answer = self.decide(listener, &notification);
            listener.answer(&notification, answer);
        }
    }
}

impl Handover {
    /// Filters the calls of the calling process, a child between clone and exec, and of its future
    /// children. Does not allocate.
    pub(super) fn install(&self) -> io::Result<()> {
        filter::install(&self.policy)?;
        let flags = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        let listener = install_with_listener(&self.filter, flags)?;
        let sent = send_with_descriptor(self.socket.as_fd(), &[0], listener.as_raw_fd());
        sent.map(drop).map_err(io::Error::from)
    }
}
