//! The reasons why sources give no index, with their classes and hints.

use std::io;

use super::{BadRelease, SignatureError};
use crate::failure::Class;
use crate::store;

/// Why the indexes cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No mirror has the file.
    #[error("cannot fetch {name}")]
    Fetch {
        /// The suite, or the index's path below it.
        name: String,
        source: Box<store::Error>,
    },
    /// No trusted key signed a release.
    #[error("{url} is not trusted")]
    Signature { url: String, source: SignatureError },
    /// A signed release that is not used.
    #[error("{url} cannot be used")]
    Release { url: String, source: BadRelease },
    /// An index did not match its release each time both were read: the mirror is broken, or it was
    /// tampered with.
    #[error("{name} of {suite} does not match its release, after {tries} tries")]
    Mismatch {
        suite: String,
        name: String,
        tries: usize,
        /// The failure of the last try.
        source: Box<store::Error>,
    },
    /// No source has the component.
    #[error("no source has component {component}; {suite} has {}", offered.join(", "))]
    NoComponent {
        component: String,
        /// The first suite that lacks it.
        suite: String,
        offered: Vec<String>,
    },
    /// No source has the architecture.
    #[error("no source has architecture {architecture}; {suite} has {}", offered.join(", "))]
    NoArchitecture {
        architecture: String,
        /// The first suite that lacks it.
        suite: String,
        offered: Vec<String>,
    },
    /// A flat repository has no index.
    #[error("{suite} has no Packages file")]
    NoIndex { suite: String },
    /// A verified index cannot be decoded or read back.
    #[error("cannot read {name} of {suite}")]
    Decode {
        suite: String,
        name: String,
        source: io::Error,
    },
    /// A stanza of a verified index has no Package field; apt reads nothing of such an index.
    #[error("{name} of {suite} has a stanza without a Package field")]
    Unnamed { suite: String, name: String },
    /// A source's indexes are only listed in compressed form.
    #[error("{suite} lists {path} in compressed form only, which apt does not read")]
    OnlyCompressed { suite: String, path: String },
    /// A verified index has more than an index may have.
    #[error("{name} of {suite} has {what} than {limit}")]
    Limit {
        suite: String,
        name: String,
        /// `more bytes`, …; decoded.
        what: &'static str,
        limit: u64,
    },
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Fetch { source, .. } => source.class(),
            Error::Signature { .. } | Error::Release { .. } | Error::Mismatch { .. } => {
                Class::Trust
            }
            Error::NoComponent { .. }
            | Error::NoArchitecture { .. }
            | Error::NoIndex { .. }
            | Error::OnlyCompressed { .. } => Class::Usage,
            // A stream fails with an error of the system only if the file cannot be read.
            Error::Decode { source, .. } if source.raw_os_error().is_some() => Class::Target,
            Error::Decode { .. } | Error::Limit { .. } | Error::Unnamed { .. } => Class::Trust,
        }
    }

    /// Whether the same mirror may have a good release a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Error::Signature { source, .. } => source.may_pass(),
            Error::Release { source, .. } => source.may_pass(),
            Error::Fetch { .. }
            | Error::Mismatch { .. }
            | Error::NoComponent { .. }
            | Error::NoArchitecture { .. }
            | Error::NoIndex { .. }
            | Error::OnlyCompressed { .. }
            | Error::Unnamed { .. }
            | Error::Decode { .. }
            | Error::Limit { .. } => false,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Release { source, .. } => source.hint(),
            Error::Fetch { source, .. } if is_missing_suite(source) => Some(
                "a mirror's URL names the directory that contains `dists`, such as \
                 http://ftp.debian.org/debian; if it does, the mirror lacks the suite"
                    .into(),
            ),
            Error::Fetch { source, .. } => source.hint(),
            Error::Signature { source, .. } => source.hint(),
            Error::Mismatch { .. } => Some(
                "try again later, or use another mirror (--mirror URL, or the one in --source)"
                    .into(),
            ),
            Error::NoComponent { .. } => Some(
                "--components names those of the suite, a line in --source those of another archive"
                    .into(),
            ),
            Error::NoArchitecture { .. } => {
                Some("--arch names the architectures; --source adds an archive with others".into())
            }
            Error::NoIndex { .. } => Some(
                "check the URL and the path in --source: apt-ftparchive packages makes the file"
                    .into(),
            ),
            // As in `class`.
            Error::Decode { source, .. } if source.raw_os_error().is_some() => {
                Some("check the cache and its disk, or use another place: --cache-dir DIR".into())
            }
            Error::OnlyCompressed { .. }
            | Error::Unnamed { .. }
            | Error::Decode { .. }
            | Error::Limit { .. } => Some(
                "only its publisher can change that; leave the source out, or use another mirror"
                    .into(),
            ),
        }
    }
}

/// Whether a mirror has no release file where a suite's would be.
fn is_missing_suite(error: &store::Error) -> bool {
    match error {
        store::Error::Missing { url, .. } => url.contains("/dists/") && url.ends_with("/Release"),
        _ => false,
    }
}
