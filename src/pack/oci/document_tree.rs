//! The indexes and manifests of a layout, as a tree.
//!
//! Docker's own media types count as OCI's: their documents have the same fields.

use super::documents::{
    DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, ImageIndex, ImageManifest, MANIFEST,
};
use super::open_layout::{OpenLayout, path_of};
use super::read::Error;

/// The most indexes and manifests of a layout.
pub(super) const IMAGE_LIMIT: usize = 256;
/// The most bytes of all of them, which are in memory together.
const SIZE_LIMIT: usize = 64 << 20;
/// How deep indexes may be nested.
const DEPTH_LIMIT: u32 = 4;

/// An index or a manifest, which has its digest.
#[derive(Debug)]
pub(super) struct LayoutDocument {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
    pub(super) content: DocumentContent,
}

#[derive(Debug)]
pub(super) enum DocumentContent {
    /// The documents of an index, in its order.
    Index(Vec<LayoutDocument>),
    Manifest(Box<ImageManifest>),
}

/// A manifest, which has its digest.
#[derive(Debug)]
pub(super) struct LayoutManifest {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
    pub(super) manifest: ImageManifest,
}

/// The manifests among documents, in their order, with those of their indexes.
pub(super) fn manifests(documents: Vec<LayoutDocument>) -> Vec<LayoutManifest> {
    let mut found = Vec::new();
    for document in documents {
        match document.content {
            DocumentContent::Index(nested) => found.extend(manifests(nested)),
            DocumentContent::Manifest(manifest) => found.push(LayoutManifest {
                descriptor: document.descriptor,
                bytes: document.bytes,
                manifest: *manifest,
            }),
        }
    }
    found
}

impl OpenLayout<'_> {
    /// Reads the documents that these descriptors name, and those that they name in turn.
    pub(super) fn documents(
        &mut self,
        descriptors: Vec<Descriptor>,
    ) -> Result<Vec<LayoutDocument>, Error> {
        let mut reader = TreeReader {
            layout: self,
            count: 0,
            size: 0,
            skips_absent: false,
        };
        reader.documents(descriptors, 0)
    }

    /// As [`documents`](OpenLayout::documents), without the absent documents of an index: `docker
    /// save` writes the index of all platforms and the blobs of some.
    pub(super) fn present_documents(
        &mut self,
        descriptors: Vec<Descriptor>,
    ) -> Result<Vec<LayoutDocument>, Error> {
        let mut reader = TreeReader {
            layout: self,
            count: 0,
            size: 0,
            skips_absent: true,
        };
        reader.documents(descriptors, 0)
    }
}

struct TreeReader<'a, 'b> {
    layout: &'a mut OpenLayout<'b>,
    /// The number of documents so far.
    count: usize,
    /// Their bytes.
    size: usize,
    /// Whether an index may name absent documents.
    skips_absent: bool,
}

impl TreeReader<'_, '_> {
    fn documents(
        &mut self,
        descriptors: Vec<Descriptor>,
        depth: u32,
    ) -> Result<Vec<LayoutDocument>, Error> {
        let mut documents = Vec::new();
        for descriptor in descriptors {
            if self.skips_absent && depth > 0 && !self.layout.has(&path_of(&descriptor))? {
                continue;
            }
            documents.push(self.document(descriptor, depth)?);
        }
        Ok(documents)
    }

    fn document(&mut self, descriptor: Descriptor, depth: u32) -> Result<LayoutDocument, Error> {
        self.count += 1;
        if depth > DEPTH_LIMIT || self.count > IMAGE_LIMIT {
            return Err(self.layout.too_large("the number of its images"));
        }
        let bytes = self.layout.document(&descriptor)?;
        self.size += bytes.len();
        if self.size > SIZE_LIMIT {
            return Err(self.layout.too_large("the size of its manifests"));
        }
        let content = match descriptor.media_type.as_str() {
            INDEX | DOCKER_INDEX => {
                let index: ImageIndex = self.layout.parse(&descriptor.digest, &bytes)?;
                DocumentContent::Index(self.documents(index.manifests, depth + 1)?)
            }
            MANIFEST | DOCKER_MANIFEST => {
                DocumentContent::Manifest(self.layout.parse(&descriptor.digest, &bytes)?)
            }
            other => {
                return Err(Error::MediaType {
                    path: self.layout.path().to_owned(),
                    digest: descriptor.digest.clone(),
                    found: other.to_owned(),
                });
            }
        };
        Ok(LayoutDocument {
            descriptor,
            bytes,
            content,
        })
    }
}
