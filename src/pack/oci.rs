//! Writes a tree as an OCI image: one layer, its configuration, its manifest, in a layout that
//! docker, podman, skopeo, umoci and containerd take.
//!
//! index.json has one descriptor, with the tag and the full name as annotations. docker's
//! `manifest.json` lies beside it. The layer's digests stand before it in the archive, so it is
//! written to a file first; no layer is in memory as a whole. Same tree and settings, same bytes.

mod blob;
mod description;
mod directory;
mod documents;
mod layout;
mod reference;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use reference::Reference;
pub(crate) use settings::{Pair, Settings, Words, absolute, map, user};

use jiff::Timestamp;

use super::form::Layout;
use super::{Error, Options, Place, TarOutput};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, Digest, Hasher};
use crate::report::Report;
use crate::tree::rootfs::Rootfs;
use blob::{Blob, Document, Identity, Spool};
use directory::LayoutDirectory;
use documents::{
    Annotations, CONFIGURATION, CREATED, Configuration, Descriptor, DockerManifest, Execution,
    FULL_NAME, History, INDEX, Index, LAYER_GZIP, LAYER_ZSTD, LAYOUT_VERSION, Layers, MANIFEST,
    Manifest, Platform, REF_NAME, ZSTD,
};
use layout::{Contents, Destination, Files};

/// What is written.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) layout: &'a Layout,
    pub(super) settings: &'a Settings,
}

/// Writes the tree as an image.
pub(super) fn write(
    root: &Rootfs,
    output: Output<'_>,
    options: &Options,
    report: &Report,
) -> Result<(), Error> {
    let destination = Destination::open(output.layout, Some(root))?;
    let how = LayerOptions {
        destination: &destination,
        options,
    };
    let built = build(root, output.settings, how, report)?;
    let time = built.layer.time;
    let files = files(vec![built], output.settings)?;
    destination.write(Contents { files, time }, &options.interrupt)
}

/// Fails if no layout can be a directory at this place. What it creates is gone when it returns.
pub(super) fn try_out(place: Place, tree: &Rootfs) -> Result<(), Error> {
    LayoutDirectory::create(place, Some(tree)).map(drop)
}

/// An image of one platform, complete but for its place in a layout.
#[derive(Debug)]
struct PlatformImage {
    platform: Platform,
    annotations: Annotations,
    manifest: Document,
    configuration: Document,
    layer: Layer,
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
    destination: &'a Destination,
    options: &'a Options,
}

/// Makes the image of a tree. Its layer is in a file at the destination.
fn build(
    root: &Rootfs,
    settings: &Settings,
    how: LayerOptions<'_>,
    report: &Report,
) -> Result<PlatformImage, Error> {
    let architecture = match &settings.architecture {
        Some(architecture) => architecture.clone(),
        None => description::architecture(root)?,
    };
    let platform = description::platform(&architecture);
    let layer = layer(root, how, report)?;
    let created = created(layer.time);
    let mut said = description::annotations(root)?;
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
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.into(),
        config: descriptor(CONFIGURATION, &configuration.identity),
        layers: vec![descriptor(layer.media_type, &layer.identity)],
        annotations: annotations.clone(),
    };
    Ok(PlatformImage {
        platform,
        annotations,
        manifest: document(&manifest)?,
        configuration,
        layer,
    })
}

/// Writes the tree as a layer.
fn layer(root: &Rootfs, how: LayerOptions<'_>, report: &Report) -> Result<Layer, Error> {
    let output = TarOutput {
        output: how.destination.spool(how.options)?,
        content: Some(Hasher::new(Algorithm::Sha256)),
        newest: 0,
    };
    let written = super::write_tar(root, output, how.options, report)?;
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
fn execution(root: &Rootfs, settings: &Settings, said: &Annotations) -> Result<Execution, Error> {
    let words = |words: &Option<Words>| words.clone().map(|words| words.0);
    let cmd = match words(&settings.command) {
        // As in a Dockerfile, an ENTRYPOINT of one's own needs no CMD.
        None if settings.entrypoint.is_none() => description::shell(root)?,
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

/// The files of a layout with these images, which are of different platforms.
fn files(images: Vec<PlatformImage>, settings: &Settings) -> Result<Files, Error> {
    let mut files = Files::new();
    let mut manifests = Vec::new();
    let tags = settings.tag.as_ref().map(|tag| vec![tag.to_string()]);
    let docker = images.first().map(|image| image.docker(tags));
    let shared = images.first().map(|image| image.annotations.clone());
    for image in images {
        manifests.push(image.descriptor());
        image.add_to(&mut files);
    }
    let mut top = match <[Descriptor; 1]>::try_from(manifests) {
        Ok([only]) => only,
        Err(manifests) => {
            let nested = document(&Index {
                schema_version: 2,
                media_type: INDEX.into(),
                manifests,
                annotations: shared.unwrap_or_default(),
            })?;
            let top = descriptor(INDEX, &nested.identity);
            files.insert(nested.identity.path(), Blob::Bytes(nested.bytes));
            top
        }
    };
    let tag = settings
        .tag
        .as_ref()
        .map_or(reference::DEFAULT_TAG, Reference::tag);
    top.annotations.insert(REF_NAME.into(), tag.into());
    if let Some(name) = &settings.tag {
        top.annotations.insert(FULL_NAME.into(), name.to_string());
    }
    let index = document(&Index {
        schema_version: 2,
        media_type: INDEX.into(),
        manifests: vec![top],
        annotations: Annotations::new(),
    })?;
    files.insert("index.json".into(), Blob::Bytes(index.bytes));
    let docker: Vec<DockerManifest> = docker.into_iter().collect();
    files.insert(
        "manifest.json".into(),
        Blob::Bytes(document(&docker)?.bytes),
    );
    files.insert(
        "oci-layout".into(),
        Blob::Bytes(document(&LAYOUT_VERSION)?.bytes),
    );
    Ok(files)
}

impl PlatformImage {
    /// Points to the manifest.
    fn descriptor(&self) -> Descriptor {
        let mut descriptor = descriptor(MANIFEST, &self.manifest.identity);
        descriptor.platform = Some(self.platform.clone());
        if self.layer.media_type == LAYER_ZSTD {
            descriptor.annotations.insert(ZSTD.into(), "true".into());
        }
        descriptor
    }

    /// The image for docker's classic store.
    fn docker(&self, tags: Option<Vec<String>>) -> DockerManifest {
        DockerManifest {
            config: self.configuration.identity.path(),
            repo_tags: tags,
            layers: vec![self.layer.identity.path()],
        }
    }

    fn add_to(self, files: &mut Files) {
        for document in [self.manifest, self.configuration] {
            files.insert(document.identity.path(), Blob::Bytes(document.bytes));
        }
        files.insert(self.layer.identity.path(), Blob::Spooled(self.layer.spool));
    }
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

/// A time as RFC 3339 has it. One that it does not have becomes 1970.
fn created(time: i64) -> String {
    let time = Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}
