//! /var/lib/dpkg/diversions, as dpkg-divert keeps it: three lines an entry.

use std::collections::HashMap;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Error, lines_of, malformed};

const FILE: &str = "var/lib/dpkg/diversions";

/// Paths that are written elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diversions {
    by_source: HashMap<RootPath, Diversion>,
    /// The sources by what they are diverted to.
    by_target: HashMap<RootPath, RootPath>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Diversion {
    to: RootPath,
    /// The package whose own files stay where they are; none for a local diversion.
    by: Option<String>,
}

impl Diversions {
    /// Reads them; none when the file is not there.
    pub(crate) fn read(root: &Rootfs) -> Result<Diversions, Error> {
        let mut all = Diversions::default();
        for entry in lines_of(root, FILE)?.chunks(3) {
            let [(line, from), (_, to), (_, by)] = entry else {
                return Err(malformed(
                    FILE,
                    entry[0].0,
                    "an entry of fewer than three lines",
                ));
            };
            let path = |text| {
                RootPath::parse(text)
                    .map_err(|_| malformed(FILE, *line, "not a path inside the tree"))
            };
            let by = (by != b":").then(|| String::from_utf8_lossy(by).into_owned());
            let (from, to) = (path(from)?, path(to)?);
            all.by_target.insert(to.clone(), from.clone());
            all.by_source.insert(from, Diversion { to, by });
        }
        Ok(all)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// Where a package's file of that path goes, when not to the path itself.
    pub(crate) fn place(&self, path: &RootPath, package: &str) -> Option<&RootPath> {
        self.by_source
            .get(path)
            .filter(|d| d.by.as_deref() != Some(package))
            .map(|d| &d.to)
    }

    /// What is diverted to this path.
    pub(crate) fn source_of(&self, path: &RootPath) -> Option<&RootPath> {
        self.by_target.get(path)
    }

    /// Whether two packages may both have this path, since one of them diverts the other's.
    pub(crate) fn separates(&self, path: &RootPath, one: &str, other: &str) -> bool {
        self.by_source
            .get(path)
            .and_then(|d| d.by.as_deref())
            .is_some_and(|by| by == one || by == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_divert_all_but_their_own_package() {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        root.make_directories(&RootPath::known("var/lib/dpkg"))
            .unwrap();
        assert_eq!(Diversions::read(&root).unwrap(), Diversions::default());
        root.write(
            &RootPath::known(FILE),
            b"/bin/sh\n/bin/sh.distrib\ndash\n/etc/x\n/etc/x.local\n:\n",
            0o644,
        )
        .unwrap();
        let all = Diversions::read(&root).unwrap();
        let sh = RootPath::known("bin/sh");
        assert_eq!(
            (all.place(&sh, "bash"), all.place(&sh, "dash")),
            (Some(&RootPath::known("bin/sh.distrib")), None)
        );
        assert!(
            all.place(&RootPath::known("etc/x"), "any").is_some() && all.source_of(&sh).is_none()
        );
        assert_eq!(all.source_of(&RootPath::known("bin/sh.distrib")), Some(&sh));
        assert!(all.separates(&sh, "dash", "bash") && !all.separates(&sh, "bash", "busybox"));
        assert!(!all.separates(&RootPath::known("etc/x"), "a", "b"));
        root.write(&RootPath::known(FILE), b"/bin/sh\n/bin/sh.distrib\n", 0o644)
            .unwrap();
        assert!(Diversions::read(&root).is_err());
    }
}
