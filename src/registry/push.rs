//! Pushes an image: the blobs that the registry lacks, then the manifests, and last the top-level
//! index or manifest, under its tag.
//!
//! A registry accepts a manifest only if it has everything that the manifest refers to. So if it
//! has a manifest, the parts are neither checked nor sent.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::body::SentBytes;
use super::error::{RegistryAction, RequestError};
use super::session::{Repository, Rights};
use super::{Client, Error};
use crate::failure::with_causes;
use crate::pack::oci::{Reference, StoredBlob, StoredDocument, StoredImage};
use crate::report::{Event, Report, Stage};

/// A name in a registry that gets an image.
#[derive(Debug)]
pub(crate) struct Destination {
    reference: Reference,
    repository: Repository,
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    pub(crate) reference: Reference,
    /// `sha256:…`, of the index or manifest.
    pub(crate) digest: String,
    /// Whether the name had the image before.
    pub(crate) is_unchanged: bool,
    /// The bytes of the blobs that were sent.
    pub(crate) sent: u64,
}

impl Pushed {
    /// `REGISTRY/NAME@sha256:…`
    pub(crate) fn by_digest(&self) -> String {
        let Pushed {
            reference, digest, ..
        } = self;
        format!(
            "{}/{}@{digest}",
            reference.registry(),
            reference.repository()
        )
    }
}

/// An image on its way to a destination.
struct Push<'a> {
    repository: &'a Repository,
    /// Another repository of the registry that has the image.
    source: Option<&'a str>,
    report: &'a Report,
    /// The bytes that were sent.
    sent: Cell<u64>,
}

impl Client {
    /// The place of an image in a registry.
    pub(crate) fn destination(self: &Arc<Client>, reference: &Reference) -> Destination {
        Destination {
            reference: reference.clone(),
            repository: Repository::new(self, reference, Rights::Write),
        }
    }
}

impl Destination {
    /// Fails if the registry cannot be reached or does not permit uploads.
    pub(crate) fn try_out(&self) -> Result<(), Error> {
        self.repository.try_upload().map_err(|e| self.failed(e))
    }

    /// Pushes an image. `before` is a destination that has it; its blobs are mounted where the
    /// registry is the same.
    pub(crate) fn push(
        &self,
        image: &StoredImage,
        before: Option<&Destination>,
    ) -> Result<Pushed, Error> {
        let before = before.map(|before| &before.repository);
        let source = before.filter(|before| {
            before.registry() == self.repository.registry()
                && before.name() != self.repository.name()
        });
        let push = Push {
            repository: &self.repository,
            source: source.map(Repository::name),
            report: &self.repository.client.report,
            sent: Cell::new(0),
        };
        let is_unchanged = push.image(image, self.reference.tag());
        Ok(Pushed {
            reference: self.reference.clone(),
            digest: image.top.digest.clone(),
            is_unchanged: is_unchanged.map_err(|e| self.failed(e))?,
            sent: push.sent.get(),
        })
    }

    fn failed(&self, source: RequestError) -> Error {
        Error {
            action: RegistryAction::Push,
            reference: self.reference.to_string(),
            source: Box::new(source),
        }
    }
}

/// Which blobs are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushedBlobs {
    /// Those that the registry does not report as present.
    Lacking,
    All,
}

impl Push<'_> {
    /// Pushes an image under a tag. Returns true if the tag already had it.
    fn image(&self, image: &StoredImage, tag: &str) -> Result<bool, RequestError> {
        if self.digest(tag)?.as_deref() == Some(&image.top.digest) {
            return Ok(true);
        }
        let from = Instant::now();
        self.report.began(Stage::Push, 0);
        let sent = self.documents(image, tag, PushedBlobs::Lacking);
        let sent = match sent {
            Err(failure) if failure.is_of_missing_part() => {
                // It was deleted in the meantime, or is missing although the registry reported it.
                let problem = with_causes(&failure);
                self.report
                    .detail(format!("{problem}; sending the whole image"));
                self.documents(image, tag, PushedBlobs::All)
            }
            sent => sent,
        };
        self.report.send(Event::Span {
            stage: Stage::Push,
            item: tag.to_owned(),
            from,
            to: Instant::now(),
        });
        self.report.ended(Stage::Push);
        sent.map(|()| false)
    }

    /// Stores all indexes and manifests with their blobs, the top last and under its tag. If the
    /// registry has a manifest, it also has its parts.
    fn documents(
        &self,
        image: &StoredImage,
        tag: &str,
        extent: PushedBlobs,
    ) -> Result<(), RequestError> {
        if extent == PushedBlobs::All || !self.has(&image.top)? {
            for part in &image.parts {
                if extent == PushedBlobs::All || !self.has(part)? {
                    self.blobs(part, extent)?;
                    self.repository.store_manifest(part, &part.digest)?;
                }
            }
            self.blobs(&image.top, extent)?;
        }
        self.repository.store_manifest(&image.top, tag)
    }

    /// Whether the repository has an index or a manifest, under any tag.
    fn has(&self, document: &StoredDocument) -> Result<bool, RequestError> {
        let found = self.digest(&document.digest)?;
        Ok(found.as_deref() == Some(&document.digest))
    }

    /// The digest of what the repository has under a tag or a digest.
    fn digest(&self, reference: &str) -> Result<Option<String>, RequestError> {
        match self.repository.digest(reference) {
            // Some registries deny access to a repository that a push would create. If rights are
            // really missing, the first upload fails.
            Err(RequestError::Denied { .. }) => Ok(None),
            found => found,
        }
    }

    fn blobs(&self, document: &StoredDocument, extent: PushedBlobs) -> Result<(), RequestError> {
        for blob in &document.blobs {
            match extent {
                PushedBlobs::All => self.blob(blob, None)?,
                PushedBlobs::Lacking if self.repository.has_blob(&blob.digest)? => {
                    self.report
                        .detail(format!("the registry has {}", blob.digest));
                }
                PushedBlobs::Lacking => self.blob(blob, self.source)?,
            }
        }
        Ok(())
    }

    fn blob(&self, blob: &StoredBlob, source: Option<&str>) -> Result<(), RequestError> {
        let StoredBlob { digest, content } = blob;
        let size = content.size;
        let progress = SentBytes::new(self.report);
        let is_sent = self.repository.store_blob(blob, source, &progress)?;
        let did = match is_sent {
            true => {
                self.sent.set(self.sent.get() + size);
                "sent"
            }
            false => "mounted",
        };
        self.report.detail(format!("{did} {digest}, {size} bytes"));
        Ok(())
    }
}
