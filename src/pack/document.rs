//! A document beside an image, such as a manifest, an SBOM or a lock.
//!
//! It is written before the image is, and named with it ([`Publication`](super::Publication)), so
//! that a failed run leaves neither.

use std::io::Write;
use std::path::Path;

use super::output::OutputFile;
use super::publication::NamedOutput;
use super::{Error, Place};
use crate::tree::rootfs::Rootfs;

/// A document that is complete but for its name. It is gone if it is dropped.
#[derive(Debug)]
pub(crate) struct WrittenDocument(OutputFile);

impl WrittenDocument {
    /// Writes a document, which is not to be inside the tree, if there is one.
    pub(crate) fn write(
        path: &Path,
        bytes: &[u8],
        tree: Option<&Rootfs>,
    ) -> Result<WrittenDocument, Error> {
        let mut file = OutputFile::create(Place::find(path)?, tree)?;
        file.write_all(bytes).map_err(|source| Error::Output {
            path: path.to_owned(),
            action: "write it",
            source,
        })?;
        Ok(WrittenDocument(file))
    }

    /// Fails if no document can be written there. What it creates is gone when it returns.
    pub(crate) fn try_out(path: &Path, tree: Option<&Rootfs>) -> Result<(), Error> {
        let place = Place::find(path)?;
        match place.is_special() {
            true => Ok(()),
            false => OutputFile::create(place, tree).map(drop),
        }
    }

    pub(super) fn file(&self) -> &OutputFile {
        &self.0
    }

    /// Gives the document its name.
    pub(super) fn publish(self) -> Result<NamedOutput, Error> {
        self.0.publish()
    }
}
