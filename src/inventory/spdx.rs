//! The inventory as an SPDX 2.3 document in JSON.
//!
//! The document describes the image, which contains the distribution's release and the packages.
//! Elements have the fields that the NTIA's minimum asks for: supplier, name, version, identifier.

use serde::Serialize;

use super::copyright::OtherLicense;
use super::{Inventory, ListedPackage, identity};
use crate::formats::time::rfc3339;

/// The type of an in-toto predicate that is such a document.
pub(crate) const PREDICATE_TYPE: &str = "https://spdx.dev/Document";

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const NOTHING: &str = "NOASSERTION";
/// The version of the SPDX license list whose identifiers are used.
const LICENSE_LIST: &str = "3.28";
/// For a license without a text in its copyright file.
const NO_TEXT: &str =
    "The copyright files of the packages, /usr/share/doc/PACKAGE/copyright, say more.";

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpdxDocument<'a> {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: &'a str,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<SpdxPackage<'a>>,
    relationships: Vec<SpdxRelationship>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<ExtractedLicense<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CreationInfo {
    created: String,
    creators: [String; 1],
    license_list_version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage<'a> {
    #[serde(rename = "SPDXID")]
    id: String,
    name: &'a str,
    version_info: &'a str,
    supplier: String,
    download_location: &'a str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<SpdxChecksum<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    license_concluded: &'static str,
    license_declared: &'a str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<SpdxReference<'a>>,
    primary_package_purpose: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxChecksum<'a> {
    algorithm: &'static str,
    checksum_value: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxReference<'a> {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxRelationship {
    spdx_element_id: &'static str,
    relationship_type: &'static str,
    related_spdx_element: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractedLicense<'a> {
    license_id: &'a str,
    name: &'a str,
    extracted_text: &'a str,
}

impl<'a> SpdxDocument<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> serde_json::Result<SpdxDocument<'a>> {
        let uuid = identity::uuid(inventory, "spdx")?;
        let mut packages = vec![SpdxPackage::image(inventory)];
        packages.extend(SpdxPackage::system(inventory));
        for package in &inventory.packages {
            packages.push(SpdxPackage::listed(package));
        }
        let mut relationships = vec![SpdxRelationship {
            spdx_element_id: DOCUMENT,
            relationship_type: "DESCRIBES",
            related_spdx_element: IMAGE.to_owned(),
        }];
        for package in &packages[1..] {
            relationships.push(SpdxRelationship {
                spdx_element_id: IMAGE,
                relationship_type: "CONTAINS",
                related_spdx_element: package.id.clone(),
            });
        }
        let mut licenses = Vec::new();
        for (id, OtherLicense { name, text }) in &inventory.other_licenses {
            licenses.push(ExtractedLicense {
                license_id: id,
                name,
                extracted_text: text.as_deref().unwrap_or(NO_TEXT),
            });
        }
        Ok(SpdxDocument {
            spdx_version: "SPDX-2.3",
            data_license: "CC0-1.0",
            id: DOCUMENT,
            name: &inventory.name,
            document_namespace: format!("https://spdx.org/spdxdocs/rbootstrap-{uuid}"),
            creation_info: CreationInfo {
                created: rfc3339(inventory.created),
                creators: [format!("Tool: rbootstrap-{}", env!("CARGO_PKG_VERSION"))],
                license_list_version: LICENSE_LIST,
            },
            packages,
            relationships,
            has_extracted_licensing_infos: licenses,
        })
    }
}

