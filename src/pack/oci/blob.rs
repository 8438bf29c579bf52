//! The blobs of an image: small documents in memory, layers in files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde::Serialize;

use super::super::temporary::TemporaryFile;
use crate::formats::digest::{Algorithm, Digest, Hasher, digest};
use crate::interrupt::Interrupt;

/// How much is copied at a time, in bytes.
const PIECE: usize = 1 << 20;

/// The digest and the size of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
}

impl Identity {
    /// `sha256:…`, as descriptors write it.
    pub(super) fn digest(&self) -> String {
        format!("sha256:{}", self.digest.hexadecimal())
    }

    /// The blob's path in a layout.
    pub(super) fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest.hexadecimal())
    }
}

/// The content of a file of a layout.
#[derive(Debug)]
pub(super) enum Blob {
    Bytes(Vec<u8>),
    Spooled(Box<Spool>),
    Part(FilePart),
}

/// A part of an open file.
#[derive(Clone, Debug)]
pub(crate) struct FilePart {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) size: u64,
}

impl FilePart {
    /// A reader of the part, which leaves the file's position alone.
    pub(crate) fn reader(&self) -> PartReader<'_> {
        PartReader { part: self, at: 0 }
    }

    /// The first bytes, at most 16, which tell a compression.
    pub(crate) fn start(&self) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.reader().take(16).read_to_end(&mut start)?;
        Ok(start)
    }
}

/// Reads a part of a file from its beginning.
#[derive(Debug)]
pub(crate) struct PartReader<'a> {
    part: &'a FilePart,
    /// How many bytes were read.
    at: u64,
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.part.size - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let place = self.part.offset.saturating_add(self.at);
        let read = self.part.file.read_at(&mut buffer[..wanted], place)?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Blob {
    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Blob::Bytes(bytes) => bytes.len() as u64,
            Blob::Spooled(spool) => spool.size,
            Blob::Part(part) => part.size,
        }
    }

    /// Writes the blob to `output`. Fails soon after an interrupt.
    pub(super) fn copy(&self, mut output: impl Write, interrupt: &Interrupt) -> io::Result<()> {
        match self {
            Blob::Bytes(bytes) => output.write_all(bytes),
            Blob::Spooled(spool) => copy(spool.file(), 0..spool.size, &mut output, interrupt),
            Blob::Part(part) => {
                let range = part.offset..part.offset.saturating_add(part.size);
                copy(&part.file, range, &mut output, interrupt)
            }
        }
    }
}

/// Copies a range of a file. Fails soon after an interrupt.
fn copy(
    file: &File,
    range: Range<u64>,
    output: &mut impl Write,
    interrupt: &Interrupt,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut at = range.start;
    while at < range.end {
        interrupt.check()?;
        let wanted = usize::try_from(range.end - at).map_or(PIECE, |left| left.min(PIECE));
        let read = file.read_at(&mut buffer[..wanted], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        output.write_all(&buffer[..read])?;
        at += read as u64;
    }
    Ok(())
}

/// A blob that is written to a file because its size and digest stand before it in the image.
#[derive(Debug)]
pub(super) struct Spool {
    file: SpoolFile,
    hasher: Hasher,
    /// In bytes.
    size: u64,
}

#[derive(Debug)]
pub(super) enum SpoolFile {
    /// On the file system of the image.
    Beside(TemporaryFile),
    Temporary(File),
}

impl Spool {
    pub(super) fn new(file: SpoolFile) -> Spool {
        Spool {
            file,
            hasher: Hasher::new(Algorithm::Sha256),
            size: 0,
        }
    }

    /// The identity of what was written so far.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            digest: self.hasher.clone().finish(),
            size: self.size,
        }
    }

    /// The file, if it can be given a name in a layout on its file system.
    pub(super) fn into_beside(self: Box<Self>) -> Result<TemporaryFile, Box<Spool>> {
        match self.file {
            SpoolFile::Beside(file) => Ok(file),
            SpoolFile::Temporary(file) => Err(Box::new(Spool {
                file: SpoolFile::Temporary(file),
                ..*self
            })),
        }
    }

    fn file(&self) -> &File {
        match &self.file {
            SpoolFile::Beside(file) => file.file(),
            SpoolFile::Temporary(file) => file,
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file().write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON document with its identity.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) identity: Identity,
}

impl Document {
    pub(super) fn new(content: &impl Serialize) -> io::Result<Document> {
        Ok(Document::of(serde_json::to_vec(content)?))
    }

    pub(super) fn of(bytes: Vec<u8>) -> Document {
        let identity = Identity {
            digest: digest(Algorithm::Sha256, &bytes),
            size: bytes.len() as u64,
        };
        Document { bytes, identity }
    }
}
