//! Reads requests as PID 1 does, from a socket, for `sandbox::fuzz`.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]
#![expect(unsafe_code, reason = "the strings of a request are behind pointers")]

use std::cell::RefCell;
use std::ffi::{CStr, c_char};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use super::request::RequestBuffer;
use crate::kernel::descriptors::send_with_descriptor;
use crate::sandbox::wire::HEADER;

/// The most bytes that the socket certainly takes while nobody reads.
const SOCKET: usize = 64 << 10;

/// The strings of a request.
#[derive(Debug)]
pub(in crate::sandbox) struct RequestStrings {
    pub(in crate::sandbox) programs: Vec<Vec<u8>>,
    pub(in crate::sandbox) argv: Vec<Vec<u8>>,
    pub(in crate::sandbox) env: Vec<Vec<u8>>,
}

thread_local! {
    /// PID 1 too has one for all requests.
    static BUFFER: RefCell<RequestBuffer> = RefCell::new(RequestBuffer::new());
}

/// Sends any bytes as a request, and reads it. `None` if it is refused, or too long for this test.
pub(in crate::sandbox) fn read_request(request: &[u8]) -> Option<RequestStrings> {
    if request.len() < HEADER || request.len() > SOCKET {
        return None;
    }
    let (mut host, init) = UnixStream::pair().unwrap();
    let (header, rest) = request.split_at(HEADER);
    // Any descriptor; closing the host's end must end the request.
    send_with_descriptor(host.as_fd(), header, init.as_raw_fd()).unwrap();
    host.write_all(rest).unwrap();
    drop(host);
    BUFFER.with_borrow_mut(|buffer| {
        let read = buffer.read(init.as_raw_fd())?;
        // SAFETY: the pointers are NULL-terminated arrays of strings in `buffer`, which is not
        // changed before they are copied.
        unsafe {
            Some(RequestStrings {
                programs: strings(read.programs),
                argv: strings(read.argv),
                env: strings(read.env),
            })
        }
    })
}

/// # Safety
///
/// `list` points to pointers to NUL-terminated strings, the last of them NULL.
unsafe fn strings(list: *const *const c_char) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        // SAFETY: the list ends with NULL, which has not come yet.
        let string = unsafe { *list.add(all.len()) };
        if string.is_null() {
            return all;
        }
        // SAFETY: a string of the list.
        let string = unsafe { CStr::from_ptr(string) };
        all.push(string.to_bytes().to_vec());
    }
}
