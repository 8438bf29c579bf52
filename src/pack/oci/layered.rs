//! The images of an OCI layout, or of what `docker save` has written, as layers to be read.
//!
//! The blobs of a layout are compared with their digests; an old archive of docker's has none.
//! Attestations, other artifacts, and absent images of an index are skipped. Layers of other
//! platforms than the wanted one are not read.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use super::attestation::is_attestation;
use super::blob::FilePart;
use super::document_tree::{IMAGE_LIMIT, LayoutManifest, manifests};
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

/// The most layers of an image. docker takes 128.
const LAYER_LIMIT: usize = 1000;

/// The images of a layout.
#[derive(Debug, Default)]
pub(crate) struct LayeredImages {
    pub(crate) images: Vec<LayeredImage>,
    /// The platforms of images that are not wanted.
    pub(crate) others: Vec<Platform>,
}

/// An image of one platform.
#[derive(Debug)]
pub(crate) struct LayeredImage {
    pub(crate) platform: Platform,
    /// The lowest first.
    pub(crate) layers: Vec<LayerFile>,
}

/// A layer, in the compression that the image has.
#[derive(Debug)]
pub(crate) struct LayerFile {
    /// Its digest, or its path in an archive of docker's.
    pub(crate) name: String,
    pub(crate) content: FilePart,
}

/// Reads the images of an archive or a directory, those for the platform `wanted` if there is one.
/// `None` if it is neither a layout nor docker's.
pub(crate) fn layered_images(
    path: &Path,
    file: File,
    wanted: Option<&Platform>,
    interrupt: &Interrupt,
) -> Result<Option<LayeredImages>, Error> {
    let mut collector = LayerCollector {
        layout: OpenLayout::of(path, file, interrupt)?,
        wanted,
        found: LayeredImages::default(),
        seen: BTreeSet::new(),
    };
    let layout = &collector.layout;
    if layout.has(LAYOUT_FILE)? {
        collector.add_layout()?;
        return collector.finish().map(Some);
    }
    if !layout.has(DOCKER_FILE)? {
        return Ok(None);
    }
    let listed: Result<Vec<DockerManifest>, _> =
        layout.parse(DOCKER_FILE, &layout.named(DOCKER_FILE)?);
    // A tree may have a file of that name.
    let Ok(listed) = listed else {
        return Ok(None);
    };
    collector.add_docker(&listed)?;
    collector.finish().map(Some)
}

/// Collects the images of a layout.
struct LayerCollector<'a> {
    layout: OpenLayout<'a>,
    wanted: Option<&'a Platform>,
    found: LayeredImages,
    /// The digests of manifests so far: an image may have several names.
    seen: BTreeSet<String>,
}

impl LayerCollector<'_> {
    fn finish(self) -> Result<LayeredImages, Error> {
        if self.found.images.is_empty() && self.found.others.is_empty() {
            return Err(Error::NoLayout {
                path: self.layout.path().to_owned(),
                missing: "image".to_owned(),
            });
        }
        Ok(self.found)
    }

    /// Adds the images of a layout.
    fn add_layout(&mut self) -> Result<(), Error> {
        let index = self.layout.index()?;
        for found in manifests(self.layout.present_documents(index.manifests)?) {
            let LayoutManifest {
                descriptor,
                manifest,
                ..
            } = found;
            if is_image(&manifest)
                && !is_attestation(&descriptor)
                && self.seen.insert(descriptor.digest.clone())
            {
                self.add_image(descriptor, &manifest)?;
            }
        }
        Ok(())
    }

    fn add_image(&mut self, descriptor: Descriptor, manifest: &ImageManifest) -> Result<(), Error> {
        let platform = match descriptor.platform {
            Some(platform) => platform,
            None => {
                let configuration = self.layout.document(&manifest.config)?;
                self.layout.parse(&manifest.config.digest, &configuration)?
            }
        };
        if !self.is_wanted(&platform) {
            self.found.others.push(platform);
            return Ok(());
        }
        self.require_few(&manifest.layers)?;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            layers.push(LayerFile {
                name: layer.digest.clone(),
                content: self.layout.verified(layer)?,
            });
        }
        self.found.images.push(LayeredImage { platform, layers });
        Ok(())
    }

    /// Adds the images of an archive of docker's without a layout, by paths.
    fn add_docker(&mut self, listed: &[DockerManifest]) -> Result<(), Error> {
        if listed.len() > IMAGE_LIMIT {
            return Err(self.layout.too_large("the number of its images"));
        }
        for image in listed {
            let configuration = self.layout.named(&image.config)?;
            let platform = self.layout.parse(&image.config, &configuration)?;
            if !self.is_wanted(&platform) {
                self.found.others.push(platform);
                continue;
            }
            self.require_few(&image.layers)?;
            let mut layers = Vec::new();
            for name in &image.layers {
                layers.push(LayerFile {
                    name: name.clone(),
                    content: self.layout.find(name)?,
                });
            }
            self.found.images.push(LayeredImage { platform, layers });
        }
        Ok(())
    }

    fn is_wanted(&self, platform: &Platform) -> bool {
        match self.wanted {
            Some(wanted) => platform.is_as(wanted),
            None => true,
        }
    }

    fn require_few<T>(&self, layers: &[T]) -> Result<(), Error> {
        match layers.len() > LAYER_LIMIT {
            true => Err(self.layout.too_large("the number of its layers")),
            false => Ok(()),
        }
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
