//! One stanza of a package index or a control file, typed once.
//!
//! Knows the fields of Debian Policy chapter 5 that decide what is installed. Which stanza is wanted is for `plan` to say; where
//! the file comes from is known to `archive`.

use crate::formats::digest::{Algorithm, Digest};
use crate::formats::package_key::PackageKey;
use crate::formats::relation::{BadRelation, Provided, Relations, parse_provides, parse_relations};
use crate::formats::stanza::{Fields, fields};
use crate::formats::version::{BadVersion, Version};

/// The Priority field (Policy 2.5), most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// `required`
    Required,
    /// `important`
    Important,
    /// `standard`
    Standard,
    /// `optional`
    Optional,
    /// `extra`, or a word that Policy does not know.
    Extra,
}

impl Priority {
    /// Reads the field; a word that Policy does not know counts as `extra`.
    pub(crate) fn parse(word: &str) -> Priority {
        match word {
            "required" => Priority::Required,
            "important" => Priority::Important,
            "standard" => Priority::Standard,
            "optional" => Priority::Optional,
            _ => Priority::Extra,
        }
    }
}

/// The Multi-Arch field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MultiArch {
    /// `no`, or the field is absent.
    #[default]
    No,
    /// `same`: may be installed for several architectures at once.
    Same,
    /// `foreign`: serves packages of every architecture.
    Foreign,
    /// `allowed`: serves those that ask for `:any`.
    Allowed,
}

/// A package as one stanza describes it.
#[derive(Clone, Debug)]
pub struct Package {
    /// Package
    pub name: String,
    /// Version
    pub version: Version,
    /// Architecture: `amd64`, `all`, …
    pub architecture: String,
    /// Multi-Arch
    pub(crate) multi_arch: MultiArch,
    /// Priority; `None` when the field is absent.
    pub(crate) priority: Option<Priority>,
    /// Essential; `None` when the field is absent.
    pub(crate) essential: Option<bool>,
    /// `Protected: yes` or `Important: yes`.
    pub(crate) protected: bool,
    /// Pre-Depends
    pub(crate) pre_depends: Relations,
    /// Depends
    pub(crate) depends: Relations,
    /// Recommends
    pub(crate) recommends: Relations,
    /// Suggests
    pub(crate) suggests: Relations,
    /// Conflicts
    pub(crate) conflicts: Relations,
    /// Breaks
    pub(crate) breaks: Relations,
    /// Replaces
    pub(crate) replaces: Relations,
    /// Provides
    pub(crate) provides: Vec<Provided>,
    /// Filename, relative to the archive's root; empty in a control file.
    pub(crate) filename: String,
    /// Size of the .deb in bytes; 0 in a control file.
    pub(crate) size: u64,
    /// The strongest digest of the .deb that the stanza gives; none in a control file.
    pub(crate) digest: Option<Digest>,
    /// Installed-Size in KiB, 0 when absent.
    pub(crate) installed_size: u64,
}

/// The fields of an index that decide anything, by their first letter: an index has a million lines to be asked of.
const fn read_with(first: u8) -> &'static [&'static str] {
    match first.to_ascii_lowercase() {
        b'a' => &["Architecture"],
        b'b' => &["Breaks"],
        b'c' => &["Conflicts"],
        b'd' => &["Depends"],
        b'e' => &["Essential", "Enhances"],
        b'f' => &["Filename"],
        b'i' => &["Installed-Size", "Important"],
        b'm' => &["Multi-Arch"],
        b'p' => &[
            "Package",
            "Priority",
            "Pre-Depends",
            "Provides",
            "Protected",
        ],
        b'r' => &["Recommends", "Replaces"],
        b's' => &["Size", "SHA256", "SHA512", "Suggests"],
        b'v' => &["Version"],
        _ => &[],
    }
}

/// Whether anything is read of the field of that name, in any case.
pub(crate) fn is_read(field: &[u8]) -> bool {
    let alike =
        |known: &&str| known.len() == field.len() && known.as_bytes().eq_ignore_ascii_case(field);
    field
        .first()
        .is_some_and(|first| read_with(*first).iter().any(alike))
}

impl Package {
    /// Names this package.
    pub(crate) fn key(&self) -> PackageKey {
        PackageKey::new(&self.name, &self.architecture, &self.version)
    }

