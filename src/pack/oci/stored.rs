//! The image of a layout as a registry stores it: indexes and manifests byte for byte, each after
//! its parts, and the blobs that they refer to.

use std::collections::BTreeSet;
use std::path::Path;

use super::Reference;
use super::blob::FilePart;
use super::documents::{Descriptor, FULL_NAME, INDEX, ImageIndex, ImageManifest, MANIFEST};
use super::open_layout::OpenLayout;
use super::read::{DEPTH_LIMIT, Error, IMAGE_LIMIT};
use crate::interrupt::Interrupt;

/// Docker's own forms, which other programs write into layouts.
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image with all that it consists of.
#[derive(Debug)]
pub(crate) struct StoredImage {
    /// The name that the layout gives it.
    pub(crate) name: Option<Reference>,
    /// The indexes and manifests below the top-level one, each after its own parts.
    pub(crate) parts: Vec<StoredDocument>,
    pub(crate) top: StoredDocument,
}

/// An index or a manifest.
#[derive(Debug)]
pub(crate) struct StoredDocument {
    pub(crate) media_type: String,
    /// `sha256:…`
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
    /// The configuration and the layers of a manifest.
    pub(crate) blobs: Vec<StoredBlob>,
}

/// A blob whose digest was verified.
#[derive(Debug)]
pub(crate) struct StoredBlob {
    /// `sha256:…`
    pub(crate) digest: String,
    pub(crate) content: FilePart,
}

impl StoredImage {
    /// Reads the only image of a layout, an archive or a directory, and verifies it.
    pub(crate) fn read(path: &Path, interrupt: &Interrupt) -> Result<StoredImage, Error> {
        let mut layout = OpenLayout::open(path, interrupt)?;
        let index = layout.index()?;
        let [top] = &index.manifests[..] else {
            return Err(Error::NotOne {
                path: path.to_owned(),
                count: index.manifests.len(),
            });
        };
        let name = top.annotations.get(FULL_NAME);
        let name = name.and_then(|name| Reference::parse(name).ok());
        let mut reader = DocumentReader {
            layout: &mut layout,
            parts: Vec::new(),
            seen: BTreeSet::new(),
        };
        let top = reader.document(top, 0)?;
        Ok(StoredImage {
            name,
            parts: reader.parts,
            top,
        })
    }
}

/// Collects what a document names.
struct DocumentReader<'a, 'b> {
    layout: &'a mut OpenLayout<'b>,
    parts: Vec<StoredDocument>,
    /// The digests of the parts.
    seen: BTreeSet<String>,
}

impl DocumentReader<'_, '_> {
    /// Reads an index or a manifest, after its parts.
    fn document(&mut self, descriptor: &Descriptor, depth: u32) -> Result<StoredDocument, Error> {
        if depth > DEPTH_LIMIT || self.seen.len() > IMAGE_LIMIT {
            return Err(self.layout.too_large("the number of its images"));
        }
        let bytes = self.layout.document(descriptor)?;
        let mut blobs = Vec::new();
        match descriptor.media_type.as_str() {
            INDEX | DOCKER_INDEX => {
                let index: ImageIndex = self.layout.parse(&descriptor.digest, &bytes)?;
                for named in &index.manifests {
                    if self.seen.insert(named.digest.clone()) {
                        let part = self.document(named, depth + 1)?;
                        self.parts.push(part);
                    }
                }
            }
            MANIFEST | DOCKER_MANIFEST => {
                let manifest: ImageManifest = self.layout.parse(&descriptor.digest, &bytes)?;
                for named in manifest.layers.iter().chain([&manifest.config]) {
                    blobs.push(StoredBlob {
                        digest: named.digest.clone(),
                        content: self.layout.verified(named)?,
                    });
                }
            }
            other => {
                return Err(Error::MediaType {
                    path: self.layout.path().to_owned(),
                    digest: descriptor.digest.clone(),
                    found: other.to_owned(),
                });
            }
        }
        Ok(StoredDocument {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.clone(),
            bytes,
            blobs,
        })
    }
}
