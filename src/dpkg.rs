//! Installs packages as dpkg does, and keeps /var/lib/dpkg as dpkg keeps it.
//!
//! [`State`] is what the database of a tree says: status, lists, diversions, statoverrides,
//! triggers. `staging` decodes packages ahead, `ledger` decides which package owns a path, `place`
//! moves files to their paths, `register` writes the database, `unpack` puts these in order,
//! `configure` has the tree's own dpkg run. Which package comes when is left to `install`.

mod conffiles;
pub(crate) mod configure;
mod diversions;
mod info;
mod ledger;
pub(crate) mod maintainer_scripts;
mod place;
mod register;
mod script;
pub(crate) mod script_failure;
pub(crate) mod staging;
mod state;
mod statoverride;
mod status;
#[cfg(test)]
mod tests;
mod triggers;
pub(crate) mod unpack;
mod users;

use conffiles::{Conffile, ConffileState, parse_conffiles};
use diversions::Diversions;
use info::{InfoDirectory, InfoFiles, md5sums, qualified_name};
use ledger::Ledger;
pub(crate) use script::script_environment;
pub(crate) use state::State;
use statoverride::StatOverrides;
use status::Status;
use triggers::{Directive, Interests, parse_triggers};
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
