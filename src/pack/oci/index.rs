//! Writes a layout: images of different platforms, under one descriptor in index.json.
//!
//! One image has its manifest there, several images and attestations have a nested index, since
//! docker, podman, skopeo and umoci take only one descriptor. docker's `manifest.json` names the
//! first image in the order of the platforms, so that the same images have the same bytes on every
//! host.

use super::super::form::{Content, Image, Layout};
use super::super::publication::WrittenImage;
use super::super::{Error, Options};
use super::attestation::{attest, is_attestation};
use super::blob::Blob;
use super::documents::{
    Annotations, DockerManifest, FULL_NAME, INDEX, ImageIndex, LAYOUT_VERSION, Platform, REF_NAME,
};
use super::layout::{Contents, Files, LayoutDestination};
use super::reference::DEFAULT_TAG;
use super::{JoinedImage, LayerOptions, Reference, Settings, build, descriptor, document};
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::Rootfs;

/// A layout in the making, to which the images of trees are added. Dropped without
/// [`IndexWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    destination: LayoutDestination,
    settings: Settings,
    parts: Vec<JoinedImage>,
}

impl IndexWriter {
    /// Opens the place of an OCI image, which is not to be inside `tree`. `None` for a tar.
    pub(crate) fn open(image: &Image, tree: Option<&Rootfs>) -> Result<Option<IndexWriter>, Error> {
        match &image.content {
            Content::Oci { layout, settings } => {
                IndexWriter::of_layout(layout, settings, tree).map(Some)
            }
            Content::Tar(_) | Content::FileSystem { .. } => Ok(None),
        }
    }

    pub(in super::super) fn of_layout(
        layout: &Layout,
        settings: &Settings,
        tree: Option<&Rootfs>,
    ) -> Result<IndexWriter, Error> {
        Ok(IndexWriter {
            destination: LayoutDestination::open(layout, tree)?,
            settings: settings.clone(),
            parts: Vec::new(),
        })
    }

    /// Adds the image of a tree.
    pub(crate) fn add(
        &mut self,
        root: ReadableTree<'_>,
        options: &Options,
        report: &Report,
    ) -> Result<(), Error> {
        let how = LayerOptions {
            destination: &self.destination,
            options,
        };
        let image = build(root, &self.settings, how, report)?;
        let attestation = match &options.predicate {
            Some(predicate) => Some(attest(&image, predicate, self.settings.tag.as_ref())?),
            None => None,
        };
        self.parts.push(image);
        self.parts.extend(attestation);
        Ok(())
    }

    /// Writes the layout, still without its name.
    pub(crate) fn finish(self, interrupt: &Interrupt) -> Result<WrittenImage, Error> {
        let contents = contents(self.parts, &Naming::of(&self.settings))?;
        self.destination.write(contents, interrupt)
    }
}

/// What a layout says of its image as a whole.
#[derive(Debug, Default)]
pub(super) struct Naming {
    pub(super) tag: Option<Reference>,
    /// In addition to what the images have in common.
    pub(super) annotations: Annotations,
}

impl Naming {
    fn of(settings: &Settings) -> Naming {
        Naming {
            tag: settings.tag.clone(),
            annotations: Annotations::new(),
        }
    }
}

/// The files of a layout with these images.
pub(super) fn contents(mut parts: Vec<JoinedImage>, naming: &Naming) -> Result<Contents, Error> {
    parts.sort_by_key(order);
    let mut annotations = common(&parts);
    annotations.extend(naming.annotations.clone());
    let tags = naming.tag.as_ref().map(|tag| vec![tag.to_string()]);
    let mut docker = Vec::new();
    let mut files = Files::new();
    let mut manifests = Vec::new();
    let mut time = 0;
    for part in parts {
        if docker.is_empty() && !part.layers.is_empty() {
            docker.push(DockerManifest {
                config: part.configuration,
                repo_tags: tags.clone(),
                layers: part.layers,
            });
        }
        time = part.time.max(time);
        manifests.push(part.descriptor);
        files.extend(part.files);
    }
    let mut top = match manifests.pop() {
        Some(only) if manifests.is_empty() => only,
        last => {
            manifests.extend(last);
            let mut nested = index(manifests);
            nested.annotations = annotations;
            let nested = document(&nested)?;
            let top = descriptor(INDEX, &nested.identity);
            files.insert(nested.identity.path(), Blob::Bytes(nested.bytes));
            top
        }
    };
    let tag = naming.tag.as_ref().map_or(DEFAULT_TAG, Reference::tag);
    top.annotations.insert(REF_NAME.into(), tag.into());
    if let Some(name) = &naming.tag {
        top.annotations.insert(FULL_NAME.into(), name.to_string());
    }
    let documents = [
        ("index.json", document(&index(vec![top]))?),
        ("manifest.json", document(&docker)?),
        ("oci-layout", document(&LAYOUT_VERSION)?),
    ];
    for (name, document) in documents {
        files.insert(name.into(), Blob::Bytes(document.bytes));
    }
    Ok(Contents { files, time })
}

fn index(manifests: Vec<super::Descriptor>) -> ImageIndex {
    ImageIndex {
        schema_version: 2,
        media_type: INDEX.into(),
        manifests,
        annotations: Annotations::new(),
    }
}

/// The order of images in an index: by platform, and attestations, which have none, last.
fn order(part: &JoinedImage) -> (bool, String, String) {
    let platform = part.descriptor.platform.as_ref();
    (
        is_attestation(&part.descriptor),
        platform.map(Platform::to_string).unwrap_or_default(),
        part.descriptor.digest.clone(),
    )
}

/// The annotations that all images share. `parts` are in their order.
fn common(parts: &[JoinedImage]) -> Annotations {
    let mut common = match parts.first() {
        Some(first) => first.annotations.clone(),
        None => Annotations::new(),
    };
    for part in parts {
        if !is_attestation(&part.descriptor) {
            common.retain(|key, value| part.annotations.get(key) == Some(value));
        }
    }
    common
}
