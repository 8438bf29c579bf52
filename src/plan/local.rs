//! .debs that the user names by their paths: in the pool like the packages of an index, and
//! demanded.
//!
//! As for apt, the version of such a file is its package's candidate, whatever the pins are and
//! whatever versions the archive has; of several files of one package the last counts.

use super::Error;
use super::demand::Demand;
use super::pool::{PackageId, Pool, UNKNOWN_ARCHITECTURE, VersionId};
use crate::formats::fields::{Field, PackageFields};
use crate::formats::package::{BadStanza, Package};

/// A .deb on this host that the user selects.
#[derive(Clone, Debug)]
pub struct LocalDeb {
    word: String,
    stanza: String,
    name: String,
    architecture: String,
}

impl LocalDeb {
    /// The .deb that the user wrote as `word`. `stanza` is its control file with Filename (a
    /// `file:` URL), Size and a digest, as an index would have it.
    pub fn new(word: &str, stanza: String) -> Result<LocalDeb, BadStanza> {
        let package = Package::parse_control(&stanza)?;
        Ok(LocalDeb {
            word: word.to_owned(),
            name: package.name,
            architecture: package.architecture,
            stanza,
        })
    }

    /// The path as the user wrote it in [`Selection::include`](super::Selection::include).
    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    pub(crate) fn stanza(&self) -> &str {
        &self.stanza
    }

    /// The package's name, in lower case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the file is, as a `file:` URL.
    pub(crate) fn url(&self) -> &str {
        let fields = PackageFields::read(&self.stanza);
        fields.map_or("", |fields| fields.get(Field::Filename))
    }
}

/// Whether a user's word is the path of a .deb and not a package's name.
pub(crate) fn is_path(word: &str) -> bool {
    word.contains('/') && (word.ends_with(".deb") || word.ends_with(".ddeb"))
}

/// The demands of local files, which make their versions the candidates. apt reads them after all
/// other demands.
pub(super) fn demands<'s>(
    pool: &Pool<'_>,
    local: &[LocalDeb],
    candidates: &mut [Option<VersionId>],
    is_excluded: impl Fn(&str) -> bool,
) -> Result<Vec<Demand<'s>>, Error> {
    let mut demands = Vec::new();
    for file in local {
        if is_excluded(&file.name) {
            return Err(Error::Excluded {
                package: file.name.clone(),
            });
        }
        let package = package(pool, file).ok_or_else(|| Error::Architecture {
            package: file.word.clone(),
            architecture: file.architecture.clone(),
        })?;
        let mut versions = pool.versions(package);
        let version = versions.find(|version| pool[*version].stanza == file.stanza);
        candidates[package.index()] = version.or(candidates[package.index()]);
        demands.push(Demand::Present(package));
    }
    Ok(demands)
}

/// The package of a local file. `None` if the tree does not have its architecture.
fn package(pool: &Pool<'_>, file: &LocalDeb) -> Option<PackageId> {
    let architecture = match file.architecture.as_str() {
        "all" => 0,
        named => pool.architecture(named),
    };
    if architecture == UNKNOWN_ARCHITECTURE {
        return None;
    }
    pool.package(pool.name(&file.name)?, architecture)
}
