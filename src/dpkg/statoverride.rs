//! /var/lib/dpkg/statoverride, as dpkg-statoverride keeps it: user, group, mode, path.

use std::collections::HashMap;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Error, Users, lines_of, malformed};

const FILE: &str = "var/lib/dpkg/statoverride";

/// Owners and modes that win over those of the packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatOverrides(HashMap<RootPath, Override>);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Override {
    /// A user's name, or `#` and a number.
    pub(crate) user: String,
    /// A group's name, or `#` and a number.
    pub(crate) group: String,
    /// Permission bits.
    pub(crate) mode: u32,
}

impl StatOverrides {
    /// Reads them; none when the file is not there.
    pub(crate) fn read(root: &Rootfs) -> Result<StatOverrides, Error> {
        let mut all = HashMap::new();
        for (number, line) in lines_of(root, FILE)? {
            let bad = |problem| malformed(FILE, number, problem);
            let mut words = line.splitn(4, |&b| b == b' ');
            let mut word = || words.next().ok_or_else(|| bad("fewer than four words"));
            let (user, group, mode, path) = (word()?, word()?, word()?, word()?);
            let name = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
            let mode = std::str::from_utf8(mode)
                .ok()
                .and_then(|m| u32::from_str_radix(m, 8).ok())
                .filter(|&m| m <= 0o7777);
            let mode = mode.ok_or_else(|| bad("no mode"))?;
            let path = RootPath::parse(path).map_err(|_| bad("not a path inside the tree"))?;
            all.insert(
                path,
                Override {
                    user: name(user),
                    group: name(group),
                    mode,
                },
            );
        }
        Ok(StatOverrides(all))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry of a path.
    pub(crate) fn of(&self, path: &RootPath) -> Option<&Override> {
        self.0.get(path)
    }
}

impl Override {
    /// The numbers of its owner and group; a name that nobody has is none.
    pub(crate) fn ids(&self, users: &Users) -> Option<(u32, u32)> {
        let id = |name: &str, known: Option<u32>| match name.strip_prefix('#') {
            Some(number) => number.parse().ok(),
            None => known,
        };
        Some((
            id(&self.user, users.user(&self.user))?,
            id(&self.group, users.group(&self.group))?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_user_group_and_mode() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        root.make_directories(&RootPath::known("var/lib/dpkg"))
            .unwrap();
        root.write(
            &RootPath::known(FILE),
            b"root #12 4755 /usr/bin/a b\n",
            0o644,
        )
        .unwrap();
        let all = StatOverrides::read(&root).unwrap();
        let found = all.of(&RootPath::known("usr/bin/a b")).unwrap();
        assert_eq!(
            (found.mode, found.ids(&Users::default())),
            (0o4755, Some((0, 12)))
        );
        for bad in [
            "root root 4755\n",
            "root root 9 /x\n",
            "root root 10000 /x\n",
            "root root 755 /../x\n",
        ] {
            root.write(&RootPath::known(FILE), bad.as_bytes(), 0o644)
                .unwrap();
            assert!(StatOverrides::read(&root).is_err(), "{bad}");
        }
    }
}
