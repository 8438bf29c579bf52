//! Removes what does not stay in a finished tree: logs, caches, backups, and files that identify
//! one machine.
//!
//! These would differ between two runs, or dpkg and apt create them again when they need them. The
//! list follows mmdebstrap's and debuerreotype's. Unlike mmdebstrap, it also empties logs and
//! removes the backups of databases. /etc/resolv.conf and /etc/hostname stay: they belong to
//! packages, or the caller asked for the host's.

use std::fmt::Write as _;

use rustix::fs::{FileType, Stat};

use crate::tree::apt::AUXFILES;
use crate::tree::rootfs::{Error, RootPath, Rootfs};

/// Files that are created again, or that describe this run only.
const REMOVED: [&str; 12] = [
    "var/log/dpkg.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/log/apt/history.log",
    "var/log/apt/term.log",
    "var/log/apt/eipp.log.xz",
    "var/cache/ldconfig/aux-cache",
    "var/cache/apt/pkgcache.bin",
    "var/cache/apt/srcpkgcache.bin",
    "var/lib/dbus/machine-id",
    "etc/apt/apt.conf.d/01autoremove-kernels", // names the running kernel; apt before 2.1.16
    "var/lib/apt/lists/lock",
];

/// Directories that are emptied, each with the names that stay.
const EMPTIED: [(&str, &[&[u8]]); 5] = [
    ("tmp", &[]),
    ("run", &[b"lock"]), // /var/lock is a symlink to it, Policy 9.1.4
    ("var/lib/apt/lists", &[b"partial"]),
    ("var/lib/apt/lists/partial", &[]),
    ("var/cache/apt/archives/partial", &[]),
];

/// Databases that keep their previous state as `NAME-old`.
const WITH_BACKUPS: [&str; 2] = ["var/lib/dpkg", "var/cache/debconf"];

/// How deep below /var/log packages place their logs.
const LOG_DEPTH_LIMIT: usize = 8;

/// What stays although it is of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The indexes of apt.
    pub(crate) lists: bool,
    /// apt's directory of other files, beside the indexes.
    pub(crate) auxfiles: bool,
    /// The .debs that apt has fetched.
    pub(crate) archives: bool,
    /// Logs, backups, and what differs between two runs.
    pub(crate) logs: bool,
    pub(crate) machine_id: bool,
    pub(crate) run: bool,
    pub(crate) tmp: bool,
}

impl Kept {
    /// In the order of the fields.
    pub(crate) fn flags(self) -> [bool; 7] {
        let Kept {
            lists,
            auxfiles,
            archives,
            logs,
            machine_id,
            run,
            tmp,
        } = self;
        [lists, auxfiles, archives, logs, machine_id, run, tmp]
    }

    /// Whether the content of one of [`EMPTIED`] stays.
    fn directory(self, path: &str) -> bool {
        match path {
            "tmp" => self.tmp,
            "run" => self.run,
            "var/cache/apt/archives/partial" => self.archives,
            _ => self.lists,
        }
    }
}

/// Cleans a tree in which nothing runs any more.
pub(crate) fn tidy(root: &Rootfs, kept: Kept) -> Result<(), Error> {
    for (directory, names) in EMPTIED {
        if !kept.directory(directory) {
            empty_except(root, &RootPath::known(directory), names)?;
        }
    }
    if !kept.auxfiles {
        remove_auxfiles(root)?;
    }
    if !kept.archives {
        remove_files(root, "var/cache/apt/archives", is_apt_leftover)?;
    }
    if kept.logs {
        return Ok(());
    }
    for path in REMOVED.map(RootPath::known) {
        if is_not_directory(&root.metadata(&path)?) {
            root.remove(&path)?;
        }
    }
    for directory in WITH_BACKUPS {
        remove_files(root, directory, is_backup)?;
    }
    empty_logs(root, &RootPath::known("var/log"), 0)?;
    match kept.machine_id {
        true => Ok(()),
        false => empty_machine_id(root),
    }
}

