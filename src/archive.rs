//! Sources, their verified releases, and the index of packages.
//!
//! This is the head of the chain of trust: keyring → InRelease → digest of an index. The result is
//! text that a trusted key vouches for, in the order in which apt reads it: source by source,
//! component by component, the native architecture, the foreign ones, then `all` where it has an
//! index of its own. What a stanza means is left to `formats` and `plan`; mirrors and bytes are the
//! store's.

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
pub(crate) mod openpgp;
pub(crate) mod release;
pub(crate) mod sources;

mod error;
mod index;
mod preferences;
mod reader;
mod signed;
mod tree_keys;
mod without_release;

use std::num::NonZeroI16;
use std::sync::Arc;

pub(crate) use error::Error;
pub(crate) use openpgp::{Keyring, KeyringError, SignatureError};
pub(crate) use preferences::{Indistinguishable, preferences};
pub(crate) use reader::{IndexReader, ListFile, ReaderOptions, releases_key};
pub use release::Release;
pub(crate) use release::{BadRelease, UtcTime};
pub(crate) use sources::BadSource;
pub(crate) use sources::file::{SourcesFile, tree_sources};
pub(crate) use sources::host::{HostMirrors, host_mirrors};
pub(crate) use tree_keys::{PackagedKeys, SourceKeys, TreeKeys, packaged};

/// How far an archive's clock may be ahead of this machine's, in seconds.
pub(crate) const CLOCK_TOLERANCE: i64 = 300;

/// How long before a release's Date its signature may have been made, in seconds. Debian's and
/// Ubuntu's are made within minutes after it; a repository that writes its local time as UTC is off
/// by up to 14 hours.
const SIGNATURE_TOLERANCE: i64 = 86_400;

/// An apt source to read: one suite of an archive, some of its components.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Mirrors of one archive, tried in this order.
    pub(crate) uris: Vec<String>,
    /// As in the URL: `trixie`, `trixie-security`, `./` for a flat repository.
    pub(crate) suite: String,
    /// None for a flat repository.
    pub(crate) components: Vec<String>,
    /// The native one first.
    pub(crate) architectures: Vec<String>,
    pub(crate) trust: Trust,
    pub(crate) expiry: Expiry,
    /// What the tree's own apt checks it with.
    pub(crate) tree_keys: TreeKeys,
    /// The distribution's keys. The tree's apt uses them instead if they have signed the release
    /// too.
    pub(crate) packaged: Option<Arc<PackagedKeys>>,
    /// The priority that the user gives its versions.
    pub(crate) pin: Option<NonZeroI16>,
    pub(crate) exemptions: Exemptions,
    /// Names the archive, whichever mirror serves it. With the suite, the newest date that was seen
    /// is remembered under this name.
    pub(crate) archive: String,
    pub(crate) leniency: Leniency,
}

impl Source {
    /// The name under which the newest date of its releases is remembered.
    pub(crate) fn identity(&self) -> String {
        format!("{} {}", self.archive, self.suite)
    }

    /// Whether a signature vouches for its packages.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self.trust, Trust::Keys(_)) && !self.exemptions.unsigned
    }
}

/// Checks of a source's release that are relaxed. By default none is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leniency {
    /// Keys that expired or were retired after they signed: the suite has ended.
    pub(crate) former_keys: bool,
    /// A release older than one seen before: `--allow-rollback`.
    pub(crate) older: bool,
    /// A release that names another suite, or none.
    pub(crate) other_suite: bool,
    /// A release whose Date is missing or unreadable, as apt accepts it.
    pub(crate) no_date: bool,
    /// How far Date may be in the future, in seconds; by default [`CLOCK_TOLERANCE`].
    pub(crate) max_future: Option<i64>,
    /// The time with which its dates are compared, in seconds since the epoch: that of a snapshot.
    /// By default the present. Keys must be valid at present.
    pub(crate) as_of: Option<i64>,
    /// Components and architectures that no source has: a warning, as for apt.
    pub(crate) absent_indexes: bool,
}

/// The checks that an entry of apt's sources turns off, here and in the tree. What the command line
/// turns off holds for this run alone and is not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exemptions {
    /// `Trusted: yes`
    pub(crate) unsigned: bool,
    /// `Check-Valid-Until: no`
    pub(crate) expired: bool,
    /// `Check-Date: no`
    pub(crate) date: bool,
    /// Date-Max-Future, in seconds.
    pub(crate) max_future: Option<u32>,
    /// Valid-Until-Min, in seconds after Date.
    pub(crate) shortest: Option<u32>,
    /// Valid-Until-Max, in seconds after Date.
    pub(crate) longest: Option<u32>,
}

/// Who may have signed a source.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// A key of this keyring.
    Keys(Arc<Keyring>),
    /// Anyone or no one: `[trusted=yes]`, `--no-check-gpg`.
    Unchecked,
}

/// Whether an index may be used after its Valid-Until.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Check,
    /// `--no-check-valid-until`, `Check-Valid-Until: no`
    Ignore,
}

/// The verified Packages text of one component and architecture.
#[derive(Debug)]
pub struct Listing {
    release: Arc<Release>,
    #[cfg(any(test, feature = "testing"))]
    architecture: String,
    text: String,
}

impl Listing {
    /// The release that vouches for it.
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// The index's architecture; in a flat repository, whose index may hold several, the native
    /// one.
    #[cfg(any(test, feature = "testing"))]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The stanzas, with the fields that [`Field`](crate::formats::fields::Field) knows.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A listing that no archive has, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn for_tests(release: Release, architecture: &str, text: String) -> Listing {
        Listing {
            release: Arc::new(release),
            architecture: architecture.to_owned(),
            text,
        }
    }
}

/// What all sources offer.
#[derive(Debug)]
pub struct Index {
    listings: Vec<Listing>,
}

impl Index {
    /// The listings in the order in which apt reads them.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// An index of any listings, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn for_tests(listings: Vec<Listing>) -> Index {
        Index { listings }
    }
}

/// What is known of an index while others are still being read. Events come from several threads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IndexEvent<'a> {
    /// A stanza of a verified index, with the release that vouches for it. The stanzas of one index
    /// come in order.
    Stanza(&'a Release, &'a str),
    /// All stanzas of a source have been reported.
    SourceEnd,
}
