//! PID 1 of the sandbox, which starts one command after another.
//!
//! It is this program, executed again as [`NAME`] by `start`: nothing of the memory of the run,
//! with its keys, tokens and environment, is in the process that scripts can see. It ends when its
//! socket is closed, and the kernel then kills all its descendants and drops its mounts. `setup`
//! prepares it, `request` reads a request, `launch` starts the command, `processors` places it,
//! `own_proc` stands in for /proc where none can be mounted.
#![expect(unsafe_code, reason = "descriptors by number, signals")]

mod capabilities;
mod emulation;
#[cfg(any(test, feature = "testing"))]
pub(super) mod fuzz;
mod launch;
mod own_proc;
mod processors;
mod request;
mod setup;

use std::ffi::{CStr, CString, OsString, c_int};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;

use super::start::Starter;
use super::wire::{REPLY, Reply, RequestKind};
use super::zygote::{Coverer, Zygotes};
use super::{SetupStep, refused, seccomp};
use crate::formats::arch::Architecture;
use crate::kernel::wait;
use launch::Launcher;
use own_proc::OwnProc;
use processors::Processors;
use request::{ExecRequest, RequestBuffer};

/// The name by which the program is executed as PID 1.
const NAME: &str = "rbootstrap-sandbox";

/// The descriptor of the socket to the host, when the program is executed.
pub(super) const SOCKET: RawFd = 3;

/// The descriptor of the tree's root, when the program is executed.
pub(super) const TREE: RawFd = 4;

/// The descriptor of an emulator's program, when this program is executed and an architecture is
/// emulated.
pub(super) const EMULATOR: RawFd = 5;

/// Everything that PID 1 works with.
struct Init {
    /// Features not to use, as bits of [`refused`]: tests take these ways.
    without: u32,
    /// Whether this is PID 1 of its own namespace.
    is_init: bool,
    /// Keeps commands on one processor, where that can be hidden.
    processors: Option<Processors>,
    /// Shows commands their part of /proc, where none can be mounted.
    own_proc: Option<OwnProc>,
    buffer: RequestBuffer,
    launcher: Launcher,
    /// Whether Perl scripts may have zygotes.
    shares_perl: bool,
    /// Whether a supervisor records the owners of files.
    records_owners: bool,
    /// The architecture that is emulated, by its number of seccomp filters; 0 for none.
    emulated: u32,
    /// Waits to cover the Perl scripts, before the first command.
    coverer: Option<Coverer>,
    /// Once the Perl scripts are covered.
    zygotes: Option<Zygotes>,
    /// The running command.
    running: Option<c_int>,
    /// /proc's list of this process's children, if it is not PID 1.
    children: RawFd,
}

/// The arguments with which the program is executed as PID 1: its name, the features not to use,
/// those that were refused already, whether Perl scripts may have zygotes, whether owners are
/// recorded, and which architecture is emulated.
pub(super) fn arguments(refused: u32, starter: &Starter<'_>) -> Vec<CString> {
    let mut arguments = Vec::new();
    arguments.extend(CString::new(NAME));
    for number in [
        starter.without,
        refused,
        u32::from(starter.shares_perl),
        u32::from(starter.records_owners),
        starter.emulated.map_or(0, Architecture::audit_number),
    ] {
        arguments.extend(CString::new(number.to_string()));
    }
    arguments
}

/// Runs the sandbox if these are the arguments of its PID 1.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != NAME {
        return None;
    }
    let mut numbers = [0; 5];
    for number in &mut numbers {
        *number = arguments.next()?.to_str()?.parse().ok()?;
    }
    let [without, refused, shares_perl, records_owners, emulated] = numbers;
    let mut init = Init::new(without, refused);
    init.shares_perl = shares_perl != 0;
    init.records_owners = records_owners != 0;
    init.emulated = emulated;
    Some(init.run(refused))
}

impl Init {
    fn new(without: u32, refused: u32) -> Init {
        Init {
            without,
            is_init: refused & refused::PID == 0,
            processors: None,
            own_proc: None,
            buffer: RequestBuffer::new(),
            launcher: Launcher::new(),
            shares_perl: false,
            records_owners: false,
            emulated: 0,
            coverer: None,
            zygotes: None,
            running: None,
            children: -1,
        }
    }

    fn run(&mut self, refused: u32) -> ExitCode {
        let signals = match self.set_up(refused) {
            Ok((refused, signals)) => {
                send(SOCKET, Reply::Ready(refused));
                signals
            }
            Err((step, error)) => {
                send(SOCKET, Reply::Refused(step as u32, error.raw_os_error()));
                return ExitCode::FAILURE;
            }
        };
        self.serve(&signals);
        if !self.is_init {
            self.kill_children();
        }
        ExitCode::SUCCESS
    }

    /// Starts requested commands and reaps what ends, until the socket closes.
    fn serve(&mut self, signals: &SignalFd) {
        loop {
            let mut listener = signals.as_fd();
            let mut timeout = PollTimeout::NONE;
            if let Some(processors) = &self.processors {
                listener = processors.listener().unwrap_or(listener);
                timeout = processors.timeout();
            } else if let Some(own_proc) = &self.own_proc {
                listener = own_proc.listener().unwrap_or(listener);
            }
            let mut watched = [
                PollFd::new(borrow(&SOCKET), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(listener, PollFlags::POLLIN),
            ];
            match poll(&mut watched, timeout) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                // A script can lower this process's limit of descriptors. Trying again would never
                // end.
                Err(_) => return,
            }
            let has_hung_up = watched[2].revents() == Some(PollFlags::POLLHUP);
            let [has_request, has_signal, has_notification] =
                watched.map(|one| one.any().unwrap_or(true));
            self.place(has_notification);
            if let Some(own_proc) = &mut self.own_proc {
                match (has_hung_up, has_notification) {
                    (true, _) => own_proc.command_ended(),
                    (false, true) => own_proc.answer(),
                    (false, false) => {}
                }
            }
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
            if let Some(zygotes) = &self.zygotes {
                zygotes.unmark(pid, 0);
            }
            if self.running == Some(pid) {
                self.running = None;
                if let Some(processors) = &mut self.processors {
                    processors.command_ended();
                }
                if let Some(own_proc) = &mut self.own_proc {
                    own_proc.command_ended();
                }
                let left = self.kill_what_is_left();
                send(SOCKET, Reply::Ended { status, left });
            }
        }
    }

