//! Why two images cannot be compared.

use std::io;
use std::path::PathBuf;

use crate::failure::Class;
use crate::formats::deb::TarError;
use crate::formats::lock::changes::BadList;
use crate::pack::oci;
use crate::tree::rootfs;

/// An input that cannot be read, or that is not an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write a temporary file in {}", directory.display())]
    Temporary {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A lock, a manifest, or what an image has of dpkg's database.
    #[error("{}: {what} has more than {limit} bytes", path.display())]
    TooLarge {
        path: PathBuf,
        what: &'static str,
        limit: u64,
    },
    #[error("{} has no list of packages", path.display())]
    NoList {
        path: PathBuf,
        #[source]
        source: BadList,
    },
    #[error("{} is neither a lock or a manifest nor an image: {found}", path.display())]
    Unknown {
        path: PathBuf,
        /// `it is empty`
        found: &'static str,
    },
    #[error("cannot read {}{}", path.display(), in_part(part))]
    Archive {
        path: PathBuf,
        /// A layer; empty for the archive itself.
        part: String,
        #[source]
        source: TarError,
    },
    #[error("{}: more than {limit} links lead to dpkg's database", path.display())]
    Links { path: PathBuf, limit: usize },
    #[error(
        "{} has no packages: neither /var/lib/dpkg/status nor files in /var/lib/dpkg/status.d",
        path.display()
    )]
    NoPackages { path: PathBuf },
    #[error("{} has several images for {platform}", path.display())]
    SeveralImages { path: PathBuf, platform: String },
    #[error("{} has no image for {architecture}", path.display())]
    NoPlatform {
        path: PathBuf,
        architecture: String,
        /// The platforms that it has.
        found: Vec<String>,
    },
    #[error(
        "{} has images for {}, but {} is one image",
        path.display(),
        platforms.join(", "),
        other.display()
    )]
    SeveralPlatforms {
        path: PathBuf,
        platforms: Vec<String>,
        other: PathBuf,
    },
    #[error(transparent)]
    Layout(#[from] oci::ReadError),
    #[error(transparent)]
    Tree(#[from] rootfs::Error),
}

fn in_part(part: &str) -> String {
    match part {
        "" => String::new(),
        part => format!(": {part}"),
    }
}

impl Error {
    /// The class that decides the exit code.
    pub(in crate::run) fn class(&self) -> Class {
        match self {
            Error::Read { .. }
            | Error::Unknown { .. }
            | Error::NoPackages { .. }
            | Error::SeveralImages { .. }
            | Error::NoPlatform { .. }
            | Error::SeveralPlatforms { .. } => Class::Usage,
            Error::TooLarge { .. } | Error::NoList { .. } | Error::Links { .. } => Class::Trust,
            Error::Temporary { .. } => Class::Target,
            Error::Archive { source, .. } => source.class(),
            Error::Layout(error) => error.class(),
            Error::Tree(_) => Class::Target,
        }
    }

    /// What the user can do about it.
    pub(in crate::run) fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown { .. } => Some(
                "`diff` compares locks, manifests, OCI images, archives of `docker save`, tars and \
                 trees; mount a file system image and name the directory"
                    .into(),
            ),
            Error::NoPackages { .. } => {
                Some("only images of Debian, Ubuntu and their like can be compared".into())
            }
            Error::SeveralImages { .. } => {
                Some(
                    "`skopeo copy oci-archive:FILE:TAG oci-archive:OTHER` takes one out; an \
                     archive of `docker save` is docker-archive:FILE:TAG"
                        .into(),
                )
            }
            Error::NoPlatform { found, .. } if !found.is_empty() => {
                Some(format!("it has {}", found.join(", ")))
            }
            Error::SeveralPlatforms { .. } => {
                Some("--arch ARCH compares with the image of one architecture".into())
            }
            Error::Temporary { .. } => Some("set TMPDIR to another directory".into()),
            Error::Layout(error) => error.hint(),
            Error::NoPlatform { .. }
            | Error::Read { .. }
            | Error::TooLarge { .. }
            | Error::NoList { .. }
            | Error::Archive { .. }
            | Error::Links { .. }
            | Error::Tree(_) => None,
        }
    }
}
