//! Prepares PID 1 of the sandbox: namespaces, mounts, descriptors, limits, filters.
#![expect(unsafe_code, reason = "descriptors by number, signals, an ioctl")]

use std::ffi::{c_char, c_int};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use libc::sock_filter;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::UnshareFlags;

use super::{Coverer, EMULATOR, Init, OwnProc, Processors, SOCKET, SetupStep, TREE};
use super::{borrow, capabilities, emulation, own_proc, processors, refused, seccomp};
use crate::kernel::descriptors::close_inherited_descriptors;
use crate::kernel::filter;
use crate::sandbox::seccomp::Policy;
use crate::sandbox::{HOSTNAME, mounts};

/// The first descriptor after the standard ones.
const FIRST: RawFd = 3;

const NAMESPACES: [(u32, UnshareFlags); 5] = [
    (refused::MOUNT, UnshareFlags::NEWNS),
    (refused::IPC, UnshareFlags::NEWIPC),
    (refused::UTS, UnshareFlags::NEWUTS),
    (refused::NET, UnshareFlags::NEWNET),
    (refused::CGROUP, UnshareFlags::NEWCGROUP),
];

impl Init {
    /// Returns what the host refused, with what it had refused before, and the descriptor that
    /// signals ended children.
    pub(super) fn set_up(
        &mut self,
        mut refused: u32,
    ) -> Result<(u32, SignalFd), (SetupStep, Errno)> {
        // Keeps scripts from looking into this process through /proc and ptrace.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        reset_signals();
        let _ = rustix::process::setsid(); // no terminal, so no Ctrl-C from one
        self.keep_descriptors();
        rustix::process::umask(Mode::from_raw_mode(0o022));
        limit_resources();
        if refused & refused::USER == 0 {
            limit_inotify();
        }
        // Groups of the caller, some of which may have no number here.
        let _ = nix::unistd::setgroups(&[]);
        join_new_keyring();
        // The directory before the namespace: the kernel moves it to the namespace's own copy of
        // the mount.
        rustix::process::fchdir(borrow(&TREE)).map_err(|e| (SetupStep::EnterTree, e))?;
        if !self.is_init {
            self.adopt_orphans()
                .map_err(|e| (SetupStep::WatchChildren, e))?;
        }
        refused |= self.unshare();
        let emulation = self.register_emulator(refused);
        let processes = self.container_processes(refused);
        refused |= mounts::enter(refused & refused::MOUNT == 0)?;
        if refused & refused::UTS == 0 {
            let _ = rustix::system::sethostname(HOSTNAME.as_bytes());
        }
        if refused & refused::NET == 0 {
            raise_loopback();
        }
        let kept = [emulation.as_ref(), processes.as_ref()];
        self.let_go_of_the_host(kept.map(|kept| kept.map_or(-1, OwnedFd::as_raw_fd)));
        // Stays open as long as this process.
        let _ = emulation.map(IntoRawFd::into_raw_fd);
        let mut child = SigSet::empty();
        child.add(Signal::SIGCHLD);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&child, flags)
            .map_err(|e| (SetupStep::WatchChildren, Errno::from_raw_os_error(e as i32)))?;
        if self.without & refused::CAPABILITIES == 0 && capabilities::can_be_dropped() {
            let is_pivoted = refused & (refused::MOUNT | refused::PIVOT) == 0;
            self.launcher
                .keep_capabilities(capabilities::kept(is_pivoted));
        } else {
            refused |= refused::CAPABILITIES;
        }
        // What zygotes need, so that they see the sandbox alone and end with a command.
        let needed = refused::MOUNT | refused::PID | refused::DEV | refused::PROC;
        if self.shares_perl && refused & needed == 0 {
            self.coverer = Coverer::fork();
        }
        refused |= self.install_filters(processes);
        if refused & refused::MOUNT != 0 && self.own_proc.is_none() {
            refused |= refused::PROC;
        }
        Ok((refused, signals))
    }

    /// Closes what was opened on the host. Through a descriptor of the host, `/proc/1/fd/N/..`
    /// would lead to its files, and `/proc/self/fd/0` to its /dev/null.
    ///
    /// `kept` stays open: an emulator leads nowhere, and nobody sees what this process has open in
    /// the /proc of a container.
    fn let_go_of_the_host(&mut self, kept: [RawFd; 2]) {
        if let Some(input) = open_null().or_else(empty_input) {
            for standard in 0..3 {
                // SAFETY: plain descriptor numbers; no `OwnedFd` owns the three here.
                unsafe { libc::dup2(input, standard) };
            }
        }
        let [first, second] = kept;
        close_inherited_descriptors(FIRST, [SOCKET, self.children, first, second]);
    }

    /// Closes what the caller of the program left open. What it was executed with came through that
    /// exec; no command may have it.
    fn keep_descriptors(&self) {
        let emulator = match self.emulated {
            0 => -1,
            _ => EMULATOR,
        };
        let kept = [SOCKET, TREE, emulator];
        close_inherited_descriptors(FIRST, kept);
        for descriptor in kept.iter().filter(|kept| **kept >= 0) {
            let _ = rustix::io::fcntl_setfd(borrow(descriptor), FdFlags::CLOEXEC);
        }
    }

    /// Registers the emulator, if there is one and this would not reach the host. The result has to
    /// stay open. Without it, the first program of the architecture fails.
    fn register_emulator(&self, refused: u32) -> Option<OwnedFd> {
        if self.emulated == 0 || refused & (refused::USER | refused::MOUNT) != 0 {
            return None;
        }
        emulation::register(self.emulated).ok()
    }

    /// Makes orphans children of this process, as they are of PID 1, and opens the list of
    /// children, without which none could be killed.
    fn adopt_orphans(&mut self) -> Result<(), Errno> {
        rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
        let path = c"/proc/thread-self/children";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let list = rustix::fs::open(path, flags, Mode::empty())?;
        self.children = list.into_raw_fd();
        Ok(())
    }

    /// Leaves the host's namespaces one by one, so that a refused one does not prevent the others.
    fn unshare(&self) -> u32 {
        let mut refused = 0;
        for (bit, namespace) in NAMESPACES {
            // SAFETY: none of these affects the descriptor table, and this process has one thread.
            let unshared = self.without & bit == 0
                && unsafe { rustix::thread::unshare_unsafe(namespace) }.is_ok();
            if !unshared {
                refused |= bit;
            }
        }
        refused
    }

    /// The listener needs a PID namespace, where PIDs are few and count up.
    fn install_filters(&mut self, processes: Option<OwnedFd>) -> u32 {
        if self.without & refused::FILTER != 0 {
            return refused::FILTER;
        }
        if self.is_init && self.without & refused::LISTENER == 0 {
            self.processors = Processors::listen(&processors::filter());
        }
        let mut refused = 0;
        if self.processors.is_none() {
            refused |= refused::LISTENER;
        }
        let policy = Policy {
            is_alone: self.is_init,
            records_owners: self.records_owners,
        };
        let program = seccomp::policy(policy);
        let mut installed = self.filter_commands(&program, processes.as_ref());
        // Without CAP_SYS_ADMIN the kernel accepts a filter only with no_new_privs, and setuid bits
        // then have no effect. Scripts are root, and need /proc more often than those bits.
        if let Err(error) = &installed
            && error.raw_os_error() == Some(libc::EACCES)
            && rustix::thread::set_no_new_privs(true).is_ok()
        {
            refused |= refused::SETUID;
            installed = self.filter_commands(&program, processes.as_ref());
        }
        if installed.is_err() {
            refused |= refused::FILTER;
        }
        refused
    }

    /// Filters the calls of all commands: each installs the filter itself, together with a
    /// listener, or it inherits the filter from this process. Fails if the kernel refuses both.
    fn filter_commands(
        &mut self,
        program: &[sock_filter],
        processes: Option<&OwnedFd>,
    ) -> io::Result<()> {
        let processes = processes.and_then(|processes| processes.try_clone().ok());
        self.own_proc = processes.and_then(|processes| OwnProc::new(processes, program));
        match self.own_proc {
            Some(_) => Ok(()),
            None => filter::install(program),
        }
    }

    /// The /proc of a container that permits neither mounts nor PID namespaces.
    fn container_processes(&self, refused: u32) -> Option<OwnedFd> {
        match refused & refused::MOUNT != 0 && refused & refused::PID != 0 {
            true => own_proc::open_processes(),
            false => None,
        }
    }
}

