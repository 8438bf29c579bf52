//! A package as the stanza of an index or a control file describes it (Debian Policy, chapter 5).
//!
//! Parses every field that decides what is installed, strictly. `plan` chooses the stanzas,
//! `archive` reads the indexes.

use super::digest::{Algorithm, BadDigest, Digest};
use super::fields::{Field, PackageFields};
use super::package_key::PackageKey;
use super::relation::{
    BadRelation, Provided, Relations, parse_advisory, parse_provides, parse_relations,
};
use super::version::{BadVersion, Version};

/// The Priority field (Policy 2.5), most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Priority {
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
    /// Parses the field. A word that Policy does not know counts as `extra`.
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
pub(crate) enum MultiArch {
    /// `no`, or the field is absent.
    #[default]
    No,
    /// `same`: may be installed for several architectures at once.
    Same,
    /// `foreign`: satisfies packages of every architecture.
    Foreign,
    /// `allowed`: satisfies relations with `:any`.
    Allowed,
}

/// A package as one stanza describes it.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub version: Version,
    /// Architecture: `amd64`, `all`, …
    pub architecture: String,
    pub(crate) multi_arch: MultiArch,
    /// Essential; `None` when the field is absent.
    pub(crate) essential: Option<bool>,
    pub(crate) pre_depends: Relations,
    pub(crate) depends: Relations,
    pub(crate) recommends: Relations,
    pub(crate) replaces: Relations,
    pub(crate) provides: Vec<Provided>,
    /// Filename, relative to the archive's root; empty in a control file.
    pub(crate) filename: String,
    /// Size of the .deb in bytes; 0 in a control file, and when it is no number.
    pub(crate) size: u64,
    /// The strongest digest of the .deb in the stanza; none in a control file.
    pub(crate) digest: Option<Digest>,
    /// Installed-Size in KiB, 0 when absent or no number. An estimate (Policy 5.6.20).
    pub(crate) installed_size: u64,
}

impl Package {
    /// Names this package.
    pub(crate) fn key(&self) -> PackageKey {
        PackageKey::new(&self.name, &self.architecture, &self.version)
    }

    /// Reads a control file. Fails where [`Package::parse`] does, and on a Recommends or a Suggests
    /// that is not valid: dpkg unpacks no such package.
    pub(crate) fn parse_control(control: &str) -> Result<Package, BadStanza> {
        if let Some(fields) = PackageFields::read(control) {
            relations(&fields, Field::Recommends)?;
            relations(&fields, Field::Suggests)?;
        }
        Package::parse(control)
    }

    /// Reads one stanza. Fails on a required field that is missing and on any field that is not
    /// valid, those included that [`Package`] does not keep. Of Recommends and Suggests, which are
    /// not followed, what is not valid is passed over, as by apt.
    pub(crate) fn parse(stanza: &str) -> Result<Package, BadStanza> {
        let Some(fields) = PackageFields::read(stanza) else {
            return Err(BadStanza::missing("?", Field::Package));
        };
        let name = match fields.get(Field::Package) {
            "" => return Err(BadStanza::missing("?", Field::Package)),
            name => name,
        };
        for checked_only in [Field::Conflicts, Field::Breaks] {
            relations(&fields, checked_only)?;
        }
        Ok(Package {
            // dpkg and apt know names in lower case only.
            name: name.to_ascii_lowercase(),
            version: version(&fields)?,
            architecture: required(&fields, Field::Architecture)?.into(),
            multi_arch: fields.multi_arch(),
            essential: fields.essential(),
            pre_depends: relations(&fields, Field::PreDepends)?,
            depends: relations(&fields, Field::Depends)?,
            recommends: parse_advisory(fields.get(Field::Recommends)),
            replaces: relations(&fields, Field::Replaces)?,
            provides: parse_provides(fields.get(Field::Provides))
                .map_err(|source| BadStanza::relation(name, Field::Provides, source))?,
            filename: fields.get(Field::Filename).into(),
            size: leading_number(fields.get(Field::Size)),
            digest: strongest_digest(&fields)?,
            installed_size: leading_number(fields.get(Field::InstalledSize)),
        })
    }
}

fn required<'a>(fields: &PackageFields<'a>, field: Field) -> Result<&'a str, BadStanza> {
    match fields.get(field) {
        "" => Err(BadStanza::missing(fields.get(Field::Package), field)),
        value => Ok(value),
    }
}

