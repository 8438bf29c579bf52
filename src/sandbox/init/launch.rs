//! Starts commands, without copying the memory of PID 1.
#![expect(
    unsafe_code,
    reason = "between clone and exec two processes share this memory"
)]

use std::ffi::{c_char, c_int, c_void};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::own_proc::Handover;
use super::request::ExecRequest;
use super::{capabilities, processors};
use crate::kernel::wait;
use crate::sandbox::start::top;

/// Bytes of a stack for a cloned process.
const STACK: usize = 256 * 1024;

pub(super) struct Launcher {
    stack: Vec<u8>,
    /// What commands keep of the capabilities; `None`: all.
    capabilities: Option<CapabilitySet>,
}

/// What the child of one command needs between clone and exec.
struct CommandChild {
    programs: *const *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    output: RawFd,
    one_processor: bool,
    capabilities: Option<CapabilitySet>,
    /// Hands calls on files of /proc over; null without.
    handover: *const Handover,
    /// Set by the child, which shares this memory, if nothing could be executed.
    error: c_int,
}

impl Launcher {
    pub(super) fn new() -> Launcher {
        Launcher {
            stack: vec![0; STACK],
            capabilities: None,
        }
    }

    pub(super) fn keep_capabilities(&mut self, kept: CapabilitySet) {
        self.capabilities = Some(kept);
    }

    /// Starts a command with this process's stdin, /dev/null; with `one_processor`, on the current
    /// processor only. The error is that of the first program that exists and cannot be executed,
    /// or ENOENT if none exists.
    pub(super) fn start(
        &mut self,
        request: &ExecRequest,
        one_processor: bool,
        handover: Option<&Handover>,
    ) -> Result<c_int, Errno> {
        extern "C" fn run(child: *mut c_void) -> c_int {
            // SAFETY: the pointer is the `child` below; its owner sleeps (CLONE_VFORK) as long as
            // this runs.
            unsafe { execute(&mut *child.cast::<CommandChild>()) }
        }
        let mut child = CommandChild {
            programs: request.programs,
            argv: request.argv,
            env: request.env,
            output: request.output.as_raw_fd(),
            one_processor,
            capabilities: self.capabilities,
            handover: handover.map_or(ptr::null(), ptr::from_ref),
            error: 0,
        };
        let shared: *mut CommandChild = &mut child;
        let pid = self.clone_sharing(run, shared.cast())?;
        // SAFETY: reads an int that the child, which no longer uses this memory, may have written.
        let error = unsafe { ptr::read_volatile(&raw const child.error) };
        if error == 0 {
            return Ok(pid);
        }
        let _ = wait::reap(pid);
        Err(Errno::from_raw_os_error(error))
    }

    /// An upper bound on the PIDs in this namespace, taken from a child that exits at once.
    pub(super) fn newest_pid(&mut self) -> Option<c_int> {
        extern "C" fn run(_: *mut c_void) -> c_int {
            0
        }
        let pid = self.clone_sharing(run, ptr::null_mut()).ok()?;
        let _ = wait::reap(pid);
        Some(pid)
    }

    fn clone_sharing(
        &mut self,
        run: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> Result<c_int, Errno> {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child runs on its own stack in this process's memory while this process is
        // suspended, until the child has executed a program or exited. The memory, which may be
        // large, is never copied.
        let pid = unsafe { libc::clone(run, top(&mut self.stack), flags, argument) };
        if pid < 0 {
            let error = std::io::Error::last_os_error();
            return Err(Errno::from_io_error(&error).unwrap_or(Errno::AGAIN));
        }
        Ok(pid)
    }
}

/// Turns the child into the command. The child shares its parent's memory and must leave it
/// unchanged.
///
/// # Safety
///
/// The pointers of `child` are NULL-terminated arrays of strings, as `execve` takes them.
unsafe fn execute(child: &mut CommandChild) -> c_int {
    // SAFETY: system calls on plain numbers and on the strings that the caller vouches for.
    unsafe {
        libc::setsid(); // `kill 0` in a script reaches that script only
        libc::dup2(child.output, 1);
        libc::dup2(child.output, 2);
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        if child.one_processor {
            processors::stay();
        }
        // Before the capabilities are dropped, one of which the filters may need.
        if let Some(handover) = child.handover.as_ref()
            && let Err(error) = handover.install()
        {
            child.error = error.raw_os_error().unwrap_or(libc::EPERM);
            return 127;
        }
        if let Some(kept) = child.capabilities
            && let Err(error) = capabilities::drop_except(kept)
        {
            child.error = error.raw_os_error();
            return 127;
        }
        let mut error = libc::ENOENT;
        let mut program = child.programs;
        while !(*program).is_null() {
            libc::execve(*program, child.argv, child.env);
            // Like execvp: a missing program is searched for further on, any other error ends the
            // search.
            error = *libc::__errno_location();
            if error != libc::ENOENT && error != libc::ENOTDIR {
                break;
            }
            program = program.add(1);
        }
        // Reached only if no exec succeeded. The parent reads it afterwards.
        child.error = error;
    }
    127
}
