//! Answers calls on files: who owns one, who shall, who owns a new one.
#![expect(
    unsafe_code,
    reason = "structures of the kernel are written as bytes; statx is called as the caller did"
)]

use std::ffi::CString;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
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
        let status = self.status(notification, &named)?;
        let Some(record) = self.files.record(id_of(&status)) else {
            return Ok(CallAnswer::Continue);
        };
        let opened = self.caller(notification).open(&named)?;
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
        let is_mapped = status.st_uid == ROOT && status.st_gid == ROOT;
        if !is_mapped || !self.who(notification).may_give(before, after) {
            return Ok(CallAnswer::Error(Errno::PERM));
        }
        if before == after && after == FileOwner::default() {
            return Ok(CallAnswer::Continue);
        }
        self.require_waiting(notification)?;
        // The rest of what the kernel does: setuid bits and file capabilities go, the time changes.
        if let Err(error) = rustix::fs::chownat(&opened, c"", None, None, AtFlags::EMPTY_PATH) {
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
        self.require_waiting(notification)?;
        rustix::process::umask(caller.umask()?);
        let answer = match self.make_in(notification, above.as_fd(), &name, what) {
            Ok(None) => return Ok(CallAnswer::Continue),
            Ok(Some(answer)) => answer,
            Err(error) => return Ok(CallAnswer::Error(error)),
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = match &answer {
            CallAnswer::Open { file, .. } => file.try_clone().map_err(|_| Errno::MFILE)?,
            _ => rustix::fs::openat(&above, &name, flags, Mode::empty())?,
        };
        let status = rustix::fs::fstat(&made)?;
        self.files.set_owner(id_of(&status), owner, made);
        Ok(answer)
    }

    /// Makes a file. `None` if that is the kernel's after all.
    fn make_in(
        &self,
        notification: &Notification,
        above: BorrowedFd<'_>,
        name: &CString,
        what: Creation,
    ) -> Result<Option<CallAnswer>, Errno> {
        let mode_in =
            |argument: usize| Mode::from_raw_mode(notification.arguments[argument] as u32 & 0o7777);
        match what {
            Creation::Open { flags } => {
                let mode = mode_in(flags + 1);
                let flags = OFlags::from_bits_retain(notification.arguments[flags] as u32);
                open_new(above, name, flags, mode)
            }
            #[cfg(target_arch = "x86_64")]
            Creation::Create { mode } => {
                let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CREATE;
                open_new(above, name, flags, mode_in(mode))
            }
            Creation::Directory { mode } => {
                rustix::fs::mkdirat(above, name, mode_in(mode))?;
                Ok(Some(CallAnswer::Value(0)))
            }
            Creation::Node { mode } => {
                let kind = FileType::from_raw_mode(notification.arguments[mode] as u32);
                let kind = match kind {
                    FileType::CharacterDevice | FileType::BlockDevice => return Ok(None),
                    FileType::Unknown => FileType::RegularFile,
                    other => other,
                };
                rustix::fs::mknodat(above, name, kind, mode_in(mode), 0)?;
                Ok(Some(CallAnswer::Value(0)))
            }
            Creation::Symlink { target } => {
                let caller = self.caller(notification);
                let target = caller.string(notification.arguments[target])?;
                rustix::fs::symlinkat(&target, above, name)?;
                Ok(Some(CallAnswer::Value(0)))
            }
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
        self.require_waiting(notification)?;
        match self.caller(notification).write(address, bytes) {
            Ok(()) => Ok(CallAnswer::Value(0)),
            Err(error) => Ok(CallAnswer::Error(error)),
        }
    }
}

/// Opens a file that does not exist. `None` if it does.
fn open_new(
    above: BorrowedFd<'_>,
    name: &CString,
    flags: OFlags,
    mode: Mode,
) -> Result<Option<CallAnswer>, Errno> {
    let closes = flags.contains(OFlags::CLOEXEC);
    let new = flags | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    match rustix::fs::openat(above, name, new, mode) {
        Ok(file) => Ok(Some(CallAnswer::Open { file, closes })),
        Err(Errno::EXIST | Errno::INVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes of a `struct stat`.
fn bytes(status: &Stat) -> &[u8] {
    // SAFETY: a plain structure as the kernel writes it, whose padding was zeroed or filled.
    unsafe { std::slice::from_raw_parts((&raw const *status).cast(), mem::size_of::<Stat>()) }
}
