//! The file that an archive is written to: complete under its own name, or not there at all.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::Error;
use crate::tree::rootfs::Rootfs;

/// An archive's file under way; dropped without [`Output::finish`] it is gone.
pub(super) struct Output {
    path: PathBuf,
    file: File,
    /// The name it has so far, none when it is written in place.
    temporary: Option<TempPath>,
}

impl Output {
    /// Makes the file beside its final name, with the mode that the umask leaves.
    pub(super) fn create(path: &Path, root: &Rootfs) -> Result<Output, Error> {
        let error = |action| {
            move |source| Error::Output {
                path: path.to_owned(),
                action,
                source,
            }
        };
        // Behind a symlink it is the file that is replaced, not the link.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(e) if e.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(e) => return Err(error("find it")(e)),
        };
        if path
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir())
        {
            let file = File::options()
                .write(true)
                .open(&path)
                .map_err(error("open it"))?;
            return Ok(Output {
                path,
                file,
                temporary: None,
            });
        }
        let name = path
            .file_name()
            .ok_or_else(|| error("create it")(io::ErrorKind::IsADirectory.into()))?;
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let (directory, tree) = (
            directory
                .canonicalize()
                .map_err(error("find its directory"))?,
            root.path().canonicalize(),
        );
        if tree.is_ok_and(|tree| directory.starts_with(tree)) {
            return Err(Error::Inside {
                output: path.clone(),
                root: root.path().to_owned(),
            });
        }
        if path.is_dir() {
            return Err(error("create it")(io::ErrorKind::IsADirectory.into()));
        }
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(&prefix)
            .permissions(PermissionsExt::from_mode(0o666));
        let (file, temporary) = builder
            .tempfile_in(&directory)
            .map(NamedTempFile::into_parts)
            .map_err(error("create it"))?;
        Ok(Output {
            path,
            file,
            temporary: Some(temporary),
        })
    }

    /// Gives the complete file its name, in place of what had it.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Some(temporary) = self.temporary else {
            return Ok(());
        };
        temporary.persist(&self.path).map_err(|e| Error::Output {
            path: self.path.clone(),
            action: "give it its name",
            source: e.error,
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
