//! Reads the packages of what is compared. The first bytes of a file, or the files of a directory,
//! tell what it is. `archives` reads tars and layers.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::Error;
use super::archives::TarContents;
use crate::bounded;
use crate::formats::compress::Compression;
use crate::formats::deb::{Archive, DebLimits, Dialect, TarError};
use crate::formats::lock;
use crate::formats::lock::changes::{ComparedPackage, PackageList};
use crate::interrupt::Interrupt;
use crate::interrupt::stream::Interruptible;
use crate::inventory::{self, PackageFileRecord};
use crate::pack::oci::{self, FilePart, Platform};
use crate::report::Report;
use crate::tree::rootfs::Rootfs;

/// How much of a file tells what it is, in bytes: up to the magic number of ext4.
const START: usize = 2048;
/// The size of a header of a tar, in bytes.
const HEADER: usize = 512;
/// Where a header says that it is one, in bytes.
const MAGIC: usize = 257;

/// What is given, with the packages of each of its platforms.
#[derive(Debug)]
pub(super) struct ComparedImages {
    pub(super) path: PathBuf,
    pub(super) lists: Vec<PlatformPackages>,
}

/// The packages of one image.
#[derive(Debug)]
pub(super) struct PlatformPackages {
    /// `None` if it is not known.
    pub(super) platform: Option<Platform>,
    pub(super) packages: PackageList,
}

/// Reads what is compared.
pub(super) struct ImageReader<'a> {
    /// The Debian architecture of the images that are read; `None` for all.
    pub(super) architecture: Option<&'a str>,
    pub(super) temporary: &'a Path,
    pub(super) interrupt: &'a Interrupt,
    pub(super) report: &'a Report,
    /// How many bytes may still be decoded.
    pub(super) left: Cell<u64>,
}

impl ImageReader<'_> {
    pub(super) fn read(&self, path: &Path) -> Result<ComparedImages, Error> {
        let file = open(path).map_err(unreadable(path))?;
        let metadata = file.metadata().map_err(unreadable(path))?;
        let lists = match metadata.is_dir() {
            true => self.directory(path, file)?,
            false if metadata.is_file() => self.file(path, file)?,
            // It is read more than once, and a pipe cannot be.
            false => {
                let input = Interruptible::new(file, self.interrupt).map_err(unreadable(path))?;
                self.file(path, self.spooled(path, input)?)?
            }
        };
        Ok(ComparedImages {
            path: path.to_owned(),
            lists,
        })
    }

    /// A layout, or a tree.
    fn directory(&self, path: &Path, directory: File) -> Result<Vec<PlatformPackages>, Error> {
        if let Some(lists) = self.layout(path, directory)? {
            return Ok(lists);
        }
        let root = Rootfs::open(path)?;
        let packages = inventory::installed_in((&root).into(), self.report)?;
        Ok(alone(list_of(packages.ok_or_else(no_packages(path))?)))
    }

    fn file(&self, path: &Path, file: File) -> Result<Vec<PlatformPackages>, Error> {
        let start = start(&file).map_err(unreadable(path))?;
        let is_tar = start
            .get(MAGIC..)
            .is_some_and(|rest| rest.starts_with(b"ustar"));
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'{') && !is_tar {
            return read_list(path, &file).map(alone);
        }
        if Compression::from_start(&start) == Compression::None {
            require_tar(path, &start)?;
        }
        let size = file.metadata().map_err(unreadable(path))?.len();
        let whole = FilePart {
            file: Arc::new(file),
            offset: 0,
            size,
        };
        match self.tar(path, &whole)? {
            TarContents::Tree(packages) => Ok(alone(list_of(packages))),
            TarContents::Nothing => Err(no_packages(path)()),
            TarContents::Layout => {
                let archive = self.layout_archive(path, &whole)?;
                self.layout(path, archive)?.ok_or_else(no_packages(path))
            }
        }
    }

    /// The images of a layout, or of an archive of docker's; `None` if it is neither.
    fn layout(&self, path: &Path, file: File) -> Result<Option<Vec<PlatformPackages>>, Error> {
        let wanted = self.architecture.map(oci::platform);
        let found = oci::layered_images(path, file, wanted.as_ref(), self.interrupt)?;
        let Some(found) = found else {
            return Ok(None);
        };
        if let (Some(architecture), []) = (self.architecture, &found.images[..]) {
            return Err(Error::NoPlatform {
                path: path.to_owned(),
                architecture: architecture.to_owned(),
                found: found.others.iter().map(Platform::to_string).collect(),
            });
        }
        let mut lists: Vec<PlatformPackages> = Vec::new();
        for image in found.images {
            let packages = list_of(self.layers(path, &image.layers)?);
            let known = lists.iter().find(|list| list.is_for(&image.platform));
            match known {
                None => lists.push(PlatformPackages {
                    platform: Some(image.platform),
                    packages,
                }),
                // The same image in another compression.
                Some(known) if packages.changes_since(&known.packages).is_empty() => {}
                Some(_) => {
                    return Err(Error::SeveralImages {
                        path: path.to_owned(),
                        platform: image.platform.to_string(),
                    });
                }
            }
        }
        Ok(Some(lists))
    }
}

