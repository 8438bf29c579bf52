//! xz in blocks, on several threads.
//!
//! liblzma waits until a thread has room or a block is ready, which takes seconds. Here it waits
//! for a moment at a time, so that an interrupt is heard; and an encoder that is dropped does not
//! finish its stream first, as that of the crate does.

use std::io::{self, Write};

use liblzma::stream::{Action, Check, MtStreamBuilder, Status, Stream};

use crate::interrupt::Interrupt;

/// The most threads, each of which takes 150 MB at level 6.
const MAX_THREADS: u32 = 16;
/// The most memory that the threads may take where one thread takes less, in bytes. At level 9 a
/// thread takes 1.3 GB.
const MEMORY_LIMIT: u64 = 5 << 29;
/// How long liblzma may wait, in milliseconds.
const WAIT: u32 = 200;
/// The buffer for compressed bytes, in bytes.
const BUFFER: usize = 64 << 10;

/// Encodes an xz stream, which is truncated until [`XzEncoder::finish`].
pub struct XzEncoder<W: Write> {
    stream: Stream,
    output: W,
    buffer: Vec<u8>,
    interrupt: Interrupt,
}

/// A stream of this level on up to `threads` threads, on which its bytes do not depend.
pub(super) fn stream(level: u8, threads: u32) -> io::Result<Stream> {
    let mut threads = threads.clamp(1, MAX_THREADS);
    let mut builder = MtStreamBuilder::new();
    builder
        .preset(level.into())
        .check(Check::Crc64)
        .threads(threads)
        .timeout_ms(WAIT);
    while threads > 1 && builder.memusage() > MEMORY_LIMIT {
        threads -= 1;
        builder.threads(threads);
    }
    Ok(builder.encoder()?)
}

impl<W: Write> XzEncoder<W> {
    pub(super) fn new(output: W, stream: Stream, interrupt: Interrupt) -> XzEncoder<W> {
        XzEncoder {
            stream,
            output,
            buffer: Vec::with_capacity(BUFFER),
            interrupt,
        }
    }

    /// Ends the stream and returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        while self.encode(&[], Action::Finish)? != Status::StreamEnd {}
        Ok(self.output)
    }

    /// Encodes for a moment, and writes what is ready.
    fn encode(&mut self, bytes: &[u8], action: Action) -> io::Result<Status> {
        self.interrupt.check()?;
        let status = self.stream.process_vec(bytes, &mut self.buffer, action)?;
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(status)
    }
}

impl<W: Write> Write for XzEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let before = self.stream.total_in();
            self.encode(bytes, Action::Run)?;
            let taken = (self.stream.total_in() - before) as usize;
            if taken > 0 || bytes.is_empty() {
                return Ok(taken);
            }
        }
    }

    /// Does nothing. If it ended a block, the bytes would depend on the flushes of the writer.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
