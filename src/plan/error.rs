//! Why there is no plan.

use super::chain::TooDeep;
use super::explain;
use super::pattern::PatternError;
use super::pool::Pool;
use super::work::{STEP_LIMIT, TABLE_LIMIT, WorkEnd};
use crate::failure::Class;
use crate::formats::package::BadStanza;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No listing has the package, and no package provides it.
    #[error("unknown package `{package}`")]
    Unknown {
        /// The name as requested.
        package: String,
        /// Existing names that are spelled similarly, the most similar first.
        suggestions: Vec<String>,
    },
    /// The sources have only other versions of the package.
    #[error("unknown version {version} of `{package}` (available: {})", available.join(", "))]
    UnknownVersion {
        /// The package.
        package: String,
        /// The version as requested.
        version: String,
        /// The versions that exist, the highest first.
        available: Vec<String>,
    },
    /// Only other suites have the package.
    #[error("suite {suite} does not have `{package}` (available in: {})", available.join(", "))]
    NotInSuite {
        /// The package.
        package: String,
        /// The suite as requested.
        suite: String,
        /// The suites that have the package.
        available: Vec<String>,
    },
    /// A word that begins as a pattern is none.
    #[error("`{word}` is not a pattern of apt's")]
    Pattern {
        /// The word as written.
        word: String,
        /// What is wrong with it.
        #[source]
        source: PatternError,
    },
    /// The name is a virtual package with several providers.
    #[error("`{name}` is a virtual package (choose a provider: {})", providers.join(", "))]
    Virtual {
        /// The name.
        name: String,
        /// The names of the packages that provide it.
        providers: Vec<String>,
    },
    /// The package is requested for an architecture that the tree does not have.
    #[error("architecture {architecture} of `{package}` is not one of the target's")]
    Architecture {
        /// The package.
        package: String,
        /// Its architecture.
        architecture: String,
    },
    /// A package, or its only provider, is both requested and excluded.
    #[error("`{package}` is both requested and excluded")]
    Excluded {
        /// The package.
        package: String,
    },
    /// A word such as `vim=`, which lacks a part.
    #[error("`{word}` has no {part}")]
    Incomplete {
        /// The word as written.
        word: String,
        /// What it lacks.
        part: &'static str,
    },
    /// `name-` for a package that every system has.
    #[error("`{package}-` is requested, but `{package}` is essential")]
    AbsentEssential {
        /// The package.
        package: String,
    },
    /// All sources of a package have a priority below 0.
    #[error("`{package}` is only in sources that are pinned below 0")]
    PinnedAway {
        /// The package.
        package: String,
    },
    /// The demands cannot all be met.
    #[error("{}", explain::message(demands, reasons))]
    Unsatisfiable {
        /// A smallest set of demands that cannot be met together.
        demands: Vec<String>,
        /// The chains from the demands to the conflict, one line a step.
        reasons: Vec<String>,
    },
    /// A chain of dependencies is longer than the resolver follows.
    #[error(
        "the chain of dependencies `{}` → … is longer than {limit} packages",
        chain.join("` → `")
    )]
    TooDeep {
        /// The first packages of the chain.
        chain: Vec<String>,
        /// The largest length that the resolver follows.
        limit: usize,
    },
    /// The indexes make choosing packages too much work.
    #[error("choosing the packages takes more than {limit} steps{}", at(package))]
    TooMuchWork {
        /// The package of the last steps, if they were for one.
        package: Option<String>,
        /// The most steps that a plan may take.
        limit: u64,
    },
    /// The indexes mention more names than any archive has.
    #[error("the indexes have more than {limit} packages, versions or names")]
    TooManyNames {
        /// The most of each.
        limit: usize,
    },
    /// A signal stopped the run.
    #[error("interrupted")]
    Interrupted,
    /// No architecture was named.
    #[error("no architecture is given")]
    NoArchitecture,
    /// Versions that `pkg/suite` selects for essential packages select others without end.
    #[error("the suites requested with pkg/suite keep replacing versions of essential packages")]
    UnstableBase,
    /// A stanza that is needed cannot be read.
    #[error(transparent)]
    Stanza(#[from] BadStanza),
    /// The system cannot start the resolver's thread.
    #[error("cannot start a thread")]
    Thread {
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

/// " (at `package`)"
fn at(package: &Option<String>) -> String {
    match package {
        Some(package) => format!(" (at `{package}`)"),
        None => String::new(),
    }
}

impl Error {
    /// The error for work that is over.
    pub(super) fn of_work(pool: &Pool<'_>, end: WorkEnd) -> Error {
        match end {
            WorkEnd::Interrupted => Error::Interrupted,
            WorkEnd::TooManyNames => Error::TooManyNames { limit: TABLE_LIMIT },
            WorkEnd::TooMuch(package) => Error::TooMuchWork {
                package: package.map(|package| pool.full_name(package)),
                limit: STEP_LIMIT,
            },
        }
    }

    pub(super) fn too_deep(pool: &Pool<'_>, too_deep: &TooDeep) -> Error {
        let mut chain = Vec::new();
        for package in &too_deep.chain {
            chain.push(pool.full_name(*package));
        }
        Error::TooDeep {
            chain,
            limit: too_deep.limit,
        }
    }

    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Unknown { .. }
            | Error::UnknownVersion { .. }
            | Error::NotInSuite { .. }
            | Error::Pattern { .. }
            | Error::Virtual { .. }
            | Error::Architecture { .. }
            | Error::Excluded { .. }
            | Error::Incomplete { .. }
            | Error::AbsentEssential { .. }
            | Error::PinnedAway { .. }
            | Error::Unsatisfiable { .. }
            | Error::NoArchitecture
            | Error::UnstableBase => Class::Packages,
            Error::Stanza(_)
            | Error::TooDeep { .. }
            | Error::TooMuchWork { .. }
            | Error::TooManyNames { .. } => Class::Trust,
            Error::Interrupted => Class::Other,
            Error::Thread { .. } => Class::Target,
        }
    }

    /// What the user can do next.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown { suggestions, .. } if suggestions.is_empty() => None,
            Error::Unknown { suggestions, .. } => {
                Some(format!("did you mean `{}`?", suggestions.join("`, `")))
            }
            Error::Architecture { .. } => {
                Some("--arch NATIVE,FOREIGN adds a foreign architecture".to_owned())
            }
            Error::Incomplete { .. } => Some(
                "--include takes NAME, NAME=VERSION, NAME/SUITE, NAME:ARCHITECTURE and NAME-"
                    .to_owned(),
            ),
            Error::AbsentEssential { package } => Some(format!(
                "--exclude {package} leaves it out nevertheless; --variant custom installs no \
                 essential packages"
            )),
            Error::Pattern { .. } => Some("apt-patterns(7) describes them".to_owned()),
            Error::UnknownVersion { .. }
            | Error::NotInSuite { .. }
            | Error::Virtual { .. }
            | Error::Excluded { .. }
            | Error::PinnedAway { .. }
            | Error::Unsatisfiable { .. }
            | Error::TooDeep { .. }
            | Error::TooMuchWork { .. }
            | Error::TooManyNames { .. }
            | Error::Interrupted
            | Error::NoArchitecture
            | Error::UnstableBase
            | Error::Stanza(_)
            | Error::Thread { .. } => None,
        }
    }
}
