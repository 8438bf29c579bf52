//! Answers calls on the ids of a process, and keeps them through the start of another program.

use rustix::fs::{FileType, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::calls::{IdCall, IdKind, Operand};
use super::credentials::ProcessCredentials;
use super::supervisor::{OpenedFile, Supervisor};
use crate::kernel::listener::{CallAnswer, Notification};

/// NGROUPS_MAX of linux/limits.h.
const GROUPS_LIMIT: usize = 65536;
/// The mode bits that permit somebody to execute a file.
const EXECUTABLE: u32 = 0o111;
/// The most different credentials of a run.
const CREDENTIALS_LIMIT: usize = 4096;
/// The most groups of all of them together.
const ALL_GROUPS_LIMIT: usize = 1 << 20;

impl Supervisor {
    /// The caller's credentials.
    pub(super) fn who(&self, notification: &Notification) -> &ProcessCredentials {
        let number = self.caller(notification).credentials();
        self.credentials.get(number).unwrap_or(&self.credentials[0])
    }

    /// Answers a call on ids.
    pub(super) fn identify(
        &mut self,
        notification: &Notification,
        call: IdCall,
    ) -> Result<CallAnswer, Errno> {
        let mut who = self.who(notification).clone();
        let id = |argument: usize| notification.arguments[argument] as u32;
        let changed = match call {
            IdCall::Real(kind) => return Ok(CallAnswer::Value(who.ids(kind).real.into())),
            IdCall::Effective(kind) => {
                return Ok(CallAnswer::Value(who.ids(kind).effective.into()));
            }
            IdCall::All(kind) => return self.tell_all(notification, &who, kind),
            IdCall::Groups => return self.tell_groups(notification, &who),
            IdCall::Set(kind) => who.set(kind, id(0)),
            IdCall::SetTwo(kind) => who.set_two(kind, id(0), id(1)),
            IdCall::SetThree(kind) => who.set_three(kind, [id(0), id(1), id(2)]),
            IdCall::SetForFiles(kind) => {
                let before = who.set_for_files(kind, id(0));
                self.carry(notification, who)?;
                return Ok(CallAnswer::Value(before.into()));
            }
            IdCall::KeepCapabilities => {
                who.keep_capabilities(id(1) != 0);
                self.carry(notification, who)?;
                return Ok(CallAnswer::Continue);
            }
            IdCall::SetGroups => self
                .groups(notification)
                .and_then(|groups| who.set_others(groups)),
        };
        match changed.and_then(|()| self.carry(notification, who)) {
            Ok(()) => Ok(CallAnswer::Value(0)),
            Err(error) => Ok(CallAnswer::Error(error)),
        }
    }

    /// Gives a process the ids that it has after an exec, which is left to the kernel.
    pub(super) fn execute(
        &mut self,
        notification: &Notification,
        program: Operand,
    ) -> Result<CallAnswer, Errno> {
        if self.files.is_empty() && *self.who(notification) == ProcessCredentials::default() {
            return Ok(CallAnswer::Continue);
        }
        let named = self.named(notification, program)?;
        let opened = self.opened(notification, &named)?;
        let mode = opened.status.st_mode;
        let is_program = FileType::from_raw_mode(mode) == FileType::RegularFile;
        // The exec will fail.
        if !is_program || mode & EXECUTABLE == 0 {
            return Ok(CallAnswer::Continue);
        }
        let has_bits = mode & (libc::S_ISUID | libc::S_ISGID) != 0;
        let is_heeded = has_bits && self.heeds_bits(notification, &opened)?;
        let owner = self.files.owner(opened.id());
        let user = (is_heeded && mode & libc::S_ISUID != 0).then_some(owner.user);
        // Without group execute permission, the bit stood for mandatory locking.
        let is_setgid = mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0;
        let group = (is_heeded && is_setgid).then_some(owner.group);
        let mut who = self.who(notification).clone();
        who.execute(user, group);
        self.carry(notification, who)?;
        Ok(CallAnswer::Continue)
    }

    /// Whether the kernel heeds the setuid and setgid bits of a program, which it does not of a
    /// script.
    fn heeds_bits(&self, notification: &Notification, opened: &OpenedFile) -> Result<bool, Errno> {
        const SCRIPT: [u8; 2] = *b"#!";
        if self.caller(notification).has_no_new_privileges()? {
            return Ok(false);
        }
        let mount = rustix::fs::fstatvfs(&opened.file)?;
        if mount.f_flag.contains(StatVfsMountFlags::NOSUID) {
            return Ok(false);
        }
        let mut start = [0; SCRIPT.len()];
        let program = self.reopen(&opened.file, OFlags::RDONLY)?;
        let read = rustix::io::pread(program, &mut start, 0)?;
        Ok(start[..read] != SCRIPT)
    }

    /// Stores the number of these credentials in the caller.
    fn carry(&mut self, notification: &Notification, who: ProcessCredentials) -> Result<(), Errno> {
        self.require_waiting(notification)?;
        let known = self.credentials.iter().position(|one| *one == who);
        let number = known.unwrap_or(self.credentials.len());
        if known.is_none() {
            let mut groups = who.others.len();
            for one in &self.credentials {
                groups += one.others.len();
            }
            if number >= CREDENTIALS_LIMIT || groups > ALL_GROUPS_LIMIT {
                return Err(Errno::NOMEM);
            }
        }
        let caller = self.caller(notification);
        if caller.credentials() != number {
            caller.set_credentials(number)?;
        }
        if known.is_none() {
            self.credentials.push(who);
        }
        Ok(())
    }

    fn tell_all(
        &self,
        notification: &Notification,
        who: &ProcessCredentials,
        kind: IdKind,
    ) -> Result<CallAnswer, Errno> {
        for (id, address) in who.ids(kind).all().into_iter().zip(notification.arguments) {
            self.write(notification, address, &id.to_ne_bytes())?;
        }
        Ok(CallAnswer::Value(0))
    }

    fn tell_groups(
        &self,
        notification: &Notification,
        who: &ProcessCredentials,
    ) -> Result<CallAnswer, Errno> {
        let room = notification.arguments[0] as i32;
        let count = who.others.len();
        let told = CallAnswer::Value(count as i64);
        if room == 0 || count == 0 {
            return Ok(told);
        }
        if usize::try_from(room).map_or(true, |room| room < count) {
            return Ok(CallAnswer::Error(Errno::INVAL));
        }
        let mut bytes = Vec::new();
        for group in &who.others {
            bytes.extend(group.to_ne_bytes());
        }
        self.write(notification, notification.arguments[1], &bytes)?;
        Ok(told)
    }

    /// The argument of `setgroups`.
    fn groups(&self, notification: &Notification) -> Result<Vec<u32>, Errno> {
        let count = usize::try_from(notification.arguments[0] as i32).unwrap_or(usize::MAX);
        if count > GROUPS_LIMIT {
            return Err(Errno::INVAL);
        }
        let mut bytes = vec![0; count * size_of::<u32>()];
        if count > 0 {
            self.read(notification, notification.arguments[1], &mut bytes)?;
        }
        let mut groups = Vec::new();
        for group in bytes.as_chunks().0 {
            groups.push(u32::from_ne_bytes(*group));
        }
        Ok(groups)
    }
}
