//! The images of an OCI layout, or of what `docker save` has written, as layers to be read.
//!
//! The blobs of a layout are compared with their digests; an old archive of docker's has none.
//! Attestations and other artifacts in a layout are passed over, and images of an index that are
//! not there.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use super::attestation::is_attestation;
use super::blob::FilePart;
use super::document_tree::{DocumentContent, IMAGE_LIMIT, LayoutDocument};
use super::documents::{
    CONFIGURATION, DOCKER_CONFIGURATION, DOCKER_LAYER, Descriptor, DockerManifest, ImageManifest,
    LAYER, Platform,
};
use super::open_layout::OpenLayout;
use super::read::Error;
use crate::interrupt::Interrupt;

/// The file that each layout has.
pub(crate) const LAYOUT_FILE: &str = "oci-layout";
/// docker's list of the images of an archive.
pub(crate) const DOCKER_FILE: &str = "manifest.json";

/// An image of one platform.
#[derive(Debug)]
pub(crate) struct LayeredImage {
    pub(crate) platform: Platform,
    /// The lowest first.
    pub(crate) layers: Vec<LayerFile>,
}

/// A layer, as compressed as it is.
#[derive(Debug)]
pub(crate) struct LayerFile {
    /// Its digest, or its path in an archive of docker's.
    pub(crate) name: String,
    pub(crate) content: FilePart,
}

/// Reads the images of an archive or a directory. `None` if it is neither a layout nor docker's.
pub(crate) fn layered_images(
    path: &Path,
    file: File,
    interrupt: &Interrupt,
) -> Result<Option<Vec<LayeredImage>>, Error> {
    let mut layout = OpenLayout::of(path, file, interrupt)?;
    if layout.has(LAYOUT_FILE) {
        return of_layout(&mut layout).map(Some);
    }
    if !layout.has(DOCKER_FILE) {
        return Ok(None);
    }
    let listed: Result<Vec<DockerManifest>, _> =
        layout.parse(DOCKER_FILE, &layout.named(DOCKER_FILE)?);
    // A tree may have a file of that name.
    match listed {
        Ok(listed) => of_docker(&layout, &listed).map(Some),
        Err(_) => Ok(None),
    }
}

fn of_layout(layout: &mut OpenLayout<'_>) -> Result<Vec<LayeredImage>, Error> {
    let index = layout.index()?;
    let documents = layout.present_documents(index.manifests)?;
    let mut collector = LayerCollector {
        layout,
        images: Vec::new(),
        seen: BTreeSet::new(),
    };
    for document in documents {
        collector.add(document)?;
    }
    let images = collector.images;
    require_image(layout, images)
}

fn require_image(
    layout: &OpenLayout<'_>,
    images: Vec<LayeredImage>,
) -> Result<Vec<LayeredImage>, Error> {
    if images.is_empty() {
        return Err(Error::NoLayout {
            path: layout.path().to_owned(),
            missing: "image".to_owned(),
        });
    }
    Ok(images)
}

/// Collects the images of a layout.
struct LayerCollector<'a, 'b> {
    layout: &'a mut OpenLayout<'b>,
    images: Vec<LayeredImage>,
    /// The digests of manifests so far: an image may have several names.
    seen: BTreeSet<String>,
}

impl LayerCollector<'_, '_> {
    /// Adds the image of a manifest, or those of an index.
    fn add(&mut self, document: LayoutDocument) -> Result<(), Error> {
        let descriptor = document.descriptor;
        match document.content {
            DocumentContent::Index(documents) => {
                for nested in documents {
                    self.add(nested)?;
                }
            }
            DocumentContent::Manifest(manifest) => {
                if is_image(&manifest)
                    && !is_attestation(&descriptor)
                    && self.seen.insert(descriptor.digest.clone())
                {
                    let image = self.image(descriptor, *manifest)?;
                    self.images.push(image);
                }
            }
        }
        Ok(())
    }

    fn image(
        &mut self,
        descriptor: Descriptor,
        manifest: ImageManifest,
    ) -> Result<LayeredImage, Error> {
        let configuration = self.layout.document(&manifest.config)?;
        let platform = match descriptor.platform {
            Some(platform) => platform,
            None => self.layout.parse(&manifest.config.digest, &configuration)?,
        };
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            layers.push(LayerFile {
                name: layer.digest.clone(),
                content: self.layout.verified(layer)?,
            });
        }
        Ok(LayeredImage { platform, layers })
    }
}

/// Whether a manifest is that of an image. A signature has an image's configuration, too.
fn is_image(manifest: &ImageManifest) -> bool {
    let kind = manifest.config.media_type.as_str();
    let is_layer = |layer: &Descriptor| {
        let kind = layer.media_type.as_str();
        kind.starts_with(LAYER) || kind.starts_with(DOCKER_LAYER)
    };
    (kind == CONFIGURATION || kind == DOCKER_CONFIGURATION)
        && (manifest.layers.is_empty() || manifest.layers.iter().any(is_layer))
}

/// The images of an archive of docker's without a layout, by paths.
fn of_docker(
    layout: &OpenLayout<'_>,
    listed: &[DockerManifest],
) -> Result<Vec<LayeredImage>, Error> {
    if listed.len() > IMAGE_LIMIT {
        return Err(layout.too_large("the number of its images"));
    }
    let mut images = Vec::new();
    for image in listed {
        let configuration = layout.named(&image.config)?;
        let mut layers = Vec::new();
        for name in &image.layers {
            layers.push(LayerFile {
                name: name.clone(),
                content: layout.find(name)?,
            });
        }
        images.push(LayeredImage {
            platform: layout.parse(&image.config, &configuration)?,
            layers,
        });
    }
    require_image(layout, images)
}
