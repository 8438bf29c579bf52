//! Names for files of a run without a cache, once too many are open to keep them all unnamed.
//!
//! They are in a temporary directory that is marked, so that the next run removes what a killed one
//! has left.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD};
use tempfile::TempPath;

use crate::mark::TemporaryDirectory;

/// Where files get names.
#[derive(Debug)]
pub(super) struct Overflow {
    temporary: PathBuf,
    directory: Mutex<Option<NamedFiles>>,
}

#[derive(Debug)]
struct NamedFiles {
    directory: TemporaryDirectory,
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
        Ok(NamedFiles {
            directory: TemporaryDirectory::create(temporary)?,
            count: 0,
        })
    }
}
