//! /var/lib/dpkg, as dpkg itself keeps it: status, info, diversions, statoverrides, triggers.
//!
//! [`Database`] is the state of one tree while packages are unpacked into it: what dpkg would read before a package and write
//! after it. Which package comes when, and where its files go, is for `unpack` to know; what the database says once scripts have
//! run is read back from disk.

mod conffiles;
pub(crate) mod configure;
mod diversions;
mod info;
mod script;
mod statoverride;
mod status;
mod triggers;
pub(crate) mod unpack;
mod users;

pub(crate) use conffiles::{Conffile, ConffileState, parse_conffiles};
pub(crate) use diversions::Diversions;
pub(crate) use info::{InfoDirectory, InfoFiles, is_info_member, md5sums, qualified_name};
pub(crate) use script::{SCRIPT_DIRECTORY, has_effect, script_environment};
pub(crate) use statoverride::{Override, StatOverrides};
pub(crate) use status::{Status, half_installed_stanza, unpacked_stanza};
pub(crate) use triggers::{Activations, Directive, Interests, parse_triggers};
pub(crate) use users::{Masters, Users};

use crate::failure::Class;
use crate::formats::package::BadStanza;
use crate::tree::rootfs::{self, RootPath, Rootfs};

/// What is wrong with a database, or with what a package says about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The tree could not be read or written.
    #[error(transparent)]
    Tree(#[from] rootfs::Error),
    /// A file of the database that cannot be read.
    #[error("{path}, line {line}: {problem}")]
    Malformed {
        /// The file.
        path: RootPath,
        /// The line, the first being 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A control member of a package that cannot be read.
    #[error("package `{package}`, control member `{member}`, line {line}: {problem}")]
    Member {
        /// The package.
        package: String,
        /// The member.
        member: &'static str,
        /// The line, the first being 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A control file that cannot be read.
    #[error("a package's control file")]
    Control(#[from] BadStanza),
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Tree(_) => Class::Target,
            Error::Malformed { .. } | Error::Member { .. } | Error::Control(_) => Class::Script,
        }
    }
}

/// The database of one tree, as it stands while packages are unpacked.
#[derive(Debug)]
pub(crate) struct Database<'a> {
    root: &'a Rootfs,
    /// Which packages there are, and how far each is.
    pub(crate) status: Status,
    /// Paths that are written elsewhere.
    pub(crate) diversions: Diversions,
    /// Owners and modes that an administrator, or a script, has set.
    pub(crate) overrides: StatOverrides,
    /// Names of users and groups.
    pub(crate) users: Users,
    /// Who wants to hear of what.
    pub(crate) interests: Interests,
    masters: Masters,
}

impl Database<'_> {
    /// Reads the tree's database. `masters` serves for names while the tree has no /etc/passwd or /etc/group.
    pub(crate) fn open(root: &Rootfs, masters: Masters) -> Result<Database<'_>, Error> {
        Ok(Database {
            root,
            status: Status::read(root)?,
            diversions: Diversions::read(root)?,
            overrides: StatOverrides::read(root)?,
            users: Users::read(root, &masters)?,
            interests: Interests::read(root)?,
            masters,
        })
    }

    /// Makes what dpkg makes when it first runs: locks, the triggers' files, `info/format`.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        info::prepare(self.root)?;
        let triggers = RootPath::known("var/lib/dpkg/triggers");
        self.root.make_directories(&triggers)?;
        let files = [
            ("var/lib/dpkg/lock-frontend", 0o640),
            ("var/lib/dpkg/lock", 0o640),
            ("var/lib/dpkg/triggers/Lock", 0o600),
            ("var/lib/dpkg/triggers/Unincorp", 0o644),
        ];
        for (path, mode) in files {
            let path = RootPath::known(path);
            if !self.root.exists(&path)? {
                self.root.write(&path, b"", mode)?;
            }
        }
        Ok(())
    }

    /// Reads everything again, as after dpkg has run in the tree.
    pub(crate) fn reread(&mut self) -> Result<(), Error> {
        self.status = Status::read(self.root)?;
        self.interests = Interests::read(self.root)?;
        self.overrides = StatOverrides::read(self.root)?;
        self.reread_after_script()
    }

    /// Reads again what a script may have changed and dpkg would heed: diversions, users and groups. It reads statoverrides once, when it is
    /// called.
    pub(crate) fn reread_after_script(&mut self) -> Result<(), Error> {
        self.diversions = Diversions::read(self.root)?;
        self.users = Users::read(self.root, &self.masters)?;
        Ok(())
    }
}

/// The lines of a file of the database with their numbers from 1; no line when it is not there.
fn lines_of(root: &Rootfs, path: &'static str) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let content = root.read(&RootPath::known(path))?.unwrap_or_default();
    let mut lines: Vec<_> = content
        .split(|&b| b == b'\n')
        .map(<[u8]>::to_vec)
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .collect();
    if lines.last().is_some_and(|(_, line)| line.is_empty()) {
        lines.pop();
    }
    Ok(lines)
}

fn malformed(path: &'static str, line: usize, problem: &'static str) -> Error {
    Error::Malformed {
        path: RootPath::known(path),
        line,
        problem,
    }
}
