//! PID 1 of the sandbox, which starts one command after another.
//!
//! It is cloned from a program with many threads, so it must not allocate, panic or take a lock:
//! [`Init::new`] prepares everything that it needs, and the rest is a sequence of system calls. It
//! ends when its socket is closed, and the kernel then kills all its descendants and drops its
//! mounts. `request` reads a request, `launch` starts the command, `processors` places it.
#![expect(
    unsafe_code,
    reason = "clone and signals after it are beyond what the compiler can check"
)]

mod capabilities;
mod launch;
mod processors;
mod request;
mod setup;

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use super::wire::{REPLY, Reply};
use super::{SetupStep, refused, seccomp};
use launch::{Launcher, STACK, top};
use processors::Processors;
use request::RequestBuffer;

/// Everything that PID 1 works with.
pub(super) struct Init {
    socket: RawFd,
    tree: RawFd,
    null: RawFd,
    /// Features not to use, as bits of [`refused`]: tests take these ways.
    without: u32,
    /// Whether this is PID 1 of its own namespace.
    is_init: bool,
    filters: Filters,
    /// Keeps commands on one processor, where that can be hidden.
    processors: Option<Processors>,
    buffer: RequestBuffer,
    launcher: Launcher,
    /// Where this program's arguments and variables are in memory.
    environment: Option<Range<usize>>,
    /// The running command.
    running: Option<c_int>,
    /// /proc's list of this process's children, if it is not PID 1.
    children: RawFd,
}

struct Filters {
    policy: Vec<libc::sock_filter>,
    listener: Vec<libc::sock_filter>,
}

impl Init {
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        tree: BorrowedFd<'_>,
        null: BorrowedFd<'_>,
        without: u32,
    ) -> Init {
        Init {
            socket: socket.as_raw_fd(),
            tree: tree.as_raw_fd(),
            null: null.as_raw_fd(),
            without,
            is_init: false,
            filters: Filters {
                policy: seccomp::policy(),
                listener: processors::filter(),
            },
            processors: None,
            buffer: RequestBuffer::new(),
            launcher: Launcher::new(),
            environment: environment(),
            running: None,
            children: -1,
        }
    }

    /// Starts the process, in its own PID namespace if that is permitted.
    pub(super) fn start(mut self) -> nix::Result<Pid> {
        // A signal between the clone and the reset of handlers would run the program's own handler
        // in the new process.
        let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
        let mut stack = vec![0; STACK];
        self.is_init = self.without & refused::PID == 0;
        let mut started = if self.is_init {
            self.clone_off(&mut stack, libc::CLONE_NEWPID)
        } else {
            Err(nix::Error::EPERM)
        };
        if started.is_err() {
            self.is_init = false;
            started = self.clone_off(&mut stack, 0);
        }
        before.thread_set_mask()?;
        started
    }

    fn clone_off(&mut self, stack: &mut [u8], flags: c_int) -> nix::Result<Pid> {
        extern "C" fn main(init: *mut c_void) -> c_int {
            // SAFETY: the pointer is the `self` of `clone_off`, in this process's own copy of the
            // memory.
            let init = unsafe { &mut *init.cast::<Init>() };
            init.main()
        }
        let init: *mut Init = self;
        // SAFETY: without CLONE_VM the new process has a copy of all memory, including this stack
        // and `self`. It runs `main`, which makes system calls on existing memory, and leaves by
        // `_exit` when `main` returns.
        let pid = unsafe { libc::clone(main, top(stack), flags | libc::SIGCHLD, init.cast()) };
        nix::errno::Errno::result(pid).map(Pid::from_raw)
    }

    fn main(&mut self) -> c_int {
        let signals = match self.set_up() {
            Ok((refused, signals)) => {
                self.reply(Reply::Ready(refused));
                signals
            }
            Err((step, error)) => {
                self.reply(Reply::Refused(step as u32, error.raw_os_error()));
                return 1;
            }
        };
        self.serve(&signals);
        if !self.is_init {
            self.kill_children();
        }
        0
    }

    /// Starts requested commands and reaps what ends, until the socket closes.
    fn serve(&mut self, signals: &SignalFd) {
        let socket = self.socket;
        loop {
            let mut listener = signals.as_fd();
            let mut timeout = PollTimeout::NONE;
            if let Some(processors) = &self.processors {
                listener = processors.listener();
                timeout = processors.timeout();
            }
            let mut watched = [
                PollFd::new(borrow(&socket), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(listener, PollFlags::POLLIN),
            ];
            if poll(&mut watched, timeout).is_err() {
                continue;
            }
            let [has_request, has_signal, has_notification] =
                watched.map(|one| one.any().unwrap_or(true));
            self.place(has_notification);
            if has_signal {
                while let Ok(Some(_)) = signals.read_signal() {}
                self.reap();
            }
            // While a command runs, the host sends nothing: readable means closed.
            if has_request && (self.running.is_some() || !self.receive()) {
                return;
            }
        }
    }

    /// Releases processes that ask for their processors, and all of them when the command has run
    /// long.
    fn place(&mut self, has_notification: bool) {
        let Some(processors) = &mut self.processors else {
            return;
        };
        if has_notification {
            processors.answer();
        }
        if processors.has_run_long()
            && let Some(newest) = self.launcher.newest_pid()
        {
            processors.release_all(newest);
        }
    }

    /// Waits for what has ended. When the command has, everything that it left running is ended
    /// too, before the host hears of it and works on the tree.
    fn reap(&mut self) {
        loop {
            let mut status = 0;
            // SAFETY: `status` is where the kernel writes an int.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            if pid <= 0 {
                return;
            }
            if self.running == Some(pid) {
                self.running = None;
                if let Some(processors) = &mut self.processors {
                    processors.command_ended();
                }
                let left = if self.is_init {
                    kill_namespace()
                } else {
                    self.kill_children()
                };
                self.reply(Reply::Ended { status, left });
            }
        }
    }

    /// Reads one request and starts its command. False when the socket is closed.
    fn receive(&mut self) -> bool {
        let Some(request) = self.buffer.read(self.socket) else {
            return false;
        };
        let one_processor = self.processors.is_some();
        match self.launcher.start(&request, self.null, one_processor) {
            Ok(pid) => {
                self.running = Some(pid);
                if let Some(processors) = &mut self.processors {
                    processors.command_started();
                }
            }
            Err(error) => self.reply(Reply::NotStarted(error.raw_os_error())),
        }
        true
    }

    fn reply(&self, reply: Reply) {
        let bytes: [u8; REPLY] = reply.encode();
        let flags = libc::MSG_NOSIGNAL;
        // SAFETY: reads `bytes`. A socket whose other end is closed gives an error, not a signal.
        unsafe { libc::send(self.socket, bytes.as_ptr().cast(), bytes.len(), flags) };
    }

    /// Kills the remaining processes where there is no PID namespace: every child, then those that
    /// become children by that. Returns how many there were.
    fn kill_children(&self) -> u32 {
        let mut text = [0u8; 4096];
        let mut killed_in_all = 0;
        loop {
            let Ok(length) = rustix::io::pread(borrow(&self.children), &mut text, 0) else {
                return killed_in_all;
            };
            let listed = text.get(..length).unwrap_or_default();
            let mut killed = false;
            for word in listed.split_inclusive(|&b| b == b' ') {
                let pid = number(word);
                // SAFETY: a child that is not yet reaped, so the PID is still its own; 0 and below
                // are groups.
                killed |= pid > 1 && unsafe { libc::kill(pid, libc::SIGKILL) } == 0;
            }
            // SAFETY: waits for one of the children just killed.
            if !killed || unsafe { libc::waitpid(-1, ptr::null_mut(), 0) } < 0 {
                return killed_in_all;
            }
            killed_in_all += 1;
        }
    }
}

