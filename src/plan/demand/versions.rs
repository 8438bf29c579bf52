//! Versions of a package that a word names: by their text, a pattern or a suite.

use super::DemandReader;
use crate::formats::glob;
use crate::formats::version::Version;
use crate::plan::Error;
use crate::plan::pool::{PackageId, VersionId};

impl DemandReader<'_, '_> {
    /// The highest version that `text` matches.
    pub(super) fn version(&self, package: PackageId, text: &str) -> Result<VersionId, Error> {
        let mut available: Vec<&str> = Vec::new();
        let mut found: Option<VersionId> = None;
        for version in self.pool.versions(package) {
            let own = self.pool[version].text;
            available.push(own);
            let is_higher = found.is_none_or(|known| {
                // Of several .debs of one version, the one that was read first: the list's last.
                Version::compare(own, self.pool[known].text).is_ge()
            });
            if is_higher && matches_version(text, own) {
                found = Some(version);
            }
        }
        if let Some(found) = found {
            return Ok(found);
        }
        available.sort_by(|a, b| Version::compare(b, a));
        Err(Error::UnknownVersion {
            package: self.pool.full_name(package),
            version: text.to_owned(),
            available: available.into_iter().map(str::to_owned).collect(),
        })
    }

    pub(super) fn not_in_suite(&self, package: PackageId, suite: &str) -> Error {
        let mut available = Vec::new();
        for version in self.pool.versions(package) {
            for listing in self.pool.listings(version) {
                available.push(listing.release().suite_in_url().to_owned());
            }
        }
        available.sort();
        available.dedup();
        Error::NotInSuite {
            package: self.pool.full_name(package),
            suite: suite.to_owned(),
            available,
        }
    }
}

/// Whether `pkg=text` means a version, as apt decides it: the same text, the text before a star at
/// its end, or a pattern of fnmatch(3).
fn matches_version(text: &str, version: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    let text = text.to_ascii_lowercase();
    let version = version.to_ascii_lowercase();
    match text.strip_suffix('*') {
        Some(start) if version.starts_with(start) => true,
        _ => glob::matches(text.as_bytes(), version.as_bytes()),
    }
}
