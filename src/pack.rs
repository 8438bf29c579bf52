//! Writes a tree as a tar archive, reproducibly.
//!
//! The archive is a function of the tree and of [`Options`], except `threads`: names in byte order,
//! numeric owners, no access and change times, modification times in whole seconds and none after
//! the epoch, hard links and extended attributes kept. It has /dev, /proc, /sys and mount points as
//! empty directories.

mod chunks;
mod entry;
mod format;
mod listing;
mod output;
mod pax;
mod place;

#[cfg(test)]
pub(crate) use format::ENDINGS;
pub(crate) use format::Format;
pub(crate) use place::Place;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use crate::formats::compress::{self, Compression};
use crate::interrupt::Interrupt;
use crate::report::{Event, Report, Stage};
use crate::tree::rootfs::{self, RootPath, Rootfs};
use chunks::{Chunks, FilledChunks, chunks};
use listing::TreeEntry;

/// How an archive is written.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The latest modification time, in seconds since 1970; later ones become this one. `None`
    /// keeps all times.
    pub(crate) epoch: Option<i64>,
    /// The number of threads that compress.
    pub(crate) threads: u32,
    /// None, gzip, xz or zstd.
    pub(crate) compression: Compression,
    /// Checked before every chunk that is written.
    pub(crate) interrupt: Interrupt,
}

/// A tree that could not be packed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something in the tree could not be read.
    #[error(transparent)]
    Tree(#[from] rootfs::Error),
    /// A file changed between the listing of the tree and its reading.
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
    /// The file of the archive could not be created.
    #[error("{}: cannot {action}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// `create it`, `write it`, …
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// A symlink that another user could have put there to have a file replaced.
    #[error("{} is a symlink of another user (uid {uid})", path.display())]
    ForeignSymlink { path: PathBuf, uid: u32 },
    /// A FIFO in a directory where everybody can create files.
    #[error("{} is not a file, but was put there by another user (uid {uid})", path.display())]
    ForeignFifo { path: PathBuf, uid: u32 },
    /// The archive would be a file of the tree.
    #[error("{} is inside the tree to be packed, {}", output.display(), root.display())]
    Inside {
        /// The archive.
        output: PathBuf,
        /// The tree.
        root: PathBuf,
    },
}

impl Error {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::ForeignSymlink { .. } => {
                Some("remove the symlink, or name the file that it leads to".into())
            }
            Error::ForeignFifo { .. } => Some("remove it, or choose another directory".into()),
            Error::Tree(_)
            | Error::Changed { .. }
            | Error::Write { .. }
            | Error::Output { .. }
            | Error::Inside { .. } => None,
        }
    }
}

/// Writes the tree to `output` as a tar archive with pax headers.
///
/// Names are those of `tar -C TREE -c .`: `./`, `./bin`, `./etc/`, … Sockets are left out with a
/// warning.
pub(crate) fn tar<W: Write>(
    root: &Rootfs,
    output: W,
    options: &Options,
    report: &Report,
) -> Result<W, Error> {
    let from = Instant::now();
    let entries = listing::list_until(root, &options.interrupt, report)?;
    let mut size: u64 = 0;
    for entry in &entries {
        size = size.saturating_add(entry.content_size());
    }
    report.began(Stage::Pack, size);
    let (to_fill, filled) = chunks();
    let (read, encoder) = thread::scope(|scope| {
        let reader = scope.spawn(|| read(root, &entries, options.epoch, to_fill, report));
        let encoder = encode(output, options, filled);
        match reader.join() {
            Ok(read) => (read, encoder),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    // The error of the writer counts first: the reader fails after it, without a receiver.
    let encoder = encoder.map_err(|source| Error::Write { source })?;
    read?;
    let output = encoder.finish().map_err(|source| Error::Write { source })?;
    report.send(Event::Span {
        stage: Stage::Pack,
        item: "image".into(),
        from,
        to: Instant::now(),
    });
    report.ended(Stage::Pack);
    Ok(output)
}

/// Reads the tree into chunks.
fn read(
    root: &Rootfs,
    entries: &[TreeEntry],
    epoch: Option<i64>,
    mut chunks: Chunks,
    report: &Report,
) -> Result<(), Error> {
    for entry in entries {
        entry::write(root, entry, epoch, &mut chunks)?;
        report.advanced(Stage::Pack, entry.content_size());
    }
    chunks.end().map_err(|source| Error::Write { source })
}

/// Compresses and writes the chunks.
fn encode<W: Write>(
    output: W,
    options: &Options,
    chunks: FilledChunks,
) -> io::Result<compress::Encoder<W>> {
    let mut encoder = compress::encoder_until(
        options.compression,
        output,
        options.threads,
        &options.interrupt,
    )?;
    while let Some(chunk) = chunks.next() {
        if options.interrupt.signal().is_some() {
            return Err(io::Error::other("interrupted"));
        }
        encoder.write_all(&chunk)?;
        chunks.give_back(chunk);
    }
    Ok(encoder)
}

/// Writes the tree to the file `path`, which appears when it is complete: until then it has a
/// temporary name in the same directory. A FIFO or a device is written to directly.
pub(crate) fn to_file(
    root: &Rootfs,
    path: &Path,
    options: &Options,
    report: &Report,
) -> Result<(), Error> {
    let output = output::OutputFile::create(Place::find(path)?, root)?;
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

/// The path of an entry on the host, for messages.
fn on_host(root: &Rootfs, path: &RootPath) -> PathBuf {
    root.path().join(OsStr::from_bytes(path.as_bytes()))
}

#[cfg(test)]
mod tests;
