//! Reads /var/lib/dpkg/diversions, which dpkg-divert writes: three lines an entry.

use std::collections::HashMap;

use crate::tree::rootfs::{RootPath, Rootfs};

use super::{Error, lines_of, malformed};

const FILE: &str = "var/lib/dpkg/diversions";

/// The diversions of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diversions {
    by_source: HashMap<RootPath, Diversion>,
    /// The diverted paths by where they are diverted to.
    by_target: HashMap<RootPath, RootPath>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Diversion {
    to: RootPath,
    /// The package whose own files are not diverted; `None` for a local diversion.
    by: Option<String>,
}

impl Diversions {
    /// Reads the file; empty when it does not exist.
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
            let from = parse_path(from, *line)?;
            let to = parse_path(to, *line)?;
            let by = match by.as_slice() {
                b":" => None,
                package => Some(String::from_utf8_lossy(package).into_owned()),
            };
            all.by_target.insert(to.clone(), from.clone());
            all.by_source.insert(from, Diversion { to, by });
        }
        Ok(all)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// Where a package's file with this path is diverted to, if it is.
    pub(crate) fn place(&self, path: &RootPath, package: &str) -> Option<&RootPath> {
        let diversion = self.by_source.get(path)?;
        let is_own = diversion.by.as_deref() == Some(package);
        (!is_own).then_some(&diversion.to)
    }

    /// The path that is diverted to this one.
    pub(crate) fn source_of(&self, path: &RootPath) -> Option<&RootPath> {
        self.by_target.get(path)
    }

    /// Whether two packages may both ship this path, because one of them diverts the other's file.
    pub(crate) fn separates(&self, path: &RootPath, one: &str, other: &str) -> bool {
        let Some(Diversion { by: Some(by), .. }) = self.by_source.get(path) else {
            return false;
        };
        by == one || by == other
    }
}

fn parse_path(text: &[u8], line: usize) -> Result<RootPath, Error> {
    RootPath::parse(text).map_err(|_| malformed(FILE, line, "not a path inside the tree"))
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
        assert!(matches!(
            Diversions::read(&root),
            Err(Error::Malformed { line: 1, .. })
        ));
    }
}
