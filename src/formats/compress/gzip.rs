//! gzip on several threads, one stream with one header.
//!
//! The input is cut into blocks of a fixed size, each deflated on its own and ended at a byte
//! boundary (a sync flush), so that their concatenation is one plain deflate stream that every
//! reader of gzip takes. Where the cuts lie depends on the input alone: one thread and sixteen give
//! the same bytes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compress, Compression, Crc, FlushCompress};

/// The input of a block, in bytes. Smaller blocks make the output larger, because each begins
/// without history (these cost a thousandth on a root file system); larger ones cost memory, and
/// leave threads idle at the end.
pub(super) const BLOCK: usize = 1 << 20;

/// Magic, deflate, no flags, no time, no extra flags, made on Unix (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// A block for a thread, and the channel for the result.
struct Job {
    input: Vec<u8>,
    flush: FlushCompress,
    done: SyncSender<io::Result<Vec<u8>>>,
}

/// Encodes a gzip stream, which is truncated until [`GzipEncoder::finish`].
pub struct GzipEncoder<W: Write> {
    output: W,
    block: Vec<u8>,
    checksum: Crc,
    jobs: Sender<Job>,
    /// The blocks in the queue, oldest first.
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    most_pending: usize,
}

impl<W: Write> GzipEncoder<W> {
    /// Starts a stream and the threads that deflate its blocks. They end with it.
    pub(super) fn new(
        mut output: W,
        level: Compression,
        threads: u32,
    ) -> io::Result<GzipEncoder<W>> {
        output.write_all(&HEADER)?;
        let threads = threads.max(1) as usize;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = queue.clone();
            thread::Builder::new()
                .name("gzip".into())
                .spawn(move || deflate_jobs(&queue, level))?;
        }
        let block = Vec::with_capacity(BLOCK);
        Ok(GzipEncoder {
            output,
            block,
            checksum: Crc::new(),
            jobs,
            pending: VecDeque::new(),
            most_pending: 2 * threads + 1,
        })
    }

    /// Ends the stream and returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.hand_out(FlushCompress::Finish)?;
        while !self.pending.is_empty() {
            self.write_oldest()?;
        }
        self.output.write_all(&self.checksum.sum().to_le_bytes())?;
        self.output
            .write_all(&self.checksum.amount().to_le_bytes())?;
        Ok(self.output)
    }

    fn hand_out(&mut self, flush: FlushCompress) -> io::Result<()> {
        while self.pending.len() >= self.most_pending {
            self.write_oldest()?;
        }
        self.checksum.update(&self.block);
        let (done, result) = sync_channel(1);
        let input = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.jobs
            .send(Job { input, flush, done })
            .map_err(|_| io::Error::other("the gzip threads have ended"))?;
        self.pending.push_back(result);
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(result) = self.pending.pop_front() else {
            return Ok(());
        };
        let block = result
            .recv()
            .map_err(|_| io::Error::other("a gzip thread has ended"))??;
        self.output.write_all(&block)
    }
}

impl<W: Write> Write for GzipEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.hand_out(FlushCompress::Sync)?;
        }
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Does nothing. If it ended a block, the bytes would depend on the flushes of the writer.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs in each thread until the stream is dropped.
fn deflate_jobs(queue: &Mutex<Receiver<Job>>, level: Compression) {
    let mut deflate = Compress::new(level, false);
    loop {
        // The lock is held while waiting, because only one thread can take the next job.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { input, flush, done }) = job else {
            return;
        };
        // The send fails only when the stream was dropped.
        let _ = done.send(deflate_block(&mut deflate, &input, flush));
    }
}

fn deflate_block(
    deflate: &mut Compress,
    input: &[u8],
    flush: FlushCompress,
) -> io::Result<Vec<u8>> {
    deflate.reset();
    let mut output = Vec::with_capacity(input.len() / 2 + 1024);
    loop {
        let taken = deflate.total_in() as usize;
        deflate
            .compress_vec(&input[taken..], &mut output, flush)
            .map_err(io::Error::other)?;
        // Room is left, so the flush is complete, too.
        if deflate.total_in() as usize == input.len() && output.len() < output.capacity() {
            return Ok(output);
        }
        output.reserve(output.capacity().max(1024));
    }
}
