//! Renames complete outputs into place: the image and the documents beside it, all or none.
//!
//! A rename can still be undone, which restores the file that had the name before. So a run that
//! fails at the very end leaves neither an image without its documents nor documents without their
//! image. Output that was written to a FIFO, a device or standard output cannot be undone.

use std::path::PathBuf;

use super::oci::{CompleteLayout, LayoutDirectory};
use super::output::OutputFile;
use super::temporary::PublishedFile;
use super::{Error, WrittenDocument, checksums};
use crate::interrupt::Interrupt;

/// An image that is complete but has no name yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) enum WrittenImage {
    /// On standard output, which has no name to give.
    Sent,
    File(OutputFile),
    /// The directory of an OCI image.
    Directory(CompleteLayout),
}

/// What gets its name at the end.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    documents: Vec<WrittenDocument>,
    image: Option<WrittenImage>,
    /// The path of a document with the checksums of all others, if the image is one file.
    checksums: Option<PathBuf>,
}

/// Outputs that were renamed into place. Dropping this undoes the renames.
#[derive(Debug, Default)]
#[must_use = "the names are taken back unless they are kept"]
pub(crate) struct Published(Vec<NamedOutput>);

/// An output under its name.
#[derive(Debug)]
pub(super) enum NamedOutput {
    /// Written in place: a FIFO, a device, standard output.
    InPlace,
    File(PublishedFile),
    Directory(LayoutDirectory),
}

impl Publication {
    pub(crate) fn add(&mut self, documents: impl IntoIterator<Item = WrittenDocument>) {
        self.documents.extend(documents);
    }

    /// Adds the image, the only one.
    pub(crate) fn set_image(&mut self, image: WrittenImage) {
        self.image = Some(image);
    }

    /// Adds a document with the checksums of all others.
    pub(crate) fn with_checksums(self, path: Option<PathBuf>) -> Publication {
        Publication {
            checksums: path,
            ..self
        }
    }

    /// The checksums of all outputs that are regular files, the image first.
    fn checksums(&self, interrupt: &Interrupt) -> Result<String, Error> {
        let mut files = Vec::new();
        if let Some(WrittenImage::File(file)) = &self.image {
            files.push(file);
        }
        files.extend(self.documents.iter().map(WrittenDocument::file));
        let mut text = String::new();
        for file in files {
            if let Some(found) = file.regular() {
                let digest = checksums::of_file(found, interrupt);
                let digest = digest.map_err(|source| Error::Output {
                    path: file.path().to_owned(),
                    action: "read it",
                    source,
                })?;
                text += &checksums::line(file.path(), &digest);
            }
        }
        Ok(text)
    }

    /// Gives everything its name, the image last, unless an interrupt came before.
    pub(crate) fn publish(mut self, interrupt: &Interrupt) -> Result<Published, Error> {
        let mut published = Published::default();
        if self.documents.is_empty() && self.image.is_none() {
            return Ok(published);
        }
        interrupt
            .check()
            .map_err(|source| Error::Write { source })?;
        if let Some(path) = self.checksums.take() {
            let text = self.checksums(interrupt)?;
            let document = WrittenDocument::write(&path, text.as_bytes(), None)?;
            self.documents.push(document);
        }
        for document in self.documents {
            published.0.push(document.publish()?);
        }
        if let Some(image) = self.image {
            published.0.push(image.publish()?);
        }
        Ok(published)
    }
}

impl WrittenImage {
    fn publish(self) -> Result<NamedOutput, Error> {
        match self {
            WrittenImage::Sent => Ok(NamedOutput::InPlace),
            WrittenImage::File(file) => file.publish(),
            WrittenImage::Directory(layout) => Ok(NamedOutput::Directory(layout.publish()?)),
        }
    }
}

impl Published {
    /// Leaves the outputs where they are, and removes what had their names before.
    pub(crate) fn keep(self) {
        for output in self.0 {
            match output {
                NamedOutput::InPlace => {}
                NamedOutput::File(file) => file.keep(),
                NamedOutput::Directory(layout) => layout.keep(),
            }
        }
    }
}
