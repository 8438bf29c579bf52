//! Whether several locks are of the same releases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::super::Error as RunError;
use super::{Error, GivenLock};

/// The digests of the releases of a lock, by suite and origin.
type Releases = BTreeMap<String, BTreeSet<String>>;

/// Checks that locks of images, of other architectures say, are of the same releases.
pub(crate) fn require_same_releases(paths: &[PathBuf]) -> Result<(), RunError> {
    let mut first: Option<Releases> = None;
    for path in paths {
        let releases = releases(&GivenLock::read(path)?);
        let Some(known) = &first else {
            first = Some(releases);
            continue;
        };
        for suite in known.keys().chain(releases.keys()) {
            if known.get(suite) != releases.get(suite) {
                let error = Error::OtherRelease {
                    first: paths[0].clone(),
                    second: path.clone(),
                    suite: suite.clone(),
                };
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn releases(given: &GivenLock) -> Releases {
    let mut releases = Releases::new();
    for source in &given.lock().sources {
        let name = match &source.origin {
            Some(origin) => format!("{} of {origin}", source.suite),
            None => source.suite.clone(),
        };
        let digests = releases.entry(name).or_default();
        digests.insert(source.release.clone());
    }
    releases
}
