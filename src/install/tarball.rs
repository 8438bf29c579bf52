//! Unpacks a tarball of the user's in a target, for debootstrap's --unpack-tarball.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::hooks::{Incoming, IncomingError};
use crate::formats::compress::{Compression, Integrity, decoder};
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::tree::rootfs::{RootPath, Rootfs};

/// A tarball that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Unknown tarball {}: must be .tar.gz, .tar.xz, .tar or .tgz", path.display())]
    Ending { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot unpack {}", path.display())]
    Unpack {
        path: PathBuf,
        #[source]
        source: IncomingError,
    },
}

/// Unpacks a tarball. Its ending says how it is compressed.
///
/// # Errors
///
/// If the ending is unknown, if reading or writing fails, and if an entry leads out of the tree.
/// Entries that were already unpacked are kept.
pub(crate) fn unpack_tarball(
    path: &Path,
    root: &Rootfs,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<(), Error> {
    let compression = compression(path).ok_or_else(|| Error::Ending {
        path: path.to_owned(),
    })?;
    let opened = File::open(path)
        .and_then(|file| decoder(compression, BufReader::new(file), Integrity::Unknown));
    let archive = opened.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let incoming = Incoming {
        root,
        target: &RootPath::default(),
        without_devices: false,
        interrupt,
        report,
    };
    incoming.unpack(archive).map_err(|source| Error::Unpack {
        path: path.to_owned(),
        source,
    })
}

/// debootstrap's endings.
fn compression(path: &Path) -> Option<Compression> {
    let name = path.as_os_str().as_bytes();
    let endings = [
        (".tar", Compression::None),
        (".tar.gz", Compression::Gzip),
        (".tgz", Compression::Gzip),
        (".tar.xz", Compression::Xz),
    ];
    let (_, compression) = endings
        .iter()
        .find(|(ending, _)| name.ends_with(ending.as_bytes()))?;
    Some(*compression)
}
