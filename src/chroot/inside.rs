//! The process inside the box: PID 1 of its namespaces, which starts one command after another.
//!
//! It is cloned off a program with many threads, so it may neither allocate nor panic nor take a lock: all that it needs is made
//! ready in [`Inside::new`], and what follows is a list of system calls. It ends when its socket is closed, and with it, by the
//! kernel's hand, ends all that it started and every mount that it made.
#![expect(unsafe_code, reason = "clone, exec and signals after it are beyond what the compiler can check")]

use std::ffi::{c_char, c_int, c_void};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::wire::{ANSWER, Answer, HEADER, MOST_BYTES, MOST_STRINGS};
use super::{HOSTNAME, Step, filter, mounts, refused};

const STACK: usize = 256 * 1024;

/// All that the process inside works with.
pub(super) struct Inside {
    socket: RawFd,
    tree: RawFd,
    null: RawFd,
    /// what not to ask for, as bits of [`refused`]: for tests of the ways around
    without: u32,
    /// whether this is PID 1 of a namespace of its own
    is_init: bool,
    filter: Vec<libc::sock_filter>,
    strings: Vec<u8>,
    pointers: Vec<*const c_char>,
    stack: Vec<u8>,
    /// the command under way
    running: Option<c_int>,
    /// /proc's list of this process's children, where it is not PID 1
    children: RawFd,
    command: Command,
}

/// What the child of one command needs, between clone and exec.
struct Command {
    programs: *const *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    output: RawFd,
    null: RawFd,
    /// set by the child, which shares this memory, when nothing could be executed
    error: c_int,
}

impl Inside {
    pub(super) fn new(socket: BorrowedFd<'_>, tree: BorrowedFd<'_>, null: BorrowedFd<'_>, without: u32) -> Inside {
        let command = Command { programs: ptr::null(), argv: ptr::null(), env: ptr::null(), output: -1, null: -1, error: 0 };
        Inside {
            socket: socket.as_raw_fd(),
            tree: tree.as_raw_fd(),
            null: null.as_raw_fd(),
            without,
            is_init: false,
            filter: filter::program(),
            strings: vec![0; MOST_BYTES],
            pointers: vec![ptr::null(); MOST_STRINGS],
            stack: vec![0; STACK],
            running: None,
            children: -1,
            command,
        }
    }

    /// Starts the process, in a PID namespace of its own where that is allowed.
    pub(super) fn start(mut self) -> nix::Result<Pid> {
        // A signal that comes between clone and the reset inside would run the program's own handler there.
        let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
        let mut stack = vec![0; STACK];
        self.is_init = self.without & refused::PID == 0;
        let mut started = if self.is_init { self.clone_off(&mut stack, libc::CLONE_NEWPID) } else { Err(nix::Error::EPERM) };
        if started.is_err() {
            self.is_init = false;
            started = self.clone_off(&mut stack, 0);
        }
        before.thread_set_mask()?;
        started
    }

    fn clone_off(&mut self, stack: &mut [u8], flags: c_int) -> nix::Result<Pid> {
        extern "C" fn main(inside: *mut c_void) -> c_int {
            // SAFETY: the pointer is the `self` of `clone_off`, in this process's own copy of the memory.
            let inside = unsafe { &mut *inside.cast::<Inside>() };
            inside.live()
        }
        let inside: *mut Inside = self;
        // SAFETY: without CLONE_VM the new process has a copy of all memory, this stack and `self` included; it runs `main`,
        // which makes system calls on memory that is there already, and leaves by `_exit` when `main` returns.
        let pid = unsafe { libc::clone(main, top(stack), flags | libc::SIGCHLD, inside.cast()) };
        nix::errno::Errno::result(pid).map(Pid::from_raw)
    }

    fn live(&mut self) -> c_int {
        let entered = self.enter();
        let signals = match entered {
            Ok((refused, signals)) => {
                self.answer(Answer::Ready(refused));
                signals
            }
            Err((step, error)) => {
                self.answer(Answer::Refused(step as u32, error.raw_os_error()));
                return 1;
            }
        };
        self.serve(&signals);
        if !self.is_init {
            self.kill_all();
        }
        0
    }

