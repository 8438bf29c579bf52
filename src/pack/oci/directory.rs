//! An OCI image layout as a directory, which must be absent or empty before.
//!
//! Its files are temporary files of the directory until all are complete; then they get their
//! names. index.json is the last, since a directory without it is not a layout. If that fails, what
//! was made is removed.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::super::Error;
use super::super::output::error;
use super::super::place::Place;
use super::super::temporary::{self, TemporaryFile};
use super::blob::Blob;
use super::layout::Files;
use crate::interrupt::Interrupt;
use crate::tree::rootfs::Rootfs;

/// The directories of a layout, outer first.
pub(super) const DIRECTORIES: [&str; 2] = ["blobs/", "blobs/sha256/"];
const INDEX: &str = "index.json";

/// The directory. Dropped without [`LayoutDirectory::keep`], it is what it was.
#[derive(Debug)]
pub(crate) struct LayoutDirectory {
    place: Place,
    directory: OwnedFd,
    is_new: bool,
    /// The paths that were made in it, in their order. A directory ends with `/`.
    made: Vec<String>,
}

/// A layout whose files have no names yet.
#[derive(Debug)]
pub(crate) struct CompleteLayout {
    layout: LayoutDirectory,
    /// index.json is the last.
    files: Vec<NamelessFile>,
}

#[derive(Debug)]
struct NamelessFile {
    path: String,
    file: TemporaryFile,
}

impl CompleteLayout {
    /// Gives the files their names.
    pub(in super::super) fn publish(self) -> Result<LayoutDirectory, Error> {
        let mut layout = self.layout;
        let named = layout.give_names(self.files);
        named.map_err(|source| layout.unwritten(source))?;
        Ok(layout)
    }
}

impl LayoutDirectory {
    /// Creates the directory, or finds it empty.
    pub(super) fn create(place: Place, tree: Option<&Rootfs>) -> Result<LayoutDirectory, Error> {
        if let Some(tree) = tree {
            place.refuse_inside(tree)?;
        }
        let mode = Mode::from_raw_mode(0o777);
        let is_new = match rustix::fs::mkdirat(place.directory(), &place.name, mode) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(e) => return Err(error(&place.path, "create it", e)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(place.directory(), &place.name, flags, Mode::empty());
        let layout = LayoutDirectory {
            directory: opened.map_err(|e| error(&place.path, "open it", e))?,
            place,
            is_new,
            made: Vec::new(),
        };
        temporary::sweep(layout.directory.as_fd());
        match is_empty(&layout.directory) {
            Ok(true) => Ok(layout),
            Ok(false) => Err(Error::NotEmpty {
                path: layout.place.path.clone(),
            }),
            Err(e) => Err(error(&layout.place.path, "list it", e)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.place.path
    }

    /// A file that can become a blob.
    pub(super) fn spool(&self) -> Result<TemporaryFile, Error> {
        let created = TemporaryFile::create(self.directory.as_fd());
        created.map_err(|e| error(&self.place.path, "create a file in it", e))
    }

    /// Writes the files, still without their names.
    pub(super) fn complete(
        self,
        files: Files,
        interrupt: &Interrupt,
    ) -> Result<CompleteLayout, Error> {
        let mut complete = Vec::new();
        for (path, blob) in files {
            let file = self.completed(blob, interrupt);
            let file = file.map_err(|source| self.unwritten(source))?;
            complete.push(NamelessFile { path, file });
        }
        complete.sort_by_key(|file| file.path == INDEX);
        Ok(CompleteLayout {
            layout: self,
            files: complete,
        })
    }

    /// Leaves the layout where it is.
    pub(in super::super) fn keep(mut self) {
        self.made.clear();
        self.is_new = false;
    }

    fn unwritten(&self, source: io::Error) -> Error {
        Error::Output {
            path: self.place.path.clone(),
            action: "write it",
            source,
        }
    }

    fn give_names(&mut self, files: Vec<NamelessFile>) -> io::Result<()> {
        for path in DIRECTORIES {
            rustix::fs::mkdirat(&self.directory, path, Mode::from_raw_mode(0o777))?;
            self.made.push(path.to_owned());
        }
        for NamelessFile { path, mut file } in files {
            let (parent, name) = path.rsplit_once('/').unwrap_or((".", &path));
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let parent = rustix::fs::openat(&self.directory, parent, flags, Mode::empty())?;
            file.give_name(&parent, OsStr::new(name))?;
            self.made.push(path);
        }
        Ok(())
    }

    /// A blob as a file of the directory, still without its name.
    fn completed(&self, blob: Blob, interrupt: &Interrupt) -> io::Result<TemporaryFile> {
        let blob = match blob {
            Blob::Spooled(spool) => match spool.into_beside() {
                Ok(file) => return Ok(file),
                Err(spool) => Blob::Spooled(spool),
            },
            other @ (Blob::Bytes(_) | Blob::Part(_)) => other,
        };
        let file = TemporaryFile::create(self.directory.as_fd())?;
        blob.copy(file.file(), interrupt)?;
        Ok(file)
    }
}

/// Whether a directory has nothing but an empty `lost+found`.
fn is_empty(directory: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." | b"lost+found" => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

impl Drop for LayoutDirectory {
    fn drop(&mut self) {
        while let Some(path) = self.made.pop() {
            let flags = match path.ends_with('/') {
                true => AtFlags::REMOVEDIR,
                false => AtFlags::empty(),
            };
            let _ = rustix::fs::unlinkat(&self.directory, path, flags);
        }
        if self.is_new {
            let directory = self.place.directory();
            let _ = rustix::fs::unlinkat(directory, &self.place.name, AtFlags::REMOVEDIR);
        }
    }
}
