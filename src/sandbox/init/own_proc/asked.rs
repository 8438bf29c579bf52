//! A call that waits for its answer: its arguments, and the memory that they point to.

use std::ffi::{CString, c_int};
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::path::Process;
use crate::kernel::caller::CallingProcess;
use crate::kernel::listener::{CallListener, Notification};

/// A call with what it takes to answer it.
pub(super) struct Asked<'a> {
    pub(super) notification: &'a Notification,
    pub(super) listener: &'a CallListener,
    pub(super) caller: CallingProcess<'a>,
}

impl Asked<'_> {
    /// An argument that is an int.
    pub(super) fn int(&self, argument: usize) -> c_int {
        self.notification.arguments[argument] as c_int
    }

    /// An argument that is a size, at most this one.
    pub(super) fn size(&self, argument: usize, limit: usize) -> usize {
        let size = usize::try_from(self.notification.arguments[argument]);
        size.map_or(limit, |size| size.min(limit))
    }

    /// A string in the caller's memory.
    pub(super) fn string(&self, argument: usize) -> Result<CString, Errno> {
        let string = self.caller.string(self.notification.arguments[argument])?;
        self.require_waiting()?;
        Ok(string)
    }

    pub(super) fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.caller.read_exactly(address, into)?;
        self.require_waiting()
    }

    /// Writes to the caller's memory.
    pub(super) fn write(&self, argument: usize, bytes: &[u8]) -> Result<(), Errno> {
        let memory = self.caller.memory()?;
        self.require_waiting()?;
        let address = self.notification.arguments[argument];
        let written = memory.write_all_at(bytes, address);
        written.map_err(|_| Errno::FAULT)
    }

    /// Fails if the thread no longer waits: another process may have its id by now.
    pub(super) fn require_waiting(&self) -> Result<(), Errno> {
        match self.listener.waits(self.notification) {
            true => Ok(()),
            false => Err(Errno::SRCH),
        }
    }

    /// The number of the caller's process. Fails for a path that names another one.
    pub(super) fn own(&self, named: Process) -> Result<u32, Errno> {
        let own = self.caller.status_field("Tgid:")?;
        let own = own.parse().map_err(|_| Errno::IO)?;
        self.require_waiting()?;
        match named {
            Process::Number(number) if number != own => Err(Errno::NOENT),
            _ => Ok(own),
        }
    }
}
