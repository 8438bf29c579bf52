//! Copies what a helper names.
//!
//! The host's tar reads directories, and writes those of the host; `incoming` unpacks what goes
//! into the tree. Paths of the tree are resolved with the tree as root, so no symlink leads
//! outside.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::helper::{Helper, HelperKind};
use super::incoming::{self, Incoming};
use super::{Error, HelperOptions};
use crate::formats::deb::TarError;
use crate::interrupt::Interrupt;
use crate::interrupt::child::{Running, descriptor_path};
use crate::tree::rootfs::{Handle, RootPath, Rootfs};

/// The buffer for the content of a file, in bytes.
const BUFFER: usize = 256 << 10;

/// Where a helper copies, and how.
#[derive(Clone, Copy)]
pub(crate) struct CopyPlace<'a> {
    pub(crate) root: &'a Rootfs,
    pub(crate) options: HelperOptions,
    pub(crate) interrupt: &'a Interrupt,
}

/// Copies what a helper names.
pub(crate) fn copy(helper: &Helper, place: CopyPlace<'_>) -> Result<(), Error> {
    let copying = HelperCopy {
        helper,
        root: place.root,
        options: place.options,
        interrupt: place.interrupt,
    };
    for from in &helper.from {
        match helper.kind {
            HelperKind::CopyIn => copying.copy_in(&parent_and_name(from))?,
            HelperKind::SyncIn => copying.copy_in(&Contained::all_of(from))?,
            HelperKind::CopyOut => copying.copy_out(&parent_and_name(from))?,
            HelperKind::SyncOut => copying.copy_out(&Contained::all_of(from))?,
            HelperKind::TarIn => copying.tar_in(Path::new(from))?,
            HelperKind::TarOut => copying.tar_out(&parent_and_name(from))?,
            HelperKind::Upload => copying.upload(Path::new(from))?,
            HelperKind::Download => copying.download(from)?,
        }
    }
    Ok(())
}

/// A directory, and what of it is copied.
struct Contained {
    directory: PathBuf,
    name: OsString,
}

