//! The files of an image: the image, its lock, its documents, and their checksums.
//!
//! The checksums are removed before the first file changes and written after the last one: with
//! them, all files are of the same image.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::formats::digest::{Algorithm, Hasher};
use crate::run::{self, Error};

/// The files of one image, all in one directory.
#[derive(Clone, Debug)]
pub(crate) struct ImageFiles {
    pub(crate) image: PathBuf,
    pub(crate) lock: PathBuf,
    /// The manifest and the bills of materials.
    pub(crate) documents: Vec<PathBuf>,
    /// In the format of sha256sum(1), for all others.
    pub(crate) checksums: PathBuf,
}

/// The largest file of checksums, in bytes.
const LIMIT: u64 = 1 << 20;

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
        summed
    }

    /// The key of the image that is there, by its lock.
    pub(super) fn known_key(&self) -> Option<String> {
        run::locked_image_key(&self.lock)
    }

    /// Whether all files are there, and of one image.
    pub(super) fn are_complete(&self) -> bool {
        let mut listed = BTreeSet::new();
        let length = self
            .checksums
            .metadata()
            .map_or(u64::MAX, |found| found.len());
        let Ok(text) = fs::read_to_string(&self.checksums) else {
            return false;
        };
        for line in text.lines() {
            listed.extend(line.split_once("  ").map(|(_, name)| name.to_owned()));
        }
        let is_there = |path: &PathBuf| path.is_file() && listed.contains(&name(path));
        length <= LIMIT && self.summed().iter().all(is_there)
    }

    /// Removes the checksums.
    pub(super) fn begin(&self) -> Result<(), Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the checksums of an image are no file of a tree"
        )]
        let removed = fs::remove_file(&self.checksums);
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.unwritten(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes the checksums of all files.
    pub(super) fn finish(&self) -> Result<(), Error> {
        let mut text = String::new();
        for path in self.summed() {
            let digest = digest(&path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            text.push_str(&format!("{digest}  {}\n", name(&path)));
        }
        let written = write(&self.checksums, &text);
        written.map_err(|error| self.unwritten(error))
    }

    fn unwritten(&self, source: io::Error) -> Error {
        Error::Checksums {
            path: self.checksums.clone(),
            source,
        }
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish().hexadecimal())
}

/// Writes a file that appears when it is complete.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let builder = builder.permissions(PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
