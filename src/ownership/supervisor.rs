//! Decides who answers a call: the supervisor, or the kernel.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::caller::{Caller, NamedFile};
use super::calls::{self, Attributes, Call, Operand};
use super::credentials::Credentials;
use super::listener::{Answer, Listener, Notification};
use super::table::{FileId, Table};

/// What the answers are made of.
pub(super) struct Supervisor {
    listener: Listener,
    /// /proc of the host.
    processes: OwnedFd,
    /// Those that the run may use.
    processors: Option<CpuSet>,
    /// By number.
    calls: Vec<Option<Call>>,
    pub(super) files: Table<OwnedFd>,
    /// By the number that a process carries. The first are root's.
    pub(super) credentials: Vec<Credentials>,
}

impl Supervisor {
    pub(super) fn new(listener: Listener, processes: OwnedFd) -> Supervisor {
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
            credentials: vec![Credentials::default()],
        }
    }

    pub(super) fn serve(&mut self) {
        while let Some(notification) = self.listener.next() {
            // What fails here, as a path that leads nowhere, fails for the kernel too, which knows
            // the error.
            let answer = self.decide(&notification).unwrap_or(Answer::Continue);
            self.listener.answer(&notification, answer);
            if self.files.wants_sweep() {
                self.files.sweep(is_gone);
            }
        }
    }

    fn decide(&mut self, notification: &Notification) -> Result<Answer, Errno> {
        let number = usize::try_from(notification.number).unwrap_or(usize::MAX);
        let Some(call) = self.calls.get(number).copied().flatten() else {
            return Ok(Answer::Continue);
        };
        match call {
            Call::Stat { file, result } => self.stat(notification, file, result),
            Call::Statx => self.statx(notification),
            Call::SetOwner { file, ids } => self.set_owner(notification, file, ids),
            Call::Make {
                directory,
                path,
                what,
            } => {
                let directory = directory.map_or(libc::AT_FDCWD, |at| int(notification, at));
                let path = notification.arguments[path];
                self.make(notification, directory, path, what)
            }
            Call::SetAttribute(file) => self.set_list(notification, file),
            Call::GetAttribute(file) => self.list(notification, file),
            Call::ListAttributes(file) => self.names_of_lists(notification, file),
            Call::RemoveAttribute(file) => self.remove_list(notification, file),
            Call::Affinity => Ok(self.release(notification)),
            Call::Real(_)
            | Call::Effective(_)
            | Call::All(_)
            | Call::Groups
            | Call::Set(_)
            | Call::SetTwo(_)
            | Call::SetThree(_)
            | Call::SetForFiles(_)
            | Call::SetGroups
            | Call::KeepCapabilities
            | Call::Execute => self.identify(notification, call),
        }
    }

    /// Gives a process that asks for its processors all of them: PID 1 of a sandbox keeps commands on
    /// one as long as they cannot notice.
    fn release(&self, notification: &Notification) -> Answer {
        let thread = Pid::from_raw(notification.thread as i32);
        if let Some(all) = &self.processors {
            let _ = sched_setaffinity(thread, all);
        }
        Answer::Continue
    }

    pub(super) fn caller(&self, notification: &Notification) -> Caller<'_> {
        Caller {
            thread: notification.thread,
            processes: self.processes.as_fd(),
        }
    }

    pub(super) fn processes(&self) -> &OwnedFd {
        &self.processes
    }

    /// Fails if the thread no longer waits: what was read may be another process's.
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
    ) -> Result<NamedFile, Errno> {
        let caller = self.caller(notification);
        match operand {
            Operand::Descriptor => Ok(NamedFile::of_descriptor(int(notification, 0))),
            #[cfg(target_arch = "x86_64")]
            Operand::Path { follows } => Ok(NamedFile {
                descriptor: libc::AT_FDCWD,
                path: Some(caller.string(notification.arguments[0])?),
                follows,
            }),
            Operand::At { flags } => {
                let flags = int(notification, flags);
                let descriptor = int(notification, 0);
                let address = notification.arguments[1];
                let takes_empty = flags & libc::AT_EMPTY_PATH != 0;
                if takes_empty && address == 0 {
                    return Ok(NamedFile::of_descriptor(descriptor));
                }
                let path = caller.string(address)?;
                if takes_empty && path.is_empty() {
                    return Ok(NamedFile::of_descriptor(descriptor));
                }
                Ok(NamedFile {
                    descriptor,
                    path: Some(path),
                    follows: flags & libc::AT_SYMLINK_NOFOLLOW == 0,
                })
            }
        }
    }

    /// The file of a call on extended attributes.
    pub(super) fn attributed(
        &self,
        notification: &Notification,
        file: Attributes,
    ) -> Result<NamedFile, Errno> {
        if file == Attributes::Descriptor {
            return Ok(NamedFile::of_descriptor(int(notification, 0)));
        }
        let path = self
            .caller(notification)
            .string(notification.arguments[0])?;
        Ok(NamedFile {
            descriptor: libc::AT_FDCWD,
            path: Some(path),
            follows: file == Attributes::Path,
        })
    }
}

/// An argument that is an int.
pub(super) fn int(notification: &Notification, argument: usize) -> i32 {
    notification.arguments[argument] as i32
}

pub(super) fn id_of(status: &Stat) -> FileId {
    FileId {
        device: status.st_dev,
        inode: status.st_ino,
    }
}

/// Whether no name is left of a file.
fn is_gone(held: &OwnedFd) -> bool {
    rustix::fs::fstat(held).is_ok_and(|status| status.st_nlink == 0)
}
