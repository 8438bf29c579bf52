//! Installs packages as dpkg does, and keeps /var/lib/dpkg as dpkg keeps it.
//!
//! [`State`] is what the database of a tree says: status, lists, diversions, statoverrides,
//! triggers. `staging` decodes packages ahead, `ledger` decides which package owns a path, `place`
//! moves files to their paths, `register` writes the database, `unpack` puts these in order,
//! `configure` has the tree's own dpkg run. Which package comes when is left to `install`.

mod conffiles;
pub(crate) mod configure;
mod diversions;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
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

use conffiles::{Conffile, ConffileState, Conffiles, parse_conffiles};
use diversions::Diversions;
use info::{InfoDirectory, InfoFiles, md5sums, qualified_name};
use ledger::Ledger;
pub(crate) use place::{NamedFile, PlacedFiles, StagedOrigin};
pub(crate) use script::script_environment;
pub(crate) use state::State;
use statoverride::StatOverrides;
use status::Status;
use triggers::{Directive, Interests, parse_triggers};
pub(crate) use users::{Masters, Users};

use crate::failure::Class;
use crate::formats::package::BadStanza;
use crate::tree::rootfs::{self, RootPath, Rootfs};

/// Why a tree's database, or what a package adds to it, cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Tree(#[from] rootfs::Error),
    /// A malformed file of the tree's database.
    #[error("{path}, line {line}: {problem}")]
    Malformed {
        path: RootPath,
        /// From 1.
        line: usize,
        problem: &'static str,
    },
    /// A malformed control member of a package.
    #[error("package `{package}`, control member `{member}`, line {line}: {problem}")]
    Member {
        package: String,
        member: &'static str,
        /// From 1.
        line: usize,
        problem: &'static str,
    },
    #[error("a package's control file")]
    Control(#[from] BadStanza),
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            // What is malformed was read from the tree. A malformed package is `unpack`'s error.
            Error::Tree(_) | Error::Malformed { .. } | Error::Member { .. } | Error::Control(_) => {
                Class::Target
            }
        }
    }
}

/// The lines of a file of the database with their numbers from 1; none when it does not exist.
fn lines_of(root: &Rootfs, path: &'static str) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let content = root.read(&RootPath::known(path))?.unwrap_or_default();
    let mut lines = Vec::new();
    if content.is_empty() {
        return Ok(lines);
    }
    let content = content.strip_suffix(b"\n").unwrap_or(&content);
    for (number, line) in content.split(|&b| b == b'\n').enumerate() {
        lines.push((number + 1, line.to_vec()));
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
