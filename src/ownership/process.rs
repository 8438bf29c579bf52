//! Starts the supervisor, a child that is forked before the filter is installed and so does not
//! have it. It ends when no process with the filter is left. If it ends earlier, this process takes
//! over.
#![expect(unsafe_code, reason = "fork needs a process with one thread")]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;

use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, fork, setsid};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, ResolveFlags, fchown, fstat, memfd_create};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Error;
use super::supervisor::Supervisor;
use super::{calls, filter};
use crate::kernel::descriptors::{
    close_inherited_descriptors, receive_with_descriptor, send_with_descriptor,
};
use crate::kernel::listener::CallListener;
use crate::kernel::shared::SharedNumber;

/// The least hard limit of open files. The supervisor holds one open for each file of which
/// something is recorded; the largest trees that were measured have some hundred.
const OPEN_FILES: u64 = 1024;

/// A supervisor that has been started.
#[derive(Debug)]
pub(crate) struct RunningSupervisor {
    /// The supervisor has the other end, which the kernel closes when it ends.
    socket: UnixStream,
    listener: CallListener,
    /// The id of the call that it received last.
    current: SharedNumber,
}

pub(super) fn start() -> Result<RunningSupervisor, Error> {
    let calls = calls::all();
    if calls.is_empty() {
        return Err(io::Error::from(io::ErrorKind::Unsupported).into());
    }
    require_open_files(getrlimit(Resource::Nofile).maximum)?;
    require_openat2()?;
    let current = SharedNumber::new()?;
    let (mut socket, theirs) = UnixStream::pair()?;
    // SAFETY: this process has one thread, so its child may use all of its memory.
    if let ForkResult::Child = unsafe { fork() }.map_err(io::Error::from)? {
        drop(socket);
        let _ = supervise(theirs, current);
        // SAFETY: ends this process without what the parent does at its end.
        unsafe { libc::_exit(0) }
    }
    drop(theirs);
    let listener = filter::install(&calls)?;
    let sent = send_with_descriptor(socket.as_fd(), &[0], listener.as_raw_fd());
    sent.map_err(io::Error::from)?;
    socket.read_exact(&mut [0])?;
    verify()?;
    Ok(RunningSupervisor {
        socket,
        listener: CallListener::new(listener),
        current,
    })
}

/// Fails if the hard limit, `None` for no limit, permits too few open files.
fn require_open_files(limit: Option<u64>) -> Result<(), Error> {
    match limit {
        Some(limit) if limit < OPEN_FILES => Err(Error::OpenFiles {
            limit,
            needed: OPEN_FILES,
        }),
        _ => Ok(()),
    }
}

/// Fails without the call that resolves what a caller's arguments name. Without it the kernel would
/// do the caller's calls itself, and refuse other owners than root.
fn require_openat2() -> Result<(), Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT;
    match rustix::fs::openat2(CWD, c"/", flags, Mode::empty(), inside) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Call {
            name: "openat2",
            source: error.into(),
        }),
    }
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

impl RunningSupervisor {
    /// Calls two functions if the supervisor ends, from other threads. From then on the kernel does
    /// all calls itself: owners are lost, but what was made can be removed. `note`, which makes no
    /// call that is handed over, comes before the first of these calls, `stop` while they are done.
    pub(crate) fn watch(
        self: &Arc<Self>,
        note: impl FnOnce() + Send + 'static,
        stop: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let watched = Arc::clone(self);
        let (noted, is_noted) = mpsc::channel();
        let stopper = thread::Builder::new().name("supervisor-stop".into());
        stopper.spawn(move || {
            if is_noted.recv().is_ok() {
                stop();
            }
        })?;
        let watcher = thread::Builder::new().name("supervisor".into());
        watcher.spawn(move || {
            // The supervisor sends nothing, so this waits for its end.
            while let Err(error) = (&watched.socket).read(&mut [0])
                && error.kind() == io::ErrorKind::Interrupted
            {}
            note();
            let _ = noted.send(());
            watched.take_over();
        })?;
        Ok(())
    }

    /// Has the kernel do all calls, first the one that the supervisor has not answered.
    fn take_over(&self) {
        self.listener.continue_call(self.current.get());
        while let Some(notification) = self.listener.next() {
            self.listener.continue_call(notification.id);
        }
    }
}

/// Answers calls until the last process is gone.
fn supervise(mut socket: UnixStream, current: SharedNumber) -> io::Result<()> {
    // Ctrl-C is meant for the run, whose calls are answered until it has ended.
    let _ = setsid();
    SigSet::all().thread_block()?;
    let listener =
        receive_with_descriptor(socket.as_fd(), &mut [0]).ok_or(io::ErrorKind::UnexpectedEof)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let processes = rustix::fs::open(c"/proc", flags, Mode::empty())?;
    let kept = [
        socket.as_raw_fd(),
        listener.as_raw_fd(),
        processes.as_raw_fd(),
    ];
    // The program's caller may be waiting for the end of a pipe.
    close_inherited_descriptors(0, kept);
    // One for each file of which something is recorded.
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    let _ = setrlimit(Resource::Nofile, limit);
    let listener = CallListener::new(listener);
    listener.take_turns();
    let mut supervisor = Supervisor::new(listener, processes, current);
    socket.write_all(&[0])?;
    supervisor.serve();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_hard_limit_of_open_files_is_refused() {
        for permitted in [None, Some(u64::MAX), Some(OPEN_FILES)] {
            assert!(require_open_files(permitted).is_ok());
        }
        let refused = require_open_files(Some(OPEN_FILES - 1)).unwrap_err();
        let expected = "the hard limit of open files is 1023, but 1024 are needed";
        assert_eq!(refused.to_string(), expected);
    }
}
