//! Starts PID 1 of the sandbox: a process in a user and a PID namespace of its own that executes a
//! copy of this program.
//!
//! The new process has a copy of the memory of a program with many threads until it executes, so
//! it must not allocate, panic or take a lock: everything it needs is prepared before the clone.
//! What it does after the exec is in `init`.
#![expect(
    unsafe_code,
    reason = "clone, and what happens before exec, is beyond what the compiler can check"
)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::Pid;

use super::control_group::ControlGroups;
use super::init::{self, EMULATOR, SOCKET, TREE};
use super::wire::Reply;
use super::{ScriptLimits, SetupStep, emulator, ids, program, refused};
use crate::formats::arch::Architecture;
use crate::kernel::wait;

/// Bytes of a stack for a cloned process.
const STACK: usize = 64 * 1024;

/// The namespaces that the process is tried to be started without, one after another.
const ATTEMPTS: [u32; 3] = [0, refused::USER, refused::USER | refused::PID];

/// A process that is about to be PID 1.
pub(super) struct Started {
    pub(super) socket: UnixStream,
    pub(super) pid: Pid,
    /// What bounds it and its descendants.
    pub(super) groups: ControlGroups,
}

/// What PID 1 is given besides its socket.
pub(super) struct Starter<'a> {
    /// The root of the tree.
    pub(super) tree: BorrowedFd<'a>,
    pub(super) limits: ScriptLimits,
    /// Features not to use, as bits of [`refused`]: tests take these ways.
    pub(super) without: u32,
    /// Whether Perl scripts may have zygotes.
    pub(super) shares_perl: bool,
    /// Whether a supervisor records the owners of files.
    pub(super) records_owners: bool,
    /// Another architecture, whose programs the host's emulator runs.
    pub(super) emulated: Option<&'static Architecture>,
}

/// What the new process needs until it executes the program.
struct Child {
    /// For its descriptors 0 to 2.
    null: RawFd,
    socket: RawFd,
    /// The other end of its socket, which it must not hold open.
    host_socket: RawFd,
    tree: RawFd,
    /// The program of an emulator; negative for none.
    emulator: RawFd,
    /// The files to execute: the first that the kernel permits.
    programs: [RawFd; 2],
    arguments: Vec<*const c_char>,
    environment: [*const c_char; 1],
}

impl Starter<'_> {
    /// Starts the process, in namespaces of its own if they are permitted.
    pub(super) fn start(&self) -> io::Result<Started> {
        let program = program::own_file()?;
        let copy = program::sealed_copy(&program).ok();
        let null = null()?;
        let programs = [
            copy.as_ref().map_or(-1, OwnedFd::as_raw_fd),
            program.as_raw_fd(),
        ];
        let mut started = Err(io::ErrorKind::PermissionDenied.into());
        for refused in ATTEMPTS {
            if self.without & (refused::USER | refused::PID) & !refused != 0 {
                continue;
            }
            started = self.start_in(refused, programs, null.as_fd());
            if started.is_ok() {
                break;
            }
        }
        started
    }

    /// Starts the process without the namespaces in `refused`.
    fn start_in(
        &self,
        refused: u32,
        programs: [RawFd; 2],
        null: BorrowedFd<'_>,
    ) -> io::Result<Started> {
        let (socket, theirs) = UnixStream::pair()?;
        let strings = init::arguments(refused, self);
        let emulator = self.emulated.and_then(emulator::copy);
        let mut child = Child {
            null: null.as_raw_fd(),
            socket: theirs.as_raw_fd(),
            host_socket: socket.as_raw_fd(),
            tree: self.tree.as_raw_fd(),
            emulator: emulator.as_ref().map_or(-1, OwnedFd::as_raw_fd),
            programs,
            arguments: pointers(&strings),
            environment: [ptr::null()],
        };
        let mut flags = 0;
        if refused & refused::PID == 0 {
            flags |= libc::CLONE_NEWPID;
        }
        if refused & refused::USER == 0 {
            flags |= libc::CLONE_NEWUSER;
        }
        let pid = child.start(flags)?;
        // An open copy would hide that PID 1 has ended.
        drop(theirs);
        let mut mapped = Ok(());
        if refused & refused::USER == 0 {
            mapped = ids::map_all(pid);
        }
        let groups = ControlGroups::around(pid, self.limits);
        // Without its ids, the process would lose its capabilities with the exec.
        if let Err(error) = mapped.and_then(|()| (&socket).write_all(&[0])) {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = wait::reap(pid.as_raw());
            return Err(error);
        }
        Ok(Started {
            socket,
            pid,
            groups,
        })
    }
}

