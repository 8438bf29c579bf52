//! What differs between the packages of two images.
//!
//! Locks and manifests are read tolerantly: any JSON object with a list `packages`, each with a name, a version and an
//! architecture.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::formats::version::Version;

/// The packages of one image, by name and architecture.
#[derive(Debug, Default)]
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

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ComparedPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Of the .deb.
    #[serde(default)]
    pub(crate) digest: Option<String>,
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

/// Why a text is no list of packages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadList {
    #[error("it is not valid JSON, or has no `packages` with names, versions and architectures")]
    Json(#[from] serde_json::Error),
    #[error("`packages[{number}]`: {}:{} is listed twice", name.escape_debug(), architecture.escape_debug())]
    Twice {
        number: usize,
        name: String,
        architecture: String,
    },
}

impl PackageList {
    /// Reads a lock or a manifest.
    pub(crate) fn parse(text: &[u8]) -> Result<PackageList, BadList> {
        let document: ComparedDocument = serde_json::from_slice(text)?;
        let mut packages = BTreeMap::new();
        for (number, entry) in document.packages.into_iter().enumerate() {
            let key = EntryKey {
                name: entry.name.clone(),
                architecture: entry.architecture.clone(),
            };
            if packages.insert(key, entry.clone()).is_some() {
                return Err(BadList::Twice {
                    number,
                    name: entry.name,
                    architecture: entry.architecture,
                });
            }
        }
        Ok(PackageList(packages))
    }

    /// The list of these packages, of which no two have one name and architecture.
    pub(crate) fn of(packages: impl IntoIterator<Item = ComparedPackage>) -> PackageList {
        let mut list = BTreeMap::new();
        for package in packages {
            let key = EntryKey {
                name: package.name.clone(),
                architecture: package.architecture.clone(),
            };
            list.insert(key, package);
        }
        PackageList(list)
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

impl ComparedPackage {
    /// Whether both have a digest of one algorithm, and the digests differ. A manifest writes the
    /// algorithm in lower case, and need not have digests.
    fn has_other_digest(&self, other: &ComparedPackage) -> bool {
        let digests =
            [&self.digest, &other.digest].map(|digest| digest.as_deref()?.split_once(':'));
        let [
            Some((algorithm, digits)),
            Some((others_algorithm, others_digits)),
        ] = digests
        else {
            return false;
        };
        algorithm.eq_ignore_ascii_case(others_algorithm)
            && !digits.eq_ignore_ascii_case(others_digits)
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
            Ordering::Equal if old.has_other_digest(new) => ChangeKind::Changed,
            Ordering::Equal => return None,
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
        // A list may be anybody's: no control character gets to the terminal.
        let [name, architecture] = [&self.name, &self.architecture].map(|text| text.escape_debug());
        write!(f, "{word} {name}:{architecture}")?;
        let versions = [&self.old, &self.new].map(|text| Some(text.as_deref()?.escape_debug()));
        match versions {
            [Some(old), Some(new)] if self.old != self.new => write!(f, " {old} → {new}"),
            [Some(version), _] | [None, Some(version)] => write!(f, " {version}"),
            [None, None] => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_within_an_algorithm() {
        let rows = [
            ("SHA256:ab", "sha256:AB", false),
            ("SHA256:ab", "SHA256:ac", true),
            ("SHA256:ab", "sha256:ac", true),
            ("SHA256:ab", "SHA512:ac", false),
            ("SHA256:ab", "", false),
            ("ab", "ac", false),
        ];
        for (old, new, expected) in rows {
            let changes = list(&[("a", "1", new)]).changes_since(&list(&[("a", "1", old)]));
            assert_eq!(!changes.is_empty(), expected, "{old} {new}");
        }
    }

    #[test]
    fn lines_have_no_control_characters() {
        let old = list(&[]);
        let new = list(&[(r"a\n\u001b[31m", r"1\r", "x")]);
        let lines = new.changes_since(&old);
        assert_eq!(lines[0].to_string(), r"added a\n\u{1b}[31m:all 1\r");
    }

    #[test]
    fn a_package_is_there_once() {
        let entry = r#"{"name":"a","version":"1","architecture":"all"}"#;
        let text = format!(r#"{{"packages":[{entry},{entry}]}}"#);
        let error = PackageList::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "`packages[1]`: a:all is listed twice");
    }

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
            ("same", "1", "x:a"),
            ("gone", "1", "x:a"),
            ("up", "1.9", "x:a"),
            ("down", "1~rc1", "x:a"),
            ("rebuilt", "1", "x:a"),
        ]);
        let new = list(&[
            ("same", "1", "x:A"),
            ("new", "1", "x:a"),
            ("up", "1.10", "x:b"),
            ("down", "1~beta", "x:b"),
            ("rebuilt", "1", "x:b"),
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
