//! Answers calls on the ids of a process: what it was told is what it is told again.

use rustix::io::Errno;

use super::calls::{AnsweredCall, IdKind};
use super::credentials::ProcessCredentials;
use super::listener::{CallAnswer, Notification};
use super::supervisor::Supervisor;

/// NGROUPS_MAX of linux/limits.h.
const GROUPS_LIMIT: usize = 65536;
/// Different credentials of a run.
const CREDENTIALS_LIMIT: usize = 4096;
/// Groups of all of them.
const ALL_GROUPS_LIMIT: usize = 1 << 20;

impl Supervisor {
    /// Who the caller believes to be.
    pub(super) fn who(&self, notification: &Notification) -> &ProcessCredentials {
        let number = self.caller(notification).credentials();
        self.credentials.get(number).unwrap_or(&self.credentials[0])
    }

    /// Answers a call on ids.
    pub(super) fn identify(
        &mut self,
        notification: &Notification,
        call: AnsweredCall,
    ) -> Result<CallAnswer, Errno> {
        let mut who = self.who(notification).clone();
        let id = |argument: usize| notification.arguments[argument] as u32;
        let changed = match call {
            AnsweredCall::Real(kind) => return Ok(CallAnswer::Value(who.ids(kind).real.into())),
            AnsweredCall::Effective(kind) => {
                return Ok(CallAnswer::Value(who.ids(kind).effective.into()));
            }
            AnsweredCall::All(kind) => return self.tell_all(notification, &who, kind),
            AnsweredCall::Groups => return self.tell_groups(notification, &who),
            AnsweredCall::Set(kind) => who.set(kind, id(0)),
            AnsweredCall::SetTwo(kind) => who.set_two(kind, id(0), id(1)),
            AnsweredCall::SetThree(kind) => who.set_three(kind, [id(0), id(1), id(2)]),
            AnsweredCall::SetForFiles(kind) => {
                let before = who.set_for_files(kind, id(0));
                self.carry(notification, who)?;
                return Ok(CallAnswer::Value(before.into()));
            }
            AnsweredCall::KeepCapabilities => {
                who.keep_capabilities(id(1) != 0);
                self.carry(notification, who)?;
                return Ok(CallAnswer::Continue);
            }
            AnsweredCall::Execute => {
                who.execute();
                self.carry(notification, who)?;
                return Ok(CallAnswer::Continue);
            }
            AnsweredCall::SetGroups => self
                .groups(notification)
                .and_then(|groups| who.set_others(groups)),
            AnsweredCall::Stat { .. }
            | AnsweredCall::Statx
            | AnsweredCall::SetOwner { .. }
            | AnsweredCall::Make { .. }
            | AnsweredCall::SetAttribute(_)
            | AnsweredCall::GetAttribute(_)
            | AnsweredCall::ListAttributes(_)
            | AnsweredCall::RemoveAttribute(_)
            | AnsweredCall::Affinity => return Ok(CallAnswer::Continue),
        };
        match changed.and_then(|()| self.carry(notification, who)) {
            Ok(()) => Ok(CallAnswer::Value(0)),
            Err(error) => Ok(CallAnswer::Error(error)),
        }
    }

    /// Has the caller carry the number of these credentials.
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
            let told = self.write(notification, address, &id.to_ne_bytes())?;
            if let CallAnswer::Error(error) = told {
                return Ok(CallAnswer::Error(error));
            }
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
        match self.write(notification, notification.arguments[1], &bytes)? {
            CallAnswer::Error(error) => Ok(CallAnswer::Error(error)),
            _ => Ok(told),
        }
    }

    /// The groups that a caller sets.
    fn groups(&self, notification: &Notification) -> Result<Vec<u32>, Errno> {
        let count = usize::try_from(notification.arguments[0] as i32).unwrap_or(usize::MAX);
        if count > GROUPS_LIMIT {
            return Err(Errno::INVAL);
        }
        let mut bytes = vec![0; count * size_of::<u32>()];
        if count > 0 {
            let caller = self.caller(notification);
            caller.read_exactly(notification.arguments[1], &mut bytes)?;
        }
        let mut groups = Vec::new();
        for group in bytes.as_chunks().0 {
            groups.push(u32::from_ne_bytes(*group));
        }
        Ok(groups)
    }
}
