//! The buffers between the thread that reads the tree and the thread that compresses and writes.
//!
//! The reader fills a chunk and sends it; the writer sends it back to be filled again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};

use super::entry::BLOCK;

/// The size of a chunk, in bytes.
pub(super) const CHUNK: usize = 1 << 20;

/// How many filled chunks may wait for the writer.
const WAITING: usize = 4;

/// The size to a multiple of which an archive is padded, as by tar(1), in bytes.
pub(super) const RECORD: usize = 10_240;

/// The reader's end: an archive that is written chunk by chunk.
pub(super) struct Chunks {
    chunk: Vec<u8>,
    /// The size of the archive so far, in bytes.
    length: u64,
    filled: SyncSender<Vec<u8>>,
    emptied: Receiver<Vec<u8>>,
}

/// The writer's end.
pub(super) struct FilledChunks {
    filled: Receiver<Vec<u8>>,
    emptied: Sender<Vec<u8>>,
}

/// Makes both ends.
pub(super) fn chunks() -> (Chunks, FilledChunks) {
    let (filled, to_write) = sync_channel(WAITING);
    let (written, emptied) = channel();
    let reader = Chunks {
        chunk: Vec::with_capacity(CHUNK),
        length: 0,
        filled,
        emptied,
    };
    let writer = FilledChunks {
        filled: to_write,
        emptied: written,
    };
    (reader, writer)
}

impl FilledChunks {
    /// Waits for the next chunk. `None` when the reader is gone.
    pub(super) fn next(&self) -> Option<Vec<u8>> {
        self.filled.recv().ok()
    }

    /// Gives a chunk back to the reader, which may be gone.
    pub(super) fn give_back(&self, chunk: Vec<u8>) {
        let _ = self.emptied.send(chunk);
    }
}

impl Chunks {
    /// Pads the archive with zeros to a multiple of `size` bytes, which is at most [`RECORD`].
    pub(super) fn pad(&mut self, size: usize) -> io::Result<()> {
        let over = (self.length % size as u64) as usize;
        self.write_all(&[0; RECORD][..(size - over) % size])
    }

    /// Makes room for at least one byte.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        if self.chunk.len() >= CHUNK {
            self.send()
        } else {
            Ok(())
        }
    }

    /// Reads as much of `file` as there is room for. Returns 0 at its end.
    pub(super) fn fill(&mut self, file: impl AsFd) -> Result<usize, Errno> {
        let read = retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut self.chunk)))?;
        self.length += read as u64;
        Ok(read)
    }

    /// Reads bytes of `file` from `at`, at most `limit` and at least one, for which there must be
    /// room. Returns how many.
    pub(super) fn fill_from(&mut self, file: &File, at: u64, limit: u64) -> io::Result<u64> {
        let from = self.chunk.len();
        let wanted = limit.min(CHUNK.saturating_sub(from) as u64);
        self.chunk.resize(from + wanted as usize, 0);
        file.read_exact_at(&mut self.chunk[from..], at)?;
        self.length += wanted;
        Ok(wanted)
    }

    /// Ends the archive with two blocks of zeros, and padding.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.write_all(&[0; 2 * BLOCK])?;
        self.pad(RECORD)?;
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        let mut next = match self.emptied.try_recv() {
            Ok(used) => used,
            Err(_) => Vec::with_capacity(CHUNK),
        };
        next.clear();
        let full = std::mem::replace(&mut self.chunk, next);
        match self.filled.send(full) {
            Ok(()) => Ok(()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
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
