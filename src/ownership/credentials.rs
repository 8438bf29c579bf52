//! The ids that a process is told it has, and how setuid(2) and its relatives change them. Pure.

use rustix::io::Errno;

use super::calls::IdKind;
use super::table::FileOwner;

/// The id that means "unchanged" (-1).
pub(super) const SAME: u32 = u32::MAX;

/// The real, effective, saved and file-system id (credentials(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IdSet {
    pub(super) real: u32,
    pub(super) effective: u32,
    saved: u32,
    files: u32,
}

/// The ids and groups that a process is told it has. The default is root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcessCredentials {
    users: IdSet,
    groups: IdSet,
    pub(super) others: Vec<u32>,
    /// Whether root's capabilities survive the next change of the user (PR_SET_KEEPCAPS).
    /// setpriv(1) sets this, because it changes the user first.
    keeps_capabilities: bool,
    /// Whether the process has kept them after such a change.
    has_capabilities: bool,
}

impl IdSet {
    pub(super) fn all(self) -> [u32; 3] {
        [self.real, self.effective, self.saved]
    }

    fn has(self, id: u32) -> bool {
        id == SAME || self.all().contains(&id)
    }
}

impl ProcessCredentials {
    pub(super) fn ids(&self, kind: IdKind) -> IdSet {
        match kind {
            IdKind::User => self.users,
            IdKind::Group => self.groups,
        }
    }

    fn ids_mut(&mut self, kind: IdKind) -> &mut IdSet {
        match kind {
            IdKind::User => &mut self.users,
            IdKind::Group => &mut self.groups,
        }
    }

    /// Whether the process may take any id.
    fn is_privileged(&self) -> bool {
        self.users.effective == 0 || self.has_capabilities
    }

    pub(super) fn keep_capabilities(&mut self, keeps: bool) {
        self.keeps_capabilities = keeps;
    }

    /// Applies an exec. `user` and `group` are the ids that the program's setuid and setgid bits
    /// give.
    pub(super) fn execute(&mut self, user: Option<u32>, group: Option<u32>) {
        for (ids, given) in [(&mut self.users, user), (&mut self.groups, group)] {
            ids.effective = given.unwrap_or(ids.effective);
            ids.saved = ids.effective;
            ids.files = ids.effective;
        }
        self.keeps_capabilities = false;
        self.has_capabilities = false;
    }

    /// Applies the loss of capabilities after a change of ids.
    fn settle(&mut self) {
        let is_root = self.users.all().contains(&0);
        if !is_root && !self.has_capabilities {
            self.has_capabilities = self.keeps_capabilities;
        }
    }

    /// Who owns the files that the process makes.
    pub(super) fn owner(&self) -> FileOwner {
        FileOwner {
            user: self.users.files,
            group: self.groups.files,
        }
    }

    /// Whether the process may give a file of one owner to another (chown(2)).
    pub(super) fn may_give(&self, from: FileOwner, to: FileOwner) -> bool {
        let group = to.group;
        let is_member = self.groups.files == group || self.others.contains(&group);
        let keeps_user = from.user == to.user && from.user == self.users.files;
        self.users.files == 0 || keeps_user && (group == from.group || is_member)
    }

    /// `setuid`, `setgid`.
    pub(super) fn set(&mut self, kind: IdKind, id: u32) -> Result<(), Errno> {
        let is_privileged = self.is_privileged();
        let ids = self.ids_mut(kind);
        if id == SAME {
            return Err(Errno::INVAL);
        }
        if is_privileged {
            ids.real = id;
            ids.saved = id;
        } else if id != ids.real && id != ids.saved {
            return Err(Errno::PERM);
        }
        ids.effective = id;
        ids.files = id;
        self.settle();
        Ok(())
    }

    /// `setreuid`, `setregid`.
    pub(super) fn set_two(&mut self, kind: IdKind, real: u32, effective: u32) -> Result<(), Errno> {
        let is_privileged = self.is_privileged();
        let ids = self.ids_mut(kind);
        let is_permitted = [SAME, ids.real, ids.effective].contains(&real);
        let is_permitted = is_permitted && ids.has(effective);
        if !is_privileged && !is_permitted {
            return Err(Errno::PERM);
        }
        let before = ids.real;
        let sets_saved = real != SAME || effective != SAME && effective != before;
        if real != SAME {
            ids.real = real;
        }
        if effective != SAME {
            ids.effective = effective;
        }
        if sets_saved {
            ids.saved = ids.effective;
        }
        ids.files = ids.effective;
        self.settle();
        Ok(())
    }

    /// `setresuid`, `setresgid`: real, effective, saved.
    pub(super) fn set_three(&mut self, kind: IdKind, new: [u32; 3]) -> Result<(), Errno> {
        let is_privileged = self.is_privileged();
        let ids = self.ids_mut(kind);
        if !is_privileged && !new.iter().all(|id| ids.has(*id)) {
            return Err(Errno::PERM);
        }
        let [real, effective, saved] = new;
        for (id, new) in [
            (&mut ids.real, real),
            (&mut ids.effective, effective),
            (&mut ids.saved, saved),
        ] {
            if new != SAME {
                *id = new;
            }
        }
        ids.files = ids.effective;
        self.settle();
        Ok(())
    }

