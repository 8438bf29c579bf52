//! Reads tars: that of a tree, and the layers of an image.
//!
//! A tar, compressed or not, is first read from front to back as a tree. If it turns out to be the
//! archive of an image, it is read again: in place, or from a temporary file if it is compressed.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use super::Error;
use super::contents::{ImageReader, no_packages, unreadable};
use super::database::{self, Database, LayerFailure, Places};
use crate::formats::compress::{Compression, Integrity, decoder};
use crate::formats::deb::{Archive, DebLimits, Dialect, TarError};
use crate::inventory::PackageFileRecord;
use crate::pack::oci::{DOCKER_FILE, FilePart, LAYOUT_FILE, LayerFile};

/// The most bytes to which archives and layers decode, over both images.
pub(super) const DECODED_LIMIT: u64 = 256 << 30;
/// How many links in a row are followed to dpkg's database.
const LINK_LIMIT: usize = 8;
/// How much is read at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// What a tar is.
pub(super) enum TarContents {
    Tree(Vec<PackageFileRecord>),
    /// An archive of an image.
    Layout,
    /// Neither a tree nor an image.
    Nothing,
}

/// What an archive may be besides a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stacked {
    Tree,
    /// It has a file that archives of images have.
    MaybeLayout,
}

impl ImageReader<'_> {
    /// The packages of an image. Its layers are read again for each link to its database.
    pub(super) fn layers(
        &self,
        path: &Path,
        layers: &[LayerFile],
    ) -> Result<Vec<PackageFileRecord>, Error> {
        let mut places = Places::default();
        for _ in 0..=LINK_LIMIT {
            let mut database = Database::new(places);
            for layer in layers {
                database.begin_layer();
                let stacked = self.stack(&layer.content, &mut database);
                stacked.map_err(failed(path, &layer.name))?;
            }
            match database.led_to() {
                Some(others) => places = others,
                None => return database.packages().ok_or_else(no_packages(path)),
            }
        }
        Err(too_many_links(path))
    }

    /// Reads a tar that is not known to be an image's.
    pub(super) fn tar(&self, path: &Path, content: &FilePart) -> Result<TarContents, Error> {
        let mut places = Places::default();
        for _ in 0..=LINK_LIMIT {
            let mut database = Database::new(places);
            let stacked = self.stack(content, &mut database);
            let stacked = stacked.map_err(failed(path, ""))?;
            match (database.led_to(), database.packages(), stacked) {
                (Some(others), _, _) => places = others,
                (None, Some(packages), _) => return Ok(TarContents::Tree(packages)),
                (None, None, Stacked::MaybeLayout) => return Ok(TarContents::Layout),
                (None, None, Stacked::Tree) => return Ok(TarContents::Nothing),
            }
        }
        Err(too_many_links(path))
    }

    /// Reads an archive into the database.
    fn stack(&self, content: &FilePart, database: &mut Database) -> Result<Stacked, LayerFailure> {
        let limits = DebLimits::none(self.interrupt.clone());
        let decoded = self.decoded(content).map_err(TarError::Stream)?;
        let mut archive = Archive::new(decoded, Dialect::GnuTar, limits);
        let mut stacked = Stacked::Tree;
        while let Some(entry) = archive.next_entry()? {
            let name = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
            if name == LAYOUT_FILE.as_bytes() || name == DOCKER_FILE.as_bytes() {
                stacked = Stacked::MaybeLayout;
            }
            database.take(&entry, &mut archive)?;
        }
        Ok(stacked)
    }

    /// The archive of an image as a file that can be read in any order.
    pub(super) fn layout_archive(&self, path: &Path, whole: &FilePart) -> Result<File, Error> {
        let start = whole.start().map_err(unreadable(path))?;
        if Compression::from_start(&start) == Compression::None {
            return whole.file.try_clone().map_err(unreadable(path));
        }
        self.spooled(path, self.decoded(whole).map_err(unreadable(path))?)
    }

    /// Decodes a file, whose first bytes tell its compression.
    fn decoded<'b>(
        &'b self,
        content: &'b FilePart,
    ) -> io::Result<Limited<'b, Box<dyn Read + Send + 'b>>> {
        let compression = Compression::from_start(&content.start()?);
        let input = BufReader::with_capacity(BUFFER, content.reader());
        let input = decoder(compression, input, Integrity::Unknown)?;
        let left = &self.left;
        Ok(Limited { input, left })
    }

    /// A temporary file with all that `input` has.
    pub(super) fn spooled(&self, path: &Path, input: impl Read) -> Result<File, Error> {
        let failed = |source| Error::Temporary {
            directory: self.temporary.to_owned(),
            source,
        };
        let left = &self.left;
        let mut input = Limited { input, left };
        let mut file = tempfile::tempfile_in(self.temporary).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            self.interrupt.check().map_err(failed)?;
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => file.write_all(&buffer[..read]).map_err(failed)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(path)(error)),
            }
        }
        file.rewind().map_err(failed)?;
        Ok(file)
    }
}

/// Fails where all readers together have more than [`DECODED_LIMIT`].
struct Limited<'a, R> {
    input: R,
    /// In bytes.
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        match self.left.get().checked_sub(read as u64) {
            Some(left) => self.left.set(left),
            None => {
                let text = format!("the images decode to more than {DECODED_LIMIT} bytes");
                return Err(io::Error::other(text));
            }
        }
        Ok(read)
    }
}

fn too_many_links(path: &Path) -> Error {
    Error::Links {
        path: path.to_owned(),
        limit: LINK_LIMIT,
    }
}

/// The error of a layer, or of the archive itself if `part` is empty.
fn failed(path: &Path, part: &str) -> impl FnOnce(LayerFailure) -> Error {
    move |failure| match failure {
        LayerFailure::TooLarge => Error::TooLarge {
            path: path.to_owned(),
            what: "dpkg's database",
            limit: database::SIZE_LIMIT,
        },
        LayerFailure::Tar(source) => Error::Archive {
            path: path.to_owned(),
            part: part.to_owned(),
            source,
        },
    }
}