/// Kills all processes of the namespace but this one, its PID 1, and waits until they are gone: the
/// orphans are its children. Returns how many there were. The kernel lets no process fork that has a
/// signal pending, so one call reaches all.
fn kill_namespace() -> u32 {
    let mut killed = 0;
    // SAFETY: in a PID namespace, -1 is all of its processes but PID 1.
    if unsafe { libc::kill(-1, libc::SIGKILL) } != 0 {
        return 0;
    }
    let mut status = 0;
    // SAFETY: waits for one of the processes just killed. Some may have ended before.
    while unsafe { libc::waitpid(-1, &mut status, 0) } > 0 {
        killed += u32::from(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
    }
    killed
}

/// Where the kernel placed the arguments and the variables, one after the other
/// (proc_pid_stat(5)).
fn environment() -> Option<Range<usize>> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    // The field after the name is the third.
    let mut fields = fields.split_ascii_whitespace().skip(48 - 3);
    let start = fields.next()?.parse().ok()?;
    let end = fields.nth(2)?.parse().ok()?;
    (0 < start && start < end).then_some(start..end)
}

/// A PID in decimal, followed by a space; 0 for a number that was cut off.
fn number(word: &[u8]) -> c_int {
    let Some(digits) = word.strip_suffix(b" ") else {
        return 0;
    };
    let mut number: c_int = 0;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        number = number.wrapping_mul(10).wrapping_add(value.into());
    }
    number
}

/// A descriptor that stays open as long as this process runs.
fn borrow(fd: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: nothing closes the socket, the tree, /dev/null or the list of children while they are
    // borrowed.
    unsafe { BorrowedFd::borrow_raw(*fd) }
}