/// Resets every signal to what a new process expects: Rust's own programs ignore SIGPIPE, ours also
/// catches SIGINT.
fn reset_signals() {
    // The kernel's struct sigaction: SIG_DFL, no flags, no restorer, an empty mask. glibc keeps
    // signals 32 and 33 to itself, but a caller may have had them ignored.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: no handler is set, only removed; the kernel reads as much as the array has.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                size_of::<u64>(),
            )
        };
    }
}

/// No core dumps in the tree, and few enough descriptors for scripts that close all of them one by
/// one.
fn limit_resources() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most.min(1024), most);
    }
}

/// Bounds the instances of inotify, which the kernel also charges to root of the host: its programs
/// need some of the 128 that it may have. The limit is that of this user namespace.
fn limit_inotify() {
    let path = c"/proc/sys/user/max_inotify_instances";
    if let Ok(limit) = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(&limit, b"32");
    }
}

/// Leaves the session keyring of the caller. Keys have no namespace.
fn join_new_keyring() {
    const JOIN_SESSION_KEYRING: c_int = 1;
    // SAFETY: plain numbers; no name, so the keyring is a new one.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, 0) };
}

/// Brings up 127.0.0.1, the only network there is, for programs that talk to themselves.
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

/// Opens the sandbox's own /dev/null, if there is one.
fn open_null() -> Option<RawFd> {
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let path = rustix::fs::open(c"/dev/null", flags | OFlags::PATH, Mode::empty()).ok()?;
    let found = rustix::fs::fstat(path).ok()?;
    let is_null = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && found.st_rdev == rustix::fs::makedev(1, 3);
    if !is_null {
        return None;
    }
    let null = rustix::fs::open(c"/dev/null", flags, Mode::empty()).ok()?;
    Some(null.into_raw_fd())
}

/// A pipe that nobody writes to: the host's /dev/null has a mode and an owner that scripts could
/// change.
fn empty_input() -> Option<RawFd> {
    let (input, _) = std::io::pipe().ok()?;
    Some(input.into_raw_fd())
}