    /// `setfsuid`, `setfsgid`. Returns the previous id, as these calls do even if they fail.
    pub(super) fn set_for_files(&mut self, kind: IdKind, id: u32) -> u32 {
        let is_privileged = self.is_privileged();
        let ids = self.ids_mut(kind);
        let before = ids.files;
        if id != SAME && (is_privileged || ids.has(id) || id == before) {
            ids.files = id;
        }
        before
    }

    pub(super) fn set_others(&mut self, mut groups: Vec<u32>) -> Result<(), Errno> {
        if !self.is_privileged() {
            return Err(Errno::PERM);
        }
        if groups.contains(&SAME) {
            return Err(Errno::INVAL);
        }
        // The kernel sorts them, too.
        groups.sort_unstable();
        self.others = groups;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IdKind::{Group, User};

    #[test]
    fn a_process_becomes_a_user_for_good() {
        let mut one = ProcessCredentials::default();
        one.set_others(vec![42]).unwrap();
        one.set(Group, 12).unwrap();
        one.set(User, 6).unwrap();
        assert_eq!(one.ids(User).all(), [6; 3]);
        assert_eq!(one.owner(), FileOwner { user: 6, group: 12 });
        for refused in [
            one.set(User, 0),
            one.set(Group, 0),
            one.set_two(User, 0, SAME),
            one.set_two(User, SAME, 0),
            one.set_three(User, [SAME, 0, SAME]),
            one.set_others(Vec::new()),
        ] {
            assert_eq!(refused, Err(Errno::PERM));
        }
        // As the other threads of the process do after the first.
        one.set(User, 6).unwrap();
        one.set_three(User, [6, 6, 6]).unwrap();
    }

    #[test]
    fn capabilities_outlast_a_change_of_the_user_until_an_exec() {
        let mut one = ProcessCredentials::default();
        one.keep_capabilities(true);
        one.set_three(User, [6, 6, 6]).unwrap();
        one.set_three(Group, [12, 12, 12]).unwrap();
        one.set_others(vec![42]).unwrap();
        one.execute(None, None);
        assert_eq!(one.set(Group, 0), Err(Errno::PERM));
        assert_eq!(one.owner(), FileOwner { user: 6, group: 12 });
    }

    #[test]
    fn an_exec_saves_the_effective_ids() {
        let mut one = ProcessCredentials::default();
        one.set_three(Group, [12, 13, 0]).unwrap();
        one.set_three(User, [6, 7, 0]).unwrap();
        one.execute(None, None);
        assert_eq!(one.ids(User).all(), [6, 7, 7]);
        assert_eq!(one.ids(Group).all(), [12, 13, 13]);
        assert_eq!(one.set(User, 0), Err(Errno::PERM));
        assert_eq!(one.owner(), FileOwner { user: 7, group: 13 });
    }

    #[test]
    fn a_setuid_program_has_the_rights_of_its_owner() {
        let mut one = ProcessCredentials::default();
        one.set(Group, 12).unwrap();
        one.set(User, 6).unwrap();
        one.execute(Some(0), Some(42));
        assert_eq!(one.ids(User).all(), [6, 0, 0]);
        assert_eq!(one.ids(Group).all(), [12, 42, 42]);
        assert_eq!(one.owner(), FileOwner { user: 0, group: 42 });
        one.set(User, 6).unwrap();
        assert_eq!(one.ids(User).all(), [6; 3]);
    }

    #[test]
    fn a_process_becomes_a_user_and_root_again() {
        let mut one = ProcessCredentials::default();
        one.set_three(User, [SAME, 6, SAME]).unwrap();
        assert_eq!(one.ids(User).all(), [0, 6, 0]);
        one.set_three(User, [SAME, 0, SAME]).unwrap();
        assert_eq!(one, ProcessCredentials::default());
        one.set_two(User, SAME, 6).unwrap();
        assert_eq!(one.ids(User).all(), [0, 6, 6]);
        one.set_two(User, SAME, 0).unwrap();
        assert_eq!(one.ids(User).effective, 0);
        assert_eq!(one.set_for_files(User, 33), 0);
        assert_eq!(one.set_for_files(User, SAME), 33);
    }

    #[test]
    fn only_root_gives_files_away() {
        let root = ProcessCredentials::default();
        let mut user = ProcessCredentials::default();
        user.set_others(vec![42]).unwrap();
        user.set(Group, 12).unwrap();
        user.set(User, 6).unwrap();
        let owner = |user, group| FileOwner { user, group };
        let table = [
            (owner(6, 12), owner(6, 42), true),
            (owner(6, 12), owner(6, 0), false),
            (owner(6, 12), owner(0, 12), false),
            (owner(0, 12), owner(6, 12), false),
            (owner(6, 0), owner(6, 0), true),
        ];
        for (from, to, expected) in table {
            assert!(root.may_give(from, to));
            assert_eq!(user.may_give(from, to), expected, "{from:?} {to:?}");
        }
    }
}
