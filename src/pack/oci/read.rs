//! Reads the images of an OCI image layout, an archive or a directory, so that they can be joined.
//!
//! Every document has a limit, and every blob is compared with its digest before it is used.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde::de::DeserializeOwned;

use super::blob::{Blob, FilePart};
use super::documents::{
    Annotations, CREATED, Descriptor, FULL_NAME, INDEX, ImageIndex, ImageManifest, MANIFEST,
    Platform,
};
use super::layout::Files;
use super::{JoinedImage, Reference};
use crate::failure::Class;
use crate::formats::digest::{Algorithm, Hasher};
use crate::interrupt::Interrupt;

/// The largest document, in bytes.
const DOCUMENT_LIMIT: u64 = 4 << 20;
/// The most indexes and manifests of a layout.
const IMAGE_LIMIT: usize = 256;
/// How deep indexes may be nested.
const DEPTH_LIMIT: u32 = 4;
/// The most members of an archive.
const MEMBER_LIMIT: usize = 10_000;

/// An image that cannot be joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not an OCI image: it has no {missing}", path.display())]
    NoLayout { path: PathBuf, missing: String },
    #[error("{}: {document} is not what an OCI image has", path.display())]
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
    #[error("{}: {digest} has the media type {found}, which cannot be joined", path.display())]
    MediaType {
        path: PathBuf,
        digest: String,
        found: String,
    },
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
            | Error::NoLayout { .. }
            | Error::MediaType { .. }
            | Error::SamePlatform { .. } => Class::Usage,
            Error::Malformed { .. } | Error::TooLarge { .. } | Error::Digest { .. } => Class::Trust,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NoLayout { .. } => {
                Some("name a file that ends in .oci.tar, or a directory of --format oci".into())
            }
            Error::SamePlatform { .. } => Some("an index has one image for each platform".into()),
            Error::Unreadable { .. }
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
    let layout = OpenLayout::open(path)?;
    let index = layout.find("index.json")?;
    let index: ImageIndex = layout.parse("index.json", &layout.bytes("index.json", &index)?)?;
    let mut name = None;
    if let [only] = &index.manifests[..] {
        name = only.annotations.get(FULL_NAME).cloned();
    }
    let mut reader = Reader {
        layout: &layout,
        interrupt,
        parts: Vec::new(),
        verified: HashMap::new(),
        seen: 0,
    };
    for descriptor in index.manifests {
        reader.image(descriptor, 0)?;
    }
    if reader.parts.is_empty() {
        return Err(Error::NoLayout {
            path: path.to_owned(),
            missing: "image".to_owned(),
        });
    }
    Ok(ImagesRead {
        parts: reader.parts,
        tag: name.and_then(|name| Reference::parse(&name).ok()),
    })
}

/// A layout to read.
struct OpenLayout {
    path: PathBuf,
    kind: LayoutKind,
}

enum LayoutKind {
    Directory(File),
    /// The members of an archive, by their names.
    Archive(HashMap<String, FilePart>),
}

impl OpenLayout {
    fn open(path: &Path) -> Result<OpenLayout, Error> {
        let unreadable = |source: io::Error| Error::Unreadable {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(CWD, path, flags, Mode::empty());
        let file: File = opened.map_err(|e| unreadable(e.into()))?.into();
        let status = rustix::fs::fstat(&file).map_err(|e| unreadable(e.into()))?;
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => LayoutKind::Directory(file),
            FileType::RegularFile => LayoutKind::Archive(members(file).map_err(unreadable)?),
            _ => {
                return Err(unreadable(io::Error::other(
                    "neither a file nor a directory",
                )));
            }
        };
        Ok(OpenLayout {
            path: path.to_owned(),
            kind,
        })
    }

    /// A file of the layout.
    fn find(&self, name: &str) -> Result<FilePart, Error> {
        let missing = || Error::NoLayout {
            path: self.path.clone(),
            missing: name.to_owned(),
        };
        match &self.kind {
            LayoutKind::Archive(members) => members.get(name).cloned().ok_or_else(missing),
            LayoutKind::Directory(directory) => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let opened = rustix::fs::openat(directory.as_fd(), name, flags, Mode::empty());
                let file: File = opened.map_err(|_| missing())?.into();
                let status = rustix::fs::fstat(&file).map_err(|_| missing())?;
                if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
                    return Err(missing());
                }
                Ok(FilePart {
                    file: Arc::new(file),
                    offset: 0,
                    size: u64::try_from(status.st_size).unwrap_or(0),
                })
            }
        }
    }

    /// The content of a document.
    fn bytes(&self, name: &str, part: &FilePart) -> Result<Vec<u8>, Error> {
        if part.size > DOCUMENT_LIMIT {
            return Err(self.too_large(name));
        }
        let mut bytes = Vec::new();
        let copied = Blob::Part(part.clone()).copy(&mut bytes, &Interrupt::default());
        copied.map_err(|source| self.unreadable(source))?;
        Ok(bytes)
    }

    fn parse<T: DeserializeOwned>(&self, document: &str, bytes: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|source| Error::Malformed {
            path: self.path.clone(),
            document: document.to_owned(),
            source,
        })
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Unreadable {
            path: self.path.clone(),
            source,
        }
    }

    fn too_large(&self, what: &str) -> Error {
        Error::TooLarge {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }
}

