//! The file of an archive, which appears under its name only when it is complete.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::Error;
use crate::tree::rootfs::Rootfs;

/// A file that is being written. It is removed if it is dropped before [`OutputFile::finish`].
pub(super) struct OutputFile {
    path: PathBuf,
    file: File,
    /// The name until the file is complete. `None` for a file that is written in place.
    temporary: Option<TempPath>,
}

impl OutputFile {
    /// Creates the file in the directory of its final name, with the mode that the umask leaves.
    pub(super) fn create(path: &Path, root: &Rootfs) -> Result<OutputFile, Error> {
        // The target of a symlink is replaced, not the symlink.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(e) if e.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(e) => return Err(error(path, "find it", e)),
        };
        let kind = path.metadata().ok().map(|metadata| metadata.file_type());
        if kind.is_some_and(|kind| !kind.is_file() && !kind.is_dir()) {
            return OutputFile::in_place(path);
        }
        let directory = directory_of(&path)?;
        let tree = root.path().canonicalize();
        if tree.is_ok_and(|tree| directory.starts_with(tree)) {
            return Err(Error::Inside {
                output: path,
                root: root.path().to_owned(),
            });
        }
        if kind.is_some_and(|kind| kind.is_dir()) {
            let source = io::ErrorKind::IsADirectory.into();
            return Err(error(&path, "create it", source));
        }
        OutputFile::temporary(path, &directory)
    }

    /// Opens a FIFO, a device or a socket.
    fn in_place(path: PathBuf) -> Result<OutputFile, Error> {
        match File::options().write(true).open(&path) {
            Ok(file) => Ok(OutputFile {
                path,
                file,
                temporary: None,
            }),
            Err(e) => Err(error(&path, "open it", e)),
        }
    }

    fn temporary(path: PathBuf, directory: &Path) -> Result<OutputFile, Error> {
        let mut prefix = OsString::from(".");
        prefix.push(path.file_name().unwrap_or_default());
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(&prefix)
            .permissions(Permissions::from_mode(0o666));
        let created = builder.tempfile_in(directory);
        match created.map(NamedTempFile::into_parts) {
            Ok((file, temporary)) => Ok(OutputFile {
                path,
                file,
                temporary: Some(temporary),
            }),
            Err(e) => Err(error(&path, "create it", e)),
        }
    }

    /// Gives the complete file its name and replaces the file that had it.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Some(temporary) = self.temporary else {
            return Ok(());
        };
        match temporary.persist(&self.path) {
            Ok(()) => Ok(()),
            Err(e) => Err(error(&self.path, "give it its name", e.error)),
        }
    }
}

/// The directory that the file will be in.
fn directory_of(path: &Path) -> Result<PathBuf, Error> {
    if path.file_name().is_none() {
        let source = io::ErrorKind::IsADirectory.into();
        return Err(error(path, "create it", source));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    directory
        .canonicalize()
        .map_err(|e| error(path, "find its directory", e))
}

fn error(path: &Path, action: &'static str, source: io::Error) -> Error {
    Error::Output {
        path: path.to_owned(),
        action,
        source,
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
