//! /var/lib/dpkg/diversions, as dpkg-divert keeps it: three lines an entry.

use std::collections::HashMap;

use crate::rootfs::{RootPath, Rootfs};

use super::{Error, lines_of, malformed};

const FILE: &str = "var/lib/dpkg/diversions";

/// Paths that are written elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diversions(HashMap<RootPath, Diversion>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Diversion {
    to: RootPath,
    /// The package whose own files stay where they are; none for a local diversion.
    by: Option<String>,
}

impl Diversions {
    /// Reads them; none when the file is not there.
    pub fn read(root: &Rootfs) -> Result<Diversions, Error> {
        let mut all = HashMap::new();
        for entry in lines_of(root, FILE)?.chunks(3) {
            let [(line, from), (_, to), (_, by)] = entry else {
                return Err(malformed(FILE, entry[0].0, "an entry of fewer than three lines"));
            };
            let path = |text| RootPath::parse(text).map_err(|_| malformed(FILE, *line, "not a path inside the tree"));
            let by = (by != b":").then(|| String::from_utf8_lossy(by).into_owned());
            all.insert(path(from)?, Diversion { to: path(to)?, by });
        }
        Ok(Diversions(all))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a package's file of that path goes, when not to the path itself.
    pub fn place(&self, path: &RootPath, package: &str) -> Option<&RootPath> {
        self.0.get(path).filter(|d| d.by.as_deref() != Some(package)).map(|d| &d.to)
    }

    /// Whether two packages may both have this path, since one of them diverts the other's.
    pub fn separates(&self, path: &RootPath, one: &str, other: &str) -> bool {
        self.0.get(path).and_then(|d| d.by.as_deref()).is_some_and(|by| by == one || by == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_divert_all_but_their_own_package() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        root.make_directories(&RootPath::known("var/lib/dpkg")).unwrap();
        assert_eq!(Diversions::read(&root).unwrap(), Diversions::default());
        root.write(&RootPath::known(FILE), b"/bin/sh\n/bin/sh.distrib\ndash\n/etc/x\n/etc/x.local\n:\n", 0o644).unwrap();
        let all = Diversions::read(&root).unwrap();
        let sh = RootPath::known("bin/sh");
        assert_eq!((all.place(&sh, "bash"), all.place(&sh, "dash")), (Some(&RootPath::known("bin/sh.distrib")), None));
        assert!(all.place(&RootPath::known("etc/x"), "any").is_some());
        assert!(all.separates(&sh, "dash", "bash") && !all.separates(&sh, "bash", "busybox"));
        assert!(!all.separates(&RootPath::known("etc/x"), "a", "b"));
        root.write(&RootPath::known(FILE), b"/bin/sh\n/bin/sh.distrib\n", 0o644).unwrap();
        assert!(Diversions::read(&root).is_err());
    }
}
