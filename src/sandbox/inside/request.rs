//! One request as it comes over the socket: what to execute, taken apart in memory that is there already.
#![expect(unsafe_code, reason = "a descriptor comes in a control message")]

use std::ffi::{c_char, c_int};
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;

use super::super::wire::{HEADER, MOST_BYTES, MOST_STRINGS};
use super::borrow;

/// Room for one request.
pub(super) struct Room {
    strings: Vec<u8>,
    pointers: Vec<*const c_char>,
}

/// What is asked for. The pointers lead into the [`Room`] that it was read into, and are good until the next is: NULL-ended arrays of strings,
/// as `execve` takes them.
pub(super) struct Request {
    /// The paths to try, one after the other.
    pub(super) programs: *const *const c_char,
    pub(super) argv: *const *const c_char,
    pub(super) env: *const *const c_char,
    /// Where the command's output goes.
    pub(super) output: OwnedFd,
}

impl Room {
    pub(super) fn new() -> Room {
        Room {
            strings: vec![0; MOST_BYTES],
            pointers: vec![ptr::null(); MOST_STRINGS],
        }
    }

    /// Reads one request. None when there is none to come, or none that makes sense.
    pub(super) fn read(&mut self, socket: RawFd) -> Option<Request> {
        let mut header = [0u8; HEADER];
        let output = receive_header(socket, &mut header)?;
        let [programs, arguments, variables, bytes] = counts(&header);
        let strings = self.strings.get_mut(..bytes)?;
        if programs + arguments + variables + 3 > MOST_STRINGS || !read_exactly(socket, strings) {
            return None;
        }
        let strings = &self.strings[..bytes];
        let (mut at, mut slot) = (0, 0);
        for count in [programs, arguments, variables] {
            for _ in 0..count {
                let string = strings.get(at..)?;
                let length = string.iter().position(|&b| b == 0)?;
                self.pointers[slot] = string.as_ptr().cast();
                (slot, at) = (slot + 1, at + length + 1);
            }
            self.pointers[slot] = ptr::null();
            slot += 1;
        }
        let [programs, argv, env] =
            [0, programs + 1, programs + arguments + 2].map(|from| self.pointers[from..].as_ptr());
        Some(Request {
            programs,
            argv,
            env,
            output,
        })
    }
}

/// The first message of a request: its header, and the pipe that the command writes to.
fn receive_header(socket: RawFd, header: &mut [u8; HEADER]) -> Option<OwnedFd> {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: header.as_mut_ptr().cast(),
        iov_len: HEADER,
    };
    // SAFETY: all-zero is a valid msghdr; its pointers are set to buffers that outlive the call, with their sizes. The kernel
    // fills the control buffer with whole headers, which CMSG_FIRSTHDR finds; the descriptor in it is ours alone.
    unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        let read = libc::recvmsg(
            socket,
            &mut message,
            libc::MSG_CMSG_CLOEXEC | libc::MSG_WAITALL,
        );
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
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]]
        .map(|bytes| (u32::from_ne_bytes(bytes) as usize).min(MOST_BYTES))
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
