//! Answers calls on files: those that show an owner, set it, or make a file.
#![expect(unsafe_code, reason = "statx is called as the caller did")]

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::caller::CallFile;
use super::calls::{Creation, Operand, UNNAMED};
use super::credentials::SAME;
use super::supervisor::{OpenedFile, Supervisor, id_of, int};
use super::table::FileOwner;
use crate::kernel::caller::bytes_of;
use crate::kernel::listener::{CallAnswer, Notification};

/// Where `struct statx` has the user and the group (linux/stat.h).
const STATX_OWNER: usize = 20;
/// The size of `struct statx`.
const STATX_SIZE: usize = 256;

/// The owner that root has natively.
const ROOT: u32 = 0;

impl Supervisor {
    /// `stat` and its relatives. The kernel answers unless something is recorded of the file.
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
        self.write(
            notification,
            notification.arguments[result],
            bytes_of(&status),
        )?;
        Ok(CallAnswer::Value(0))
    }

    pub(super) fn statx(&self, notification: &Notification) -> Result<CallAnswer, Errno> {
        const FLAGS: usize = 2;
        const MASK: usize = 3;
        const RESULT: usize = 4;
        if self.files.is_empty() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.named(notification, Operand::At { flags: FLAGS })?;
        let opened = self.opened(notification, &named)?;
        let Some(record) = self.files.record(opened.id()) else {
            return Ok(CallAnswer::Continue);
        };
        let mut found = [0; STATX_SIZE];
        let sync = int(notification, FLAGS) & libc::AT_STATX_SYNC_TYPE;
        // SAFETY: the kernel writes a `struct statx` to `found`.
        let done = unsafe {
            libc::syscall(
                libc::SYS_statx,
                opened.file.as_raw_fd(),
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
        self.write(notification, notification.arguments[RESULT], &found)?;
        Ok(CallAnswer::Value(0))
    }

    /// `chown` and its relatives.
    pub(super) fn set_owner(
        &mut self,
        notification: &Notification,
        file: Operand,
        ids: usize,
    ) -> Result<CallAnswer, Errno> {
        let named = self.named(notification, file)?;
        let OpenedFile { file, status } = self.opened(notification, &named)?;
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
        // A setgid directory of the host may have given it a group that is not mapped.
        let group = (status.st_gid != ROOT).then_some(Gid::ROOT);
        if before == after && after == FileOwner::default() && group.is_none() {
            return Ok(CallAnswer::Continue);
        }
        if !self.has_room() {
            return Ok(CallAnswer::Error(Errno::NFILE));
        }
        // As the kernel does for a new owner: clears setuid bits and file capabilities, sets the
        // time.
        if let Err(error) = rustix::fs::chownat(&file, c"", None, group, AtFlags::EMPTY_PATH) {
            return Ok(CallAnswer::Error(error));
        }
        self.files.set_owner(id_of(&status), after, file);
        Ok(CallAnswer::Value(0))
    }

    /// Answers a call that makes a file. The supervisor makes the file if root would not own it:
    /// for a caller that has changed its user, and in a setgid directory.
    pub(super) fn make(
        &mut self,
        notification: &Notification,
        directory: i32,
        path: u64,
        what: Creation,
    ) -> Result<CallAnswer, Errno> {
        if self.always_makes_for_root(notification) {
            return Ok(CallAnswer::Continue);
        }
        let named = CallFile {
            descriptor: directory,
            path: Some(self.string(notification, path)?),
            follows: false,
        };
        if let Creation::Open { flags } = what
            && int(notification, flags) & UNNAMED != 0
        {
            return self.make_unnamed(notification, named);
        }
        if !matches!(what, Creation::Directory { .. }) && named.ends_with_slash() {
            return Ok(CallAnswer::Continue);
        }
        let (above, name) = self.caller(notification).open_above(&named)?;
        let status = rustix::fs::fstat(&above)?;
        let owner = self.owner_of_new(notification, &status);
        if owner == FileOwner::default() {
            return Ok(CallAnswer::Continue);
        }
        let target = match what {
            Creation::Symlink { target } => {
                self.string(notification, notification.arguments[target])?
            }
            _ => CString::default(),
        };
        let new = NewFile {
            above: above.as_fd(),
            name: &name,
            target: &target,
            device: status.st_dev,
        };
        match self.make_for(notification, what, &new, owner) {
            Ok(answer) => Ok(answer),
            // What may have been made must not be made again by the kernel.
            Err(error) => Ok(CallAnswer::Error(error)),
        }
    }

    /// Makes a file and records its owner.
    fn make_for(
        &mut self,
        notification: &Notification,
        what: Creation,
        new: &NewFile<'_>,
        owner: FileOwner,
    ) -> Result<CallAnswer, Errno> {
        if !self.has_room() {
            return Err(Errno::NFILE);
        }
        let umask = self.caller(notification).umask()?;
        self.require_waiting(notification)?;
        rustix::process::umask(umask);
        let Some(answer) = new.make(notification, what)? else {
            return Ok(CallAnswer::Continue);
        };
        let held = self.hold(new, &answer)?;
        let made = rustix::fs::fstat(&held)?;
        if made.st_dev != new.device {
            return Err(Errno::XDEV);
        }
        self.files.set_owner(id_of(&made), owner, held);
        Ok(answer)
    }

    /// Answers O_TMPFILE. If root would not own the file, the call fails as on a file system
    /// without O_TMPFILE, and programs make a file with a name instead: nothing could be recorded
    /// until the file is linked.
    fn make_unnamed(
        &self,
        notification: &Notification,
        mut directory: CallFile,
    ) -> Result<CallAnswer, Errno> {
        directory.follows = true;
        let opened = self.opened(notification, &directory)?;
        match self.owner_of_new(notification, &opened.status) == FileOwner::default() {
            true => Ok(CallAnswer::Continue),
            false => Ok(CallAnswer::Error(Errno::OPNOTSUPP)),
        }
    }

    /// Whether root owns whatever the caller makes, in any directory.
    pub(super) fn always_makes_for_root(&self, notification: &Notification) -> bool {
        self.files.is_empty() && self.who(notification).owner() == FileOwner::default()
    }

    /// Who owns a file that a caller makes in a directory.
    pub(super) fn owner_of_new(&self, notification: &Notification, directory: &Stat) -> FileOwner {
        let mut owner = self.who(notification).owner();
        if directory.st_mode & libc::S_ISGID != 0 {
            owner.group = self.files.owner(id_of(directory)).group;
        }
        owner
    }

    /// Opens a new file with O_PATH, which keeps its inode and hinders neither locks nor execution.
    fn hold(&self, new: &NewFile<'_>, answer: &CallAnswer) -> Result<OwnedFd, Errno> {
        match answer {
            CallAnswer::Open { file, .. } => self.reopen(file, OFlags::PATH),
            _ => new.open(OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
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
}

/// A file that is made in place of a caller.
struct NewFile<'n> {
    above: BorrowedFd<'n>,
    name: &'n CString,
    /// Of a symlink.
    target: &'n CString,
    /// The file system of the directory.
    device: u64,
}

impl NewFile<'_> {
    /// Makes it. `None` if the kernel is to make it after all.
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

    /// Creates and opens a regular file. `None` if it exists, or for flags that create none.
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

    /// Opens the name itself: a symlink is an error.
    fn open(&self, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(self.above, self.name, flags, mode, resolve)
    }
}

/// The flags that are passed on for a file that is made for a caller. Others, such as O_ASYNC,
/// concern the process that opens the file.
const KNOWN_FLAGS: OFlags = OFlags::ACCMODE
    .union(OFlags::APPEND)
    .union(OFlags::TRUNC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::SYNC)
    .union(OFlags::NOATIME);
