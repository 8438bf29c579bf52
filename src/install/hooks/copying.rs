//! Copies what a helper names.
//!
//! The host's tar reads directories, and writes those of the host; `incoming` unpacks what goes
//! into the tree. Paths of the tree are resolved with the tree as root, so no symlink leads
//! outside.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::helper::{Helper, HelperKind};
use super::incoming::Incoming;
use super::tars::{Contained, Tar, pack, parent_and_name};
use super::{Error, HelperOptions};
use crate::interrupt::Interrupt;
use crate::interrupt::stream::Interruptible;
use crate::report::Report;
use crate::tree::rootfs::{Handle, RootPath, Rootfs};

/// The buffer for the content of a file, in bytes.
const BUFFER: usize = 256 << 10;

/// Opens a FIFO without waiting for its other side.
const NONBLOCK: i32 = libc::O_NONBLOCK;
/// How often a FIFO is checked for a reader.
const INTERVAL: Duration = Duration::from_millis(20);

/// Where a helper copies, and how.
#[derive(Clone, Copy)]
pub(crate) struct CopyPlace<'a> {
    pub(crate) root: &'a Rootfs,
    pub(crate) options: HelperOptions,
    pub(crate) interrupt: &'a Interrupt,
    /// For warnings.
    pub(crate) report: &'a Report,
}

/// Copies what a helper names.
pub(crate) fn copy(helper: &Helper, place: CopyPlace<'_>) -> Result<(), Error> {
    let copying = HelperCopy {
        helper,
        root: place.root,
        options: place.options,
        interrupt: place.interrupt,
        report: place.report,
    };
    for from in &helper.from {
        match helper.kind {
            HelperKind::CopyIn => copying.copy_in(&parent_and_name(from))?,
            HelperKind::SyncIn => copying.copy_in(&Contained::all_of(from))?,
            HelperKind::CopyOut => copying.copy_out(&copying.followed(from)?)?,
            HelperKind::SyncOut => copying.copy_out(&Contained::all_of(from))?,
            HelperKind::TarIn => copying.tar_in(Path::new(from))?,
            HelperKind::TarOut => copying.tar_out(&copying.followed(from)?)?,
            HelperKind::Upload => copying.upload(Path::new(from))?,
            HelperKind::Download => copying.download(from)?,
        }
    }
    Ok(())
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
    report: &'a Report,
}