impl PlatformPackages {
    /// Whether they are known to be of this platform.
    pub(super) fn is_for(&self, platform: &Platform) -> bool {
        match &self.platform {
            Some(own) => own.is_as(platform),
            None => false,
        }
    }
}

/// The packages of an image whose platform is not known.
fn alone(packages: PackageList) -> Vec<PlatformPackages> {
    let platform = None;
    vec![PlatformPackages { platform, packages }]
}

/// A lock or a manifest.
fn read_list(path: &Path, file: &File) -> Result<PackageList, Error> {
    let read = bounded::read(file, lock::SIZE_LIMIT).map_err(unreadable(path))?;
    let Some(text) = read else {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            what: "the list",
            limit: lock::SIZE_LIMIT,
        });
    };
    match PackageList::parse(&text) {
        Ok(list) => Ok(list),
        Err(source) => Err(Error::NoList {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Fails unless a file begins with a header of a tar.
fn require_tar(path: &Path, start: &[u8]) -> Result<(), Error> {
    let ext = start.get(1080..1082);
    let found = match start {
        [] => "it is empty",
        [b'h', b's', b'q', b's', ..] => "it is a squashfs",
        _ if ext == Some(&[0x53, 0xef]) => "it is a file system of the ext family",
        _ => {
            let limits = DebLimits::none(Interrupt::default());
            let header = &start[..start.len().min(HEADER)];
            match Archive::new(header, Dialect::GnuTar, limits).next_entry() {
                Ok(_) => return Ok(()),
                // The header is extended by what follows it.
                Err(TarError::Truncated) if header.len() == HEADER => return Ok(()),
                Err(_) => "it is not a tar",
            }
        }
    };
    Err(Error::Unknown {
        path: path.to_owned(),
        found,
    })
}

/// Opens what is given. A FIFO does not wait for its writer here, where no interrupt ends that.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The beginning of a file.
fn start(file: &File) -> io::Result<Vec<u8>> {
    let mut start = vec![0; START];
    let mut length = 0;
    while length < start.len() {
        match file.read_at(&mut start[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    start.truncate(length);
    Ok(start)
}

fn list_of(packages: Vec<PackageFileRecord>) -> PackageList {
    let mut compared = Vec::new();
    for package in packages {
        compared.push(ComparedPackage {
            name: package.name,
            version: package.version,
            architecture: package.architecture,
            digest: package.digest,
        });
    }
    PackageList::of(compared)
}

/// The error of a file that cannot be read.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Read {
        path: path.to_owned(),
        source,
    }
}

/// The error of what has no database of packages.
pub(super) fn no_packages(path: &Path) -> impl FnOnce() -> Error {
    || Error::NoPackages {
        path: path.to_owned(),
    }
}
