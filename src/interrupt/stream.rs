//! Reads and writes that an interrupt ends while they wait for the other side of a pipe, a FIFO or
//! a terminal. Files that are always ready are only checked for an interrupt.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{Interrupt, Registration};

/// A file whose reads and writes fail once a stop is requested.
#[derive(Debug)]
pub(crate) struct Interruptible<F> {
    file: F,
    /// Readable once a stop is requested.
    raised: PipeReader,
    _registration: Registration,
}

impl<F: AsFd> Interruptible<F> {
    /// Makes the file one that does not block. No other process may share its open file
    /// description.
    pub(crate) fn new(file: F, interrupt: &Interrupt) -> io::Result<Interruptible<F>> {
        let flags = fcntl_getfl(&file)?;
        fcntl_setfl(&file, flags | OFlags::NONBLOCK)?;
        let (raised, waker) = io::pipe()?;
        let registration = interrupt.on_raise(move || {
            let _ = (&waker).write(&[0]);
        });
        Ok(Interruptible {
            file,
            raised,
            _registration: registration,
        })
    }

    /// Waits until the file is ready, or fails.
    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        loop {
            let mut polled = [
                PollFd::new(self.raised.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.file.as_fd(), flags),
            ];
            match poll(&mut polled, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) if polled[0].any() == Some(true) => {
                    return Err(io::Error::other("interrupted"));
                }
                Ok(_) => return Ok(()),
            }
        }
    }
}

impl<F: AsFd + Read> Read for Interruptible<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::POLLIN)?;
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

impl<F: AsFd + Write> Write for Interruptible<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::POLLOUT)?;
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Runs `wait` on a thread, raises an interrupt, and returns the error.
    fn interrupted(wait: impl FnOnce(Interrupt) -> io::Result<()> + Send + 'static) -> String {
        let interrupt = Interrupt::default();
        let waiting = interrupt.clone();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(wait(waiting)));
        while interrupt.callbacks() == 0 {
            thread::yield_now();
        }
        interrupt.raise(2);
        let ended = ended.recv_timeout(Duration::from_secs(60));
        ended
            .expect("it hears of no interrupt")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_interrupt_ends_reads_and_writes() {
        let read = interrupted(|interrupt| {
            let (reader, _writer) = io::pipe()?;
            Interruptible::new(reader, &interrupt)?.read_exact(&mut [0])
        });
        let write = interrupted(|interrupt| {
            let (_reader, writer) = io::pipe()?;
            Interruptible::new(writer, &interrupt)?.write_all(&vec![0; 1 << 21])
        });
        assert_eq!([read, write], ["interrupted", "interrupted"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let interrupt = Interrupt::default();
        let (reader, writer) = io::pipe().unwrap();
        let mut writer = Interruptible::new(writer, &interrupt).unwrap();
        let mut reader = Interruptible::new(reader, &interrupt).unwrap();
        let content = vec![7; 1 << 20];
        let written = content.clone();
        let writing = thread::spawn(move || writer.write_all(&written));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        writing.join().unwrap().unwrap();
        assert!(read == content, "{} bytes", read.len());
    }
}
