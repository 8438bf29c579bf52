//! Writes a tree as an OCI image: one layer, its configuration, its manifest, in a layout that
//! docker, podman, skopeo, umoci and containerd take.
//!
//! index.json has one descriptor, with the tag and the full name as annotations. docker's
//! `manifest.json` lies beside it. The layer's digests precede it in the archive, so it is written
//! to a file first; no layer is in memory as a whole. Same tree and settings, same bytes.

mod attestation;
mod blob;
mod description;
mod directory;
mod document_tree;
mod documents;
mod index;
mod join;
mod layered;
mod layout;
mod open_layout;
mod read;
mod reference;
mod settings;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use attestation::Predicate;
pub(crate) use blob::FilePart;
pub(crate) use description::platform;
pub(super) use directory::{CompleteLayout, LayoutDirectory};
pub(crate) use documents::Platform;
pub(crate) use index::IndexWriter;
pub(crate) use join::{JoinOptions, join};
pub(crate) use layered::{DOCKER_FILE, LAYOUT_FILE, LayerFile, layered_images};
pub(crate) use read::Error as ReadError;
pub(crate) use reference::Reference;
pub(crate) use settings::{CommandWords, Pair, Settings, absolute, map, user};
pub(crate) use stored::{StoredBlob, StoredDocument, StoredImage};

use super::{Error, Options, Place, TarOutput};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, Digest, Hasher};
use crate::formats::time::rfc3339;
use crate::report::Report;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::Rootfs;
use blob::{Blob, Document, Identity, Spool};
use documents::{
    Annotations, CONFIGURATION, CREATED, Configuration, Descriptor, Execution, History,
    ImageManifest, LAYER_GZIP, LAYER_ZSTD, Layers, MANIFEST, ZSTD,
};
use layout::{Files, LayoutDestination};

/// Fails if no layout can be a directory at this place. What it creates is gone when it returns.
pub(super) fn try_out(place: Place, tree: &Rootfs) -> Result<(), Error> {
    LayoutDirectory::create(place, Some(tree)).map(drop)
}

/// An image of one platform, complete but for its place in a layout.
#[derive(Debug)]
struct JoinedImage {
    /// Of the manifest, with the platform.
    descriptor: Descriptor,
    /// Of the manifest.
    annotations: Annotations,
    /// The configuration's path in the layout.
    configuration: String,
    /// The layers' paths.
    layers: Vec<String>,
    /// The blobs.
    files: Files,
    /// The image's time, in seconds since 1970.
    time: i64,
}

/// A layer, compressed.
#[derive(Debug)]
struct Layer {
    spool: Spool,
    identity: Identity,
    /// The digest before compression.
    content: Digest,
    media_type: &'static str,
    /// The epoch, or else the latest time in the layer, in seconds since 1970.
    time: i64,
}

/// Where a layer is spooled, and how it is made.
#[derive(Clone, Copy)]
struct LayerOptions<'a> {
    destination: &'a LayoutDestination,
    options: &'a Options,
}

/// Makes the image of a tree. Its layer is in a file at the destination.
fn build(
    root: ReadableTree<'_>,
    settings: &Settings,
    how: LayerOptions<'_>,
    report: &Report,
) -> Result<JoinedImage, Error> {
    let architecture = match &settings.architecture {
        Some(architecture) => architecture.clone(),
        None => description::architecture(root, report)?,
    };
    let platform = description::platform(&architecture);
    let layer = layer(root, how, report)?;
    let created = rfc3339(layer.time);
    let mut said = description::annotations(root, report);
    said.insert(CREATED.into(), created.clone());
    let configuration = Configuration {
        created: created.clone(),
        platform: platform.clone(),
        config: execution(root, settings, &said)?,
        rootfs: Layers {
            kind: "layers",
            diff_ids: vec![format!("sha256:{}", layer.content.hexadecimal())],
        },
        history: vec![History {
            created,
            created_by: "rbootstrap".into(),
        }],
    };
    let configuration = document(&configuration)?;
    let annotations = merged(&said, &settings.annotations);
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: MANIFEST.into(),
        config: descriptor(CONFIGURATION, &configuration.identity),
        layers: vec![descriptor(layer.media_type, &layer.identity)],
        annotations: annotations.clone(),
    };
    let manifest = document(&manifest)?;
    let mut descriptor = descriptor(MANIFEST, &manifest.identity);
    descriptor.platform = Some(platform);
    if layer.media_type == LAYER_ZSTD {
        descriptor.annotations.insert(ZSTD.into(), "true".into());
    }
    let mut files = Files::new();
    files.insert(manifest.identity.path(), Blob::Bytes(manifest.bytes));
    files.insert(
        configuration.identity.path(),
        Blob::Bytes(configuration.bytes),
    );
    files.insert(layer.identity.path(), Blob::Spooled(Box::new(layer.spool)));
    Ok(JoinedImage {
        descriptor,
        annotations,
        configuration: configuration.identity.path(),
        layers: vec![layer.identity.path()],
        files,
        time: layer.time,
    })
}

/// Writes the tree as a layer.
fn layer(root: ReadableTree<'_>, how: LayerOptions<'_>, report: &Report) -> Result<Layer, Error> {
    let output = TarOutput {
        output: how.destination.spool(how.options)?,
        content: Some(Hasher::new(Algorithm::Sha256)),
        newest: 0,
    };
    let written = super::write_tar(root, output, how.options, report);
    let written = written.map_err(|error| match error {
        Error::Write { source } => Error::Output {
            path: how.destination.spool_path(how.options),
            action: "write a layer for it",
            source,
        },
        error => error,
    })?;
    let content = written.content.unwrap_or(Hasher::new(Algorithm::Sha256));
    Ok(Layer {
        identity: written.output.identity(),
        spool: written.output,
        content: content.finish(),
        time: how.options.epoch.unwrap_or(written.newest),
        media_type: match how.options.encoding.compression() {
            Compression::Zstd => LAYER_ZSTD,
            _ => LAYER_GZIP,
        },
    })
}

/// How a container of the image starts.
fn execution(
    root: ReadableTree<'_>,
    settings: &Settings,
    said: &Annotations,
) -> Result<Execution, Error> {
    let words = |words: &Option<CommandWords>| words.clone().map(|words| words.0);
    let entrypoint = settings.entrypoint.as_ref();
    let cmd = match words(&settings.command) {
        // As in a Dockerfile, an ENTRYPOINT of one's own needs no CMD.
        None if entrypoint.is_none_or(|words| words.0.is_empty()) => description::shell(root)?,
        command => command,
    };
    Ok(Execution {
        user: settings.user.clone(),
        env: settings.environment(),
        entrypoint: words(&settings.entrypoint),
        cmd,
        working_dir: settings.directory.clone(),
        labels: merged(said, &settings.labels),
    })
}

fn merged(said: &Annotations, own: &Annotations) -> Annotations {
    let mut all = said.clone();
    all.extend(own.clone());
    all
}

fn descriptor(media_type: &str, blob: &Identity) -> Descriptor {
    Descriptor {
        media_type: media_type.into(),
        digest: blob.digest(),
        size: blob.size,
        platform: None,
        annotations: Annotations::new(),
    }
}

fn document(content: &impl serde::Serialize) -> Result<Document, Error> {
    Document::new(content).map_err(|source| Error::Write { source })
}
