//! Names for files of a run without a cache, once too many are open to keep them all unnamed.
//!
//! They are in a temporary directory that is marked, so that the next run removes what a killed one
//! has left.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD};
use tempfile::{TempDir, TempPath};

use crate::mark;

/// Where files get names.
#[derive(Debug)]
pub(super) struct Overflow {
    temporary: PathBuf,
    directory: Mutex<Option<NamedFiles>>,
}

#[derive(Debug)]
struct NamedFiles {
    directory: TempDir,
    /// Locked as long as this process lives.
    _lock: File,
    count: u64,
}

impl Overflow {
    pub(super) fn new(temporary: &Path) -> Overflow {
        Overflow {
            temporary: temporary.to_owned(),
            directory: Mutex::default(),
        }
    }

    /// Gives an unnamed file a name, which goes when it is dropped.
    pub(super) fn name(&self, file: &File) -> io::Result<TempPath> {
        let mut made = self
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let files = match &mut *made {
            Some(files) => files,
            none => none.insert(NamedFiles::create(&self.temporary)?),
        };
        files.count += 1;
        let path = files.directory.path().join(files.count.to_string());
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(CWD, unnamed, CWD, &path, AtFlags::SYMLINK_FOLLOW)?;
        TempPath::try_from_path(path)
    }
}

impl NamedFiles {
    fn create(temporary: &Path) -> io::Result<NamedFiles> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(mark::PREFIX);
        builder.permissions(Permissions::from_mode(mark::UNMARKED));
        let directory = builder.tempdir_in(temporary)?;
        let lock = File::open(directory.path())?;
        let _ = lock.try_lock();
        mark::set(&lock, None);
        Ok(NamedFiles {
            directory,
            _lock: lock,
            count: 0,
        })
    }
}
