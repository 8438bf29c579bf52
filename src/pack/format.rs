//! The output formats, chosen by the ending of a target's name.
//!
//! A new ending or compression is a new row of [`ENDINGS`]. A new kind of output is a new variant
//! of
//! [`Format`] besides; the compiler then points to the places that must handle it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::formats::compress::Compression;

/// What a tree is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The tree itself.
    Directory,
    /// A tar archive.
    Tar(Compression),
}

/// The endings of output files. A target with another ending is a directory.
pub(crate) const ENDINGS: [(&str, Format); 6] = [
    (".tar", Format::Tar(Compression::None)),
    (".tar.gz", Format::Tar(Compression::Gzip)),
    (".tgz", Format::Tar(Compression::Gzip)),
    (".tar.xz", Format::Tar(Compression::Xz)),
    (".txz", Format::Tar(Compression::Xz)),
    (".tar.zst", Format::Tar(Compression::Zstd)),
];

impl Format {
    /// The format of a target, by the ending of its name.
    pub(crate) fn from_target(name: impl AsRef<OsStr>) -> Format {
        let name = name.as_ref().as_bytes();
        for (ending, format) in ENDINGS {
            if name.ends_with(ending.as_bytes()) {
                return format;
            }
        }
        Format::Directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::compress::encoder;

    #[test]
    fn every_ending_has_an_encoder() {
        for (ending, format) in ENDINGS {
            assert_eq!(Format::from_target(format!("a{ending}")), format);
            if let Format::Tar(compression) = format
                && let Err(error) = encoder(compression, Vec::new(), 1)
            {
                panic!("{ending}: {error}");
            }
        }
    }
}