impl HelperCopy<'_> {
    /// Packs files of the host and unpacks them in the tree.
    fn copy_in(&self, from: &Contained) -> Result<(), Error> {
        let path = from.path();
        if let Err(source) = path.symlink_metadata() {
            return Err(self.io(&path, source));
        }
        let target = self.target_directory()?;
        let mut packing = self.start(pack(&from.directory, &from.name))?;
        let unpacked = match packing.take_stdout() {
            Some(content) => self.unpack_in(content, &target),
            None => Ok(()),
        };
        packing.wait_after(unpacked)
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
        let content = packing.take_stdout().map(Stdio::from);
        unpacking.stdin(content.unwrap_or_else(Stdio::null));
        let unpacking = self.start(unpacking)?;
        let unpacked = unpacking.wait();
        packing.wait_after(unpacked)
    }

    fn tar_in(&self, archive: &Path) -> Result<(), Error> {
        let content = self.open(archive)?;
        self.unpack_in(content, &self.target_directory()?)
    }

    fn tar_out(&self, from: &Contained) -> Result<(), Error> {
        let mut packing = self.start_in_tree(from)?;
        let target = Path::new(&self.helper.to);
        let archive = self.create(target)?;
        let written = match packing.take_stdout() {
            Some(content) => {
                let packed = Named::new(content, Path::new("tar"));
                self.copy_content(packed, Named::new(archive, target))
            }
            None => Ok(()),
        };
        packing.wait_after(written)
    }

    fn upload(&self, from: &Path) -> Result<(), Error> {
        let content = Named::new(self.open(from)?, from);
        let path = self.inside(&self.helper.to)?;
        if !self.root.is_directory(&path.parent())? {
            return Err(self.not_there(&path.parent(), "a directory"));
        }
        let on_host = self.on_host(&path);
        // An existing file keeps its mode, and a symlink is resolved inside the tree.
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
        let found = self.root.open_at(&path, OFlags::PATH).and_then(Handle::new);
        let opened = found.and_then(|found| found.open(OFlags::RDONLY));
        let file = opened.map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR | Errno::INVAL => {
                self.not_there(&path, "a file")
            }
            error => self.io(&self.on_host(&path), error.into()),
        })?;
        let target = Path::new(&self.helper.to);
        let written = Named::new(self.create(target)?, target);
        self.copy_content(Named::new(file, &self.on_host(&path)), written)
    }

    /// Copies what is left of a file, until an interrupt.
    fn copy_content(
        &self,
        from: Named<'_, impl Read + AsFd>,
        to: Named<'_, impl Write + AsFd>,
    ) -> Result<(), Error> {
        let mut input = self.interruptible(from.open, from.path)?;
        let mut output = self.interruptible(to.open, to.path)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.io(from.path, error)),
            };
            let written = output.write_all(&buffer[..length]);
            written.map_err(|error| self.io(to.path, error))?;
        }
    }

    fn interruptible<F: AsFd>(&self, file: F, path: &Path) -> Result<Interruptible<F>, Error> {
        let wrapped = Interruptible::new(file, self.interrupt);
        wrapped.map_err(|error| self.io(path, error))
    }

    /// Where archives are unpacked.
    fn target_directory(&self) -> Result<RootPath, Error> {
        let path = self.inside(&self.helper.to)?;
        match self.root.is_directory(&path)? {
            true => Ok(path),
            false => Err(self.not_there(&path, "a directory")),
        }
    }

    fn unpack_in(&self, archive: impl Read + AsFd, target: &RootPath) -> Result<(), Error> {
        let archive = self.interruptible(archive, self.helper.name().as_ref())?;
        let incoming = Incoming {
            root: self.root,
            target,
            without_devices: self.options.without_devices,
            interrupt: self.interrupt,
            report: self.report,
        };
        let unpacked = incoming.unpack(archive);
        unpacked.map_err(|source| Error::Unpack {
            helper: self.helper.name(),
            source,
        })
    }

    fn start_in_tree(&self, from: &Contained) -> Result<Tar<'_>, Error> {
        let path = self.inside(from.directory.as_os_str())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = self.root.open_at(&path, flags);
        let directory = opened.map_err(|_| self.not_there(&path, "a directory"))?;
        let entry = self.inside(from.path().as_os_str())?;
        if from.name != "." && !self.root.exists(&entry)? {
            return Err(self.not_there(&entry, "in the tree"));
        }
        // The descriptors of this process may be closed to others.
        let mut packing = pack(Path::new("/proc/self/fd/0"), &from.name);
        packing.stdin(directory);
        self.start(packing)
    }

    fn start(&self, command: Command) -> Result<Tar<'_>, Error> {
        Tar::start(command, self.helper.name(), self.interrupt, self.report)
    }

    /// What a path of the tree names: for a symlink, what it leads to in the tree.
    fn followed(&self, from: &OsStr) -> Result<Contained, Error> {
        let named = parent_and_name(from);
        let path = self.inside(named.path().as_os_str())?;
        if named.name == "." || self.root.read_link(&path)?.is_none() {
            return Ok(named);
        }
        let place = |path: &RootPath| {
            let opened = self.root.open_at(path, OFlags::PATH)?;
            let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
            rustix::fs::readlink(link, Vec::new())
        };
        let found = place(&path).map_err(|_| self.not_there(&path, "in the tree"))?;
        let root =
            place(&RootPath::default()).map_err(|error| self.io(from.as_ref(), error.into()))?;
        let inside = found.as_bytes().strip_prefix(root.as_bytes());
        Ok(match inside.unwrap_or_default() {
            b"" => Contained::all_of(OsStr::new("/")),
            inside => parent_and_name(OsStr::from_bytes(inside)),
        })
    }

    fn inside(&self, path: &OsStr) -> Result<RootPath, Error> {
        RootPath::parse(path.as_bytes())
            .map_err(|error| self.io(Path::new(path), io::Error::other(error)))
    }

    /// Opens a file of the host, without waiting for the writer of a FIFO.
    fn open(&self, path: &Path) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).custom_flags(NONBLOCK).open(path);
        opened.map_err(|source| self.io(path, source))
    }

    /// Creates a file on the host, and the directories that it needs. Waits for the reader of a
    /// FIFO, until an interrupt.
    fn create(&self, path: &Path) -> Result<File, Error> {
        if let Some(parent) = path.parent() {
            self.make_directories(parent)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        options.custom_flags(NONBLOCK);
        loop {
            let checked = self.interrupt.check();
            match checked.and_then(|()| options.open(path)) {
                Err(error) if error.raw_os_error() == Some(libc::ENXIO) && is_fifo(path) => {
                    thread::sleep(INTERVAL);
                }
                opened => return opened.map_err(|source| self.io(path, source)),
            }
        }
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

fn is_fifo(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.file_type().is_fifo())
}
