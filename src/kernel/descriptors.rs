//! Descriptors: closes those that a process has inherited, and passes one through a socket.
#![expect(unsafe_code, reason = "descriptors by number, and in control messages")]

use std::ffi::c_int;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

/// Closes all descriptors from `first` on but these. Negative ones are skipped.
pub(crate) fn close_inherited_descriptors<const N: usize>(first: RawFd, mut kept: [RawFd; N]) {
    kept.sort_unstable();
    let mut from = first;
    for descriptor in kept {
        if descriptor >= from {
            close_range(from, descriptor - 1);
            from = descriptor + 1;
        }
    }
    close_range(from, c_int::MAX);
}

fn close_range(from: RawFd, to: RawFd) {
    // SAFETY: descriptors that nothing in this process uses.
    if from <= to && unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) } != 0 {
        close_one_by_one(from, to);
    }
}

/// For containers whose list of system calls lacks close_range. Where /proc lists the open
/// descriptors, not every number up to the limit, which may be a thousand million, is tried.
fn close_one_by_one(from: RawFd, to: RawFd) {
    let range = from..=to;
    let Ok(open) = open_descriptors() else {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let limit = limit.and_then(|limit| RawFd::try_from(limit).ok());
        return range
            .take_while(|descriptor| limit.is_none_or(|limit| *descriptor < limit))
            .for_each(close);
    };
    open.into_iter()
        .filter(|descriptor| range.contains(descriptor))
        .for_each(close);
}

fn open_descriptors() -> Result<Vec<RawFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let list = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty())?;
    let mut open = Vec::new();
    for entry in Dir::new(list)? {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        open.extend(name.parse::<RawFd>());
    }
    Ok(open)
}

fn close(descriptor: RawFd) {
    // SAFETY: a descriptor that nothing in this process uses.
    unsafe { libc::close(descriptor) };
}

/// Sends a message, and with it a descriptor. An end that is closed gives an error, not a signal.
/// Does not allocate.
pub(crate) fn send_with_descriptor(
    socket: BorrowedFd<'_>,
    message: &[u8],
    passed: RawFd,
) -> nix::Result<usize> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: message.as_ptr().cast_mut().cast(),
        iov_len: message.len(),
    };
    // SAFETY: all-zero is a valid msghdr; its pointers are set to buffers that outlive the call,
    // with their sizes. The control buffer has room for one header with one descriptor.
    unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(size_of::<c_int>() as u32) as _;
        let rights = libc::CMSG_FIRSTHDR(&raw const header);
        (*rights).cmsg_level = libc::SOL_SOCKET;
        (*rights).cmsg_type = libc::SCM_RIGHTS;
        (*rights).cmsg_len = libc::CMSG_LEN(size_of::<c_int>() as u32) as _;
        ptr::write_unaligned(libc::CMSG_DATA(rights).cast::<c_int>(), passed);
        loop {
            let sent = libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL);
            match nix::errno::Errno::result(sent) {
                Err(nix::Error::EINTR) => {}
                sent => return sent.map(|sent| sent as usize),
            }
        }
    }
}

/// A control message, aligned as its header.
#[repr(align(8))]
struct Control([u8; 64]);

/// Receives a message of exactly this length with a descriptor. `None` when the other end is
/// closed, or for any other message.
pub(crate) fn receive_with_descriptor(socket: BorrowedFd<'_>, into: &mut [u8]) -> Option<OwnedFd> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_WAITALL;
    // SAFETY: all-zero is a valid msghdr; its pointers are set to buffers that outlive the call,
    // with their sizes. The kernel fills the control buffer with whole headers, which CMSG_FIRSTHDR
    // finds; nothing else owns the descriptor in it.
    unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        let mut read = libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags);
        while read < 0 && *libc::__errno_location() == libc::EINTR {
            read = libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags);
        }
        let passed = libc::CMSG_FIRSTHDR(&raw const message);
        if passed.is_null() || (*passed).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        let descriptor = ptr::read_unaligned(libc::CMSG_DATA(passed).cast::<c_int>());
        let descriptor = OwnedFd::from_raw_fd(descriptor);
        (usize::try_from(read) == Ok(into.len())).then_some(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, IntoRawFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_are_closed_without_close_range() {
        let one = std::io::pipe().unwrap().0;
        // Far above what other tests have open at the same time.
        let high = rustix::io::fcntl_dupfd_cloexec(&one, 900).unwrap();
        let high = high.into_raw_fd();
        close_one_by_one(900, high - 1);
        assert!(open_descriptors().unwrap().contains(&high));
        close_one_by_one(high, RawFd::MAX);
        let open = open_descriptors().unwrap();
        assert!(!open.contains(&high) && open.contains(&one.as_raw_fd()));
    }

    #[test]
    fn a_descriptor_comes_with_its_message() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut message = [0; 3];
        send_with_descriptor(ours.as_fd(), b"abc", writer.as_raw_fd()).unwrap();
        let passed = receive_with_descriptor(theirs.as_fd(), &mut message).unwrap();
        assert_eq!(&message, b"abc");
        drop(writer);
        File::from(passed).write_all(b"x").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        (&ours).write_all(b"def").unwrap();
        assert!(receive_with_descriptor(theirs.as_fd(), &mut message).is_none());
        drop(ours);
        assert!(receive_with_descriptor(theirs.as_fd(), &mut message).is_none());
    }

    /// What is cut off is closed, not kept open.
    #[test]
    fn a_message_that_is_too_short_passes_nothing() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send_with_descriptor(ours.as_fd(), b"ab", writer.as_raw_fd()).unwrap();
        drop((writer, ours));
        assert!(receive_with_descriptor(theirs.as_fd(), &mut [0; 3]).is_none());
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}
