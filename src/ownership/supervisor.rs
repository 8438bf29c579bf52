//! The supervisor: receives calls, and decides which of them the kernel does.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::caller::CallFile;
use super::calls::{self, AnsweredCall, AttributeOperand, Operand};
use super::credentials::ProcessCredentials;
use super::sockets::NewSocket;
use super::table::{InodeId, Table};
use crate::kernel::caller::CallingProcess;
use crate::kernel::listener::{CallAnswer, CallListener, Notification};
use crate::kernel::shared::SharedNumber;

/// What is known of files and processes.
pub(super) struct Supervisor {
    listener: CallListener,
    /// /proc of the host.
    processes: OwnedFd,
    /// The processors that the run may use.
    processors: Option<CpuSet>,
    /// By the number of the system call.
    calls: Vec<Option<AnsweredCall>>,
    pub(super) files: Table<OwnedFd>,
    /// The most files that may be held open.
    held_limit: usize,
    /// By the number that is stored in a process. The first ones are root's.
    pub(super) credentials: Vec<ProcessCredentials>,
    /// Sockets that the kernel is about to make.
    pub(super) new_sockets: Vec<NewSocket>,
    /// The id of the call that was received last, for the process that takes over.
    current: SharedNumber,
}

impl Supervisor {
    pub(super) fn new(
        listener: CallListener,
        processes: OwnedFd,
        current: SharedNumber,
    ) -> Supervisor {
        let mut calls = Vec::new();
        for (number, call) in calls::all() {
            let number = usize::try_from(number).unwrap_or_default();
            if calls.len() <= number {
                calls.resize(number + 1, None);
            }
            calls[number] = Some(call);
        }
        Supervisor {
            listener,
            processes,
            processors: sched_getaffinity(None).ok(),
            calls,
            files: Table::new(),
            held_limit: held_limit(),
            credentials: vec![ProcessCredentials::default()],
            new_sockets: Vec::new(),
            current,
        }
    }

    pub(super) fn serve(&mut self) {
        while let Some(notification) = self.listener.next() {
            self.current.set(notification.id);
            self.own_new_sockets(notification.thread);
            let answer = match self.decide(&notification) {
                Ok(answer) => answer,
                // The kernel's answer would have the wrong owner.
                Err(
                    error @ (Errno::MFILE
                    | Errno::NFILE
                    | Errno::NOMEM
                    | Errno::AGAIN
                    | Errno::FAULT),
                ) => CallAnswer::Error(error),
                // For a path that does not exist, for example, the kernel fails with the right
                // error.
                Err(_) => CallAnswer::Continue,
            };
            self.listener.answer(&notification, answer);
            if self.files.wants_sweep() {
                self.files.sweep(is_gone);
            }
        }
    }

    fn decide(&mut self, notification: &Notification) -> Result<CallAnswer, Errno> {
        let number = usize::try_from(notification.number).unwrap_or(usize::MAX);
        let Some(call) = self.calls.get(number).copied().flatten() else {
            return Ok(CallAnswer::Continue);
        };
        match call {
            AnsweredCall::Stat { file, result } => self.stat(notification, file, result),
            AnsweredCall::Statx => self.statx(notification),
            AnsweredCall::SetOwner { file, ids } => self.set_owner(notification, file, ids),
            AnsweredCall::Make {
                directory,
                path,
                what,
            } => {
                let directory = directory.map_or(libc::AT_FDCWD, |at| int(notification, at));
                let path = notification.arguments[path];
                self.make(notification, directory, path, what)
            }
            AnsweredCall::SetAttribute(file) => self.set_list(notification, file),
            AnsweredCall::GetAttribute(file) => self.list(notification, file),
            AnsweredCall::ListAttributes(file) => self.names_of_lists(notification, file),
            AnsweredCall::RemoveAttribute(file) => self.remove_list(notification, file),
            AnsweredCall::Ids(call) => self.identify(notification, call),
            AnsweredCall::Execute(program) => self.execute(notification, program),
            AnsweredCall::Bind => self.bind(notification),
            AnsweredCall::Affinity => self.release(notification),
        }
    }

    /// Gives a process that asks for its processors all of them: PID 1 of a sandbox keeps commands
    /// on one as long as they cannot notice.
    fn release(&self, notification: &Notification) -> Result<CallAnswer, Errno> {
        self.require_waiting(notification)?;
        let thread = Pid::from_raw(notification.thread as i32);
        if let Some(all) = &self.processors {
            let _ = sched_setaffinity(thread, all);
        }
        Ok(CallAnswer::Continue)
    }

