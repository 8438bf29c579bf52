//! Attestations: an in-toto statement about an image, in the nested index beside it, as BuildKit
//! writes them and registries show them.
//!
//! The statement is the only layer of a manifest whose platform is `unknown/unknown`, so that no
//! engine takes it for an image that it could run.

use serde::Serialize;
use serde_json::Value;

use super::super::Error;
use super::blob::{Blob, Document};
use super::documents::{
    Annotations, CONFIGURATION, Descriptor, ImageManifest, Layers, MANIFEST, Platform,
};
use super::layout::Files;
use super::{JoinedImage, Reference, descriptor, document};

const STATEMENT: &str = "https://in-toto.io/Statement/v0.1";
const LAYER: &str = "application/vnd.in-toto+json";
const UNKNOWN: &str = "unknown";

/// What is attested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Predicate {
    /// The type of the document, a URI.
    pub(crate) kind: &'static str,
    pub(crate) document: Value,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    predicate_type: &'a str,
    subject: [Subject; 1],
    predicate: &'a Value,
}

#[derive(Debug, Serialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Debug, Serialize)]
struct SubjectDigest {
    /// Hexadecimal.
    sha256: String,
}

/// The configuration of an attestation, which configures nothing.
#[derive(Debug, Serialize)]
struct NoConfiguration {
    #[serde(flatten)]
    platform: Platform,
    config: Annotations,
    rootfs: Layers,
}

/// Makes the attestation of an image.
pub(super) fn attest(
    image: &JoinedImage,
    predicate: &Predicate,
    tag: Option<&Reference>,
) -> Result<JoinedImage, Error> {
    let platform = Platform {
        architecture: UNKNOWN.to_owned(),
        os: UNKNOWN.to_owned(),
        variant: None,
    };
    let statement = statement(&image.descriptor, predicate, tag)?;
    let configuration = document(&NoConfiguration {
        platform: platform.clone(),
        config: Annotations::new(),
        rootfs: Layers {
            kind: "layers",
            diff_ids: vec![statement.identity.digest()],
        },
    })?;
    let mut layer = descriptor(LAYER, &statement.identity);
    let kind = "in-toto.io/predicate-type".to_owned();
    layer.annotations.insert(kind, predicate.kind.to_owned());
    let manifest = document(&ImageManifest {
        schema_version: 2,
        media_type: MANIFEST.into(),
        config: descriptor(CONFIGURATION, &configuration.identity),
        layers: vec![layer],
        annotations: Annotations::new(),
    })?;
    let mut top = descriptor(MANIFEST, &manifest.identity);
    top.platform = Some(platform);
    let digest = image.descriptor.digest.clone();
    for (key, value) in [
        ("vnd.docker.reference.digest", digest.as_str()),
        ("vnd.docker.reference.type", "attestation-manifest"),
    ] {
        top.annotations.insert(key.to_owned(), value.to_owned());
    }
    let configuration_path = configuration.identity.path();
    let statement_path = statement.identity.path();
    let mut files = Files::new();
    files.insert(manifest.identity.path(), Blob::Bytes(manifest.bytes));
    files.insert(configuration_path.clone(), Blob::Bytes(configuration.bytes));
    files.insert(statement_path.clone(), Blob::Bytes(statement.bytes));
    Ok(JoinedImage {
        descriptor: top,
        annotations: Annotations::new(),
        configuration: configuration_path,
        layers: vec![statement_path],
        files,
        time: image.time,
    })
}

/// Whether it is an attestation and no image.
pub(super) fn is_attestation(descriptor: &Descriptor) -> bool {
    match &descriptor.platform {
        Some(platform) => platform.os == UNKNOWN && platform.architecture == UNKNOWN,
        None => false,
    }
}

/// The statement that the predicate is about the image.
fn statement(
    image: &Descriptor,
    predicate: &Predicate,
    tag: Option<&Reference>,
) -> Result<Document, Error> {
    let digest = image.digest.trim_start_matches("sha256:");
    let statement = Statement {
        kind: STATEMENT,
        predicate_type: predicate.kind,
        subject: [Subject {
            name: subject_name(image, tag),
            digest: SubjectDigest {
                sha256: digest.to_owned(),
            },
        }],
        predicate: &predicate.document,
    };
    document(&statement)
}

/// The image as BuildKit names it: `pkg:docker/noble@latest?platform=linux%2Famd64`, `_` without a
/// name.
fn subject_name(image: &Descriptor, tag: Option<&Reference>) -> String {
    let Some(tag) = tag else {
        return "_".to_owned();
    };
    let name = format!("pkg:docker/{}@{}", tag.familiar_name(), tag.tag());
    match &image.platform {
        Some(platform) => {
            let platform = platform.to_string().replace('/', "%2F");
            format!("{name}?platform={platform}")
        }
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_named_as_buildkit_names_it() {
        let platform = Platform {
            architecture: "arm64".to_owned(),
            os: "linux".to_owned(),
            variant: Some("v8".to_owned()),
        };
        let image = Descriptor {
            media_type: MANIFEST.to_owned(),
            digest: format!("sha256:{}", "a".repeat(64)),
            size: 1,
            platform: Some(platform),
            annotations: Annotations::new(),
        };
        let rows = [
            (
                "noble",
                "pkg:docker/noble@latest?platform=linux%2Farm64%2Fv8",
            ),
            (
                "me/noble:1",
                "pkg:docker/me/noble@1?platform=linux%2Farm64%2Fv8",
            ),
            (
                "h.x:5000/a/b:c",
                "pkg:docker/h.x:5000/a/b@c?platform=linux%2Farm64%2Fv8",
            ),
        ];
        for (tag, expected) in rows {
            let tag = Reference::parse(tag).unwrap();
            assert_eq!(subject_name(&image, Some(&tag)), expected);
        }
        assert_eq!(subject_name(&image, None), "_");
    }

    #[test]
    fn the_predicate_is_in_the_statement() {
        let image = Descriptor {
            media_type: MANIFEST.to_owned(),
            digest: format!("sha256:{}", "a".repeat(64)),
            size: 1,
            platform: None,
            annotations: Annotations::new(),
        };
        let predicate = Predicate {
            kind: "https://spdx.dev/Document",
            document: serde_json::json!({"b": 1, "a": 2}),
        };
        let statement = statement(&image, &predicate, None).unwrap();
        let text = String::from_utf8(statement.bytes).unwrap();
        let digest = "a".repeat(64);
        assert_eq!(
            text,
            format!(
                "{{\"_type\":\"https://in-toto.io/Statement/v0.1\",\
                 \"predicateType\":\"https://spdx.dev/Document\",\
                 \"subject\":[{{\"name\":\"_\",\"digest\":{{\"sha256\":\"{digest}\"}}}}],\
                 \"predicate\":{{\"a\":2,\"b\":1}}}}"
            )
        );
    }
}
