//! Reads one request from the socket, into memory that exists already.

use std::ffi::c_char;
use std::os::fd::{OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;

use super::borrow;
use crate::kernel::descriptors::receive_with_descriptor;
use crate::sandbox::wire::{BYTES_LIMIT, HEADER, RequestKind, STRINGS_LIMIT};

/// Memory for one request.
pub(super) struct RequestBuffer {
    strings: Vec<u8>,
    pointers: Vec<*const c_char>,
}

/// What is asked for, and the command to execute. The pointers are NULL-terminated arrays of
/// strings, as `execve` takes them. They point into the [`RequestBuffer`] and are valid until it
/// reads the next request.
pub(super) struct ExecRequest {
    pub(super) kind: RequestKind,
    /// The paths to try in turn.
    pub(super) programs: *const *const c_char,
    pub(super) argv: *const *const c_char,
    pub(super) env: *const *const c_char,
    /// Where the command's output goes.
    pub(super) output: OwnedFd,
}

impl RequestBuffer {
    pub(super) fn new() -> RequestBuffer {
        RequestBuffer {
            strings: vec![0; BYTES_LIMIT],
            pointers: vec![ptr::null(); STRINGS_LIMIT],
        }
    }

    /// Reads one request. `None` when the socket is closed, or for a malformed request.
    pub(super) fn read(&mut self, socket: RawFd) -> Option<ExecRequest> {
        let mut header = [0u8; HEADER];
        // The first message has the header, and the pipe that the command writes to.
        let output = receive_with_descriptor(borrow(&socket), &mut header)?;
        let [kind, programs, arguments, variables, bytes] = numbers(&header);
        let kind = RequestKind::from_number(kind as u32)?;
        let strings = self.strings.get_mut(..bytes)?;
        if programs + arguments + variables + 3 > STRINGS_LIMIT || !read_exactly(socket, strings) {
            return None;
        }
        let argv_slot = programs + 1;
        let env_slot = argv_slot + arguments + 1;
        let rest = self.set_pointers(0, programs, 0)?;
        let rest = self.set_pointers(argv_slot, arguments, rest)?;
        self.set_pointers(env_slot, variables, rest)?;
        Some(ExecRequest {
            kind,
            programs: self.pointers[..].as_ptr(),
            argv: self.pointers[argv_slot..].as_ptr(),
            env: self.pointers[env_slot..].as_ptr(),
            output,
        })
    }

    /// Points `count` slots from `slot` on at the strings from `start` on, and ends them with NULL.
    /// Returns where the next string starts.
    fn set_pointers(&mut self, slot: usize, count: usize, mut start: usize) -> Option<usize> {
        for pointer in self.pointers.get_mut(slot..slot + count)? {
            let string = self.strings.get(start..)?;
            let length = string.iter().position(|&b| b == 0)?;
            *pointer = string.as_ptr().cast();
            start += length + 1;
        }
        *self.pointers.get_mut(slot + count)? = ptr::null();
        Some(start)
    }
}

fn numbers(header: &[u8; HEADER]) -> [usize; 5] {
    let mut numbers = [0; 5];
    for (number, bytes) in numbers.iter_mut().zip(header.as_chunks().0) {
        *number = (u32::from_ne_bytes(*bytes) as usize).min(BYTES_LIMIT);
    }
    numbers
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
