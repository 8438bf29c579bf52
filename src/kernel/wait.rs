//! Waits for processes and descriptors. A signal that is handled meanwhile ends no wait.
#![expect(unsafe_code, reason = "the kernel writes a status through a pointer")]

use std::ffi::c_int;
use std::time::Instant;

use nix::poll::{PollFd, PollTimeout, poll};
use rustix::io::Errno;

/// Waits for the end of a child, or of any if it is -1, and reaps it. Returns its wait status.
pub(crate) fn reap(child: c_int) -> Result<c_int, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is where the kernel writes an int.
        let reaped = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if reaped >= 0 {
            return Ok(status);
        }
        let error = last_error();
        if error != Errno::INTR {
            return Err(error);
        }
    }
}

/// Waits until a child has ended, and leaves it to be reaped. Returns its PID.
pub(crate) fn wait_for_any() -> Result<c_int, Errno> {
    let options = libc::WEXITED | libc::WNOWAIT;
    loop {
        // SAFETY: zeros are a valid value, which the kernel fills.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes to `info`.
        if unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) } == 0 {
            // SAFETY: the kernel has filled it for the end of a child.
            return Ok(unsafe { info.si_pid() });
        }
        let error = last_error();
        if error != Errno::INTR {
            return Err(error);
        }
    }
}

/// Waits until one of these descriptors is ready. False if none is at the deadline.
pub(crate) fn poll_until(watched: &mut [PollFd<'_>], deadline: Instant) -> nix::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
        match poll(watched, timeout) {
            Ok(0) if !left.is_zero() => {}
            Ok(ready) => return Ok(ready > 0),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::thread::JoinHandleExt;
    use std::process::Command;
    use std::thread;
    use std::time::Duration;

    use nix::poll::PollFlags;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;

    /// Runs `wait` in a thread that handles a signal every few milliseconds, and returns its
    /// result.
    pub(crate) fn with_signals<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
        extern "C" fn ignore(_: c_int) {}
        // Without SA_RESTART: the kernel itself goes on with no call.
        let action = SigAction::new(
            SigHandler::Handler(ignore),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGURG, &action) }.unwrap();
        let waiting = thread::spawn(wait);
        while !waiting.is_finished() {
            thread::sleep(Duration::from_millis(5));
            // SAFETY: the thread is not joined yet, so its handle is valid.
            unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGURG) };
        }
        waiting.join().unwrap()
    }

    #[test]
    fn a_signal_ends_no_wait_for_a_child() {
        #[expect(clippy::zombie_processes, reason = "the function under test waits")]
        let child = Command::new("/bin/sh")
            .args(["-c", "sleep 0.2; exit 3"])
            .spawn()
            .unwrap();
        let pid = child.id() as c_int;
        let status = with_signals(move || reap(pid)).unwrap();
        assert_eq!(libc::WEXITSTATUS(status), 3);
        assert_eq!(reap(pid), Err(Errno::CHILD));
    }

    #[test]
    fn a_signal_ends_no_poll_before_its_deadline() {
        let (reader, writer) = std::io::pipe().unwrap();
        let is_over = with_signals(move || {
            let deadline = Instant::now() + Duration::from_millis(100);
            let mut watched = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            let ready = poll_until(&mut watched, deadline);
            (ready, Instant::now() >= deadline)
        });
        assert_eq!(is_over, (Ok(false), true));
        drop(writer);
    }
}
