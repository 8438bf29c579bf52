//! The OCI image layout: which files it has, and how it is written as an archive or as a directory.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use tar::{EntryType, Header};

use super::super::form::{Layout, Sink};
use super::super::output::OutputFile;
use super::super::place::Place;
use super::super::publication::WrittenImage;
use super::super::{Error, Options};
use super::blob::{Blob, Spool, SpoolFile};
use super::directory::{DIRECTORIES, LayoutDirectory};
use crate::interrupt::Interrupt;
use crate::tree::rootfs::Rootfs;

/// The size to a multiple of which the archive is padded, as by tar(1), in bytes.
const RECORD: u64 = 10_240;
const BLOCK: u64 = 512;

/// The files of a layout by their paths.
pub(super) type Files = BTreeMap<String, Blob>;

/// A layout to write.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) files: Files,
    /// The time of the files in an archive, in seconds since 1970.
    pub(super) time: i64,
}

/// Where a layout goes.
#[derive(Debug)]
pub(super) enum LayoutDestination {
    Stdout,
    File(OutputFile),
    Directory(LayoutDirectory),
}

impl LayoutDestination {
    /// Opens the destination, which is not to be inside `tree`.
    pub(super) fn open(layout: &Layout, tree: Option<&Rootfs>) -> Result<LayoutDestination, Error> {
        Ok(match layout {
            Layout::Archive(Sink::Stdout) => LayoutDestination::Stdout,
            Layout::Archive(Sink::File(path)) => {
                LayoutDestination::File(OutputFile::create(Place::find(path)?, tree)?)
            }
            Layout::Directory(path) => {
                LayoutDestination::Directory(LayoutDirectory::create(Place::find(path)?, tree)?)
            }
        })
    }

    /// Where blobs are spooled, for messages.
    pub(super) fn spool_path(&self, options: &Options) -> PathBuf {
        match self {
            LayoutDestination::File(file) if !file.is_special() => file.path().to_owned(),
            LayoutDestination::Directory(directory) => directory.path().to_owned(),
            LayoutDestination::Stdout | LayoutDestination::File(_) => options.temporary.clone(),
        }
    }

    /// A file for a blob, on the file system of the destination where it has one.
    pub(super) fn spool(&self, options: &Options) -> Result<Spool, Error> {
        let beside = match self {
            LayoutDestination::Stdout => None,
            LayoutDestination::File(file) => file.spool()?,
            LayoutDestination::Directory(directory) => Some(directory.spool()?),
        };
        if let Some(file) = beside {
            return Ok(Spool::new(SpoolFile::Beside(file)));
        }
        match tempfile::tempfile_in(&options.temporary) {
            Ok(file) => Ok(Spool::new(SpoolFile::Temporary(file))),
            Err(source) => Err(Error::Output {
                path: options.temporary.clone(),
                action: "create a file in it",
                source,
            }),
        }
    }

    /// Writes the files.
    pub(super) fn write(
        self,
        contents: Contents,
        interrupt: &Interrupt,
    ) -> Result<WrittenImage, Error> {
        match self {
            LayoutDestination::Stdout => {
                let stdout = io::stdout().lock();
                let written = archive(stdout, &contents, interrupt);
                let flushed = written.and_then(|mut stdout| stdout.flush());
                flushed.map_err(|source| Error::Write { source })?;
                Ok(WrittenImage::Sent)
            }
            LayoutDestination::File(file) => {
                let path = file.path().to_owned();
                let written = archive(file, &contents, interrupt).map_err(|source| Error::Output {
                    path,
                    action: "write it",
                    source,
                });
                Ok(WrittenImage::File(written?))
            }
            LayoutDestination::Directory(directory) => {
                let complete = directory.complete(contents.files, interrupt)?;
                Ok(WrittenImage::Directory(complete))
            }
        }
    }
}

/// Writes the files as a tar archive, sorted.
fn archive<W: Write>(mut output: W, contents: &Contents, interrupt: &Interrupt) -> io::Result<W> {
    let mut length = 0;
    for directory in DIRECTORIES {
        output.write_all(header(directory, None, contents.time)?.as_bytes())?;
        length += BLOCK;
    }
    for (path, blob) in &contents.files {
        output.write_all(header(path, Some(blob.size()), contents.time)?.as_bytes())?;
        blob.copy(&mut output, interrupt)?;
        let padded = blob.size().next_multiple_of(BLOCK);
        pad(&mut output, padded - blob.size())?;
        length += BLOCK + padded;
    }
    let end = length + 2 * BLOCK;
    pad(&mut output, end.next_multiple_of(RECORD) - length)?;
    Ok(output)
}

fn pad(mut output: impl Write, length: u64) -> io::Result<()> {
    const ZEROS: [u8; RECORD as usize] = [0; RECORD as usize];
    let mut left = length as usize;
    while left > 0 {
        let part = left.min(ZEROS.len());
        output.write_all(&ZEROS[..part])?;
        left -= part;
    }
    Ok(())
}

/// The header of a file, or of a directory without a size.
fn header(path: &str, size: Option<u64>, time: i64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    let is_file = size.is_some();
    let kind = if is_file {
        EntryType::Regular
    } else {
        EntryType::Directory
    };
    header.set_entry_type(kind);
    header.set_mode(if is_file { 0o644 } else { 0o755 });
    header.set_size(size.unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(time).unwrap_or(0));
    header.set_cksum();
    Ok(header)
}
