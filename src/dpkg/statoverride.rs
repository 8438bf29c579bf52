//! Reads /var/lib/dpkg/statoverride, which dpkg-statoverride writes: user, group, mode, path.

use std::collections::HashMap;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Error, Users, lines_of, malformed};

const FILE: &str = "var/lib/dpkg/statoverride";

/// Owners and modes that take precedence over those in the packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatOverrides(HashMap<RootPath, Override>);

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
    /// Reads the file; empty when it does not exist.
    pub(crate) fn read(root: &Rootfs) -> Result<StatOverrides, Error> {
        let mut all = HashMap::new();
        for (number, line) in lines_of(root, FILE)? {
            let parsed = parse_line(&line).map_err(|problem| malformed(FILE, number, problem))?;
            all.insert(parsed.0, parsed.1);
        }
        Ok(StatOverrides(all))
    }

    /// The override of a path.
    pub(crate) fn of(&self, path: &RootPath) -> Option<&Override> {
        self.0.get(path)
    }
}

impl Override {
    /// The IDs of its owner and group; `None` for an unknown name.
    pub(crate) fn ids(&self, users: &Users) -> Option<(u32, u32)> {
        let uid = match self.user.strip_prefix('#') {
            Some(number) => number.parse().ok(),
            None => users.user(&self.user),
        };
        let gid = match self.group.strip_prefix('#') {
            Some(number) => number.parse().ok(),
            None => users.group(&self.group),
        };
        Some((uid?, gid?))
    }
}

fn parse_line(line: &[u8]) -> Result<(RootPath, Override), &'static str> {
    let words: Vec<&[u8]> = line.splitn(4, |&b| b == b' ').collect();
    let [user, group, mode, path] = words[..] else {
        return Err("fewer than four words");
    };
    let mode = String::from_utf8_lossy(mode);
    let mode = match u32::from_str_radix(&mode, 8) {
        Ok(mode) if mode <= 0o7777 => mode,
        _ => return Err("not a mode"),
    };
    let path = RootPath::parse(path).map_err(|_| "not a path inside the tree")?;
    let entry = Override {
        user: String::from_utf8_lossy(user).into_owned(),
        group: String::from_utf8_lossy(group).into_owned(),
        mode,
    };
    Ok((path, entry))
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
        let table = [
            ("root root 4755\n", "fewer than four words"),
            ("root root 9 /x\n", "not a mode"),
            ("root root 10000 /x\n", "not a mode"),
            ("root root 755 /../x\n", "not a path inside the tree"),
        ];
        for (bad, expected) in table {
            root.write(&RootPath::known(FILE), bad.as_bytes(), 0o644)
                .unwrap();
            let error = StatOverrides::read(&root).unwrap_err();
            let Error::Malformed {
                line: 1, problem, ..
            } = error
            else {
                panic!("{bad}: {error}");
            };
            assert_eq!(problem, expected, "{bad}");
        }
    }
}
