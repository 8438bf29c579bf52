//! The process inside the box: PID 1 of its namespaces, which starts one command after another.
//!
//! It is cloned off a program with many threads, so it may neither allocate nor panic nor take a lock: all that it needs is made
//! ready in [`Inside::new`], and what follows is a list of system calls. It ends when its socket is closed, and with it, by the
//! kernel's hand, ends all that it started and every mount that it made. A request is read by `request`, a command started by `launch`.
#![expect(
    unsafe_code,
    reason = "clone and signals after it are beyond what the compiler can check"
)]

mod launch;
mod processors;
mod request;

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

use super::wire::{ANSWER, Answer};
use super::{HOSTNAME, Step, filter, mounts, refused};
use launch::{Launcher, STACK, top};
use processors::Processors;
use request::Room;

/// All that the process inside works with.
pub(super) struct Inside {
    socket: RawFd,
    tree: RawFd,
    null: RawFd,
    /// what not to ask for, as bits of [`refused`]: for tests of the ways around
    without: u32,
    /// whether this is PID 1 of a namespace of its own
    is_init: bool,
    /// where somebody listens to it, and where nobody does
    filters: [Vec<libc::sock_filter>; 2],
    /// keeps commands on one processor, where that is not seen
    processors: Option<Processors>,
    room: Room,
    launcher: Launcher,
    /// the command under way
    running: Option<c_int>,
    /// /proc's list of this process's children, where it is not PID 1
    children: RawFd,
}

impl Inside {
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        tree: BorrowedFd<'_>,
        null: BorrowedFd<'_>,
        without: u32,
    ) -> Inside {
        Inside {
            socket: socket.as_raw_fd(),
            tree: tree.as_raw_fd(),
            null: null.as_raw_fd(),
            without,
            is_init: false,
            filters: [true, false].map(filter::program),
            processors: None,
            room: Room::new(),
            launcher: Launcher::new(null.as_raw_fd()),
            running: None,
            children: -1,
        }
    }

    /// Starts the process, in a PID namespace of its own where that is allowed.
    pub(super) fn start(mut self) -> nix::Result<Pid> {
        // A signal that comes between clone and the reset inside would run the program's own handler there.
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
            let list = rustix::fs::open(
                c"/proc/thread-self/children",
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            );
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
        refused |= self.filter();
        Ok((refused, signals))
    }

    /// Sets the filter, with a listener where there are processors to be kept from and processes are known by their numbers.
    fn filter(&mut self) -> u32 {
        if self.without & refused::FILTER != 0 {
            return refused::FILTER;
        }
        let [listened_to, plain] = &self.filters;
        let listening = processors::all()
            .filter(|_| self.is_init && self.without & refused::LISTENER == 0)
            .and_then(|all| {
                let listener = set_filter(listened_to, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
                // SAFETY: with that flag the answer is a descriptor, which is nobody else's.
                Some(Processors::new(all, unsafe {
                    OwnedFd::from_raw_fd(listener)
                }))
            });
        self.processors = listening;
        match self.processors {
            Some(_) => 0,
            None if set_filter(plain, 0).is_some() => refused::LISTENER,
            None => refused::FILTER,
        }
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
            if self.without & bit != 0
                || unsafe { rustix::thread::unshare_unsafe(namespace) }.is_err()
            {
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
            let listener = self
                .processors
                .as_ref()
                .map_or(signals.as_fd(), Processors::listener);
            let mut watched = [borrow(&socket), signals.as_fd(), listener]
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            let timeout = self
                .processors
                .as_ref()
                .map_or(PollTimeout::NONE, Processors::timeout);
            if poll(&mut watched, timeout).is_err() {
                continue;
            }
            let [asked, ended, asked_for_processors] =
                watched.map(|one| one.revents().is_some_and(|events| !events.is_empty()));
            if let Some(processors) = &mut self.processors {
                if asked_for_processors {
                    processors.answer();
                }
                if processors.is_late() {
                    self.launcher
                        .newest()
                        .iter()
                        .for_each(|newest| processors.release_all(*newest));
                }
            }
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
                self.processors.iter_mut().for_each(Processors::ended);
                self.answer(Answer::Ended(status));
            }
        }
    }

    /// Reads one request and starts it. False when there is none to come.
    fn receive(&mut self) -> bool {
        let Some(request) = self.room.read(self.socket) else {
            return false;
        };
        match self.launcher.start(&request, self.processors.is_some()) {
            Ok(pid) => {
                self.running = Some(pid);
                self.processors.iter_mut().for_each(Processors::started);
            }
            Err(error) => self.answer(Answer::NotStarted(error.raw_os_error())),
        }
        true
    }

    fn answer(&self, answer: Answer) {
        let bytes: [u8; ANSWER] = answer.encode();
        // SAFETY: reads `bytes`; a socket that nobody listens at any more is an error, not a signal.
        unsafe {
            libc::send(
                self.socket,
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
            )
        };
    }

    /// Without a PID namespace nobody ends the leftovers for us: kills every child, then those that become ours by that.
    fn kill_all(&self) {
        let mut text = [0u8; 4096];
        loop {
            let Ok(length) = rustix::io::pread(borrow(&self.children), &mut text, 0) else {
                return;
            };
            let listed = text.get(..length).unwrap_or_default();
            let mut killed = false;
            for number in listed
                .split_inclusive(|&b| b == b' ')
                .filter(|number| number.ends_with(b" "))
            {
                let digits = number.iter().filter(|b| b.is_ascii_digit());
                let pid = digits.fold(0, |pid: c_int, b| {
                    pid.wrapping_mul(10).wrapping_add(c_int::from(b - b'0'))
                });
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

/// What the kernel answers, where it takes the filter. Without CAP_SYS_ADMIN it wants `no_new_privs` first, which would take setuid from
/// what scripts start: then rather none.
fn set_filter(program: &[libc::sock_filter], flags: libc::c_ulong) -> Option<c_int> {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which is only read.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    c_int::try_from(answer).ok().filter(|answer| *answer >= 0)
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
