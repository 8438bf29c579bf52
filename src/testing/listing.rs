//! Unsigned package indexes made in code.

use crate::archive::{Index, Listing, Release};

/// A release as a test describes it.
#[derive(Clone, Debug, Default)]
pub struct TestRelease {
    /// As in the URL: `trixie-security`.
    pub suite_in_url: String,
    /// The native architecture.
    pub architecture: String,
    /// The Suite field.
    pub suite: Option<String>,
    /// The Codename field.
    pub codename: Option<String>,
    /// The NotAutomatic field.
    pub not_automatic: bool,
    /// The ButAutomaticUpgrades field.
    pub but_automatic_upgrades: bool,
    /// The user's pin; not 0.
    pub pin: Option<i16>,
}

impl TestRelease {
    /// A release known only by its suite's name in the URL.
    pub fn new(suite: &str, architecture: &str) -> TestRelease {
        TestRelease {
            suite_in_url: suite.to_owned(),
            architecture: architecture.to_owned(),
            ..TestRelease::default()
        }
    }

    /// A listing of the release: the Packages text of an architecture.
    pub fn listing(self, architecture: &str, text: String) -> Listing {
        Listing::for_tests(Release::for_tests(self), architecture, text)
    }
}

/// An index of these listings.
pub fn index(listings: Vec<Listing>) -> Index {
    Index::for_tests(listings)
}

/// The listing with another text.
pub fn with_text(listing: &Listing, text: String) -> Listing {
    let release = Release::clone(listing.release());
    Listing::for_tests(release, listing.architecture(), text)
}
