//! From a request to a running command, without a copy of this process's memory.
#![expect(
    unsafe_code,
    reason = "between clone and exec two processes share this memory"
)]

use std::ffi::{c_char, c_int, c_void};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use rustix::io::Errno;

use super::processors;
use super::request::Request;

/// Bytes of a stack for what is cloned.
pub(super) const STACK: usize = 256 * 1024;

/// Starts commands.
pub(super) struct Launcher {
    stack: Vec<u8>,
    null: RawFd,
}

/// What the child of one command needs, between clone and exec.
struct Command {
    programs: *const *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    output: RawFd,
    null: RawFd,
    stays: bool,
    /// Set by the child, which shares this memory, when nothing could be executed.
    error: c_int,
}

impl Launcher {
    pub(super) fn new(null: RawFd) -> Launcher {
        Launcher {
            stack: vec![0; STACK],
            null,
        }
    }

    /// Starts a command, on this processor and no other if it `stays`. The error is that of the first program that is there and cannot be
    /// executed, ENOENT where none is.
    pub(super) fn start(&mut self, request: &Request, stays: bool) -> Result<c_int, Errno> {
        extern "C" fn child(command: *mut c_void) -> c_int {
            // SAFETY: the pointer is the `command` below; its owner sleeps (CLONE_VFORK) as long as this runs.
            unsafe { become_command(&mut *command.cast::<Command>()) }
        }
        let &Request {
            programs,
            argv,
            env,
            ..
        } = request;
        let mut command = Command {
            programs,
            argv,
            env,
            output: request.output.as_raw_fd(),
            null: self.null,
            stays,
            error: 0,
        };
        let shared: *mut Command = &mut command;
        let pid = self.clone_sharing(child, shared.cast())?;
        // SAFETY: reading an int that the child, now gone from this memory, may have written.
        let error = unsafe { ptr::read_volatile(&raw const command.error) };
        if error == 0 {
            return Ok(pid);
        }
        // SAFETY: waits for the child that found nothing to execute; its status is of no use.
        unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        Err(Errno::from_raw_os_error(error))
    }

    /// A number that no process of this namespace is above, as they are given in a row: that of one which ends at once.
    pub(super) fn newest(&mut self) -> Option<c_int> {
        extern "C" fn child(_: *mut c_void) -> c_int {
            0
        }
        let pid = self.clone_sharing(child, ptr::null_mut()).ok()?;
        // SAFETY: waits for that child; its status is of no use.
        unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        Some(pid)
    }

    fn clone_sharing(
        &mut self,
        child: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> Result<c_int, Errno> {
        // SAFETY: the child runs on a stack of its own in this process's memory while this process is suspended, until it has
        // executed a program or left. A copy of the memory, which may be large, is never made.
        let pid = unsafe {
            libc::clone(
                child,
                top(&mut self.stack),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                argument,
            )
        };
        if pid < 0 {
            return Err(
                Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::AGAIN)
            );
        }
        Ok(pid)
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
        if command.stays {
            processors::stay();
        }
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

/// Where a stack begins: its end, aligned as every architecture wants it.
pub(super) fn top(stack: &mut [u8]) -> *mut c_void {
    let end = stack.as_mut_ptr_range().end;
    end.wrapping_sub(end as usize % 16).cast()
}