impl<'a> SpdxPackage<'a> {
    fn image(inventory: &'a Inventory) -> SpdxPackage<'a> {
        SpdxPackage {
            supplier: distributor(inventory),
            ..SpdxPackage::new(
                IMAGE.to_owned(),
                &inventory.name,
                version(inventory),
                "CONTAINER",
            )
        }
    }

    /// The distribution's release, if it is known.
    fn system(inventory: &'a Inventory) -> Option<SpdxPackage<'a>> {
        let release = &inventory.release;
        if release.id.is_empty() {
            return None;
        }
        let id = identity::element(&["OperatingSystem", &release.id]);
        Some(SpdxPackage {
            supplier: distributor(inventory),
            ..SpdxPackage::new(id, &release.id, version(inventory), "OPERATING-SYSTEM")
        })
    }

    fn listed(package: &'a ListedPackage) -> SpdxPackage<'a> {
        let record = &package.record;
        let id = identity::element(&["deb", &record.name, &record.architecture]);
        let mut checksums = Vec::new();
        if let Some((algorithm, value)) = record.digest_parts() {
            checksums.push(SpdxChecksum {
                algorithm: match algorithm {
                    "sha512" => "SHA512",
                    _ => "SHA256",
                },
                checksum_value: value,
            });
        }
        let source = &package.source;
        let purl = SpdxReference {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: &package.purl,
        };
        SpdxPackage {
            supplier: supplier(package.maintainer.as_deref()),
            download_location: record.url.as_deref().unwrap_or(NOTHING),
            checksums,
            homepage: package.homepage.as_deref(),
            source_info: Some(format!(
                "built from the source package {} {}",
                source.name, source.version
            )),
            license_declared: package.license.as_deref().unwrap_or(NOTHING),
            external_refs: vec![purl],
            ..SpdxPackage::new(id, &record.name, &record.version, "INSTALL")
        }
    }

    /// A package of which nothing else is known.
    fn new(id: String, name: &'a str, version: &'a str, purpose: &'static str) -> SpdxPackage<'a> {
        SpdxPackage {
            id,
            name,
            version_info: version,
            supplier: NOTHING.to_owned(),
            download_location: NOTHING,
            files_analyzed: false,
            checksums: Vec::new(),
            homepage: None,
            source_info: None,
            license_concluded: NOTHING,
            license_declared: NOTHING,
            copyright_text: NOTHING,
            external_refs: Vec::new(),
            primary_package_purpose: purpose,
        }
    }
}

/// The version of the image, which is that of its release.
fn version(inventory: &Inventory) -> &str {
    match inventory.release.version.as_str() {
        "" => "unknown",
        version => version,
    }
}

fn distributor(inventory: &Inventory) -> String {
    match inventory.release.name.as_str() {
        "" => NOTHING.to_owned(),
        name => format!("Organization: {name}"),
    }
}

/// Words in the names of maintainers that are not one person.
const ORGANIZATIONS: [&str; 9] = [
    "team",
    "maintainers",
    "developers",
    "group",
    "project",
    "packagers",
    "lists.",
    "tracker.debian.org",
    "foundation",
];

/// The maintainer, `NAME <ADDRESS>`, as SPDX has it: `Person: NAME (ADDRESS)`.
fn supplier(maintainer: Option<&str>) -> String {
    let Some(maintainer) = maintainer else {
        return NOTHING.to_owned();
    };
    let lower = maintainer.to_ascii_lowercase();
    let kind = match ORGANIZATIONS.iter().any(|word| lower.contains(word)) {
        true => "Organization",
        false => "Person",
    };
    match maintainer.split_once('<') {
        Some((name, address)) => {
            let address = address.trim_end().trim_end_matches('>');
            format!("{kind}: {} ({address})", name.trim().trim_matches('"'))
        }
        None => format!("{kind}: {}", maintainer.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintainers_are_persons_or_organizations() {
        let rows = [
            (
                "Matthias Klose <doko@debian.org>",
                "Person: Matthias Klose (doko@debian.org)",
            ),
            (
                "Debian GCC Maintainers <debian-gcc@lists.debian.org>",
                "Organization: Debian GCC Maintainers (debian-gcc@lists.debian.org)",
            ),
            (
                "\"Doe, Jane\" <jane@example.org>",
                "Person: Doe, Jane (jane@example.org)",
            ),
            ("Nobody", "Person: Nobody"),
        ];
        for (maintainer, expected) in rows {
            assert_eq!(supplier(Some(maintainer)), expected);
        }
        assert_eq!(supplier(None), "NOASSERTION");
    }
}
