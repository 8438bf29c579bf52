//! Answers calls on files: who owns one, who shall, who owns a new one.
#![expect(
    unsafe_code,
    reason = "structures of the kernel are written as bytes; statx is called as the caller did"
)]

use std::ffi::CString;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::caller::CallFile;
use super::calls::{Creation, Operand};
use super::credentials::SAME;
use super::listener::{CallAnswer, Notification};
use super::supervisor::{Supervisor, id_of, int};
use super::table::FileOwner;

/// Where `struct statx` has the user and the group (linux/stat.h).
const STATX_OWNER: usize = 20;
/// The size of `struct statx`.
const STATX_SIZE: usize = 256;

/// The owner that root has natively.
const ROOT: u32 = 0;

impl Supervisor {
    /// `stat` and its relatives: the kernel's, unless something is remembered.
    pub(super) fn stat(
        &self,
        notification: &Notification,
        file: Operand,
        result: usize,
    ) -> Result<CallAnswer, Errno> {
        if self.files.is_empty() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.named(notification, file)?;
        let mut status = self.status(notification, &named)?;
        let Some(record) = self.files.record(id_of(&status)) else {
            return Ok(CallAnswer::Continue);
        };
        status.st_uid = record.owner.user;
        status.st_gid = record.owner.group;
        self.write(notification, notification.arguments[result], bytes(&status))
    }

    pub(super) fn statx(&self, notification: &Notification) -> Result<CallAnswer, Errno> {
        const FLAGS: usize = 2;
        const MASK: usize = 3;
        const RESULT: usize = 4;
        if self.files.is_empty() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.named(notification, Operand::At { flags: FLAGS })?;
        let opened = self.caller(notification).open(&named)?;
        let status = rustix::fs::fstat(&opened)?;
        let Some(record) = self.files.record(id_of(&status)) else {
            return Ok(CallAnswer::Continue);
        };
        let mut found = [0; STATX_SIZE];
        let sync = int(notification, FLAGS) & libc::AT_STATX_SYNC_TYPE;
        // SAFETY: the kernel writes a `struct statx` to `found`.
        let done = unsafe {
            libc::syscall(
                libc::SYS_statx,
                opened.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH | sync,
                notification.arguments[MASK],
                found.as_mut_ptr(),
            )
        };
        if done != 0 {
            return Ok(CallAnswer::Continue);
        }
        let owner = record.owner;
        found[STATX_OWNER..STATX_OWNER + 4].copy_from_slice(&owner.user.to_ne_bytes());
        found[STATX_OWNER + 4..STATX_OWNER + 8].copy_from_slice(&owner.group.to_ne_bytes());
        self.write(notification, notification.arguments[RESULT], &found)
    }

    /// `chown` and its relatives.
    pub(super) fn set_owner(
        &mut self,
        notification: &Notification,
        file: Operand,
        ids: usize,
    ) -> Result<CallAnswer, Errno> {
        let named = self.named(notification, file)?;
        let opened = self.caller(notification).open(&named)?;
        let status = rustix::fs::fstat(&opened)?;
        let before = self.files.owner(id_of(&status));
        let kept = |argument: usize, before: u32| match notification.arguments[argument] as u32 {
            SAME => before,
            id => id,
        };
        let after = FileOwner {
            user: kept(ids, before.user),
            group: kept(ids + 1, before.group),
        };
        if status.st_uid != ROOT || !self.who(notification).may_give(before, after) {
            return Ok(CallAnswer::Error(Errno::PERM));
        }
        // A directory outside of the namespace may have handed down a group that is not mapped.
        let group = (status.st_gid != ROOT).then_some(Gid::ROOT);
        if before == after && after == FileOwner::default() && group.is_none() {
            return Ok(CallAnswer::Continue);
        }
        if !self.has_room() {
            return Ok(CallAnswer::Error(Errno::NFILE));
        }
        self.require_waiting(notification)?;
        // The rest of what the kernel does: setuid bits and file capabilities go, the time changes.
        if let Err(error) = rustix::fs::chownat(&opened, c"", None, group, AtFlags::EMPTY_PATH) {
            return Ok(CallAnswer::Error(error));
        }
        self.files.set_owner(id_of(&status), after, opened);
        Ok(CallAnswer::Value(0))
    }

    /// Makes a file in place of the caller if it does not become root's: of a caller that believes
    /// to be another user, or in a directory that hands its group down.
    pub(super) fn make(
        &mut self,
        notification: &Notification,
        directory: i32,
        path: u64,
        what: Creation,
    ) -> Result<CallAnswer, Errno> {
        let mut owner = self.who(notification).owner();
        if self.files.is_empty() && owner == FileOwner::default() {
            return Ok(CallAnswer::Continue);
        }
        let has_room = self.has_room();
        let caller = self.caller(notification);
        let named = CallFile {
            descriptor: directory,
            path: Some(caller.string(path)?),
            follows: false,
        };
        if !matches!(what, Creation::Directory { .. }) && named.ends_with_slash() {
            return Ok(CallAnswer::Continue);
        }
        let (above, name) = caller.open_above(&named)?;
        let status = rustix::fs::fstat(&above)?;
        if status.st_mode & libc::S_ISGID != 0 {
            owner.group = self.files.owner(id_of(&status)).group;
        }
        if owner == FileOwner::default() {
            return Ok(CallAnswer::Continue);
        }
        if !has_room {
            return Ok(CallAnswer::Error(Errno::NFILE));
        }
        let target = match what {
            Creation::Symlink { target } => caller.string(notification.arguments[target])?,
            _ => CString::default(),
        };
        let umask = caller.umask()?;
        self.require_waiting(notification)?;
        rustix::process::umask(umask);
        let new = NewFile {
            above: above.as_fd(),
            name: &name,
            target: &target,
        };
        let made = new.make(notification, what).and_then(|answer| {
            let held = answer.as_ref().map(|answer| self.hold(&new, answer));
            Ok((answer, held.transpose()?))
        });
        // What has been made must not be made again.
        let (answer, held) = match made {
            Ok((Some(answer), Some(held))) => (answer, held),
            Ok(_) => return Ok(CallAnswer::Continue),
            Err(error) => return Ok(CallAnswer::Error(error)),
        };
        match rustix::fs::fstat(&held) {
            Ok(made) if made.st_dev == status.st_dev => {
                self.files.set_owner(id_of(&made), owner, held);
                Ok(answer)
            }
            Ok(_) => Ok(CallAnswer::Error(Errno::XDEV)),
            Err(error) => Ok(CallAnswer::Error(error)),
        }
    }

