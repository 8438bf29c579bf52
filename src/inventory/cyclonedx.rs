//! The inventory as a CycloneDX 1.6 document in JSON.

use serde::Serialize;

use super::{Inventory, ListedPackage, identity};
use crate::formats::time::rfc3339;

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: BomMetadata<'a>,
    components: Vec<BomComponent<'a>>,
    dependencies: [BomDependency; 1],
}

#[derive(Debug, Serialize)]
struct BomMetadata<'a> {
    timestamp: String,
    tools: BomTools,
    component: BomComponent<'a>,
}

#[derive(Debug, Serialize)]
struct BomTools {
    components: [BomComponent<'static>; 1],
}

/// The image, its release, a package or a tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BomComponent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<BomSupplier<'a>>,
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<BomHash<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<BomLicense<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<BomReference<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<BomProperty<'a>>,
}

#[derive(Debug, Serialize)]
struct BomSupplier<'a> {
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct BomHash<'a> {
    alg: &'static str,
    content: &'a str,
}

#[derive(Debug, Serialize)]
struct BomLicense<'a> {
    expression: &'a str,
}

#[derive(Debug, Serialize)]
struct BomReference<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
}

#[derive(Debug, Serialize)]
struct BomProperty<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BomDependency {
    #[serde(rename = "ref")]
    reference: &'static str,
    depends_on: Vec<String>,
}

const IMAGE: &str = "image";

impl<'a> Bom<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> serde_json::Result<Bom<'a>> {
        let release = &inventory.release;
        let version = match release.version.as_str() {
            "" => "unknown",
            version => version,
        };
        let mut components = Vec::new();
        if !release.id.is_empty() {
            components.push(BomComponent {
                reference: Some("operating-system".to_owned()),
                ..BomComponent::new("operating-system", &release.id, version)
            });
        }
        for package in &inventory.packages {
            components.push(BomComponent::listed(package));
        }
        let contained = components.iter().filter_map(|one| one.reference.clone());
        Ok(Bom {
            schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
            bom_format: "CycloneDX",
            spec_version: "1.6",
            serial_number: format!("urn:uuid:{}", identity::uuid(inventory, "cyclonedx")?),
            version: 1,
            dependencies: [BomDependency {
                reference: IMAGE,
                depends_on: contained.collect(),
            }],
            metadata: BomMetadata {
                timestamp: rfc3339(inventory.created),
                tools: BomTools {
                    components: [BomComponent::new(
                        "application",
                        "rbootstrap",
                        env!("CARGO_PKG_VERSION"),
                    )],
                },
                component: BomComponent {
                    reference: Some(IMAGE.to_owned()),
                    ..BomComponent::new("container", &inventory.name, version)
                },
            },
            components,
        })
    }
}

impl<'a> BomComponent<'a> {
    fn listed(package: &'a ListedPackage) -> BomComponent<'a> {
        let record = &package.record;
        let mut hashes = Vec::new();
        if let Some((algorithm, content)) = record.digest_parts() {
            let alg = match algorithm {
                "sha512" => "SHA-512",
                _ => "SHA-256",
            };
            hashes.push(BomHash { alg, content });
        }
        let mut licenses = Vec::new();
        if let Some(expression) = package.license.as_deref() {
            licenses.push(BomLicense { expression });
        }
        let mut references = Vec::new();
        if let Some(url) = record.url.as_deref() {
            references.push(BomReference {
                kind: "distribution",
                url,
            });
        }
        if let Some(url) = package.homepage.as_deref() {
            references.push(BomReference {
                kind: "website",
                url,
            });
        }
        let mut properties = Vec::new();
        for (name, value) in [
            ("rbootstrap:source", &package.source.name),
            ("rbootstrap:source-version", &package.source.version),
        ] {
            properties.push(BomProperty { name, value });
        }
        if let Some(value) = package.section.as_deref() {
            let name = "rbootstrap:section";
            properties.push(BomProperty { name, value });
        }
        let supplier = package.maintainer.as_deref();
        BomComponent {
            reference: Some(package.purl.clone()),
            supplier: supplier.map(|name| BomSupplier { name }),
            hashes,
            licenses,
            purl: Some(&package.purl),
            external_references: references,
            properties,
            ..BomComponent::new("library", &record.name, &record.version)
        }
    }

    fn new(kind: &'static str, name: &'a str, version: &'a str) -> BomComponent<'a> {
        BomComponent {
            kind,
            reference: None,
            supplier: None,
            name,
            version,
            hashes: Vec::new(),
            licenses: Vec::new(),
            purl: None,
            external_references: Vec::new(),
            properties: Vec::new(),
        }
    }
}
