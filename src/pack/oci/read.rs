//! Reads the images of an OCI image layout, so that they can be joined. `open_layout` verifies what
//! it reads, `document_tree` reads indexes and manifests.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::blob::Blob;
use super::document_tree::{LayoutManifest, manifests};
use super::documents::{Annotations, CREATED, FULL_NAME, Platform, REF_NAME};
use super::layout::Files;
use super::open_layout::{OpenLayout, path_of};
use super::{JoinedImage, Reference};
use crate::failure::Class;
use crate::interrupt::Interrupt;
use crate::tree::rootfs;

/// An image that cannot be joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file of the directory.
    #[error(transparent)]
    File(#[from] rootfs::Error),
    #[error("{} is a symlink that leads out of the image, or to nothing", path.display())]
    DanglingLink { path: PathBuf },
    #[error("{} is not an OCI image: it has no {missing}", path.display())]
    NoLayout { path: PathBuf, missing: String },
    #[error("{}: {document} is not a valid document of an OCI image", path.display())]
    Malformed {
        path: PathBuf,
        document: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{}: {what} exceeds a limit", path.display())]
    TooLarge { path: PathBuf, what: String },
    #[error("{}: the content of {digest} has another digest", path.display())]
    Digest { path: PathBuf, digest: String },
    #[error("{}: {digest} has the media type {found}, which is not that of an OCI image", path.display())]
    MediaType {
        path: PathBuf,
        digest: String,
        found: String,
    },
    /// For a command that takes one image.
    #[error("{} has {count} images in its index.json", path.display())]
    NotOne { path: PathBuf, count: usize },
    #[error("{} and {} are both images for {platform}", first.display(), second.display())]
    SamePlatform {
        first: PathBuf,
        second: PathBuf,
        platform: String,
    },
}

impl Error {
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Unreadable { .. }
            | Error::File(_)
            | Error::DanglingLink { .. }
            | Error::NoLayout { .. }
            | Error::MediaType { .. }
            | Error::NotOne { .. }
            | Error::SamePlatform { .. } => Class::Usage,
            Error::Malformed { .. } | Error::TooLarge { .. } | Error::Digest { .. } => Class::Trust,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NoLayout { .. } => {
                Some("name a file that ends in .oci.tar, or a directory of --format oci".into())
            }
            Error::NotOne { .. } => {
                Some("`skopeo copy oci-archive:FILE:TAG oci-archive:OTHER` takes one out".into())
            }
            Error::SamePlatform { .. } => Some("an index has one image for each platform".into()),
            Error::DanglingLink { .. } => Some("put a copy of the file in its place".into()),
            Error::Unreadable { .. }
            | Error::File(_)
            | Error::Malformed { .. }
            | Error::TooLarge { .. }
            | Error::Digest { .. }
            | Error::MediaType { .. } => None,
        }
    }
}

/// The images of a layout.
pub(super) struct ImagesRead {
    pub(super) parts: Vec<JoinedImage>,
    /// The name of the layout's only image.
    pub(super) tag: Option<Reference>,
}

/// Reads all images of a layout. The content of layers stays where it is.
pub(super) fn images(path: &Path, interrupt: &Interrupt) -> Result<ImagesRead, Error> {
    let mut layout = OpenLayout::open(path, interrupt)?;
    let index = layout.index()?;
    let mut name = None;
    if let [only] = &index.manifests[..] {
        name = only.annotations.get(FULL_NAME).cloned();
    }
    let mut parts = Vec::new();
    for found in manifests(layout.documents(index.manifests)?) {
        parts.push(image(&mut layout, found)?);
    }
    if parts.is_empty() {
        return Err(Error::NoLayout {
            path: path.to_owned(),
            missing: "image".to_owned(),
        });
    }
    Ok(ImagesRead {
        parts,
        tag: name.and_then(|name| Reference::parse(&name).ok()),
    })
}

/// The image of a manifest.
fn image(layout: &mut OpenLayout<'_>, found: LayoutManifest) -> Result<JoinedImage, Error> {
    let LayoutManifest {
        mut descriptor,
        bytes,
        manifest,
    } = found;
    let mut files = Files::new();
    files.insert(path_of(&descriptor), Blob::Bytes(bytes));
    let configuration = layout.document(&manifest.config)?;
    if descriptor.platform.is_none() {
        let found: Platform = layout.parse(&manifest.config.digest, &configuration)?;
        descriptor.platform = Some(found);
    }
    files.insert(path_of(&manifest.config), Blob::Bytes(configuration));
    let mut layers = Vec::new();
    for layer in &manifest.layers {
        files.insert(path_of(layer), Blob::Part(layout.verified(layer)?));
        layers.push(path_of(layer));
    }
    // The names belong to the image as a whole.
    for name in [REF_NAME, FULL_NAME] {
        descriptor.annotations.remove(name);
    }
    Ok(JoinedImage {
        time: time(&manifest.annotations),
        descriptor,
        annotations: manifest.annotations,
        configuration: path_of(&manifest.config),
        layers,
        files,
    })
}

/// The time of an image by its annotation; 1970 without one.
fn time(annotations: &Annotations) -> i64 {
    let created = annotations
        .get(CREATED)
        .map(|text| text.parse::<Timestamp>());
    match created {
        Some(Ok(time)) => time.as_second(),
        Some(Err(_)) | None => 0,
    }
}