    pub(super) fn caller(&self, notification: &Notification) -> CallingProcess<'_> {
        CallingProcess {
            thread: notification.thread,
            processes: self.processes.as_fd(),
        }
    }

    /// Whether there is room for the record of another file.
    pub(super) fn has_room(&mut self) -> bool {
        if self.files.len() >= self.held_limit {
            self.files.sweep(is_gone);
        }
        self.files.len() < self.held_limit
    }

    pub(super) fn processes(&self) -> &OwnedFd {
        &self.processes
    }

    /// A string in the caller's memory, of at most a path's length.
    pub(super) fn string(
        &self,
        notification: &Notification,
        address: u64,
    ) -> Result<CString, Errno> {
        let string = self.caller(notification).string(address)?;
        self.require_waiting(notification)?;
        Ok(string)
    }

    /// Fills a buffer from the caller's memory.
    pub(super) fn read(
        &self,
        notification: &Notification,
        address: u64,
        into: &mut [u8],
    ) -> Result<(), Errno> {
        self.caller(notification).read_exactly(address, into)?;
        self.require_waiting(notification)
    }

    /// Writes to the caller's memory.
    pub(super) fn write(
        &self,
        notification: &Notification,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let memory = self.caller(notification).memory()?;
        self.require_waiting(notification)?;
        memory
            .write_all_at(bytes, address)
            .map_err(|_| Errno::FAULT)
    }

    /// Opens what a call names, and reads its attributes.
    pub(super) fn opened(
        &self,
        notification: &Notification,
        named: &CallFile,
    ) -> Result<OpenedFile, Errno> {
        let file = self.caller(notification).open(named)?;
        self.require_waiting(notification)?;
        let status = rustix::fs::fstat(&file)?;
        Ok(OpenedFile { file, status })
    }

    /// Opens a file again that is open as O_PATH.
    pub(super) fn reopen(&self, file: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
        let link = format!("self/fd/{}", file.as_raw_fd());
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat(&self.processes, link, flags, Mode::empty())
    }

    /// Fails if the thread no longer waits: another process may have its id, and what was read may
    /// be that process's.
    pub(super) fn require_waiting(&self, notification: &Notification) -> Result<(), Errno> {
        match self.listener.waits(notification) {
            true => Ok(()),
            false => Err(Errno::SRCH),
        }
    }

    /// The file that a call names.
    pub(super) fn named(
        &self,
        notification: &Notification,
        operand: Operand,
    ) -> Result<CallFile, Errno> {
        match operand {
            Operand::Descriptor => Ok(CallFile::of_descriptor(int(notification, 0))),
            Operand::Path { follows } => Ok(CallFile {
                descriptor: libc::AT_FDCWD,
                path: Some(self.string(notification, notification.arguments[0])?),
                follows,
            }),
            Operand::At { flags } => {
                let flags = int(notification, flags);
                let descriptor = int(notification, 0);
                let address = notification.arguments[1];
                let takes_empty = flags & libc::AT_EMPTY_PATH != 0;
                if takes_empty && address == 0 {
                    return Ok(CallFile::of_descriptor(descriptor));
                }
                let path = self.string(notification, address)?;
                if takes_empty && path.is_empty() {
                    return Ok(CallFile::of_descriptor(descriptor));
                }
                Ok(CallFile {
                    descriptor,
                    path: Some(path),
                    follows: flags & libc::AT_SYMLINK_NOFOLLOW == 0,
                })
            }
        }
    }

    /// The file that a call on extended attributes names.
    pub(super) fn attributed(
        &self,
        notification: &Notification,
        file: AttributeOperand,
    ) -> Result<CallFile, Errno> {
        if file == AttributeOperand::Descriptor {
            return Ok(CallFile::of_descriptor(int(notification, 0)));
        }
        let path = self.string(notification, notification.arguments[0])?;
        Ok(CallFile {
            descriptor: libc::AT_FDCWD,
            path: Some(path),
            follows: file == AttributeOperand::Path,
        })
    }
}

/// A file that a call names, open as O_PATH.
pub(super) struct OpenedFile {
    pub(super) file: OwnedFd,
    pub(super) status: Stat,
}

impl OpenedFile {
    pub(super) fn id(&self) -> InodeId {
        id_of(&self.status)
    }
}

/// The limit of open files, less those that the work itself needs.
fn held_limit() -> usize {
    const RESERVED: u64 = 32;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(usize::MAX)
}

/// An argument that is an int.
pub(super) fn int(notification: &Notification, argument: usize) -> i32 {
    notification.arguments[argument] as i32
}

pub(super) fn id_of(status: &Stat) -> InodeId {
    InodeId {
        device: status.st_dev,
        inode: status.st_ino,
    }
}

/// Whether a file has no name any more.
fn is_gone(held: &OwnedFd) -> bool {
    rustix::fs::fstat(held).is_ok_and(|status| status.st_nlink == 0)
}
