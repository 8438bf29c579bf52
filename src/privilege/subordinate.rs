//! The ids that /etc/subuid and /etc/subgid give a user (subuid(5)).

use std::fs;
use std::io;
use std::process::Command;

use nix::unistd::{Uid, User};

use super::id_map::{IdMap, NOBODY};
use super::{Error, root};

/// The maps of a user's namespace: the user is root, and the subordinate ids follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maps {
    pub(super) users: IdMap,
    pub(super) groups: IdMap,
}

/// Users or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    Users,
    Groups,
}

/// The user who runs the program.
struct Owner {
    uid: u32,
    /// The name, if there is one.
    name: Option<String>,
}

impl Ids {
    pub(super) fn file(self) -> &'static str {
        match self {
            Ids::Users => "/etc/subuid",
            Ids::Groups => "/etc/subgid",
        }
    }
}

/// Reads which ids this process may map. Fails if they are too few for a tree.
pub(super) fn maps() -> Result<Maps, Error> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let owner = Owner {
        uid,
        name: user.map(|user| user.name),
    };
    Ok(Maps {
        users: map(&owner, Ids::Users, uid)?,
        groups: map(&owner, Ids::Groups, gid)?,
    })
}

fn map(owner: &Owner, ids: Ids, own: u32) -> Result<IdMap, Error> {
    let mut map = IdMap::of_root(own);
    for (first, count) in ranges(owner, ids)? {
        map.append(first, count);
    }
    if map.end() > u64::from(NOBODY) {
        return Ok(map);
    }
    let user = owner.shown();
    Err(Error::Subordinate {
        user,
        file: ids.file(),
        found: map.count() - 1,
        is_in_container: root::is_in_container(),
    })
}

/// The ranges in the file or, if it has none for the user, those that `getsubids` finds.
fn ranges(owner: &Owner, ids: Ids) -> Result<Vec<(u32, u32)>, Error> {
    let found = match fs::read_to_string(ids.file()) {
        Ok(text) => owner.ranges_in(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(Error::Read {
                path: ids.file().into(),
                reason: error.to_string(),
            });
        }
    };
    if found.is_empty() {
        return Ok(owner.ranges_elsewhere(ids));
    }
    Ok(found)
}

impl Owner {
    fn shown(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => self.uid.to_string(),
        }
    }

    /// The ranges of lines `NAME:FIRST:COUNT` or `UID:FIRST:COUNT`.
    fn ranges_in(&self, text: &str) -> Vec<(u32, u32)> {
        let mut ranges = Vec::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.trim().split(':').collect();
            let [owner, first, count] = fields[..] else {
                continue;
            };
            let is_mine =
                self.name.as_deref() == Some(owner) || owner.parse::<u32>() == Ok(self.uid);
            if !is_mine {
                continue;
            }
            if let (Ok(first), Ok(count)) = (first.parse(), count.parse()) {
                ranges.push((first, count));
            }
        }
        ranges
    }

    /// What `getsubids` prints, which asks a module of nsswitch.conf where there is one:
    /// `0: NAME FIRST COUNT`.
    fn ranges_elsewhere(&self, ids: Ids) -> Vec<(u32, u32)> {
        let mut command = Command::new("getsubids");
        if ids == Ids::Groups {
            command.arg("-g");
        }
        let Ok(output) = command.arg(self.shown()).output() else {
            return Vec::new();
        };
        let mut ranges = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, _, first, count] = words[..] else {
                continue;
            };
            if let (Ok(first), Ok(count)) = (first.parse(), count.parse()) {
                ranges.push((first, count));
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_user_by_name_or_number_count() {
        let text = "root:1:2\nme:100000:65536\n# me:5:6\nme:bad:1\n1000:300000:7\nmee:1:1\nme:9\n";
        let me = Owner {
            uid: 1000,
            name: Some("me".into()),
        };
        assert_eq!(me.ranges_in(text), [(100_000, 65_536), (300_000, 7)]);
        let nameless = Owner {
            uid: 1000,
            name: None,
        };
        assert_eq!(nameless.ranges_in(text), [(300_000, 7)]);
        assert_eq!(nameless.shown(), "1000");
    }
}