/// What [`tidy`] does, for the script of a second stage: lines of a kind, a path, and the name that
/// stays. Names of directories that are emptied have at most one that does.
pub(crate) fn instructions() -> String {
    let mut text = String::new();
    for path in REMOVED {
        let _ = writeln!(text, "file /{path}");
    }
    for (path, kept) in EMPTIED {
        let kept = kept.first().copied().unwrap_or_default();
        let _ = writeln!(text, "content /{path} {}", String::from_utf8_lossy(kept));
    }
    text.push_str("debs /var/cache/apt/archives\n");
    for path in WITH_BACKUPS {
        let _ = writeln!(text, "backups /{path}");
    }
    text.push_str("logs /var/log\nempty /etc/machine-id\n");
    text
}

/// machine-id(5): an image for many machines has an empty file, which the first boot fills.
fn empty_machine_id(root: &Rootfs) -> Result<(), Error> {
    let path = RootPath::known("etc/machine-id");
    if is_file(&root.metadata(&path)?) {
        root.write(&path, b"", 0o644)?;
    }
    Ok(())
}

fn empty_except(root: &Rootfs, directory: &RootPath, kept: &[&[u8]]) -> Result<(), Error> {
    // Not through a symlink: the directory that it leads to has other owners.
    if !is_directory(&root.metadata(directory)?) {
        return Ok(());
    }
    for name in root.names(directory)? {
        if !kept.contains(&name.as_slice()) {
            root.remove_tree(&directory.entry(&name))?;
        }
    }
    Ok(())
}

/// mmdebstrap removes them also where the indexes stay.
fn remove_auxfiles(root: &Rootfs) -> Result<(), Error> {
    let path = RootPath::known(AUXFILES);
    // Not through a symlink, as above.
    if is_directory(&root.metadata(&path.parent())?) && is_directory(&root.metadata(&path)?) {
        root.remove_tree(&path)?;
    }
    Ok(())
}

fn is_apt_leftover(name: &[u8]) -> bool {
    name.ends_with(b".deb") || name == b"lock"
}

fn is_backup(name: &[u8]) -> bool {
    name.ends_with(b"-old")
}

fn remove_files(
    root: &Rootfs,
    directory: &'static str,
    unwanted: fn(&[u8]) -> bool,
) -> Result<(), Error> {
    let directory = RootPath::known(directory);
    for name in root.names(&directory)? {
        let path = directory.entry(&name);
        if unwanted(&name) && is_file(&root.metadata(&path)?) {
            root.remove(&path)?;
        }
    }
    Ok(())
}

/// Empties logs in place: packages' scripts created them, and their owners and modes matter.
fn empty_logs(root: &Rootfs, directory: &RootPath, depth: usize) -> Result<(), Error> {
    if depth > LOG_DEPTH_LIMIT || !is_directory(&root.metadata(directory)?) {
        return Ok(());
    }
    for name in root.names(directory)? {
        let path = directory.entry(&name);
        let found = root.metadata(&path)?;
        if is_file(&found) && found.is_some_and(|found| found.st_size > 0) {
            root.truncate(&path)?;
        } else if is_directory(&found) {
            empty_logs(root, &path, depth + 1)?;
        }
    }
    Ok(())
}

fn is_file(found: &Option<Stat>) -> bool {
    kind(found) == Some(FileType::RegularFile)
}

fn is_directory(found: &Option<Stat>) -> bool {
    kind(found) == Some(FileType::Directory)
}

fn is_not_directory(found: &Option<Stat>) -> bool {
    found.is_some() && !is_directory(found)
}

