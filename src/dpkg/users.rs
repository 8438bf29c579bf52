//! The users and groups of the tree. The host's are never consulted.

use std::collections::HashMap;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::Error;

/// base-passwd's passwd.master and group.master, used while a tree has no /etc/passwd or
/// /etc/group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masters {
    /// In the format of passwd(5).
    pub(crate) passwd: Vec<u8>,
    /// In the format of group(5).
    pub(crate) group: Vec<u8>,
}

/// The IDs of users and groups by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Users {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Users {
    /// Reads the tree's /etc/passwd and /etc/group, each from `masters` while it does not exist.
    pub(crate) fn read(root: &Rootfs, masters: &Masters) -> Result<Users, Error> {
        let passwd = root.read(&RootPath::known("etc/passwd"))?;
        let group = root.read(&RootPath::known("etc/group"))?;
        Ok(Users {
            users: names(passwd.as_ref().unwrap_or(&masters.passwd)),
            groups: names(group.as_ref().unwrap_or(&masters.group)),
        })
    }

    /// The ID of a user. root's is 0 even if no file says so.
    pub(crate) fn user(&self, name: &str) -> Option<u32> {
        id(&self.users, name)
    }

    /// The ID of a group. root's is 0 even if no file says so.
    pub(crate) fn group(&self, name: &str) -> Option<u32> {
        id(&self.groups, name)
    }
}

fn id(ids: &HashMap<String, u32>, name: &str) -> Option<u32> {
    match ids.get(name) {
        Some(id) => Some(*id),
        None if name == "root" => Some(0),
        None => None,
    }
}

/// Name and ID are the first and third field of both files.
fn names(text: &[u8]) -> HashMap<String, u32> {
    let mut all = HashMap::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            all.entry(name.to_owned()).or_insert(id);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_comes_before_the_masters() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        let masters = Masters {
            passwd: b"root:*:0:0:root:/root:/bin/bash\nman:*:6:12:\n".to_vec(),
            group: b"staff:*:50:\n".to_vec(),
        };
        let users = Users::read(&root, &masters).unwrap();
        assert_eq!(
            (
                users.user("man"),
                users.group("staff"),
                users.group("root"),
                users.user("x")
            ),
            (Some(6), Some(50), Some(0), None)
        );
        root.make_directories(&RootPath::known("etc")).unwrap();
        root.write(
            &RootPath::known("etc/passwd"),
            b"man:x:7:12:\nbroken\nx:y:z\n",
            0o644,
        )
        .unwrap();
        let users = Users::read(&root, &masters).unwrap();
        assert_eq!(
            (users.user("man"), users.group("staff")),
            (Some(7), Some(50))
        );
    }
}