/// What the process has for its descriptors 0 to 2: /dev/null or, where a chroot has none, a pipe
/// that nobody writes to.
fn null() -> io::Result<OwnedFd> {
    let mut options = std::fs::OpenOptions::new();
    match options.read(true).write(true).open("/dev/null") {
        Ok(null) => Ok(null.into()),
        Err(_) => Ok(io::pipe()?.0.into()),
    }
}

/// The pointers to these strings, ended by NULL.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let mut pointers = Vec::new();
    for string in strings {
        pointers.push(string.as_ptr());
    }
    pointers.push(ptr::null());
    pointers
}

impl Child {
    fn start(&mut self, flags: c_int) -> nix::Result<Pid> {
        // A signal between the clone and the exec would run the program's own handler in the new
        // process. PID 1 keeps the mask; its commands reset it.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let started = self.clone_off(flags);
        before.thread_set_mask()?;
        started
    }

    fn clone_off(&mut self, flags: c_int) -> nix::Result<Pid> {
        extern "C" fn main(child: *mut c_void) -> c_int {
            // SAFETY: the pointer is the `self` of `clone_off`, in this process's own copy of the
            // memory.
            let child = unsafe { &*child.cast::<Child>() };
            child.execute();
            1
        }
        let mut stack = vec![0; STACK];
        let child: *mut Child = self;
        // SAFETY: without CLONE_VM the new process has a copy of all memory, including this stack
        // and `self`. It runs `main`, which makes system calls on existing memory, and leaves by
        // exec, or by `_exit` when `main` returns.
        let pid =
            unsafe { libc::clone(main, top(&mut stack), flags | libc::SIGCHLD, child.cast()) };
        nix::errno::Errno::result(pid).map(Pid::from_raw)
    }

    /// Executes the program with the descriptors that it expects. Returns only if that fails.
    fn execute(&self) {
        let mut error = libc::EBADF;
        // SAFETY: system calls on plain numbers, and on strings and arrays that `self` holds and
        // ends with NUL and NULL.
        unsafe {
            libc::close(self.host_socket);
            // The host says so when the ids are mapped and the control groups joined.
            let mut go = 0u8;
            if libc::read(self.socket, (&raw mut go).cast(), 1) != 1 {
                return;
            }
            // Out of the way first: a source may have the number of another's destination.
            let socket = libc::fcntl(self.socket, libc::F_DUPFD_CLOEXEC, ABOVE);
            let tree = libc::fcntl(self.tree, libc::F_DUPFD_CLOEXEC, ABOVE);
            let emulator = libc::fcntl(self.emulator, libc::F_DUPFD_CLOEXEC, ABOVE);
            let null = libc::fcntl(self.null, libc::F_DUPFD_CLOEXEC, ABOVE);
            let programs = self
                .programs
                .map(|file| libc::fcntl(file, libc::F_DUPFD_CLOEXEC, ABOVE));
            for standard in 0..3 {
                libc::dup2(null, standard);
            }
            libc::dup2(socket, SOCKET);
            libc::dup2(tree, TREE);
            if libc::dup2(emulator, EMULATOR) < 0 {
                libc::close(EMULATOR); // the caller's, if any
            }
            for program in programs {
                if program >= 0 {
                    libc::syscall(
                        libc::SYS_execveat,
                        program,
                        c"".as_ptr(),
                        self.arguments.as_ptr(),
                        self.environment.as_ptr(),
                        libc::AT_EMPTY_PATH,
                    );
                    error = *libc::__errno_location();
                }
            }
        }
        let refused = Reply::Refused(SetupStep::Execute as u32, error);
        init::send(SOCKET, refused);
    }
}

/// Above the descriptors that PID 1 expects.
const ABOVE: RawFd = 16;

/// The top of a stack, aligned as every architecture requires.
pub(super) fn top(stack: &mut [u8]) -> *mut c_void {
    let end = stack.as_mut_ptr_range().end;
    end.wrapping_sub(end as usize % 16).cast()
}
