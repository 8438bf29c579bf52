//! Releases that no archive has, for tests of what chooses packages.

use super::Release;
use crate::archive::{Exemptions, Expiry, Leniency, Source, TreeKeys, Trust};
use crate::formats::digest::{Algorithm, digest};

impl Release {
    /// A release that no archive has, for tests.
    pub(crate) fn for_tests(release: crate::testing::listing::TestRelease) -> Release {
        let pin = release.pin.and_then(std::num::NonZeroI16::new);
        let source = Source {
            uris: Vec::new(),
            suite: release.suite_in_url,
            components: vec!["main".to_owned()],
            architectures: vec![release.architecture],
            trust: Trust::Unchecked,
            expiry: Expiry::Ignore,
            tree_keys: TreeKeys::default(),
            packaged: None,
            pin,
            exemptions: Exemptions::default(),
            archive: String::new(),
            leniency: Leniency::default(),
        };
        Release {
            suite: release.suite,
            codename: release.codename,
            not_automatic: release.not_automatic,
            but_automatic_upgrades: release.but_automatic_upgrades,
            ..Release::recorded(source, digest(Algorithm::Sha256, b""))
        }
    }
}
