//! A lock per image: a second build in the same output directory waits for the first.
//!
//! A build locks a hidden file beside the image, and removes it at the end. If a build is killed,
//! the kernel releases its lock, and the next build reuses the file.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::ImageFiles;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::run::Error;

/// The time between attempts to take a lock that another build holds.
const PAUSE: Duration = Duration::from_millis(100);

/// The right to build an image, until it is dropped.
#[derive(Debug)]
pub(super) struct ImageLock {
    /// `None` where no file can be created or locked: then either nothing can be built there, or
    /// the file system does not support locks.
    locked: Option<HeldLock>,
}

#[derive(Debug)]
struct HeldLock {
    path: PathBuf,
    _file: File,
}

impl ImageLock {
    /// Waits until no other build makes this image.
    pub(super) fn acquire(
        files: &ImageFiles,
        interrupt: &Interrupt,
        report: &Report,
    ) -> Result<ImageLock, Error> {
        let path = lock_path(&files.checksums);
        let mut is_told = false;
        loop {
            match lock(&path) {
                Ok(file) => return Ok(ImageLock { locked: Some(file) }),
                Err(Errno::WOULDBLOCK) => {}
                Err(_) => return Ok(ImageLock { locked: None }),
            }
            if !is_told {
                report.note(format!(
                    "waiting for another build, which has locked {}",
                    path.display()
                ));
                is_told = true;
            }
            if let Some(cause) = interrupt.cause() {
                return Err(Error::Interrupted { cause, kept: false });
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for ImageLock {
    fn drop(&mut self) {
        if let Some(HeldLock { path, .. }) = &self.locked {
            let _ = rustix::fs::unlinkat(CWD, path, AtFlags::empty());
        }
    }
}

/// `.NAME.building` beside `NAME.sha256`
fn lock_path(checksums: &Path) -> PathBuf {
    let stem = checksums.file_stem().unwrap_or_default();
    checksums.with_file_name(format!(".{}.building", stem.to_string_lossy()))
}

/// Creates and locks the file. `WOULDBLOCK` means that the caller should try again.
fn lock(path: &Path) -> Result<HeldLock, Errno> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive)?;
    let file = File::from(opened);
    // A build that has just ended may have removed the file between these two calls.
    let own = file.metadata().map(|found| (found.dev(), found.ino()));
    let there = path.symlink_metadata();
    let there = there.map(|found| (found.dev(), found.ino()));
    match (own, there) {
        (Ok(own), Ok(there)) if own == there => Ok(HeldLock {
            path: path.to_owned(),
            _file: file,
        }),
        (Ok(_) | Err(_), _) => Err(Errno::WOULDBLOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &Path) -> ImageFiles {
        ImageFiles {
            image: directory.join("a.b.tar"),
            lock: directory.join("a.b.lock"),
            documents: Vec::new(),
            refs: None,
            checksums: directory.join("a.b.sha256"),
        }
    }

    #[test]
    fn a_second_build_waits_for_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        let report = Report::silent();
        let interrupt = Interrupt::default();
        let first = ImageLock::acquire(&files, &interrupt, &report).unwrap();
        let path = directory.path().join(".a.b.building");
        assert!(path.exists());
        assert!(matches!(lock(&path), Err(Errno::WOULDBLOCK)));
        thread::scope(|scope| {
            let second = scope.spawn(|| ImageLock::acquire(&files, &interrupt, &report).unwrap());
            drop(first);
            assert!(second.join().unwrap().locked.is_some());
        });
        assert!(!path.exists());
        let _third = ImageLock::acquire(&files, &interrupt, &report).unwrap();
        let interrupted = Interrupt::default();
        interrupted.raise(15);
        assert!(ImageLock::acquire(&files, &interrupted, &report).is_err());
    }
}
