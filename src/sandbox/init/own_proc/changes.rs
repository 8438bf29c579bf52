//! Answers calls that change a file, or concern its extended attributes, through a link of a process.
#![expect(unsafe_code, reason = "times are read as bytes")]

use std::mem;
use std::slice;

use rustix::fs::{AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::OwnProc;
use super::answers::Found;
use super::asked::Asked;
use super::calls::FileCall;

/// The most bytes of an extended attribute, and of a list of their names (XATTR_SIZE_MAX).
const ATTRIBUTE_LIMIT: usize = 64 << 10;

impl OwnProc {
    /// What has no link is a file of /proc, which nothing changes.
    pub(super) fn on_target(
        &self,
        asked: &Asked<'_>,
        found: &Found,
        call: FileCall,
    ) -> Result<i64, Errno> {
        let Found::Link(path) = found else {
            return Err(match call {
                FileCall::GetAttribute | FileCall::ListAttributes => Errno::OPNOTSUPP,
                _ => Errno::ROFS,
            });
        };
        match call {
            FileCall::SetMode { mode } => {
                let mode = Mode::from_raw_mode(asked.int(mode) as u32 & 0o7777);
                rustix::fs::chmodat(&self.processes, path.as_str(), mode, AtFlags::empty())?;
                Ok(0)
            }
            FileCall::SetOwner { ids, follows } => {
                if !follows.follows(&asked.notification.arguments) {
                    return Err(Errno::ROFS);
                }
                let [user, group] = [ids, ids + 1].map(|id| asked.int(id) as u32);
                let user = (user != u32::MAX).then(|| Uid::from_raw(user));
                let group = (group != u32::MAX).then(|| Gid::from_raw(group));
                let flags = AtFlags::empty();
                rustix::fs::chownat(&self.processes, path.as_str(), user, group, flags)?;
                Ok(0)
            }
            FileCall::SetTimes => self.set_times(asked, path),
            FileCall::Link => self.link(asked, path),
            _ => {
                // The calls on attributes take no directory.
                rustix::process::fchdir(&self.processes)?;
                let done = asked.attribute(path, call);
                rustix::process::chdir(c"/")?;
                done
            }
        }
    }

    /// `linkat`, by which programs give a name to a file that they have made without one.
    fn link(&self, asked: &Asked<'_>, path: &str) -> Result<i64, Errno> {
        const DIRECTORY: usize = 2;
        const NAME: usize = 3;
        const FLAGS: usize = 4;
        if asked.int(FLAGS) & libc::AT_SYMLINK_FOLLOW == 0 {
            return Err(Errno::XDEV);
        }
        // The caller's root is this process's.
        let name = asked.string(NAME)?;
        let directory = match asked.int(DIRECTORY) {
            libc::AT_FDCWD => asked.caller.open_own("cwd")?,
            descriptor => asked.caller.open_own(format_args!("fd/{descriptor}"))?,
        };
        asked.require_waiting()?;
        let flags = AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(&self.processes, path, &directory, &name, flags)?;
        Ok(0)
    }

    fn set_times(&self, asked: &Asked<'_>, path: &str) -> Result<i64, Errno> {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: libc::UTIME_NOW,
        };
        let mut times = [now, now];
        let address = asked.notification.arguments[2];
        if address != 0 {
            // SAFETY: plain numbers, for which every byte is valid.
            let bytes = unsafe {
                slice::from_raw_parts_mut(times.as_mut_ptr().cast(), mem::size_of_val(&times))
            };
            asked.read(address, bytes)?;
        }
        let [last_access, last_modification] = times.map(|time| rustix::fs::Timespec {
            tv_sec: time.tv_sec,
            tv_nsec: time.tv_nsec,
        });
        let times = Timestamps {
            last_access,
            last_modification,
        };
        rustix::fs::utimensat(&self.processes, path, &times, AtFlags::empty())?;
        Ok(0)
    }
}

impl Asked<'_> {
    /// A call on the attributes of a file, by a path from the current directory.
    fn attribute(&self, path: &str, call: FileCall) -> Result<i64, Errno> {
        if call == FileCall::ListAttributes {
            let mut list = vec![0; self.size(2, ATTRIBUTE_LIMIT)];
            let length = rustix::fs::listxattr(path, &mut list[..])?;
            return self.give(1, &list, length);
        }
        let name = self.string(1)?;
        let mut value = vec![0; self.size(3, ATTRIBUTE_LIMIT)];
        match call {
            FileCall::SetAttribute => {
                self.read(self.notification.arguments[2], &mut value)?;
                let flags = XattrFlags::from_bits_retain(self.int(4) as u32);
                rustix::fs::setxattr(path, &name, &value, flags)?;
                Ok(0)
            }
            FileCall::GetAttribute => {
                let length = rustix::fs::getxattr(path, &name, &mut value[..])?;
                self.give(2, &value, length)
            }
            _ => {
                rustix::fs::removexattr(path, &name)?;
                Ok(0)
            }
        }
    }

    /// Gives what was read; nothing if the caller only asked for its length.
    fn give(&self, argument: usize, read: &[u8], length: usize) -> Result<i64, Errno> {
        if !read.is_empty() {
            self.write(argument, &read[..length])?;
        }
        Ok(length as i64)
    }
}
