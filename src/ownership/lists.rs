//! Answers calls on access control lists that name users or groups besides root.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;

use super::acl;
use super::calls::AttributeOperand;
use super::supervisor::Supervisor;
use super::table::Lists;
use crate::kernel::listener::{CallAnswer, Notification};

const ACCESS: &CStr = c"system.posix_acl_access";
const DEFAULT: &CStr = c"system.posix_acl_default";

/// XATTR_LIST_MAX of linux/limits.h.
const NAMES_LIMIT: usize = 64 << 10;
/// The most bytes of a list that is recorded.
const VALUE_LIMIT: u64 = 4 << 10;
/// The most files whose lists are recorded.
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
        let name = self.string(notification, name)?;
        if Lists::default().of(&name).is_none() || size > VALUE_LIMIT {
            return Ok(CallAnswer::Continue);
        }
        let mut value = vec![0; size as usize];
        self.read(notification, address, &mut value)?;
        let named = self.attributed(notification, file)?;
        let opened = self.opened(notification, &named)?;
        let mut lists = self.files.lists(opened.id());
        let Some(known) = lists.of(&name) else {
            return Ok(CallAnswer::Continue);
        };
        if !acl::names_others(&value) {
            if known.take().is_some() {
                self.files.set_lists(opened.id(), lists, opened.file);
            }
            return Ok(CallAnswer::Continue);
        }
        let mode = opened.status.st_mode;
        let is_directory = FileType::from_raw_mode(mode) == FileType::Directory;
        if name.as_c_str() == DEFAULT && !is_directory {
            return Ok(CallAnswer::Error(Errno::ACCESS));
        }
        if !has_room {
            return Ok(CallAnswer::Error(Errno::NOSPC));
        }
        if name.as_c_str() == ACCESS {
            self.set_mode(&opened.file, mode & 0o7000 | acl::mode(&value))?;
        }
        *known = Some(value);
        self.files.set_lists(opened.id(), lists, opened.file);
        Ok(CallAnswer::Value(0))
    }

    /// Sets the mode of a file that is open with O_PATH.
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
        let name = self.string(notification, name)?;
        if Lists::default().of(&name).is_none() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.attributed(notification, file)?;
        let opened = self.opened(notification, &named)?;
        let mut lists = self.files.lists(opened.id());
        let Some(value) = lists.of(&name).and_then(Option::take) else {
            return Ok(CallAnswer::Continue);
        };
        let value = match name.as_c_str() == ACCESS {
            true => acl::with_mode(&value, opened.status.st_mode),
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
        let opened = self.opened(notification, &named)?;
        let lists = self.files.lists(opened.id());
        if lists == Lists::default() {
            return Ok(CallAnswer::Continue);
        }
        // Relative to /proc, because this process may have taken over a caller's root.
        rustix::process::fchdir(self.processes())?;
        let link = CString::new(format!("self/fd/{}", opened.file.as_raw_fd()));
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
        let name = self.string(notification, notification.arguments[1])?;
        let named = self.attributed(notification, file)?;
        let opened = self.opened(notification, &named)?;
        let mut lists = self.files.lists(opened.id());
        if lists.of(&name).and_then(Option::take).is_none() {
            return Ok(CallAnswer::Continue);
        }
        self.files.set_lists(opened.id(), lists, opened.file);
        Ok(CallAnswer::Value(0))
    }

    /// Answers a call that takes a buffer and its size; for the size 0, only with the length.
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
        self.write(notification, address, bytes)?;
        Ok(length)
    }
}
