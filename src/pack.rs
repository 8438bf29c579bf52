//! Tree → tar, reproducibly.
//!
//! The archive is a function of the tree and of [`Options`] (but never of `threads`): names in byte order, numeric owners, no access and change
//! times, modification times in whole seconds and none later than the epoch, hard links and extended attributes kept. What lies below
//! /dev, /proc and /sys, or on another file system, stays out; the directories themselves are in. What is in the tree, and why, is
//! for others to know.

mod entry;
mod output;
mod tree;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};

use crate::formats::compress::{self, Compression};
use crate::interrupt::Interrupt;
use crate::report::{Event, Report, Stage};
use crate::tree::rootfs::{self, RootPath, Rootfs};

/// What is to be made of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The tree itself.
    Directory,
    /// A tar archive, compressed like this.
    Tar(Compression),
}

impl Format {
    /// The format that the ending of a target's name asks for: `.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, `.txz`, `.tar.zst`; a directory otherwise.
    pub(crate) fn from_target(name: impl AsRef<OsStr>) -> Format {
        const ENDINGS: [(&str, Compression); 6] = [
            (".tar", Compression::None),
            (".tar.gz", Compression::Gzip),
            (".tgz", Compression::Gzip),
            (".tar.xz", Compression::Xz),
            (".txz", Compression::Xz),
            (".tar.zst", Compression::Zstd),
        ];
        let name = name.as_ref().as_bytes();
        let ending = ENDINGS
            .iter()
            .find(|(ending, _)| name.ends_with(ending.as_bytes()));
        ending.map_or(Format::Directory, |&(_, compression)| {
            Format::Tar(compression)
        })
    }
}

/// How an archive is written.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Seconds since 1970: modification times that are later become this one. `None` keeps all.
    pub(crate) epoch: Option<i64>,
    /// On how many threads to compress.
    pub(crate) threads: u32,
    /// How to compress: not at all, gzip, xz or zstd.
    pub(crate) compression: Compression,
    /// Heard before every chunk that is written.
    pub(crate) interrupt: Interrupt,
}

/// A tree that could not be packed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something in the tree could not be read.
    #[error(transparent)]
    Tree(#[from] rootfs::Error),
    /// A file was not, when it was read, what it was when the tree was listed.
    #[error("{} changed while it was being packed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The archive could not be written or compressed.
    #[error("cannot write the archive")]
    Write {
        /// Why: a full disk, a closed pipe, …
        #[source]
        source: io::Error,
    },
    /// The file of the archive could not be made.
    #[error("{}: cannot {action}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        action: &'static str,
        /// Why it could not.
        #[source]
        source: io::Error,
    },
    /// The archive was to be put into the tree that it is made of.
    #[error("{} is inside the tree that is to be packed, {}", output.display(), root.display())]
    Inside {
        /// The archive.
        output: PathBuf,
        /// The tree.
        root: PathBuf,
    },
}

/// Bytes that go from the reading to the writing thread at once.
const CHUNK: usize = 1 << 20;

/// Chunks under way between the two.
const CHUNKS: usize = 4;

/// Bytes to which an archive is padded, as tar(1) does.
const RECORD: usize = 10_240;

