//! The JSON documents of an OCI image (image-spec 1.1): configuration, manifest, index, layout; and
//! the `manifest.json` of `docker save`.
//!
//! Keys have the order of the fields, maps that of their keys, so that the same image has the same
//! bytes. The same types read the images that are joined.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Docker's own forms of both, which other programs write into layouts.
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's own form of it.
pub(super) const DOCKER_CONFIGURATION: &str = "application/vnd.docker.container.image.v1+json";
/// What the media types of layers begin with, and docker's.
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.";
pub(super) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.";
pub(super) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(super) const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// The time of an image, RFC 3339.
pub(super) const CREATED: &str = "org.opencontainers.image.created";
/// The tag of an image, on its descriptor in index.json.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The full name of an image there, for containerd.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";
/// Says on a descriptor in an index that the layers are compressed with zstd. Skopeo adds it where
/// it is missing, which changes the index.
pub(super) const ZSTD: &str = "io.github.containers.compression.zstd";

pub(super) type Annotations = BTreeMap<String, String>;

/// Points to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    /// `sha256:…`.
    pub(super) digest: String,
    /// In bytes.
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(super) annotations: Annotations,
}

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    /// Go's name.
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl Platform {
    /// Whether images for both run on the same machines. A variant that is not named is the usual
    /// one, as for containerd: v8 of arm64, v7 of arm.
    pub(crate) fn is_as(&self, other: &Platform) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && self.usual_variant() == other.usual_variant()
    }

    fn usual_variant(&self) -> &str {
        let usual = match self.architecture.as_str() {
            "arm64" => "v8",
            "arm" => "v7",
            "amd64" => "v1",
            _ => "",
        };
        match self.variant.as_deref() {
            None | Some("") => usual,
            Some(variant) => variant,
        }
    }
}

/// index.json, and a nested index.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageIndex {
    pub(super) schema_version: u32,
    #[serde(default = "index_type")]
    pub(super) media_type: String,
    pub(super) manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(super) annotations: Annotations,
}

fn index_type() -> String {
    INDEX.into()
}

fn manifest_type() -> String {
    MANIFEST.into()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageManifest {
    pub(super) schema_version: u32,
    #[serde(default = "manifest_type")]
    pub(super) media_type: String,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub(super) annotations: Annotations,
}

/// The configuration of an image.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Configuration {
    pub(super) created: String,
    #[serde(flatten)]
    pub(super) platform: Platform,
    pub(super) config: Execution,
    pub(super) rootfs: Layers,
    pub(super) history: Vec<History>,
}

/// How a container is started.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Execution {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    pub(super) env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) working_dir: Option<String>,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    pub(super) labels: Annotations,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Layers {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// The digests of the layers before compression.
    pub(super) diff_ids: Vec<String>,
}

/// How a layer was made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct History {
    pub(super) created: String,
    pub(super) created_by: String,
}

/// The file `oci-layout`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayoutVersion {
    pub(super) image_layout_version: &'static str,
}

pub(super) const LAYOUT_VERSION: LayoutVersion = LayoutVersion {
    image_layout_version: "1.0.0",
};

/// An element of docker's `manifest.json`, without which `docker load` of the classic image store
/// takes no archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerManifest {
    /// A path in the archive.
    pub(super) config: String,
    /// `null` without names, as docker writes it.
    pub(super) repo_tags: Option<Vec<String>>,
    /// Paths in the archive.
    pub(super) layers: Vec<String>,
}
