//! Records the owners of sockets in the file system, which `bind` makes.
//!
//! The kernel makes the file, because a socket that the supervisor bound would have another
//! address. The owner is recorded as soon as any process makes a call that is handed over, such as
//! `stat`.

use std::ffi::{CString, c_int};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::caller::CallFile;
use super::supervisor::{Supervisor, id_of, int};
use super::table::FileOwner;
use crate::kernel::listener::{CallAnswer, Notification};

/// Bytes of a `struct sockaddr_un`, of which the first two are the family.
const ADDRESS_LIMIT: usize = 110;
const FAMILY: usize = 2;

/// The most sockets that are waited for at a time.
const LIMIT: usize = 64;

/// A socket that the kernel is about to make.
pub(super) struct NewSocket {
    /// The thread that makes it.
    thread: u32,
    above: OwnedFd,
    name: CString,
    owner: FileOwner,
}

impl Supervisor {
    pub(super) fn bind(&mut self, notification: &Notification) -> Result<CallAnswer, Errno> {
        if self.always_makes_for_root(notification) {
            return Ok(CallAnswer::Continue);
        }
        let length = usize::try_from(int(notification, 2)).unwrap_or_default();
        let mut address = [0; ADDRESS_LIMIT];
        let Some(address) = address.get_mut(..length) else {
            return Ok(CallAnswer::Continue);
        };
        self.read(notification, notification.arguments[1], address)?;
        let Some(path) = path_of(address) else {
            return Ok(CallAnswer::Continue);
        };
        let named = CallFile {
            descriptor: libc::AT_FDCWD,
            path: Some(path),
            follows: false,
        };
        let (above, name) = self.caller(notification).open_above(&named)?;
        self.require_waiting(notification)?;
        let owner = self.owner_of_new(notification, &rustix::fs::fstat(&above)?);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let exists = rustix::fs::statat(&above, &name, flags).is_ok();
        if exists || owner == FileOwner::default() {
            return Ok(CallAnswer::Continue);
        }
        if !self.has_room() {
            return Ok(CallAnswer::Error(Errno::NFILE));
        }
        // Of a process that was killed before it made its socket, for example.
        if self.new_sockets.len() >= LIMIT {
            self.new_sockets.remove(0);
        }
        self.new_sockets.push(NewSocket {
            thread: notification.thread,
            above,
            name,
            owner,
        });
        Ok(CallAnswer::Continue)
    }

    /// Records the owners of the sockets that exist by now. `caller` is the thread that makes a
    /// call: if the socket that it was to make does not exist, its `bind` has failed.
    pub(super) fn own_new_sockets(&mut self, caller: u32) {
        for socket in std::mem::take(&mut self.new_sockets) {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(&socket.above, &socket.name, flags, Mode::empty());
            match opened {
                Ok(file) => self.own_socket(file, socket.owner),
                Err(_) if socket.thread == caller => {}
                Err(_) => self.new_sockets.push(socket),
            }
        }
    }

    fn own_socket(&mut self, file: OwnedFd, owner: FileOwner) {
        let Ok(status) = rustix::fs::fstat(file.as_fd()) else {
            return;
        };
        if FileType::from_raw_mode(status.st_mode) == FileType::Socket {
            self.files.set_owner(id_of(&status), owner, file);
        }
    }
}

/// The path of an address. `None` for another family, for a name that is not in the file system,
/// and for no name.
fn path_of(address: &[u8]) -> Option<CString> {
    let (family, path) = address.split_at_checked(FAMILY)?;
    let family = u16::from_ne_bytes([family[0], family[1]]);
    let path = path.split(|byte| *byte == 0).next()?;
    let is_path = c_int::from(family) == libc::AF_UNIX && !path.is_empty();
    CString::new(path).ok().filter(|_| is_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_are_in_the_file_system() {
        let unix = (libc::AF_UNIX as u16).to_ne_bytes();
        let inet = (libc::AF_INET as u16).to_ne_bytes();
        let table: [(&[u8], &[u8], Option<&str>); 6] = [
            (&unix, b"/run/s\0rest", Some("/run/s")),
            (&unix, b"relative", Some("relative")),
            (&unix, b"\0abstract", None),
            (&unix, b"", None),
            (&inet, b"/run/s", None),
            (&unix[..1], b"", None),
        ];
        for (family, path, expected) in table {
            let found = path_of(&[family, path].concat());
            let found = found.as_deref().map(|path| path.to_str().unwrap());
            assert_eq!(found, expected);
        }
    }
}