    /// From a copy of the caller to the first process of the box.
    fn enter(&mut self) -> Result<(u32, SignalFd), (Step, Errno)> {
        let mut refused = if self.is_init { 0 } else { refused::PID };
        reset_signals();
        let _ = rustix::process::setsid(); // no terminal, so no Ctrl-C from one
        self.close_other_files();
        rustix::process::umask(Mode::from_raw_mode(0o022));
        limit_resources();
        // The directory before the namespace: the kernel moves it to the namespace's own copy of the mount.
        rustix::process::fchdir(borrow(&self.tree)).map_err(|e| (Step::Tree, e))?;
        if !self.is_init {
            // Orphans come to this process, as they do to PID 1.
            let _ = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1));
            let list = rustix::fs::open(c"/proc/thread-self/children", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            self.children = list.map_or(-1, IntoRawFd::into_raw_fd);
        }
        refused |= self.unshare();
        refused |= mounts::enter(refused & refused::MOUNT == 0)?;
        if refused & refused::UTS == 0 {
            let _ = rustix::system::sethostname(HOSTNAME.as_bytes());
        }
        if refused & refused::NET == 0 {
            raise_loopback();
        }
        for standard in 0..3 {
            // SAFETY: plain descriptor numbers; the three are nobody's `OwnedFd` here.
            unsafe { libc::dup2(self.null, standard) };
        }
        let mut child = SigSet::empty();
        child.add(nix::sys::signal::Signal::SIGCHLD);
        let signals = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let signals = signals.map_err(|e| (Step::Signals, Errno::from_raw_os_error(e as i32)))?;
        if self.without & refused::FILTER != 0 || !set_filter(&self.filter) {
            refused |= refused::FILTER;
        }
        Ok((refused, signals))
    }

    /// Leaves the host's namespaces, one by one, so that a refused one does not take the others with it.
    fn unshare(&self) -> u32 {
        let namespaces = [
            (refused::MOUNT, UnshareFlags::NEWNS),
            (refused::IPC, UnshareFlags::NEWIPC),
            (refused::UTS, UnshareFlags::NEWUTS),
            (refused::NET, UnshareFlags::NEWNET),
        ];
        let mut refused = 0;
        for (bit, namespace) in namespaces {
            // SAFETY: none of these touches the descriptor table, and this process has one thread.
            if self.without & bit != 0 || unsafe { rustix::thread::unshare_unsafe(namespace) }.is_err() {
                refused |= bit;
            }
        }
        refused
    }

    /// Other boxes' sockets above all: they would not see their end while a copy is open here.
    fn close_other_files(&self) {
        let mut kept = [self.socket, self.tree, self.null];
        kept.sort_unstable();
        let mut from = 3;
        for fd in kept {
            close_range(from, fd - 1);
            from = fd + 1;
        }
        close_range(from, c_int::MAX);
    }

    /// Starts what is asked for and reaps whatever ends, until the socket closes.
    fn serve(&mut self, signals: &SignalFd) {
        let socket = self.socket;
        loop {
            let mut watched = [PollFd::new(borrow(&socket), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            if poll(&mut watched, PollTimeout::NONE).is_err() {
                continue;
            }
            let [asked, ended] = watched.map(|one| one.revents().is_some_and(|events| !events.is_empty()));
            if ended {
                while let Ok(Some(_)) = signals.read_signal() {}
                self.reap();
            }
            // While a command runs, the outside says nothing but that it goes away.
            if asked && (self.running.is_some() || !self.receive()) {
                return;
            }
        }
    }

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
                self.answer(Answer::Ended(status));
            }
        }
    }

    /// Reads one request and starts it. False when there is none to come.
    fn receive(&mut self) -> bool {
        let mut header = [0u8; HEADER];
        let Some(output) = receive_header(self.socket, &mut header) else { return false };
        let [programs, arguments, variables, bytes] = counts(&header);
        let Some(strings) = self.strings.get_mut(..bytes) else { return false };
        if programs + arguments + variables + 3 > MOST_STRINGS || !read_exactly(self.socket, strings) {
            return false;
        }
        let strings = &self.strings[..bytes];
        let (mut at, mut slot) = (0, 0);
        for count in [programs, arguments, variables] {
            for _ in 0..count {
                let Some(string) = strings.get(at..) else { return false };
                let Some(length) = string.iter().position(|&b| b == 0) else { return false };
                self.pointers[slot] = string.as_ptr().cast();
                (slot, at) = (slot + 1, at + length + 1);
            }
            self.pointers[slot] = ptr::null();
            slot += 1;
        }
        let [argv, env] = [programs + 1, programs + arguments + 2].map(|from| self.pointers[from..].as_ptr());
        let programs = self.pointers.as_ptr();
        self.command = Command { programs, argv, env, output: output.as_raw_fd(), null: self.null, error: 0 };
        self.execute();
        true
    }

    fn execute(&mut self) {
        extern "C" fn child(command: *mut c_void) -> c_int {
            // SAFETY: the pointer is `Inside::command`; its owner sleeps (CLONE_VFORK) as long as this runs.
            unsafe { become_command(&mut *command.cast::<Command>()) }
        }
        let command: *mut Command = &mut self.command;
        // SAFETY: the child runs on a stack of its own in this process's memory while this process is suspended, until it has
        // executed a program or left. A copy of the memory, which may be large, is never made.
        let pid = unsafe { libc::clone(child, top(&mut self.stack), libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, command.cast()) };
        if pid < 0 {
            let error = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::AGAIN);
            return self.answer(Answer::NotStarted(error.raw_os_error()));
        }
        // SAFETY: reading an int that the child, now gone from this memory, may have written.
        let error = unsafe { ptr::read_volatile(&raw const self.command.error) };
        if error != 0 {
            // SAFETY: waits for the child that found nothing to execute; its status is of no use.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            return self.answer(Answer::NotStarted(error));
        }
        self.running = Some(pid);
    }

    fn answer(&self, answer: Answer) {
        let bytes: [u8; ANSWER] = answer.encode();
        // SAFETY: reads `bytes`; a socket that nobody listens at any more is an error, not a signal.
        unsafe { libc::send(self.socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    }

    /// Without a PID namespace nobody ends the leftovers for us: kills every child, then those that become ours by that.
    fn kill_all(&self) {
        let mut text = [0u8; 4096];
        loop {
            let Ok(length) = rustix::io::pread(borrow(&self.children), &mut text, 0) else { return };
            let listed = text.get(..length).unwrap_or_default();
            let mut killed = false;
            for number in listed.split_inclusive(|&b| b == b' ').filter(|number| number.ends_with(b" ")) {
                let digits = number.iter().filter(|b| b.is_ascii_digit());
                let pid = digits.fold(0, |pid: c_int, b| pid.wrapping_mul(10).wrapping_add(c_int::from(b - b'0')));
                // SAFETY: a child of ours that is not yet reaped, so the number is still its own; 0 and below are groups.
                killed |= pid > 1 && unsafe { libc::kill(pid, libc::SIGKILL) } == 0;
            }
            // SAFETY: waits for one of the children just killed.
            if !killed || unsafe { libc::waitpid(-1, ptr::null_mut(), 0) } < 0 {
                return;
            }
        }
    }
}

/// The child's way to the command. It shares the memory of its parent and must leave it as it was.
///
/// # Safety
///
/// The pointers of `command` are NULL-ended arrays of strings, as `execve` takes them.
unsafe fn become_command(command: &mut Command) -> c_int {
    // SAFETY: system calls on plain numbers and on the strings that the caller vouches for.
    unsafe {
        libc::setsid(); // `kill 0` in a script hits that script alone
        libc::dup2(command.null, 0);
        libc::dup2(command.output, 1);
        libc::dup2(command.output, 2);
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        let mut error = libc::ENOENT;
        let mut program = command.programs;
        while !(*program).is_null() {
            libc::execve(*program, command.argv, command.env);
            // As execvp: what is not there is looked for further on; the first other reason is the one to tell.
            error = *libc::__errno_location();
            if error != libc::ENOENT && error != libc::ENOTDIR {
                break;
            }
            program = program.add(1);
        }
        // Only here, when no exec succeeded: the parent reads it afterwards.
        command.error = error;
    }
    127
}

/// The first message of a request: its header, and the pipe that the command writes to.
fn receive_header(socket: RawFd, header: &mut [u8; HEADER]) -> Option<OwnedFd> {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: header.as_mut_ptr().cast(), iov_len: HEADER };
    // SAFETY: all-zero is a valid msghdr; its pointers are set to buffers that outlive the call, with their sizes. The kernel
    // fills the control buffer with whole headers, which CMSG_FIRSTHDR finds; the descriptor in it is ours alone.
    unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        let read = libc::recvmsg(socket, &mut message, libc::MSG_CMSG_CLOEXEC | libc::MSG_WAITALL);
        let passed = libc::CMSG_FIRSTHDR(&message);
        if read != HEADER as isize || passed.is_null() || (*passed).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        let fd = ptr::read_unaligned(libc::CMSG_DATA(passed).cast::<c_int>());
        Some(OwnedFd::from_raw_fd(fd))
    }
}

