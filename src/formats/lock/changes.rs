//! What differs between the packages of two images, by their locks or manifests.
//!
//! Read tolerantly: any JSON object with a list `packages`, each with a name, a version and an
//! architecture.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::formats::version::Version;

/// The packages of one image, by name and architecture.
#[derive(Debug)]
pub(crate) struct PackageList(BTreeMap<EntryKey, ComparedPackage>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EntryKey {
    name: String,
    architecture: String,
}

#[derive(Debug, Deserialize)]
struct ComparedDocument {
    packages: Vec<ComparedPackage>,
}

#[derive(Debug, Deserialize)]
struct ComparedPackage {
    name: String,
    version: String,
    architecture: String,
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    Upgraded,
    Downgraded,
    /// The same version with another digest.
    Changed,
}

/// How one package differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PackageChange {
    pub(crate) change: ChangeKind,
    pub(crate) name: String,
    pub(crate) architecture: String,
    /// The version before; `None` for one that is added.
    pub(crate) old: Option<String>,
    /// The version after; `None` for one that is removed.
    pub(crate) new: Option<String>,
}

impl PackageList {
    /// Reads a lock or a manifest.
    pub(crate) fn parse(text: &[u8]) -> Result<PackageList, serde_json::Error> {
        let document: ComparedDocument = serde_json::from_slice(text)?;
        let mut packages = BTreeMap::new();
        for entry in document.packages {
            let key = EntryKey {
                name: entry.name.clone(),
                architecture: entry.architecture.clone(),
            };
            packages.insert(key, entry);
        }
        Ok(PackageList(packages))
    }

    /// What has changed since `old`, by name.
    pub(crate) fn changes_since(&self, old: &PackageList) -> Vec<PackageChange> {
        let mut keys: Vec<_> = old.0.keys().chain(self.0.keys()).collect();
        keys.sort();
        keys.dedup();
        let mut changes = Vec::new();
        for key in keys {
            changes.extend(change(key, old.0.get(key), self.0.get(key)));
        }
        changes
    }
}

fn change(
    key: &EntryKey,
    old: Option<&ComparedPackage>,
    new: Option<&ComparedPackage>,
) -> Option<PackageChange> {
    let change = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => ChangeKind::Added,
        (Some(_), None) => ChangeKind::Removed,
        (Some(old), Some(new)) => match Version::compare(&old.version, &new.version) {
            Ordering::Less => ChangeKind::Upgraded,
            Ordering::Greater => ChangeKind::Downgraded,
            // A manifest writes the algorithm in lower case, and need not have digests.
            Ordering::Equal => match (&old.digest, &new.digest) {
                (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => ChangeKind::Changed,
                _ => return None,
            },
        },
    };
    Some(PackageChange {
        change,
        name: key.name.clone(),
        architecture: key.architecture.clone(),
        old: old.map(|entry| entry.version.clone()),
        new: new.map(|entry| entry.version.clone()),
    })
}

/// `upgraded libc6:amd64 2.41-1 → 2.41-2`
impl fmt::Display for PackageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.change {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Upgraded => "upgraded",
            ChangeKind::Downgraded => "downgraded",
            ChangeKind::Changed => "changed",
        };
        write!(f, "{word} {}:{}", self.name, self.architecture)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old != new => write!(f, " {old} → {new}"),
            (Some(version), _) | (None, Some(version)) => write!(f, " {version}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(packages: &[(&str, &str, &str)]) -> PackageList {
        let mut entries = Vec::new();
        for (name, version, digest) in packages {
            entries.push(format!(
                r#"{{"name":"{name}","version":"{version}","architecture":"all","digest":"{digest}","x":1}}"#
            ));
        }
        let text = format!(r#"{{"packages":[{}],"y":2}}"#, entries.join(","));
        PackageList::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn each_kind_of_change_is_one_line() {
        let old = list(&[
            ("same", "1", "a"),
            ("gone", "1", "a"),
            ("up", "1.9", "a"),
            ("down", "1~rc1", "a"),
            ("rebuilt", "1", "a"),
        ]);
        let new = list(&[
            ("same", "1", "A"),
            ("new", "1", "a"),
            ("up", "1.10", "b"),
            ("down", "1~beta", "b"),
            ("rebuilt", "1", "b"),
        ]);
        let lines: Vec<String> = new
            .changes_since(&old)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "downgraded down:all 1~rc1 → 1~beta",
            "removed gone:all 1",
            "added new:all 1",
            "changed rebuilt:all 1",
            "upgraded up:all 1.9 → 1.10",
        ];
        assert_eq!(lines, expected);
        assert!(old.changes_since(&old).is_empty());
    }
}
