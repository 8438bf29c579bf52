//! Answers calls on access control lists that name others than root.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;

use super::acl;
use super::calls::AttributeOperand;
use super::listener::{CallAnswer, Notification};
use super::supervisor::{Supervisor, id_of};
use super::table::Lists;

const ACCESS: &CStr = c"system.posix_acl_access";
const DEFAULT: &CStr = c"system.posix_acl_default";

/// XATTR_LIST_MAX of linux/limits.h.
const NAMES_LIMIT: usize = 64 << 10;
/// Bytes of a list that is remembered.
const VALUE_LIMIT: u64 = 4 << 10;
/// Files of which lists are remembered.
const LISTED_LIMIT: usize = 4096;

impl Lists {
    fn of(&mut self, name: &CStr) -> Option<&mut Option<Vec<u8>>> {
        match name {
            name if name == ACCESS => Some(&mut self.access),
            name if name == DEFAULT => Some(&mut self.default),
            _ => None,
        }
    }
}

impl Supervisor {
    pub(super) fn set_list(
        &mut self,
        notification: &Notification,
        file: AttributeOperand,
    ) -> Result<CallAnswer, Errno> {
        let [_, name, address, size, _, _] = notification.arguments;
        let has_room = self.has_room() && self.files.listed() < LISTED_LIMIT;
        let caller = self.caller(notification);
        let name = caller.string(name)?;
        if Lists::default().of(&name).is_none() || size > VALUE_LIMIT {
            return Ok(CallAnswer::Continue);
        }
        let mut value = vec![0; size as usize];
        caller.read_exactly(address, &mut value)?;
        let opened = caller.open(&self.attributed(notification, file)?)?;
        let status = rustix::fs::fstat(&opened)?;
        let mut lists = self.files.lists(id_of(&status));
        let Some(known) = lists.of(&name) else {
            return Ok(CallAnswer::Continue);
        };
        if !acl::names_others(&value) {
            if known.take().is_some() {
                self.files.set_lists(id_of(&status), lists, opened);
            }
            return Ok(CallAnswer::Continue);
        }
        let is_directory = FileType::from_raw_mode(status.st_mode) == FileType::Directory;
        if name.as_c_str() == DEFAULT && !is_directory {
            return Ok(CallAnswer::Error(Errno::ACCESS));
        }
        if !has_room {
            return Ok(CallAnswer::Error(Errno::NOSPC));
        }
        self.require_waiting(notification)?;
        if name.as_c_str() == ACCESS {
            let bits = status.st_mode & 0o7000 | acl::mode(&value);
            self.set_mode(&opened, bits)?;
        }
        *known = Some(value);
        self.files.set_lists(id_of(&status), lists, opened);
        Ok(CallAnswer::Value(0))
    }

    /// Sets the mode of a file that is open for looking at it.
    fn set_mode(&self, opened: &OwnedFd, bits: u32) -> Result<(), Errno> {
        let link = format!("self/fd/{}", opened.as_raw_fd());
        let mode = Mode::from_raw_mode(bits);
        rustix::fs::chmodat(self.processes(), link, mode, AtFlags::empty())
    }

    pub(super) fn list(
        &self,
        notification: &Notification,
        file: AttributeOperand,
    ) -> Result<CallAnswer, Errno> {
        if self.files.is_empty() {
            return Ok(CallAnswer::Continue);
        }
        let [_, name, address, room, _, _] = notification.arguments;
        let name = self.caller(notification).string(name)?;
        if Lists::default().of(&name).is_none() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.attributed(notification, file)?;
        let opened = self.caller(notification).open(&named)?;
        let status = rustix::fs::fstat(&opened)?;
        let mut lists = self.files.lists(id_of(&status));
        let Some(value) = lists.of(&name).and_then(Option::take) else {
            return Ok(CallAnswer::Continue);
        };
        let value = match name.as_c_str() == ACCESS {
            true => acl::with_mode(&value, status.st_mode),
            false => value,
        };
        self.tell_bytes(notification, address, room, &value)
    }

    pub(super) fn names_of_lists(
        &self,
        notification: &Notification,
        file: AttributeOperand,
    ) -> Result<CallAnswer, Errno> {
        if self.files.is_empty() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.attributed(notification, file)?;
        let opened = self.caller(notification).open(&named)?;
        let status = rustix::fs::fstat(&opened)?;
        let lists = self.files.lists(id_of(&status));
        if lists == Lists::default() {
            return Ok(CallAnswer::Continue);
        }
        // Relative to /proc, because the root may be a caller's.
        rustix::process::fchdir(self.processes())?;
        let link = CString::new(format!("self/fd/{}", opened.as_raw_fd()));
        let link = link.map_err(|_| Errno::INVAL)?;
        let mut names = vec![0; NAMES_LIMIT];
        let length = rustix::fs::listxattr(&*link, &mut names[..]).unwrap_or(0);
        names.truncate(length);
        for (name, list) in [(ACCESS, &lists.access), (DEFAULT, &lists.default)] {
            if list.is_some() {
                names.extend_from_slice(name.to_bytes_with_nul());
            }
        }
        let [_, address, room, _, _, _] = notification.arguments;
        self.tell_bytes(notification, address, room, &names)
    }

    pub(super) fn remove_list(
        &mut self,
        notification: &Notification,
        file: AttributeOperand,
    ) -> Result<CallAnswer, Errno> {
        if self.files.is_empty() {
            return Ok(CallAnswer::Continue);
        }
        let caller = self.caller(notification);
        let name = caller.string(notification.arguments[1])?;
        let opened = caller.open(&self.attributed(notification, file)?)?;
        let status = rustix::fs::fstat(&opened)?;
        let mut lists = self.files.lists(id_of(&status));
        if lists.of(&name).and_then(Option::take).is_none() {
            return Ok(CallAnswer::Continue);
        }
        self.require_waiting(notification)?;
        self.files.set_lists(id_of(&status), lists, opened);
        Ok(CallAnswer::Value(0))
    }

    /// Answers as calls do that take a buffer, and without one tell how large it must be.
    fn tell_bytes(
        &self,
        notification: &Notification,
        address: u64,
        room: u64,
        bytes: &[u8],
    ) -> Result<CallAnswer, Errno> {
        let length = CallAnswer::Value(bytes.len() as i64);
        if room == 0 {
            return Ok(length);
        }
        if room < bytes.len() as u64 {
            return Ok(CallAnswer::Error(Errno::RANGE));
        }
        match self.write(notification, address, bytes)? {
            CallAnswer::Error(error) => Ok(CallAnswer::Error(error)),
            _ => Ok(length),
        }
    }
}