/// The regular members of a tar archive without compression.
fn members(file: File) -> io::Result<HashMap<String, FilePart>> {
    let file = Arc::new(file);
    let mut archive = tar::Archive::new(&*file);
    let mut found = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if found.len() == MEMBER_LIMIT {
            return Err(io::Error::other("too many members"));
        }
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            found.push((name, entry.raw_file_position(), entry.size()));
        }
    }
    let mut members = HashMap::new();
    for (name, offset, size) in found {
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let file = Arc::clone(&file);
        members.insert(name, FilePart { file, offset, size });
    }
    Ok(members)
}

/// Collects the images of a layout.
struct Reader<'a> {
    layout: &'a OpenLayout,
    interrupt: &'a Interrupt,
    parts: Vec<JoinedImage>,
    /// The blobs that have their digests, so that each is read once.
    verified: HashMap<String, FilePart>,
    /// The number of indexes and manifests so far.
    seen: usize,
}

impl Reader<'_> {
    /// Reads the image, or the images of a nested index, that a descriptor points to.
    fn image(&mut self, descriptor: Descriptor, depth: u32) -> Result<(), Error> {
        self.seen += 1;
        if depth > DEPTH_LIMIT || self.seen > IMAGE_LIMIT {
            return Err(self.layout.too_large("the number of its images"));
        }
        match descriptor.media_type.as_str() {
            INDEX => {
                let bytes = self.document(&descriptor)?;
                let index: ImageIndex = self.layout.parse(&descriptor.digest, &bytes)?;
                for nested in index.manifests {
                    self.image(nested, depth + 1)?;
                }
                Ok(())
            }
            MANIFEST => self.manifest(descriptor),
            other => Err(Error::MediaType {
                path: self.layout.path.clone(),
                digest: descriptor.digest.clone(),
                found: other.to_owned(),
            }),
        }
    }

    fn manifest(&mut self, mut descriptor: Descriptor) -> Result<(), Error> {
        let bytes = self.document(&descriptor)?;
        let manifest: ImageManifest = self.layout.parse(&descriptor.digest, &bytes)?;
        let mut files = Files::new();
        files.insert(path_of(&descriptor), Blob::Bytes(bytes));
        let configuration = self.document(&manifest.config)?;
        if descriptor.platform.is_none() {
            let found: Platform = self.layout.parse(&manifest.config.digest, &configuration)?;
            descriptor.platform = Some(found);
        }
        files.insert(path_of(&manifest.config), Blob::Bytes(configuration));
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            files.insert(path_of(layer), self.blob(layer)?);
            layers.push(path_of(layer));
        }
        // The names belong to the image as a whole.
        for name in [super::documents::REF_NAME, FULL_NAME] {
            descriptor.annotations.remove(name);
        }
        self.parts.push(JoinedImage {
            time: time(&manifest.annotations),
            descriptor,
            annotations: manifest.annotations,
            configuration: path_of(&manifest.config),
            layers,
            files,
        });
        Ok(())
    }

    /// The verified content of a document.
    fn document(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let part = self.verified(descriptor)?;
        self.layout.bytes(&descriptor.digest, &part)
    }

    fn blob(&mut self, descriptor: &Descriptor) -> Result<Blob, Error> {
        Ok(Blob::Part(self.verified(descriptor)?))
    }

    /// Compares a blob with its digest.
    fn verified(&mut self, descriptor: &Descriptor) -> Result<FilePart, Error> {
        if let Some(part) = self.verified.get(&descriptor.digest) {
            return Ok(part.clone());
        }
        let part = self.layout.find(&path_of(descriptor))?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let copied = Blob::Part(part.clone()).copy(&mut hasher as &mut dyn Write, self.interrupt);
        copied.map_err(|source| self.layout.unreadable(source))?;
        let found = format!("sha256:{}", hasher.finish().hexadecimal());
        if found != descriptor.digest || part.size != descriptor.size {
            return Err(Error::Digest {
                path: self.layout.path.clone(),
                digest: descriptor.digest.clone(),
            });
        }
        self.verified.insert(found, part.clone());
        Ok(part)
    }
}

/// The path of a blob in a layout. What is no digest becomes a path that no layout has.
fn path_of(descriptor: &Descriptor) -> String {
    let digest = descriptor.digest.strip_prefix("sha256:").unwrap_or("none");
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    format!("blobs/sha256/{}", if is_digest { digest } else { "none" })
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
