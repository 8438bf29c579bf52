//! Answers calls on the ids of a process: what it was told is what it is told again.

use rustix::io::Errno;

use super::calls::{Call, Kind};
use super::credentials::Credentials;
use super::listener::{Answer, Notification};
use super::supervisor::Supervisor;

/// NGROUPS_MAX of linux/limits.h.
const GROUPS_LIMIT: usize = 65536;
/// Different credentials of a run.
const CREDENTIALS_LIMIT: usize = 65536;

impl Supervisor {
    /// Who the caller believes to be.
    pub(super) fn who(&self, notification: &Notification) -> &Credentials {
        let number = self.caller(notification).credentials();
        self.credentials.get(number).unwrap_or(&self.credentials[0])
    }

    /// Answers a call on ids.
    pub(super) fn identify(
        &mut self,
        notification: &Notification,
        call: Call,
    ) -> Result<Answer, Errno> {
        let mut who = self.who(notification).clone();
        let id = |argument: usize| notification.arguments[argument] as u32;
        let changed = match call {
            Call::Real(kind) => return Ok(Answer::Value(who.ids(kind).real.into())),
            Call::Effective(kind) => return Ok(Answer::Value(who.ids(kind).effective.into())),
            Call::All(kind) => return self.tell_all(notification, &who, kind),
            Call::Groups => return self.tell_groups(notification, &who),
            Call::Set(kind) => who.set(kind, id(0)),
            Call::SetTwo(kind) => who.set_two(kind, id(0), id(1)),
            Call::SetThree(kind) => who.set_three(kind, [id(0), id(1), id(2)]),
            Call::SetForFiles(kind) => {
                let before = who.set_for_files(kind, id(0));
                self.carry(notification, who)?;
                return Ok(Answer::Value(before.into()));
            }
            Call::KeepCapabilities => {
                who.keep_capabilities(id(1) != 0);
                self.carry(notification, who)?;
                return Ok(Answer::Continue);
            }
            Call::Execute => {
                who.execute();
                self.carry(notification, who)?;
                return Ok(Answer::Continue);
            }
            Call::SetGroups => self
                .groups(notification)
                .and_then(|groups| who.set_others(groups)),
            Call::Stat { .. }
            | Call::Statx
            | Call::SetOwner { .. }
            | Call::Make { .. }
            | Call::SetAttribute(_)
            | Call::GetAttribute(_)
            | Call::ListAttributes(_)
            | Call::RemoveAttribute(_)
            | Call::Affinity => return Ok(Answer::Continue),
        };
        match changed.and_then(|()| self.carry(notification, who)) {
            Ok(()) => Ok(Answer::Value(0)),
            Err(error) => Ok(Answer::Error(error)),
        }
    }

    /// Has the caller carry the number of these credentials.
    fn carry(&mut self, notification: &Notification, who: Credentials) -> Result<(), Errno> {
        self.require_waiting(notification)?;
        let known = self.credentials.iter().position(|one| *one == who);
        let number = known.unwrap_or(self.credentials.len());
        if number >= CREDENTIALS_LIMIT {
            return Err(Errno::AGAIN);
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
        who: &Credentials,
        kind: Kind,
    ) -> Result<Answer, Errno> {
        for (id, address) in who.ids(kind).all().into_iter().zip(notification.arguments) {
            let told = self.write(notification, address, &id.to_ne_bytes())?;
            if let Answer::Error(error) = told {
                return Ok(Answer::Error(error));
            }
        }
        Ok(Answer::Value(0))
    }

    fn tell_groups(&self, notification: &Notification, who: &Credentials) -> Result<Answer, Errno> {
        let room = notification.arguments[0] as i32;
        let count = who.others.len();
        let told = Answer::Value(count as i64);
        if room == 0 || count == 0 {
            return Ok(told);
        }
        if usize::try_from(room).map_or(true, |room| room < count) {
            return Ok(Answer::Error(Errno::INVAL));
        }
        let mut bytes = Vec::new();
        for group in &who.others {
            bytes.extend(group.to_ne_bytes());
        }
        match self.write(notification, notification.arguments[1], &bytes)? {
            Answer::Error(error) => Ok(Answer::Error(error)),
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
