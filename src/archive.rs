//! Sources → verified releases → the index of packages.
//!
//! The head of the chain of trust: keyring → InRelease → digest of an index. What comes out is text that a trusted key vouches for, in the
//! order in which apt would read it: source by source, component by component, the native architecture, the foreign ones, then
//! `all` where it has an index of its own. What a stanza means is for `package` and `plan`; bytes and mirrors are the store's.

pub(crate) mod openpgp;
pub(crate) mod release;
pub(crate) mod sources;

mod index;
mod preferences;
mod reading;
mod signed;

use std::io;
use std::num::NonZeroI16;
use std::sync::Arc;

pub(crate) use openpgp::{Attempt, Fault, Keyring, KeyringError, SignatureError};
pub(crate) use preferences::{Indistinguishable, preferences};
pub(crate) use reading::{Reading, promise};
pub use release::Release;
pub(crate) use release::{BadRelease, Time};
pub(crate) use sources::{
    BadSource, Entry, HostMirrors, SignedBy, SourcesFile, host_mirrors, sources_file,
};

use crate::failure::Class;
use crate::store;

/// How far ahead of this machine's clock an archive's clock may be, in seconds.
pub(crate) const CLOCK_TOLERANCE: i64 = 300;

/// One apt source: a suite of an archive, some of its components.
#[derive(Clone, Debug)]
pub struct Source {
    /// Mirrors of one archive, tried in turn.
    pub(crate) uris: Vec<String>,
    /// As in the URL: `trixie`, `trixie-security`, `./` for a flat repository.
    pub suite: String,
    /// Components; none for a flat repository.
    pub(crate) components: Vec<String>,
    /// Architectures, native first.
    pub(crate) architectures: Vec<String>,
    /// Who may have signed it.
    pub(crate) trust: Trust,
    /// Whether Valid-Until counts.
    pub(crate) expiry: Expiry,
    /// The keyring's path in the tree, for the sources that are written there.
    pub(crate) signed_by: Option<String>,
    /// What apt calls the priority of its versions, where the user sets it; never 0, which apt refuses.
    pub pin: Option<NonZeroI16>,
    /// What its own entry does without. The command line's leave is for this run alone, and no part of it.
    pub(crate) leave: Leave,
}

/// What an entry of apt's sources does without, and the tree's apt with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// `Trusted: yes`
    pub(crate) unsigned: bool,
    /// `Check-Valid-Until: no`
    pub(crate) expired: bool,
}

/// Who may have signed a source.
#[derive(Clone, Debug)]
pub enum Trust {
    /// A key of this keyring.
    Keys(Arc<Keyring>),
    /// Anyone or no one: `[trusted=yes]`, `--no-check-gpg`.
    Unchecked,
}

/// Whether an index may be used after its Valid-Until.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It may not.
    Check,
    /// It may: `--no-check-valid-until`, `Check-Valid-Until: no`.
    Ignore,
}

/// One component's and architecture's Packages text, verified.
#[derive(Debug)]
pub struct Listing {
    /// The release that vouches for it.
    pub release: Arc<Release>,
    /// The component as asked for; empty for a flat repository.
    pub(crate) component: String,
    /// The index's architecture; in a flat repository, whose index may hold several, the native one.
    pub architecture: String,
    /// The stanzas, with the fields that [`crate::formats::fields::Field`] knows.
    pub text: String,
}

/// What all sources offer, in the order of the sources.
#[derive(Debug, Default)]
pub struct Index {
    /// The listings, in the order in which apt reads them.
    pub listings: Vec<Listing>,
}

/// What reading tells before it is done, from several threads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    /// A stanza of a verified index, with the release that vouches for it; those of an index come in order.
    Stanza(&'a Release, &'a str),
    /// A source has told all its stanzas.
    Source,
}

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file could not be had from any mirror.
    #[error("cannot fetch {name}")]
    Fetch {
        /// The suite, or the index's path below it.
        name: String,
        /// What the store says.
        source: Box<store::Error>,
    },
    /// No trusted key signed a release.
    #[error("{url} is not trusted")]
    Signature {
        /// The Release file's address.
        url: String,
        /// Why.
        source: SignatureError,
    },
    /// A release is signed, and is not used.
    #[error("{url} cannot be used")]
    Release {
        /// The Release file's address.
        url: String,
        /// Why.
        source: BadRelease,
    },
    /// Indexes did not match their release, however often both were read: a mirror that is broken, or being changed by someone.
    #[error("{name} of {suite} does not match its release, after {tries} tries")]
    Mismatch {
        /// The suite.
        suite: String,
        /// The index's path.
        name: String,
        /// How often the release was read.
        tries: u32,
        /// What the store says of the last try.
        source: Box<store::Error>,
    },
    /// No source has the component.
    #[error("no source has component {component}; {suite} has {}", offered.join(", "))]
    NoComponent {
        /// The component asked for.
        component: String,
        /// The first suite that was asked.
        suite: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// No source has the architecture.
    #[error("no source has architecture {architecture}; {suite} has {}", offered.join(", "))]
    NoArchitecture {
        /// The architecture asked for.
        architecture: String,
        /// The first suite that was asked.
        suite: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// A flat repository has no index.
    #[error("{suite} has no Packages file")]
    NoIndex {
        /// The suite.
        suite: String,
    },
    /// A verified index does not decode, or could not be read back.
    #[error("cannot read {name} of {suite}")]
    Decode {
        /// The suite.
        suite: String,
        /// The index's path.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A verified index is larger than an index may be.
    #[error("{name} of {suite} is larger than {limit} bytes")]
    TooLarge {
        /// The suite.
        suite: String,
        /// The index's path.
        name: String,
        /// The limit in bytes, decoded.
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
            Error::NoComponent { .. } | Error::NoArchitecture { .. } | Error::NoIndex { .. } => {
                Class::Usage
            }
            Error::Decode { .. } | Error::TooLarge { .. } => Class::Network,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Release { source, .. } => source.hint(),
            Error::Fetch { .. }
            | Error::Signature { .. }
            | Error::Mismatch { .. }
            | Error::NoComponent { .. }
            | Error::NoArchitecture { .. }
            | Error::NoIndex { .. }
            | Error::Decode { .. }
            | Error::TooLarge { .. } => None,
        }
    }
}
