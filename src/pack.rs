//! Writes a tree as a tar archive or as an OCI image, reproducibly.
//!
//! `form` says what is written where, `oci` writes OCI images around the archive, `document` what
//! lies beside an image. The archive is a function of the tree and of [`Options`], except
//! `threads`: names in byte order, numeric owners, no access and change times, modification times
//! in whole seconds and none after the epoch, hard links and extended attributes kept. It has /dev,
//! /proc, /sys and mount points as empty directories.

pub(crate) mod checksums;
mod chunks;
mod devices;
mod document;
mod entry;
mod error;
mod form;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod listing;
pub(crate) mod oci;
mod output;
mod pax;
mod place;
mod publication;
mod temporary;
mod tool;

pub(crate) use devices::Devices;
pub(crate) use document::WrittenDocument;
pub(crate) use error::Error;
pub(crate) use form::{Content, ENDINGS, Form, Image, Layout, Sink, UnknownEnding, from_target};
pub(crate) use place::Place;
pub(crate) use publication::{Publication, WrittenImage};
pub(crate) use tool::FileSystem;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use crate::formats::compress::{self, Encoding};
use crate::formats::digest::Hasher;
use crate::interrupt::Interrupt;
use crate::report::{Event, Report, Stage};
use crate::tree::readable::ReadableTree;
use crate::tree::rootfs::{RootPath, Rootfs};
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
    /// Of the archive, or of the layer of an OCI image.
    pub(crate) encoding: Encoding,
    /// What /dev has.
    pub(crate) devices: Devices,
    /// For what must be complete before it goes to standard output.
    pub(crate) temporary: PathBuf,
    /// What an OCI image attests about itself.
    pub(crate) predicate: Option<oci::Predicate>,
    /// Checked before every chunk that is written.
    pub(crate) interrupt: Interrupt,
}

/// An archive in the making.
struct TarOutput<W> {
    /// Takes the compressed archive.
    output: W,
    /// Hashes the archive before it is compressed, if that is asked for.
    content: Option<Hasher>,
    /// The latest modification time in the archive, in seconds since 1970.
    newest: i64,
}

/// Writes the tree as an image, still without its name.
pub(crate) fn write(
    root: ReadableTree<'_>,
    image: &Image,
    options: &Options,
    report: &Report,
) -> Result<WrittenImage, Error> {
    match &image.content {
        Content::Tar(Sink::File(path)) => {
            let output = to_file(root, path, options, report)?;
            Ok(WrittenImage::File(output))
        }
        Content::Tar(Sink::Stdout) => {
            let mut output = tar(root, io::stdout().lock(), options, report)?;
            output.flush().map_err(|source| Error::Write { source })?;
            Ok(WrittenImage::Sent)
        }
        Content::FileSystem { kind, path } => {
            let output = tool::write(root, Place::find(path)?, *kind, options, report)?;
            Ok(WrittenImage::File(output))
        }
        Content::Oci { layout, settings } => {
            let mut index = oci::IndexWriter::of_layout(layout, settings, root.directory())?;
            index.add(root, options, report)?;
            index.finish(&options.interrupt)
        }
    }
}

/// Fails if no image can be written at its place. What it creates is gone when it returns.
pub(crate) fn try_out(place: Place, image: &Image, tree: &Rootfs) -> Result<(), Error> {
    match &image.content {
        Content::Oci {
            layout: Layout::Directory(_),
            ..
        } => oci::try_out(place, tree),
        Content::FileSystem { kind, .. } => {
            kind.require_tool()?;
            output::OutputFile::create(place, Some(tree)).map(drop)
        }
        Content::Oci { .. } | Content::Tar(_) => match place.is_special() {
            true => Ok(()),
            false => output::OutputFile::create(place, Some(tree)).map(drop),
        },
    }
}

/// The latest modification time in the tree, in seconds since 1970.
pub(crate) fn newest(root: ReadableTree<'_>, interrupt: &Interrupt) -> Result<i64, Error> {
    let mut newest = 0;
    for entry in listing::list_until(root, interrupt, &Report::silent())? {
        newest = entry.modified(None).max(newest);
    }
    Ok(newest)
}