fn kind(found: &Option<Stat>) -> Option<FileType> {
    found.map(|found| FileType::from_raw_mode(found.st_mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> (tempfile::TempDir, Rootfs) {
        let directory = tempfile::tempdir().unwrap();
        let root = Rootfs::open(directory.path()).unwrap();
        for name in files {
            let path = RootPath::parse(name).unwrap();
            root.make_directories(&path.parent()).unwrap();
            root.write(&path, b"x", 0o640).unwrap();
        }
        (directory, root)
    }

    /// Files with their sizes, and directories with nothing in them.
    fn listing(root: &Rootfs, directory: &RootPath, into: &mut Vec<String>) {
        for name in root.names(directory).unwrap() {
            let path = directory.entry(&name);
            let found = root.metadata(&path).unwrap();
            match is_directory(&found) {
                true if root.names(&path).unwrap().is_empty() => into.push(format!("{path}/")),
                true => listing(root, &path, into),
                false => into.push(format!(
                    "{path} {:o} {}",
                    found.unwrap().st_mode & 0o777,
                    found.unwrap().st_size
                )),
            }
        }
    }

    #[test]
    fn what_speaks_of_one_run_is_gone() {
        let (_directory, root) = tree(&[
            "etc/machine-id",
            "etc/hostname",
            "etc/apt/apt.conf.d/01autoremove-kernels",
            "etc/apt/apt.conf.d/01autoremove",
            "tmp/x/y",
            "run/lock/x",
            "run/utmp",
            "run/systemd/x",
            "var/lib/apt/lists/partial/x",
            "var/lib/apt/lists/auxfiles/x",
            "var/lib/apt/lists/a_Packages",
            "var/lib/apt/extended_states",
            "var/cache/apt/pkgcache.bin",
            "var/cache/apt/archives/a.deb",
            "var/cache/apt/archives/partial/b.deb",
            "var/lib/dpkg/status",
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/diversions-old",
            "var/cache/debconf/config.dat",
            "var/cache/debconf/config.dat-old",
            "var/cache/ldconfig/aux-cache",
            "var/lib/dbus/machine-id",
            "var/log/dpkg.log",
            "var/log/apt/term.log",
            "var/log/btmp",
            "var/log/postgresql/postgresql.log",
        ]);
        tidy(&root, Kept::default()).unwrap();
        tidy(&root, Kept::default()).unwrap();
        let mut found = Vec::new();
        listing(&root, &RootPath::default(), &mut found);
        let expected = "/etc/apt/apt.conf.d/01autoremove 640 1\n/etc/hostname 640 1\n\
                        /etc/machine-id 644 0\n/run/lock/x 640 1\n/tmp/\n\
            /var/cache/apt/archives/partial/\n/var/cache/debconf/config.dat 640 1\n\
            /var/cache/ldconfig/\n/var/lib/apt/extended_states 640 1\n\
            /var/lib/apt/lists/partial/\n/var/lib/dbus/\n/var/lib/dpkg/status 640 1\n\
            /var/log/apt/\n/var/log/btmp 640 0\n\
            /var/log/postgresql/postgresql.log 640 0";
        assert_eq!(found.join("\n"), expected);
    }

    #[test]
    fn links_are_not_followed_and_nothing_is_needed() {
        let (_directory, root) = tree(&["kept/x", "kept/status-old"]);
        for (target, link) in [
            ("kept", "tmp"),
            ("kept", "run"),
            ("kept/x", "log"),
            ("kept/x", "machine-id"),
        ] {
            root.symlink(target.as_bytes(), &RootPath::known(link))
                .unwrap();
        }
        root.make_directories(&RootPath::known("var/log")).unwrap();
        root.make_directories(&RootPath::known("etc")).unwrap();
        root.rename(&RootPath::known("log"), &RootPath::known("var/log/x"))
            .unwrap();
        root.symlink(b"/kept/x", &RootPath::known("etc/machine-id"))
            .unwrap();
        tidy(&root, Kept::default()).unwrap();
        assert_eq!(
            root.read(&RootPath::known("kept/x")).unwrap().unwrap(),
            b"x"
        );
        assert_eq!(root.names(&RootPath::known("kept")).unwrap().len(), 2);
        let (_directory, empty) = tree(&[]);
        tidy(&empty, Kept::default()).unwrap();
        assert!(empty.names(&RootPath::default()).unwrap().is_empty());
    }
}