    /// Opens a new file for keeping its inode, which hinders nobody to lock or execute it.
    fn hold(&self, new: &NewFile<'_>, answer: &CallAnswer) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match answer {
            CallAnswer::Open { file, .. } => {
                let link = format!("self/fd/{}", file.as_raw_fd());
                rustix::fs::openat(self.processes(), link, flags, Mode::empty())
            }
            _ => new.open(flags, Mode::empty()),
        }
    }

    /// The metadata of a file that a call names.
    fn status(&self, notification: &Notification, named: &CallFile) -> Result<Stat, Errno> {
        let caller = self.caller(notification);
        match (&named.path, named.descriptor) {
            (None, descriptor) if descriptor >= 0 => caller.status(descriptor),
            _ => rustix::fs::fstat(caller.open(named)?),
        }
    }

    /// Writes a result to the caller's memory.
    pub(super) fn write(
        &self,
        notification: &Notification,
        address: u64,
        bytes: &[u8],
    ) -> Result<CallAnswer, Errno> {
        let memory = self.caller(notification).memory()?;
        self.require_waiting(notification)?;
        match memory.write_all_at(bytes, address) {
            Ok(()) => Ok(CallAnswer::Value(0)),
            Err(_) => Ok(CallAnswer::Error(Errno::FAULT)),
        }
    }
}

/// A file that is made in place of a caller.
struct NewFile<'n> {
    above: BorrowedFd<'n>,
    name: &'n CString,
    /// Of a symlink.
    target: &'n CString,
}

impl NewFile<'_> {
    /// Makes it. `None` if that is the kernel's after all.
    fn make(
        &self,
        notification: &Notification,
        what: Creation,
    ) -> Result<Option<CallAnswer>, Errno> {
        let bits = |argument: usize| notification.arguments[argument] as u32;
        let mode_in = |argument: usize| Mode::from_raw_mode(bits(argument) & 0o7777);
        match what {
            Creation::Open { flags } => {
                let mode = mode_in(flags + 1);
                return self.open_new(OFlags::from_bits_retain(bits(flags)), mode);
            }
            #[cfg(target_arch = "x86_64")]
            Creation::Create { mode } => {
                return self.open_new(OFlags::WRONLY | OFlags::TRUNC, mode_in(mode));
            }
            Creation::Directory { mode } => {
                rustix::fs::mkdirat(self.above, self.name, mode_in(mode))?;
            }
            Creation::Node { mode } => {
                let kind = match FileType::from_raw_mode(bits(mode)) {
                    FileType::CharacterDevice | FileType::BlockDevice => return Ok(None),
                    FileType::Unknown => FileType::RegularFile,
                    other => other,
                };
                rustix::fs::mknodat(self.above, self.name, kind, mode_in(mode), 0)?;
            }
            Creation::Symlink { .. } => {
                rustix::fs::symlinkat(self.target, self.above, self.name)?;
            }
        }
        Ok(Some(CallAnswer::Value(0)))
    }

    /// Opens a regular file that does not exist. `None` if it does, or for flags that make none.
    fn open_new(&self, flags: OFlags, mode: Mode) -> Result<Option<CallAnswer>, Errno> {
        if flags.intersects(OFlags::PATH | OFlags::DIRECTORY) {
            return Ok(None);
        }
        let closes = flags.contains(OFlags::CLOEXEC);
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.open(flags & KNOWN_FLAGS | new, mode) {
            Ok(file) => Ok(Some(CallAnswer::Open { file, closes })),
            Err(Errno::EXIST | Errno::INVAL | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the name itself. A link is an error.
    fn open(&self, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(self.above, self.name, flags, mode, resolve)
    }
}

/// What a caller may say of a file that is made for it. Others, such as O_ASYNC, mean something of
/// the process that opens.
const KNOWN_FLAGS: OFlags = OFlags::ACCMODE
    .union(OFlags::APPEND)
    .union(OFlags::TRUNC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::SYNC)
    .union(OFlags::NOATIME);

/// The bytes of a `struct stat`.
fn bytes(status: &Stat) -> &[u8] {
    // SAFETY: a plain structure as the kernel writes it, whose padding was zeroed or filled.
    unsafe { std::slice::from_raw_parts((&raw const *status).cast(), mem::size_of::<Stat>()) }
}