/// Writes the tree to `output` as a tar archive with pax headers.
///
/// Names are those of `tar -C TREE -c .`: `./`, `./bin`, `./etc/`, … Sockets are left out with a
/// warning.
pub(crate) fn tar<W: Write>(
    root: ReadableTree<'_>,
    output: W,
    options: &Options,
    report: &Report,
) -> Result<W, Error> {
    let output = TarOutput {
        output,
        content: None,
        newest: 0,
    };
    Ok(write_tar(root, output, options, report)?.output)
}

fn write_tar<W: Write>(
    root: ReadableTree<'_>,
    mut output: TarOutput<W>,
    options: &Options,
    report: &Report,
) -> Result<TarOutput<W>, Error> {
    let from = Instant::now();
    let entries = listing::list_until(root, &options.interrupt, report)?;
    let mut size: u64 = 0;
    for entry in &entries {
        size = size.saturating_add(entry.content_size());
        output.newest = output.newest.max(entry.modified(options.epoch));
    }
    report.began(Stage::Pack, size);
    let (to_fill, filled) = chunks();
    let (read, encoded) = thread::scope(|scope| {
        let reader = scope.spawn(|| read(root, &entries, options, to_fill, report));
        let encoded = encode(output.output, options, filled, &mut output.content);
        match reader.join() {
            Ok(read) => (read, encoded),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    // The error of the writer counts first: the reader fails after it, without a receiver.
    let encoder = encoded.map_err(|source| Error::Write { source })?;
    read?;
    let finished = encoder.finish().map_err(|source| Error::Write { source })?;
    report.send(Event::Span {
        stage: Stage::Pack,
        item: "image".into(),
        from,
        to: Instant::now(),
    });
    report.ended(Stage::Pack);
    Ok(TarOutput {
        output: finished,
        content: output.content,
        newest: output.newest,
    })
}

/// Reads the tree into chunks.
fn read(
    root: ReadableTree<'_>,
    entries: &[TreeEntry],
    options: &Options,
    mut chunks: Chunks,
    report: &Report,
) -> Result<(), Error> {
    for entry in entries {
        entry::write(root, entry, options.epoch, &mut chunks)?;
        if entry.path.as_bytes() == devices::DIRECTORY {
            let written = devices::write(options, &mut chunks);
            written.map_err(|source| Error::Write { source })?;
        }
        report.advanced(Stage::Pack, entry.content_size());
    }
    chunks.end().map_err(|source| Error::Write { source })
}

/// Compresses and writes the chunks.
fn encode<W: Write>(
    output: W,
    options: &Options,
    chunks: FilledChunks,
    content: &mut Option<Hasher>,
) -> io::Result<compress::Encoder<W>> {
    let mut encoder = compress::encoder_until(
        options.encoding,
        output,
        options.threads,
        &options.interrupt,
    )?;
    while let Some(chunk) = chunks.next() {
        options.interrupt.check()?;
        if let Some(content) = content {
            content.update(&chunk);
        }
        encoder.write_all(&chunk)?;
        chunks.give_back(chunk);
    }
    Ok(encoder)
}

/// Writes the tree to a file that is to have the name `path`. A FIFO or a device is written to
/// directly.
fn to_file(
    root: ReadableTree<'_>,
    path: &Path,
    options: &Options,
    report: &Report,
) -> Result<output::OutputFile, Error> {
    let output = output::OutputFile::create(Place::find(path)?, root.directory())?;
    tar(root, output, options, report).map_err(|error| match error {
        Error::Write { source } => Error::Output {
            path: path.to_owned(),
            action: "write it",
            source,
        },
        error => error,
    })
}

/// The path of an entry on the host, for messages.
fn on_host(root: ReadableTree<'_>, path: &RootPath) -> PathBuf {
    root.path().join(OsStr::from_bytes(path.as_bytes()))
}

#[cfg(test)]
mod tests;
