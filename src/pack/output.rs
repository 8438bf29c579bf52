//! The file of an image, which appears under its name only when it is complete.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::Error;
use super::place::Place;
use super::publication::NamedOutput;
use super::temporary::{self, TemporaryFile};
use crate::tree::rootfs::Rootfs;

/// A file that is being written. It is gone if it is dropped before [`OutputFile::publish`].
#[derive(Debug)]
pub(crate) struct OutputFile {
    place: Place,
    kind: OutputKind,
}

#[derive(Debug)]
enum OutputKind {
    /// A FIFO or a device is written in place.
    Special(File),
    Regular(TemporaryFile),
}

impl OutputFile {
    /// Creates the file in the directory of its final name, which is not to be inside `tree`.
    pub(super) fn create(place: Place, tree: Option<&Rootfs>) -> Result<OutputFile, Error> {
        if place.is_special() {
            return OutputFile::in_place(place);
        }
        if let Some(tree) = tree {
            place.refuse_inside(tree)?;
        }
        let kind = place.found.as_ref().map(|found| found.kind());
        if kind == Some(FileType::Directory) {
            return Err(error(&place.path, "create it", Errno::ISDIR));
        }
        temporary::sweep(place.directory());
        match TemporaryFile::create(place.directory()) {
            Ok(file) => Ok(OutputFile {
                place,
                kind: OutputKind::Regular(file),
            }),
            Err(e) => Err(error(&place.path, "create it", e)),
        }
    }

    /// Opens a FIFO, a device or a socket.
    fn in_place(place: Place) -> Result<OutputFile, Error> {
        let opened = match &place.found {
            Some(found) => found.open_special(OFlags::WRONLY),
            None => Err(Errno::NOENT),
        };
        match opened {
            Ok(file) => Ok(OutputFile {
                place,
                kind: OutputKind::Special(file),
            }),
            Err(e) => Err(error(&place.path, "open it", e)),
        }
    }

    /// Gives the complete file its name. The file that had it gets it again if the result is
    /// dropped.
    pub(super) fn publish(self) -> Result<NamedOutput, Error> {
        match self.kind {
            OutputKind::Special(_) => Ok(NamedOutput::InPlace),
            OutputKind::Regular(file) => match file.publish(&self.place.name) {
                Ok(named) => Ok(NamedOutput::File(named)),
                Err(e) => Err(error(&self.place.path, "give it its name", e)),
            },
        }
    }

    /// A further file beside this one, which is gone when it is dropped. `None` beside a device.
    pub(super) fn spool(&self) -> Result<Option<TemporaryFile>, Error> {
        if let OutputKind::Special(_) = self.kind {
            return Ok(None);
        }
        let created = TemporaryFile::create(self.place.directory());
        let created = created.map_err(|e| error(&self.place.path, "create it", e))?;
        Ok(Some(created))
    }

    /// The file, if it is a regular one.
    pub(super) fn regular(&self) -> Option<&File> {
        match &self.kind {
            OutputKind::Special(_) => None,
            OutputKind::Regular(file) => Some(file.file()),
        }
    }

    /// Whether it is a FIFO or a device.
    pub(super) fn is_special(&self) -> bool {
        matches!(self.kind, OutputKind::Special(_))
    }

    pub(super) fn path(&self) -> &Path {
        &self.place.path
    }
}

pub(super) fn error(path: &Path, action: &'static str, source: Errno) -> Error {
    Error::Output {
        path: path.to_owned(),
        action,
        source: source.into(),
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            OutputKind::Special(file) => file.write(bytes),
            OutputKind::Regular(file) => file.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