fn counts(header: &[u8; HEADER]) -> [usize; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(|bytes| (u32::from_ne_bytes(bytes) as usize).min(MOST_BYTES))
}

fn read_exactly(socket: RawFd, mut into: &mut [u8]) -> bool {
    while !into.is_empty() {
        match rustix::io::read(borrow(&socket), &mut *into) {
            Ok(0) => return false,
            Ok(read) => into = into.get_mut(read..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Every signal as a new process expects it: Rust's own programs ignore SIGPIPE, ours also catches SIGINT.
fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: no handler is set, only taken away.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// No core dumps in the tree, and few enough descriptors for scripts that close all of them one by one.
fn limit_resources() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most.min(1024), most);
    }
}

/// Programs that talk to themselves through 127.0.0.1 find it up; there is nothing else.
fn raise_loopback() {
    // SAFETY: all-zero is a valid ifreq; the ioctl reads it.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = mem::zeroed();
        request.ifr_name[0] = b'l' as c_char;
        request.ifr_name[1] = b'o' as c_char;
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &request);
        libc::close(socket);
    }
}

/// Without CAP_SYS_ADMIN the kernel wants `no_new_privs` first, which would take setuid from what scripts start: then rather none.
fn set_filter(program: &[libc::sock_filter]) -> bool {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, which is only read.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) == 0 }
}

fn close_range(from: RawFd, to: RawFd) {
    if from <= to {
        // SAFETY: descriptors that only this copy of the program would close.
        unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    }
}

/// A descriptor that is open as long as this process.
fn borrow(fd: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: socket, tree, null and children are closed by nobody here.
    unsafe { BorrowedFd::borrow_raw(*fd) }
}

/// Where a stack begins: its end, aligned as every architecture wants it.
fn top(stack: &mut [u8]) -> *mut c_void {
    let end = stack.as_mut_ptr_range().end;
    end.wrapping_sub(end as usize % 16).cast()
}
