//! The listener of a seccomp filter: calls come in, answers go out (seccomp_unotify(2)).
#![expect(
    unsafe_code,
    reason = "notifications are structures that the kernel fills and reads"
)]

use std::ffi::c_int;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::Errno;

/// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP of linux/seccomp.h: caller and supervisor take turns on one
/// processor (Linux 6.6).
const TAKE_TURNS: u64 = 1;

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    pub(crate) thread: u32,
    pub(crate) number: i32,
    pub(crate) arguments: [u64; 6],
}

impl Notification {
    /// For an answer, which needs no more.
    fn of_id(id: u64) -> Notification {
        Notification {
            id,
            thread: 0,
            number: 0,
            arguments: [0; 6],
        }
    }
}

/// The answer to a call.
#[derive(Debug)]
pub(crate) enum CallAnswer {
    /// The kernel does it.
    Continue,
    Value(i64),
    Error(Errno),
    /// A descriptor on this file; whether an exec closes it.
    Open {
        file: OwnedFd,
        closes: bool,
    },
}

/// Receives the calls of all processes that have the filter, and answers them.
#[derive(Debug)]
pub(crate) struct CallListener(OwnedFd);

impl CallListener {
    pub(crate) fn new(descriptor: OwnedFd) -> CallListener {
        CallListener(descriptor)
    }

    /// Has the kernel switch between the caller and this process on one processor.
    pub(crate) fn take_turns(&self) {
        // SAFETY: a plain number. Kernels without it refuse.
        unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                TAKE_TURNS,
            )
        };
    }

    /// Waits for the next call. `None` once no process has the filter.
    pub(crate) fn next(&self) -> Option<Notification> {
        loop {
            let mut watched = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let polled = poll(&mut watched, PollTimeout::NONE);
            let events = watched[0].revents().unwrap_or(PollFlags::empty());
            if events.contains(PollFlags::POLLIN) {
                // The process may have been killed meanwhile.
                if let Some(received) = self.receive() {
                    return Some(received);
                }
            } else if events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR)
                || polled.is_err_and(|error| error != nix::Error::EINTR)
            {
                return None;
            }
        }
    }

    /// Takes a call. `None` if the process that made it was killed meanwhile.
    pub(crate) fn receive(&self) -> Option<Notification> {
        // SAFETY: all-zero is what the kernel expects, and fills.
        let mut asked: libc::seccomp_notif = unsafe { mem::zeroed() };
        self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked)?;
        Some(Notification {
            id: asked.id,
            thread: asked.pid,
            number: asked.data.nr,
            arguments: asked.data.args,
        })
    }

    /// Whether the thread still waits, so that its id is not another's by now.
    pub(crate) fn waits(&self, notification: &Notification) -> bool {
        let mut id = notification.id;
        self.control(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id)
            .is_some()
    }

    pub(crate) fn answer(&self, notification: &Notification, answer: CallAnswer) {
        // SAFETY: all-zero is a valid value.
        let mut response: libc::seccomp_notif_resp = unsafe { mem::zeroed() };
        response.id = notification.id;
        match answer {
            CallAnswer::Continue => {
                response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
            }
            CallAnswer::Value(value) => response.val = value,
            CallAnswer::Error(error) => response.error = -error.raw_os_error(),
            CallAnswer::Open { file, closes } => match self.give(notification, &file, closes) {
                Some(descriptor) => response.val = descriptor.into(),
                None => response.error = -libc::EMFILE,
            },
        }
        self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response);
    }

    /// Has the kernel do the call with this id, which another process has received.
    pub(crate) fn continue_call(&self, id: u64) {
        self.answer(&Notification::of_id(id), CallAnswer::Continue);
    }

    /// Opens a file in the process that waits. Returns the descriptor there.
    fn give(&self, notification: &Notification, file: &OwnedFd, closes: bool) -> Option<c_int> {
        // SAFETY: all-zero is a valid value.
        let mut given: libc::seccomp_notif_addfd = unsafe { mem::zeroed() };
        given.id = notification.id;
        given.srcfd = file.as_raw_fd() as u32;
        if closes {
            given.newfd_flags = libc::O_CLOEXEC as u32;
        }
        self.control(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut given)
    }

    /// `None` for an error.
    fn control<T>(&self, request: libc::Ioctl, argument: *mut T) -> Option<c_int> {
        // SAFETY: the pointer leads to a structure of the size that the request's number encodes.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) };
        (result >= 0).then_some(result)
    }
}

impl AsFd for CallListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
