//! What dpkg's database in a tree says while packages are installed.
//!
//! Everything in it can be read back from the tree with [`State::read`]; nothing is remembered
//! beside the database.

use std::collections::BTreeSet;

use crate::formats::package::Package;
use crate::tree::rootfs::{RootPath, Rootfs};

use super::{
    Diversions, Error, InfoDirectory, Interests, Ledger, Masters, StatOverrides, Status, Users,
    info,
};

/// The database of one tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The installed packages, and how far the installation of each has come.
    pub(crate) status: Status,
    /// Paths that are written elsewhere.
    pub(crate) diversions: Diversions,
    /// Owners and modes that an administrator, or a script, has set.
    pub(crate) overrides: StatOverrides,
    /// The names of users and groups.
    pub(crate) users: Users,
    /// Which packages are interested in which triggers.
    pub(crate) interests: Interests,
    /// The packages and the paths in their lists.
    pub(crate) ledger: Ledger,
}

impl State {
    /// Reads the whole state of a tree.
    pub(crate) fn read(root: &Rootfs) -> Result<State, Error> {
        let status = Status::read(root)?;
        let ledger = read_ledger(root, &status)?;
        Ok(State {
            status,
            diversions: Diversions::read(root)?,
            overrides: StatOverrides::read(root)?,
            users: Users::read(root, &Masters::default())?,
            interests: Interests::read(root)?,
            ledger,
        })
    }

    /// Reads again what dpkg may have changed: all but the lists, of which it only removes those of
    /// packages that it removes.
    pub(crate) fn reread(&mut self, root: &Rootfs) -> Result<(), Error> {
        self.status = Status::read(root)?;
        self.interests = Interests::read(root)?;
        let status = &self.status;
        self.ledger.keep(|qualified| status.is_there(qualified));
        self.reread_settings(root)
    }

    /// Reads again what packages and their scripts may have changed while they were unpacked.
    pub(crate) fn reread_settings(&mut self, root: &Rootfs) -> Result<(), Error> {
        self.overrides = StatOverrides::read(root)?;
        self.reread_after_script(root, &Masters::default())
    }

    /// Reads again what dpkg itself reads again after a script: diversions, users and groups. It
    /// reads statoverrides once, when it is called. `masters` serve while the tree has no
    /// /etc/passwd or /etc/group.
    pub(crate) fn reread_after_script(
        &mut self,
        root: &Rootfs,
        masters: &Masters,
    ) -> Result<(), Error> {
        self.diversions = Diversions::read(root)?;
        self.users = Users::read(root, masters)?;
        Ok(())
    }

    /// Makes what dpkg makes when it first runs: locks, the triggers' files, `info/format`.
    pub(crate) fn prepare(root: &Rootfs) -> Result<(), Error> {
        info::prepare(root)?;
        let triggers = RootPath::known("var/lib/dpkg/triggers");
        root.make_directories(&triggers)?;
        let files = [
            ("var/lib/dpkg/lock-frontend", 0o640),
            ("var/lib/dpkg/lock", 0o640),
            ("var/lib/dpkg/triggers/Lock", 0o600),
            ("var/lib/dpkg/triggers/Unincorp", 0o644),
        ];
        for (path, mode) in files {
            let path = RootPath::known(path);
            if !root.exists(&path)? {
                root.write(&path, b"", mode)?;
            }
        }
        Ok(())
    }

    /// The difference to what the tree says, a line for each thing that only one of both has; none
    /// where they are equal.
    pub(crate) fn difference(&self, root: &Rootfs) -> Result<Option<String>, Error> {
        let tree = State::read(root)?;
        let mut differences = Vec::new();
        let own_lines = self.lines();
        let tree_lines = tree.lines();
        for line in own_lines.difference(&tree_lines) {
            differences.push(format!("only in memory: {line}"));
        }
        for line in tree_lines.difference(&own_lines) {
            differences.push(format!("only in the tree: {line}"));
        }
        let settings = [
            ("diversions", self.diversions == tree.diversions),
            ("statoverrides", self.overrides == tree.overrides),
            ("users and groups", self.users == tree.users),
            ("interests in triggers", self.interests == tree.interests),
        ];
        for (what, is_equal) in settings {
            if !is_equal {
                differences.push(format!("the {what} differ"));
            }
        }
        Ok((!differences.is_empty()).then(|| differences.join("\n")))
    }

    fn lines(&self) -> BTreeSet<String> {
        let mut lines: BTreeSet<String> = self.ledger.lines().into_iter().collect();
        lines.extend(self.status.lines());
        lines
    }
}

/// The packages that are there, with their lists.
fn read_ledger(root: &Rootfs, status: &Status) -> Result<Ledger, Error> {
    let mut ledger = Ledger::default();
    let stanzas = status.stanzas_there();
    if stanzas.is_empty() {
        return Ok(ledger);
    }
    let info = InfoDirectory::open(root)?;
    for stanza in stanzas {
        let package = Package::parse(&stanza)?;
        let key = package.key();
        ledger.enter(&key, &package);
        let qualified = ledger.qualified(&key).to_owned();
        for path in info.list(&qualified)? {
            ledger.add(&path, &key);
        }
    }
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str =
        "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n";

    fn tree() -> (tempfile::TempDir, Rootfs) {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        State::prepare(&root).unwrap();
        write(&root, "status", STATUS);
        write(&root, "info/a.list", "/.\n/usr\n/usr/a\n");
        (directory, root)
    }

    fn write(root: &Rootfs, name: &'static str, text: &str) {
        let path = RootPath::known("var/lib/dpkg").join(&RootPath::known(name));
        root.write(&path, text.as_bytes(), 0o644).unwrap();
    }

    #[test]
    fn a_difference_names_what_differs() {
        type Change = fn(&Rootfs);
        let table: [(Change, &str); 6] = [
            (|_| (), ""),
            (
                |root| write(root, "info/a.list", "/.\n/usr\n"),
                "only in memory: path of a:all=1: /usr/a",
            ),
            (
                |root| write(root, "info/a.list", "/.\n/usr\n/usr/a\n/usr/b\n"),
                "only in the tree: path of a:all=1: /usr/b",
            ),
            (
                |root| write(root, "diversions", "/a\n/b\n:\n"),
                "the diversions differ",
            ),
            (
                |root| write(root, "triggers/File", "/usr a\n"),
                "the interests in triggers differ",
            ),
            (
                |root| write(root, "status", &STATUS.replace("installed", "unpacked")),
                "only in the tree: Package: a\nStatus: install ok unpacked",
            ),
        ];
        for (change, expected) in table {
            let (_directory, root) = tree();
            let state = State::read(&root).unwrap();
            change(&root);
            let difference = state.difference(&root).unwrap().unwrap_or_default();
            assert!(difference.contains(expected), "{expected}:\n{difference}");
            assert_eq!(difference.is_empty(), expected.is_empty(), "{difference}");
        }
    }

    #[test]
    fn what_dpkg_has_removed_leaves_the_ledger() {
        let (_directory, root) = tree();
        let mut state = State::read(&root).unwrap();
        let removed = STATUS.replace("install ok installed", "deinstall ok config-files");
        write(&root, "status", &removed);
        state.reread(&root).unwrap();
        assert_eq!(state.difference(&root).unwrap(), None);
        assert_eq!(state.status.removed(), ["a"]);
        assert_eq!(state.ledger.lines(), Vec::<String>::new());
    }
}