impl Contained {
    fn all_of(directory: &OsStr) -> Contained {
        Contained {
            directory: directory.into(),
            name: ".".into(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// As dirname(1) and basename(1). What is in `x/.` is all of x, without its name.
fn parent_and_name(path: &OsStr) -> Contained {
    let mut trimmed = path.as_bytes();
    while let Some(shorter) = trimmed.strip_suffix(b"/") {
        trimmed = shorter;
    }
    let slash = trimmed.iter().rposition(|byte| *byte == b'/');
    let (directory, name): (&[u8], &[u8]) = match slash {
        Some(0) => (b"/", &trimmed[1..]),
        Some(slash) => (&trimmed[..slash], &trimmed[slash + 1..]),
        None if trimmed.is_empty() && !path.is_empty() => (b"/", b"."),
        None => (b".", trimmed),
    };
    Contained {
        directory: OsString::from_vec(directory.to_vec()).into(),
        name: OsString::from_vec(name.to_vec()),
    }
}

/// A tar that packs a directory of the tree.
struct Packing {
    tar: Running,
    /// tar opens it by its number here, at some time after its start.
    _directory: OwnedFd,
}

/// What is read from or written to, and its path for messages.
struct Named<'a, F> {
    open: F,
    path: &'a Path,
}

struct HelperCopy<'a> {
    helper: &'a Helper,
    root: &'a Rootfs,
    options: HelperOptions,
    interrupt: &'a Interrupt,
}

impl HelperCopy<'_> {
    /// Packs files of the host and unpacks them in the tree.
    fn copy_in(&self, from: &Contained) -> Result<(), Error> {
        let path = from.path();
        if let Err(source) = path.symlink_metadata() {
            return Err(self.io(&path, source));
        }
        let target = self.target_directory()?;
        let mut packing = self.start(&mut pack(&from.directory, &from.name))?;
        let unpacked = match packing.take_stdout() {
            Some(content) => self.unpack_in(content, &target),
            None => Ok(()),
        };
        let is_cut_off = |error: &Error| {
            let Error::Unpack { source, .. } = error else {
                return false;
            };
            matches!(source, incoming::Error::Archive(TarError::Truncated))
        };
        match unpacked {
            // Then the failure is that of the tar that packs.
            Err(error) if is_cut_off(&error) => self.wait(packing).and(Err(error)),
            Ok(()) => self.wait(packing),
            failed => failed,
        }
    }

    /// Packs files of the tree and unpacks them on the host.
    fn copy_out(&self, from: &Contained) -> Result<(), Error> {
        let target = Path::new(&self.helper.to);
        let mut packing = self.start_in_tree(from)?;
        self.make_directories(target)?;
        let mut unpacking = Command::new("tar");
        unpacking.args(["--numeric-owner", "--xattrs", "--xattrs-include=*"]);
        if self.options.own_files {
            unpacking.arg("--no-same-owner");
        }
        unpacking.arg("--directory").arg(target);
        unpacking.args(["--extract", "--file", "-"]);
        let content = packing.tar.take_stdout().map(Stdio::from);
        unpacking.stdin(content.unwrap_or_else(Stdio::null));
        let unpacking = self.start(&mut unpacking)?;
        self.wait(unpacking)?;
        self.wait(packing.tar)
    }

    fn tar_in(&self, archive: &Path) -> Result<(), Error> {
        let content = File::open(archive).map_err(|source| self.io(archive, source))?;
        self.unpack_in(content, &self.target_directory()?)
    }

    fn tar_out(&self, from: &Contained) -> Result<(), Error> {
        let mut packing = self.start_in_tree(from)?;
        let target = Path::new(&self.helper.to);
        let archive = self.create(target)?;
        if let Some(content) = packing.tar.take_stdout() {
            let packed = Named::new(content, Path::new("tar"));
            self.copy_content(packed, Named::new(archive, target))?;
        }
        self.wait(packing.tar)
    }

    fn upload(&self, from: &Path) -> Result<(), Error> {
        let content = File::open(from).map_err(|source| self.io(from, source))?;
        let content = Named::new(content, from);
        let path = self.inside(&self.helper.to)?;
        if !self.root.is_directory(&path.parent())? {
            return Err(self.not_there(&path.parent(), "a directory"));
        }
        let on_host = self.on_host(&path);
        // An existing file keeps its mode, and a symlink leads to one inside.
        let found = self.root.open_at(&path, OFlags::PATH).and_then(Handle::new);
        let opened = found.and_then(|found| found.open(OFlags::WRONLY | OFlags::TRUNC));
        match opened {
            Ok(file) => self.copy_content(content, Named::new(file, &on_host)),
            Err(Errno::NOENT) => {
                let mut copied = Ok(());
                let mut content = Some(content);
                let written = self.root.write_with(
                    &path,
                    &mut |file| {
                        if let Some(content) = content.take() {
                            copied = self.copy_content(content, Named::new(file, &on_host));
                        }
                        match copied {
                            Ok(()) => Ok(()),
                            Err(_) => Err(io::Error::other("the copy failed")),
                        }
                    },
                    0o644,
                );
                copied.and(written.map_err(Error::from))
            }
            Err(Errno::INVAL | Errno::ISDIR) => Err(self.not_there(&path, "a regular file")),
            Err(error) => Err(self.io(&on_host, error.into())),
        }
    }

    fn download(&self, from: &OsStr) -> Result<(), Error> {
        let path = self.inside(from)?;
        let Some(file) = self.root.open_file(&path).ok().flatten() else {
            return Err(self.not_there(&path, "a file"));
        };
        let target = Path::new(&self.helper.to);
        let written = Named::new(self.create(target)?, target);
        self.copy_content(Named::new(file, &self.on_host(&path)), written)
    }

    /// Copies what is left of a file, until an interrupt.
    fn copy_content(
        &self,
        mut from: Named<'_, impl Read>,
        mut to: Named<'_, impl Write>,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = self
                .interrupt
                .check()
                .and_then(|()| from.open.read(&mut buffer));
            let length = match read {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.io(from.path, error)),
            };
            let written = to.open.write_all(&buffer[..length]);
            written.map_err(|error| self.io(to.path, error))?;
        }
    }

    /// Where archives are unpacked.
    fn target_directory(&self) -> Result<RootPath, Error> {
        let path = self.inside(&self.helper.to)?;
        match self.root.is_directory(&path)? {
            true => Ok(path),
            false => Err(self.not_there(&path, "a directory")),
        }
    }

    fn unpack_in(&self, archive: impl Read, target: &RootPath) -> Result<(), Error> {
        let incoming = Incoming {
            root: self.root,
            target,
            without_devices: self.options.without_devices,
            interrupt: self.interrupt,
        };
        let unpacked = incoming.unpack(archive);
        unpacked.map_err(|source| Error::Unpack {
            helper: self.helper.name(),
            source,
        })
    }

    fn start_in_tree(&self, from: &Contained) -> Result<Packing, Error> {
        let path = self.inside(from.directory.as_os_str())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = self.root.open_at(&path, flags);
        let directory = opened.map_err(|_| self.not_there(&path, "a directory"))?;
        let entry = self.inside(from.path().as_os_str())?;
        if from.name != "." && !self.root.exists(&entry)? {
            return Err(self.not_there(&entry, "in the tree"));
        }
        let tar = self.start(&mut pack(&descriptor_path(&directory), &from.name))?;
        Ok(Packing {
            tar,
            _directory: directory,
        })
    }

    fn start(&self, command: &mut Command) -> Result<Running, Error> {
        Running::start(command, self.interrupt).map_err(|source| Error::Start {
            program: "tar".to_owned(),
            source,
        })
    }

    fn wait(&self, mut tar: Running) -> Result<(), Error> {
        // A reader that has ended early is the failure, not the writer's closed pipe.
        drop(tar.take_stdout());
        match tar.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Tar {
                helper: self.helper.name(),
                status,
            }),
            Err(source) => Err(self.io(Path::new("tar"), source)),
        }
    }

    fn inside(&self, path: &OsStr) -> Result<RootPath, Error> {
        RootPath::parse(path.as_bytes())
            .map_err(|error| self.io(Path::new(path), io::Error::other(error)))
    }

    /// Creates a file on the host, and the directories that it needs.
    fn create(&self, path: &Path) -> Result<File, Error> {
        if let Some(parent) = path.parent() {
            self.make_directories(parent)?;
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o644);
        options.open(path).map_err(|source| self.io(path, source))
    }

    fn make_directories(&self, path: &Path) -> Result<(), Error> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o755).create(path);
        made.map_err(|source| self.io(path, source))
    }

    fn on_host(&self, path: &RootPath) -> PathBuf {
        self.root.path().join(OsStr::from_bytes(path.as_bytes()))
    }

    fn not_there(&self, path: &RootPath, expected: &'static str) -> Error {
        Error::NotThere {
            helper: self.helper.name(),
            path: self.on_host(path),
            expected,
        }
    }

    fn io(&self, path: &Path, source: io::Error) -> Error {
        Error::Io {
            helper: self.helper.name(),
            path: path.to_owned(),
            source,
        }
    }
}

impl<'a, F> Named<'a, F> {
    fn new(open: F, path: &'a Path) -> Named<'a, F> {
        Named { open, path }
    }
}

/// A tar that writes what is in a directory to its standard output.
fn pack(directory: &Path, name: &OsStr) -> Command {
    let mut packing = Command::new("tar");
    packing.args([
        "--numeric-owner",
        "--xattrs",
        "--format=pax",
        "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
    ]);
    packing.arg("--directory").arg(directory);
    packing.args(["--create", "--file", "-", "--"]).arg(name);
    packing.stdin(Stdio::null()).stdout(Stdio::piped());
    packing
}
