//! The host's end of the socket to PID 1 of a sandbox.
//!
//! Requests go out with a descriptor, replies come in; either fails when PID 1 has ended or the
//! sandbox was cancelled. What the bytes mean is in `wire`.

use std::io::Read;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::MsgFlags;

use super::Error;
use super::wire::{self, REPLY, Reply};
use crate::kernel::descriptors::send_with_descriptor;

/// The host's end of the socket to PID 1, and whether it was shut down on purpose.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixStream,
    cancelled: AtomicBool,
}

/// Ends a sandbox from another thread, such as a signal handler's: the running command is killed,
/// and `run` returns [`Error::Cancelled`].
#[derive(Clone, Debug)]
pub(crate) struct Cancel(Arc<Channel>);

impl Cancel {
    pub(super) fn new(channel: Arc<Channel>) -> Cancel {
        Cancel(channel)
    }

    /// May be called at any time, and more than once.
    pub(crate) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.shut_down();
    }
}

impl Channel {
    pub(super) fn new(socket: UnixStream) -> Channel {
        Channel {
            socket,
            cancelled: AtomicBool::new(false),
        }
    }

    /// Ends PID 1, which reads the socket's end.
    pub(super) fn shut_down(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Sends a request, and with it the pipe that the command writes to.
    pub(super) fn send(&self, request: &[u8], output: RawFd) -> Result<(), Error> {
        let (header, mut rest) = request.split_at(wire::HEADER);
        let socket = self.socket.as_raw_fd();
        let sent = send_with_descriptor(self.socket.as_fd(), header, output);
        sent.map_err(|_| self.closed())?;
        while !rest.is_empty() {
            match nix::sys::socket::send(socket, rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => rest = &rest[sent..],
                Err(nix::Error::EINTR) => {}
                Err(_) => return Err(self.closed()),
            }
        }
        Ok(())
    }

    pub(super) fn receive(&self) -> Result<Reply, Error> {
        let mut bytes = [0; REPLY];
        match (&self.socket).read_exact(&mut bytes) {
            Ok(()) => Reply::decode(&bytes).ok_or(Error::Died),
            Err(_) => Err(self.closed()),
        }
    }

    /// Why the socket is closed.
    fn closed(&self) -> Error {
        if self.cancelled.load(Ordering::SeqCst) {
            Error::Cancelled
        } else {
            Error::Died
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