    /// Reads one request and does what it asks for. False when the socket is closed.
    fn receive(&mut self) -> bool {
        let Some(request) = self.buffer.read(SOCKET) else {
            return false;
        };
        match request.kind {
            RequestKind::Run => self.run_command(&request),
            RequestKind::StartZygote => self.start_zygote(request),
            RequestKind::CoverScripts => self.cover_scripts(),
        }
        true
    }

    fn run_command(&mut self, request: &ExecRequest) {
        // No command runs beside a process without the filter.
        self.coverer = None;
        let one_processor = self.processors.is_some();
        let handover = self.own_proc.as_ref().map(OwnProc::handover);
        match self.launcher.start(request, one_processor, handover) {
            Ok(pid) => {
                self.running = Some(pid);
                if let Some(own_proc) = &mut self.own_proc {
                    own_proc.command_started();
                }
                if let Some(processors) = &mut self.processors {
                    processors.command_started();
                }
            }
            Err(error) => {
                if self.zygotes.is_some() {
                    self.kill_what_is_left();
                }
                send(SOCKET, Reply::NotStarted(error.raw_os_error()));
            }
        }
    }

    /// Starts a zygote for the next command, on any processor: it compiles while the command
    /// starts. Without it, runs go the ordinary way.
    fn start_zygote(&mut self, mut request: ExecRequest) {
        let Some(zygotes) = &mut self.zygotes else {
            return;
        };
        // SAFETY: the request's arguments are strings, ended by NULL.
        let has_cover = unsafe {
            let script = *request.argv;
            !script.is_null() && zygotes.has_cover(CStr::from_ptr(script))
        };
        if !has_cover {
            return;
        }
        if let Ok(null) = rustix::io::fcntl_dupfd_cloexec(borrow(&0), 3) {
            request.output = null;
        }
        if let Ok(pid) = self.launcher.start(&request, false, None) {
            zygotes.started(pid);
        }
    }

    fn cover_scripts(&mut self) {
        let covered = match self.coverer.take() {
            Some(coverer) => coverer.cover(),
            None => Ok(0),
        };
        let reply = match covered {
            Ok(scripts) => Reply::Covered { scripts, error: 0 },
            Err(error) => Reply::Covered {
                scripts: 0,
                error: error.raw_os_error().unwrap_or(libc::EIO),
            },
        };
        if matches!(reply, Reply::Covered { scripts, .. } if scripts != 0) {
            self.zygotes = Zygotes::open();
        }
        send(SOCKET, reply);
    }

    /// Kills everything that a command leaves running, its zygotes too. Returns how many other
    /// processes there were.
    fn kill_what_is_left(&mut self) -> u32 {
        let left = match self.is_init {
            true => kill_namespace(self.zygotes.as_ref()),
            false => self.kill_children(),
        };
        if let Some(zygotes) = &mut self.zygotes {
            zygotes.forget();
        }
        left
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
            if !killed {
                return killed_in_all;
            }
            // One of the children just killed.
            let Ok(status) = wait::reap(-1) else {
                return killed_in_all;
            };
            killed_in_all += u32::from(was_killed(status));
        }
    }
}

/// Sends a reply to the host. Makes one system call, so it can be used before the exec.
pub(super) fn send(socket: RawFd, reply: Reply) {
    let bytes: [u8; REPLY] = reply.encode();
    let flags = libc::MSG_NOSIGNAL;
    // SAFETY: reads `bytes`. A socket whose other end is closed gives an error, not a signal.
    unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), flags) };
}

/// Kills all processes of the namespace but this one, its PID 1, and waits until they are gone: the
/// orphans are its children. Returns how many there were besides zygotes. The kernel lets no
/// process fork that has a signal pending, so one call reaches all.
fn kill_namespace(zygotes: Option<&Zygotes>) -> u32 {
    let mut killed = 0;
    // SAFETY: in a PID namespace, -1 is all of its processes but PID 1.
    if unsafe { libc::kill(-1, libc::SIGKILL) } != 0 {
        return 0;
    }
    while let Some((pid, session)) = wait_for_end() {
        let is_zygote = zygotes.is_some_and(|zygotes| zygotes.unmark(pid, session));
        // Some may have ended before.
        let was_killed = wait::reap(pid).is_ok_and(was_killed);
        killed += u32::from(was_killed && !is_zygote);
    }
    killed
}

/// Waits until a child has ended, and leaves it to be reaped. Returns its PID and its session.
fn wait_for_end() -> Option<(c_int, c_int)> {
    let pid = wait::wait_for_any().ok()?;
    // SAFETY: a plain number.
    Some((pid, unsafe { libc::getsid(pid) }))
}

fn was_killed(status: c_int) -> bool {
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL
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
    // SAFETY: nothing closes the socket, the tree or the list of children while they are borrowed.
    unsafe { BorrowedFd::borrow_raw(*fd) }
}
