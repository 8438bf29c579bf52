//! Decides who answers a call: the supervisor, or the kernel.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::caller::{CallFile, CallingProcess};
use super::calls::{self, AnsweredCall, AttributeOperand, Operand};
use super::credentials::ProcessCredentials;
use super::listener::{CallAnswer, CallListener, Notification};
use super::table::{InodeId, Table};

/// What the answers are made of.
pub(super) struct Supervisor {
    listener: CallListener,
    /// /proc of the host.
    processes: OwnedFd,
    /// Those that the run may use.
    processors: Option<CpuSet>,
    /// By number.
    calls: Vec<Option<AnsweredCall>>,
    pub(super) files: Table<OwnedFd>,
    /// How many files may be held open.
    held_limit: usize,
    /// By the number that a process carries. The first are root's.
    pub(super) credentials: Vec<ProcessCredentials>,
}

impl Supervisor {
    pub(super) fn new(listener: CallListener, processes: OwnedFd) -> Supervisor {
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
        }
    }

    pub(super) fn serve(&mut self) {
        while let Some(notification) = self.listener.next() {
            let answer = match self.decide(&notification) {
                Ok(answer) => answer,
                // Not the call's fault: the kernel's answer would have the wrong owner.
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN)) => {
                    CallAnswer::Error(error)
                }
                // A path that leads nowhere, for example: the kernel then fails with the right error.
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
            AnsweredCall::Affinity => Ok(self.release(notification)),
            AnsweredCall::Real(_)
            | AnsweredCall::Effective(_)
            | AnsweredCall::All(_)
            | AnsweredCall::Groups
            | AnsweredCall::Set(_)
            | AnsweredCall::SetTwo(_)
            | AnsweredCall::SetThree(_)
            | AnsweredCall::SetForFiles(_)
            | AnsweredCall::SetGroups
            | AnsweredCall::KeepCapabilities
            | AnsweredCall::Execute => self.identify(notification, call),
        }
    }

    /// Gives a process that asks for its processors all of them: PID 1 of a sandbox keeps commands on
    /// one as long as they cannot notice.
    fn release(&self, notification: &Notification) -> CallAnswer {
        let thread = Pid::from_raw(notification.thread as i32);
        if let Some(all) = &self.processors {
            let _ = sched_setaffinity(thread, all);
        }
        CallAnswer::Continue
    }

    pub(super) fn caller(&self, notification: &Notification) -> CallingProcess<'_> {
        CallingProcess {
            thread: notification.thread,
            processes: self.processes.as_fd(),
        }
    }

    /// Whether another file can be remembered.
    pub(super) fn has_room(&mut self) -> bool {
        if self.files.len() >= self.held_limit {
            self.files.sweep(is_gone);
        }
        self.files.len() < self.held_limit
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
    ) -> Result<CallFile, Errno> {
        let caller = self.caller(notification);
        match operand {
            Operand::Descriptor => Ok(CallFile::of_descriptor(int(notification, 0))),
            #[cfg(target_arch = "x86_64")]
            Operand::Path { follows } => Ok(CallFile {
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
                    return Ok(CallFile::of_descriptor(descriptor));
                }
                let path = caller.string(address)?;
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

    /// The file of a call on extended attributes.
    pub(super) fn attributed(
        &self,
        notification: &Notification,
        file: AttributeOperand,
    ) -> Result<CallFile, Errno> {
        if file == AttributeOperand::Descriptor {
            return Ok(CallFile::of_descriptor(int(notification, 0)));
        }
        let path = self
            .caller(notification)
            .string(notification.arguments[0])?;
        Ok(CallFile {
            descriptor: libc::AT_FDCWD,
            path: Some(path),
            follows: file == AttributeOperand::Path,
        })
    }
}

/// Some descriptors are for the work itself.
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

/// Whether no name is left of a file.
fn is_gone(held: &OwnedFd) -> bool {
    rustix::fs::fstat(held).is_ok_and(|status| status.st_nlink == 0)
}