/// Writes the tree to `output` as a tar archive (pax), compressed as `options` say.
///
/// Names are those that `tar -C TREE -c .` writes: `./`, `./bin`, `./etc/`, … Sockets are left out with a warning.
pub(crate) fn tar<W: Write>(
    root: &Rootfs,
    output: W,
    options: &Options,
    report: &Report,
) -> Result<W, Error> {
    let from = Instant::now();
    let entries = tree::list(root, report)?;
    report.began(
        Stage::Pack,
        entries.iter().map(tree::Entry::content_size).sum(),
    );
    let written = thread::scope(|scope| {
        let (chunks, to_write) = sync_channel(CHUNKS);
        let (used, to_fill) = channel();
        let reader = scope.spawn(|| {
            let mut chunks = Chunks {
                chunk: Vec::with_capacity(CHUNK),
                length: 0,
                chunks,
                used: to_fill,
            };
            entries.iter().try_for_each(|entry| {
                entry::write(root, entry, options.epoch, &mut chunks, report)
            })?;
            chunks.end().map_err(|source| Error::Write { source })
        });
        let written = write(output, options, to_write, &used);
        // When writing failed the reader finds nobody to read for, and that is not the cause.
        let read = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let written = written.map_err(|source| Error::Write { source })?;
        read.and_then(|()| written.finish().map_err(|source| Error::Write { source }))
    })?;
    report.send(Event::Span {
        stage: Stage::Pack,
        item: "image".into(),
        from,
        to: Instant::now(),
    });
    report.ended(Stage::Pack);
    Ok(written)
}

/// Writes the tree to the file `path`. It is made under a temporary name beside its own, which it gets when it is complete; a
/// failure leaves nothing. What is no regular file (a FIFO, a device) is written to as it is.
pub(crate) fn to_file(
    root: &Rootfs,
    path: &Path,
    options: &Options,
    report: &Report,
) -> Result<(), Error> {
    let output = output::Output::create(path, root)?;
    let output = tar(root, output, options, report).map_err(|error| match error {
        Error::Write { source } => Error::Output {
            path: path.to_owned(),
            action: "write it",
            source,
        },
        error => error,
    })?;
    output.finish()
}

/// Writes the chunks as they come and gives them back to be filled again.
fn write<W: Write>(
    output: W,
    options: &Options,
    chunks: Receiver<Vec<u8>>,
    used: &Sender<Vec<u8>>,
) -> io::Result<compress::Encoder<W>> {
    let mut output = compress::encoder(options.compression, output, options.threads)?;
    for chunk in chunks {
        if options.interrupt.signal().is_some() {
            return Err(io::Error::other("interrupted"));
        }
        output.write_all(&chunk)?;
        // The reader may have ended, and needs none then.
        let _ = used.send(chunk);
    }
    Ok(output)
}

/// What the reading thread writes to.
struct Chunks {
    chunk: Vec<u8>,
    /// Of the archive so far, in bytes.
    length: u64,
    chunks: SyncSender<Vec<u8>>,
    used: Receiver<Vec<u8>>,
}

impl Chunks {
    /// Fills up to a multiple of `size` bytes, at most [`RECORD`], with zeros.
    fn pad(&mut self, size: usize) -> io::Result<()> {
        let over = (self.length % size as u64) as usize;
        self.write_all(&[0; RECORD][..(size - over) % size])
    }

    /// Sees to it that there is room for at least one byte.
    fn make_room(&mut self) -> io::Result<()> {
        if self.chunk.len() >= CHUNK {
            self.send()
        } else {
            Ok(())
        }
    }

    /// Reads as much of `file` as there is room for, 0 bytes at its end.
    fn fill(&mut self, file: impl AsFd) -> Result<usize, Errno> {
        let read = retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut self.chunk)))?;
        self.length += read as u64;
        Ok(read)
    }

    /// Two blocks of zeros end an archive.
    fn end(mut self) -> io::Result<()> {
        self.write_all(&[0; 2 * entry::BLOCK])?;
        self.pad(RECORD)?;
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        let mut next = self
            .used
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        next.clear();
        let full = std::mem::replace(&mut self.chunk, next);
        self.chunks
            .send(full)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.make_room()?;
        let taken = bytes.len().min(CHUNK.saturating_sub(self.chunk.len()));
        self.chunk.extend_from_slice(&bytes[..taken]);
        self.length += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a path of the tree lies on the host, for messages.
fn on_host(root: &Rootfs, path: &RootPath) -> PathBuf {
    root.path().join(OsStr::from_bytes(path.as_bytes()))
}

#[cfg(test)]
mod tests;
