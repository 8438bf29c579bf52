//! The image of a layout as a registry stores it: indexes and manifests byte for byte, each after
//! its parts, and the blobs that they refer to.

use std::collections::BTreeSet;
use std::path::Path;

use super::Reference;
use super::blob::FilePart;
use super::document_tree::{DocumentContent, LayoutDocument};
use super::documents::FULL_NAME;
use super::open_layout::OpenLayout;
use super::read::Error;
use crate::interrupt::Interrupt;

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
        let not_one = |count: usize| Error::NotOne {
            path: path.to_owned(),
            count,
        };
        let [named] = &index.manifests[..] else {
            return Err(not_one(index.manifests.len()));
        };
        let name = named.annotations.get(FULL_NAME);
        let name = name.and_then(|name| Reference::parse(name).ok());
        let mut documents = layout.documents(index.manifests)?;
        let top = documents.pop().ok_or_else(|| not_one(0))?;
        let mut collector = PartCollector {
            layout: &mut layout,
            parts: Vec::new(),
            seen: BTreeSet::new(),
        };
        let top = collector.stored(top)?;
        Ok(StoredImage {
            name,
            parts: collector.parts,
            top,
        })
    }
}

/// Collects what a document names, each once.
struct PartCollector<'a, 'b> {
    layout: &'a mut OpenLayout<'b>,
    parts: Vec<StoredDocument>,
    /// The digests of the parts.
    seen: BTreeSet<String>,
}

impl PartCollector<'_, '_> {
    /// An index or a manifest with its blobs, after its parts.
    fn stored(&mut self, document: LayoutDocument) -> Result<StoredDocument, Error> {
        let LayoutDocument {
            descriptor,
            bytes,
            content,
        } = document;
        let mut blobs = Vec::new();
        match content {
            DocumentContent::Index(documents) => {
                for document in documents {
                    if self.seen.insert(document.descriptor.digest.clone()) {
                        let part = self.stored(document)?;
                        self.parts.push(part);
                    }
                }
            }
            DocumentContent::Manifest(manifest) => {
                for named in manifest.layers.iter().chain([&manifest.config]) {
                    blobs.push(StoredBlob {
                        digest: named.digest.clone(),
                        content: self.layout.verified(named)?,
                    });
                }
            }
        }
        Ok(StoredDocument {
            media_type: descriptor.media_type,
            digest: descriptor.digest,
            bytes,
            blobs,
        })
    }
}