fn version(fields: &PackageFields<'_>) -> Result<Version, BadStanza> {
    let text = required(fields, Field::Version)?;
    Version::parse(text).map_err(|source| BadStanza::Version {
        package: fields.get(Field::Package).into(),
        source,
    })
}

fn relations(fields: &PackageFields<'_>, field: Field) -> Result<Relations, BadStanza> {
    parse_relations(fields.get(field))
        .map_err(|source| BadStanza::relation(fields.get(Field::Package), field, source))
}

fn strongest_digest(fields: &PackageFields<'_>) -> Result<Option<Digest>, BadStanza> {
    for algorithm in Algorithm::STRONGEST_FIRST {
        let field = match algorithm {
            Algorithm::Sha512 => Field::Sha512,
            Algorithm::Sha256 => Field::Sha256,
        };
        let hexadecimal = fields.get(field);
        if !hexadecimal.is_empty() {
            let digest = Digest::parse(algorithm, hexadecimal);
            return digest.map(Some).map_err(|source| BadStanza::Digest {
                package: fields.get(Field::Package).into(),
                source,
            });
        }
    }
    Ok(None)
}

/// A number as apt reads it: the digits at its start, 0 without any.
fn leading_number(text: &str) -> u64 {
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match &text[..digits] {
        "" => 0,
        digits => digits.parse().unwrap_or(u64::MAX),
    }
}

/// A stanza that is not valid.
#[derive(Debug, thiserror::Error)]
pub enum BadStanza {
    /// A required field is missing.
    #[error("the stanza of package `{package}` has no {field} field")]
    Missing {
        /// Its Package field, `?` when that is the missing one.
        package: String,
        /// The missing field.
        field: &'static str,
    },
    /// The version is not valid.
    #[error("package `{package}`")]
    Version {
        package: String,
        #[source]
        source: BadVersion,
    },
    /// A relation is not valid.
    #[error("package `{package}`, field {field}")]
    Relation {
        package: String,
        field: &'static str,
        #[source]
        source: BadRelation,
    },
    /// The digest is not valid.
    #[error("package `{package}`")]
    Digest {
        package: String,
        #[source]
        source: BadDigest,
    },
}

impl BadStanza {
    fn missing(package: &str, field: Field) -> BadStanza {
        BadStanza::Missing {
            package: package.into(),
            field: field.name(),
        }
    }

    pub(crate) fn relation(package: &str, field: Field, source: BadRelation) -> BadStanza {
        BadStanza::Relation {
            package: package.into(),
            field: field.name(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DASH: &str = "Package: dash\nEssential: yes\nVersion: 0.5.12-12\nArchitecture: amd64\n\
                        Multi-Arch: foreign\nPriority: required\n\
        Source: dash (0.5.12-11)\nPre-Depends: libc6 (>= 2.38)\n\
        Depends: debianutils (>= 5.6-0.1) | a, dpkg\nProvides: sh (= 1), shell\n\
        Description: shell\n long\nSize: 97000\n\
        SHA256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";

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
        assert_eq!(dash.multi_arch, MultiArch::Foreign);
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
    fn numbers_are_read_as_by_apt() {
        for (text, expected) in [
            ("706", 706),
            ("+706", 706),
            ("0706", 706),
            ("0x2c2", 0),
            ("", 0),
            ("706.0", 706),
            ("12 kB", 12),
            ("-5", 0),
            ("unknown", 0),
            ("99999999999999999999999", u64::MAX),
        ] {
            let stanza = format!("{DASH}Installed-Size: {text}\n");
            let package = Package::parse(&stanza).unwrap();
            assert_eq!(package.installed_size, expected, "{text}");
            let stanza = DASH.replace("Size: 97000", &format!("Size: {text}"));
            assert_eq!(Package::parse(&stanza).unwrap().size, expected, "{text}");
        }
    }

    #[test]
    fn errors_name_package_and_field() {
        let broken = DASH.replace("Version: 0.5.12-12\n", "");
        assert_eq!(
            Package::parse(&broken).unwrap_err().to_string(),
            "the stanza of package `dash` has no Version field"
        );
        assert_eq!(
            Package::parse("").unwrap_err().to_string(),
            "the stanza of package `?` has no Package field"
        );
    }
}
