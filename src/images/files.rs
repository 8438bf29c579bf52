//! The files of an image: the image, its lock, its documents, and their checksums.
//!
//! A run publishes all of them at once, including the checksums; only the file with the pushed
//! references is added later. Files that match these checksums belong to the same, complete image.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::bounded;
use crate::formats::digest::{Algorithm, digest};
use crate::interrupt::Interrupt;
use crate::pack::{Publication, WrittenDocument, checksums};
use crate::run::{self, Error};

/// The files of one image, all in one directory.
#[derive(Clone, Debug)]
pub(crate) struct ImageFiles {
    pub(crate) image: PathBuf,
    pub(crate) lock: PathBuf,
    /// The manifest and the bills of materials.
    pub(crate) documents: Vec<PathBuf>,
    /// What was pushed, if the image is pushed.
    pub(crate) refs: Option<PathBuf>,
    /// In the format of sha256sum(1), for all others.
    pub(crate) checksums: PathBuf,
}

/// The largest file of checksums, in bytes.
const LIMIT: u64 = 1 << 20;

/// Checksums in hexadecimal, by the name of the file.
type Checksums = BTreeMap<String, String>;

impl ImageFiles {
    /// All files, the image first.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let mut all = self.summed();
        all.push(self.checksums.clone());
        all
    }

    fn summed(&self) -> Vec<PathBuf> {
        let mut summed = vec![self.image.clone(), self.lock.clone()];
        summed.extend(self.documents.iter().cloned());
        summed.extend(self.refs.clone());
        summed
    }

    /// Fails if one of the paths exists and is not a regular file.
    pub(super) fn require_regular(&self) -> Result<(), Error> {
        for path in self.all() {
            if path.metadata().is_ok_and(|found| !found.is_file()) {
                return Err(Error::NotAFile { path });
            }
        }
        Ok(())
    }

    /// The key of the image that is there, by its lock.
    pub(super) fn known_key(&self) -> Result<Option<String>, Error> {
        Ok(run::locked_image_key(&self.lock)?)
    }

    /// Whether all files are there, and have their checksums. A file that cannot be read is an
    /// error.
    pub(super) fn are_intact(&self, interrupt: &Interrupt) -> Result<bool, Error> {
        let Some(listed) = unless_absent(&self.checksums, self.listed())? else {
            return Ok(false);
        };
        for path in self.summed() {
            let found = unless_absent(&path, checksum(&path, interrupt))?;
            if found.is_none() || found.as_ref() != listed.get(&name(&path)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Replaces the lock of a complete image.
    pub(super) fn replace_lock(&self, text: &str, interrupt: &Interrupt) -> Result<(), Error> {
        let mut sums = self.listed().map_err(|e| unread(&self.checksums, e))?;
        let sum = digest(Algorithm::Sha256, text.as_bytes()).hexadecimal();
        sums.insert(name(&self.lock), sum);
        let lock = WrittenDocument::write(&self.lock, text.as_bytes(), None)?;
        self.publish(vec![lock, self.written(&sums)?], interrupt)
    }

    /// Adds the checksum of what was pushed.
    pub(super) fn add_refs(&self, interrupt: &Interrupt) -> Result<(), Error> {
        let Some(refs) = &self.refs else {
            return Ok(());
        };
        let mut sums = self.listed().map_err(|e| unread(&self.checksums, e))?;
        let sum = checksum(refs, interrupt).map_err(|e| unread(refs, e))?;
        sums.insert(name(refs), sum);
        self.publish(vec![self.written(&sums)?], interrupt)
    }

    fn listed(&self) -> io::Result<Checksums> {
        let text = bounded::read_text(open(&self.checksums)?, LIMIT)?;
        let text = text.ok_or(io::ErrorKind::FileTooLarge)?;
        let mut listed = Checksums::new();
        for line in text.lines() {
            if let Some((sum, name)) = line.split_once("  ") {
                listed.insert(name.to_owned(), sum.to_owned());
            }
        }
        Ok(listed)
    }

    /// The checksums as a document, the image's first.
    fn written(&self, sums: &Checksums) -> Result<WrittenDocument, Error> {
        let mut text = String::new();
        for path in self.summed() {
            if let Some(sum) = sums.get(&name(&path)) {
                text += &checksums::line(&path, sum);
            }
        }
        let written = WrittenDocument::write(&self.checksums, text.as_bytes(), None);
        Ok(written?)
    }

    fn publish(&self, documents: Vec<WrittenDocument>, interrupt: &Interrupt) -> Result<(), Error> {
        let mut publication = Publication::default();
        publication.add(documents);
        publication.publish(interrupt)?.keep();
        Ok(())
    }
}

/// The result of reading a file; `None` if the file is absent or is not a list of checksums.
fn unless_absent<T>(path: &Path, read: io::Result<T>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => {
                Ok(None)
            }
            _ => Err(unread(path, error)),
        },
    }
}

fn unread(path: &Path, source: io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        option: None,
        source,
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Opens a regular file. A FIFO would wait for its writer.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn checksum(path: &Path, interrupt: &Interrupt) -> io::Result<String> {
    checksums::of_file(&open(path)?, interrupt)
}

#[cfg(test)]
mod tests;
