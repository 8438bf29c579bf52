//! Starts the supervisor: a child that is forked before the filter is installed, and so is free of
//! it. It ends when no process with the filter is left.
#![expect(unsafe_code, reason = "fork needs a process with one thread")]

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::SigSet;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::{ForkResult, fork, setsid};
use rustix::fs::{MemfdFlags, Mode, OFlags, fchown, fstat, memfd_create};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::listener::CallListener;
use super::supervisor::Supervisor;
use super::{calls, filter};

pub(super) fn start() -> io::Result<()> {
    let calls = calls::all();
    if calls.is_empty() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let (mut ours, theirs) = UnixStream::pair()?;
    // SAFETY: this process has one thread, so its child may use all of its memory.
    if let ForkResult::Child = unsafe { fork() }? {
        drop(ours);
        let _ = supervise(theirs);
        // SAFETY: ends this process without what the parent does at its end.
        unsafe { libc::_exit(0) }
    }
    drop(theirs);
    let listener = filter::install(&calls)?;
    let passed = [listener.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&passed)];
    let sent = sendmsg::<()>(
        ours.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &message,
        MsgFlags::MSG_NOSIGNAL,
        None,
    );
    sent?;
    // If both ends were here, nobody would notice the supervisor's end.
    drop(listener);
    ours.read_exact(&mut [0])?;
    verify()
}

/// Fails where the host keeps the supervisor from the memory or the files of its callers.
fn verify() -> io::Result<()> {
    const OTHER: u32 = 1;
    let file = memfd_create(c"owner", MemfdFlags::CLOEXEC)?;
    let other = rustix::fs::Uid::from_raw(OTHER);
    fchown(&file, Some(other), None)?;
    let found = fstat(&file)?.st_uid;
    fchown(&file, Some(rustix::fs::Uid::ROOT), None)?;
    match found {
        OTHER => Ok(()),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// Answers calls until the last process is gone.
fn supervise(mut socket: UnixStream) -> io::Result<()> {
    // A signal of the terminal is for the run; its calls are answered until it ends.
    let _ = setsid();
    SigSet::all().thread_block()?;
    let listener = receive(&socket)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let processes = rustix::fs::open(c"/proc", flags, Mode::empty())?;
    let kept = [
        socket.as_raw_fd(),
        listener.as_raw_fd(),
        processes.as_raw_fd(),
    ];
    close_all_except(kept);
    // One for each file of which something is remembered.
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    let _ = setrlimit(Resource::Nofile, limit);
    let mut supervisor = Supervisor::new(CallListener::new(listener), processes);
    socket.write_all(&[0])?;
    drop(socket);
    supervisor.serve();
    Ok(())
}

fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut room = nix::cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags)?;
    for passed in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = passed
            && let Some(descriptor) = descriptors.first()
        {
            // SAFETY: the kernel has just opened it here.
            return Ok(unsafe { OwnedFd::from_raw_fd(*descriptor) });
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Closes what the caller of the program has open: it may wait for the end of a pipe.
fn close_all_except(mut kept: [RawFd; 3]) {
    kept.sort_unstable();
    let mut from = 0;
    for descriptor in kept {
        close_range(from, descriptor - 1);
        from = descriptor + 1;
    }
    close_range(from, RawFd::MAX);
}

fn close_range(from: RawFd, to: RawFd) {
    if from <= to {
        // SAFETY: descriptors that nothing in this process uses.
        unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    }
}