    /// Reads one stanza. A field that is missing, or that cannot be read, is an error that names it.
    pub(crate) fn parse(stanza: &str) -> Result<Package, BadStanza> {
        let mut all = Fields::default();
        for (name, value) in fields(stanza) {
            all.insert(name, value);
        }
        let name = all
            .one("Package")
            .ok_or_else(|| BadStanza::missing("?", "Package"))?;
        let required = |field: &'static str| {
            all.one(field)
                .ok_or_else(|| BadStanza::missing(name, field))
        };
        let relations = |field: &'static str| {
            parse_relations(all.one(field).unwrap_or_default())
                .map_err(|source| BadStanza::relation(name, field, source))
        };
        let version = required("Version")?;
        let digest = Algorithm::STRONGEST_FIRST
            .into_iter()
            .find_map(|a| all.one(a.field()).map(|hex| Digest::parse(a, hex)));
        Ok(Package {
            version: Version::parse(version).map_err(|source| BadStanza::Version {
                package: name.into(),
                source,
            })?,
            architecture: required("Architecture")?.into(),
            multi_arch: match all.one("Multi-Arch") {
                Some("same") => MultiArch::Same,
                Some("foreign") => MultiArch::Foreign,
                Some("allowed") => MultiArch::Allowed,
                _ => MultiArch::No,
            },
            priority: all.one("Priority").map(Priority::parse),
            essential: all.one("Essential").map(|v| v == "yes"),
            protected: all.one("Protected") == Some("yes") || all.one("Important") == Some("yes"),
            pre_depends: relations("Pre-Depends")?,
            depends: relations("Depends")?,
            recommends: relations("Recommends")?,
            suggests: relations("Suggests")?,
            conflicts: relations("Conflicts")?,
            breaks: relations("Breaks")?,
            replaces: relations("Replaces")?,
            provides: parse_provides(all.one("Provides").unwrap_or_default())
                .map_err(|source| BadStanza::relation(name, "Provides", source))?,
            filename: all.one("Filename").unwrap_or_default().into(),
            size: number(&all, name, "Size")?,
            digest: digest.transpose().map_err(|source| BadStanza::Digest {
                package: name.into(),
                source,
            })?,
            installed_size: number(&all, name, "Installed-Size")?,
            name: name.into(),
        })
    }
}

fn number(all: &Fields<'_>, package: &str, field: &'static str) -> Result<u64, BadStanza> {
    let Some(text) = all.one(field) else {
        return Ok(0);
    };
    text.parse().map_err(|_| BadStanza::Number {
        package: package.into(),
        field,
        found: text.into(),
    })
}

/// A stanza that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadStanza {
    /// A field that every stanza must have.
    #[error("the stanza of package `{package}` has no {field} field")]
    Missing {
        /// Its Package field, `?` when that is the missing one.
        package: String,
        /// The missing field.
        field: &'static str,
    },
    /// A version that is none.
    #[error("package `{package}`")]
    Version {
        /// The package.
        package: String,
        /// What is wrong with it.
        #[source]
        source: BadVersion,
    },
    /// A relation that cannot be read.
    #[error("package `{package}`, field {field}")]
    Relation {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: BadRelation,
    },
    /// A digest that is none.
    #[error("package `{package}`")]
    Digest {
        /// The package.
        package: String,
        /// What is wrong with it.
        #[source]
        source: crate::formats::digest::BadDigest,
    },
    /// A number that is none.
    #[error("package `{package}`: {field} is `{found}`, not a number")]
    Number {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// The text.
        found: String,
    },
}

impl BadStanza {
    fn missing(package: &str, field: &'static str) -> BadStanza {
        BadStanza::Missing {
            package: package.into(),
            field,
        }
    }

    pub(crate) fn relation(package: &str, field: &'static str, source: BadRelation) -> BadStanza {
        BadStanza::Relation {
            package: package.into(),
            field,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DASH: &str = "Package: dash\nEssential: yes\nVersion: 0.5.12-12\nArchitecture: amd64\nMulti-Arch: foreign\nPriority: required\n\
        Source: dash (0.5.12-11)\nPre-Depends: libc6 (>= 2.38)\nDepends: debianutils (>= 5.6-0.1) | a, dpkg\nProvides: sh (= 1), shell\n\
        Description: shell\n long\nSize: 97000\nSHA256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";

    #[test]
    fn a_whole_stanza() {
        let dash = Package::parse(DASH).unwrap();
        assert_eq!(
            (dash.name.as_str(), dash.size, dash.essential),
            ("dash", 97000, Some(true))
        );
        assert_eq!(
            (
                dash.depends.len(),
                dash.depends[0].len(),
                dash.provides.len()
            ),
            (2, 2, 2)
        );
        assert_eq!(
            (dash.multi_arch, dash.priority),
            (MultiArch::Foreign, Some(Priority::Required))
        );
        assert_eq!(dash.digest.unwrap().algorithm(), Algorithm::Sha256);
    }

    #[test]
    fn the_strongest_digest_counts() {
        let both = format!("{DASH}SHA512: {}\n", "0".repeat(128));
        assert_eq!(
            Package::parse(&both).unwrap().digest.unwrap().algorithm(),
            Algorithm::Sha512
        );
    }

    #[test]
    fn errors_name_package_and_field() {
        let broken = DASH.replace("Size: 97000", "Size: many");
        assert_eq!(
            Package::parse(&broken).unwrap_err().to_string(),
            "package `dash`: Size is `many`, not a number"
        );
        let broken = DASH.replace("Version: 0.5.12-12\n", "");
        assert_eq!(
            Package::parse(&broken).unwrap_err().to_string(),
            "the stanza of package `dash` has no Version field"
        );
        assert!(Package::parse("").is_err());
    }
}
