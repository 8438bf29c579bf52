//! A package as manifests and locks list it.

use serde::{Deserialize, Serialize};

use crate::formats::digest::{Algorithm, Digest};
use crate::formats::stanza::Fields;

/// A package, and the .deb that it is from as far as that is known: what a manifest and a lock have
/// in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackageFileRecord {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Of the .deb: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// Of the .deb, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Where others can download it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

/// A source package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceRecord {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A package of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListedPackage {
    #[serde(flatten)]
    pub(crate) record: PackageFileRecord,
    /// The package that it was built from.
    pub(crate) source: SourceRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) section: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maintainer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) homepage: Option<String>,
    /// An SPDX license expression, if the copyright file is machine-readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) license: Option<String>,
    /// A package URL.
    pub(crate) purl: String,
}

impl PackageFileRecord {
    /// The digest as documents write it.
    pub(crate) fn shown_digest(digest: &Digest) -> String {
        let algorithm = match digest.algorithm() {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        };
        format!("{algorithm}:{}", digest.hexadecimal())
    }

    /// The algorithm and the hexadecimal digest.
    pub(super) fn digest_parts(&self) -> Option<(&str, &str)> {
        self.digest.as_deref()?.split_once(':')
    }
}

impl ListedPackage {
    /// Reads a stanza of dpkg's status or a control file; `None` without a name or a version.
    pub(super) fn read(fields: &Fields<'_>) -> Option<ListedPackage> {
        let name = fields.one("Package")?.to_ascii_lowercase();
        let version = fields.one("Version")?.to_owned();
        Some(ListedPackage {
            source: source(fields.one("Source"), &name, &version),
            section: fields.one("Section").map(str::to_owned),
            maintainer: fields.one("Maintainer").map(str::to_owned),
            homepage: fields.one("Homepage").filter(is_url).map(str::to_owned),
            license: None,
            purl: String::new(),
            record: PackageFileRecord {
                architecture: fields.one("Architecture").unwrap_or("all").to_owned(),
                name,
                version,
                digest: None,
                size: None,
                url: None,
            },
        })
    }

    /// Whether its source package has another name or another version.
    pub(super) fn has_other_source(&self) -> bool {
        self.source.name != self.record.name || self.source.version != self.record.version
    }
}

/// Whether a field has the address of a page: a scheme, a host, and no character that a URL cannot
/// have.
fn is_url(text: &&str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    let rest = text
        .strip_prefix("http://")
        .or(text.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let has_host =
        host.is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric() || c == '['));
    has_host && text.bytes().all(is_plain)
}

/// The Source field, `NAME` or `NAME (VERSION)`, is left out where it is the package's own (Policy
/// 5.6.1).
fn source(field: Option<&str>, name: &str, version: &str) -> SourceRecord {
    let words = field.unwrap_or(name);
    let (source, own_version) = match words.split_once('(') {
        Some((source, rest)) => (source.trim(), rest.split(')').next()),
        None => (words.trim(), None),
    };
    SourceRecord {
        name: source.to_owned(),
        version: own_version.unwrap_or(version).trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host() {
        let rows = [
            ("http://gcc.gnu.org/", true),
            ("https://[::1]:80?a", true),
            ("https://a#b", true),
            ("http://", false),
            ("https:///path", false),
            ("http://?q", false),
            ("http://:80/", false),
            ("http://a b", false),
            ("http://a/<b>", false),
            ("ftp://a", false),
            ("not a URL", false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_url(&text), expected, "{text}");
        }
    }
}
