//! mmdebstrap's helpers, which copy files between host and tree: copy-in, copy-out, sync-in, sync-out,
//! tar-in, tar-out, upload, download.
//!
//! Directories go through two processes of the host's tar, one that reads and one that writes. Paths of
//! the tree are resolved with the tree as root, so no symlink leads outside.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::OFlags;

use super::incoming::Incoming;
use super::words::shell_words;
use super::{BadHook, Error, HelperOptions};
use crate::tree::rootfs::{RootPath, Rootfs};

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Helper {
    kind: HelperKind,
    from: Vec<String>,
    to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HelperKind {
    CopyIn,
    CopyOut,
    SyncIn,
    SyncOut,
    TarIn,
    TarOut,
    Upload,
    Download,
}

const KINDS: [(&str, HelperKind); 8] = [
    ("copy-in", HelperKind::CopyIn),
    ("copy-out", HelperKind::CopyOut),
    ("sync-in", HelperKind::SyncIn),
    ("sync-out", HelperKind::SyncOut),
    ("tar-in", HelperKind::TarIn),
    ("tar-out", HelperKind::TarOut),
    ("upload", HelperKind::Upload),
    ("download", HelperKind::Download),
];

const TAR_OPTIONS: [&str; 4] = [
    "--numeric-owner",
    "--xattrs",
    "--format=pax",
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
];

impl Helper {
    /// Reads a hook's text. `None` where it is another command.
    pub(super) fn parse(text: &str) -> Result<Option<Helper>, BadHook> {
        let Some((name, _)) = text.split_once(' ') else {
            return Ok(None);
        };
        let Some((known, _)) = KINDS.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let words = shell_words(text).ok_or_else(|| BadHook::Quote {
            text: text.to_owned(),
        })?;
        Helper::of_words(&words).map_or(Err(BadHook::Paths { helper: known }), |one| Ok(Some(one)))
    }

    /// A helper's name and its paths. `None` where that is not what they are.
    pub(crate) fn of_words(words: &[String]) -> Option<Helper> {
        let (name, paths) = words.split_first()?;
        let (_, kind) = KINDS.iter().find(|(known, _)| known == name)?;
        let (to, from) = paths.split_last()?;
        (!from.is_empty()).then(|| Helper {
            kind: *kind,
            from: from.to_vec(),
            to: to.clone(),
        })
    }

    fn name(&self) -> &'static str {
        let mut kinds = KINDS.iter();
        let found = kinds.find(|(_, kind)| *kind == self.kind);
        found.map_or("", |(name, _)| name)
    }
}

/// Copies what a helper names.
pub(crate) fn copy(helper: &Helper, root: &Rootfs, options: HelperOptions) -> Result<(), Error> {
    let copying = HelperCopy {
        helper,
        root,
        options,
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
    directory: String,
    name: String,
}

impl Contained {
    fn all_of(directory: &str) -> Contained {
        Contained {
            directory: directory.to_owned(),
            name: ".".to_owned(),
        }
    }
}

/// As dirname(1) and basename(1). What is in `x/.` is all of x, without its name.
fn parent_and_name(path: &str) -> Contained {
    let trimmed = path.trim_end_matches('/');
    let (directory, name) = match trimmed.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(split) => split,
        None if trimmed.is_empty() => ("/", "."),
        None => (".", trimmed),
    };
    Contained {
        directory: directory.to_owned(),
        name: name.to_owned(),
    }
}

/// A tar that packs a directory of the tree.
struct Packing {
    child: Child,
    /// tar opens it by its number here, at some time after its start.
    directory: OwnedFd,
}

struct HelperCopy<'a> {
    helper: &'a Helper,
    root: &'a Rootfs,
    options: HelperOptions,
}

impl HelperCopy<'_> {
    /// Packs files of the host and unpacks them in the tree.
    fn copy_in(&self, from: &Contained) -> Result<(), Error> {
        let path = Path::new(&from.directory).join(&from.name);
        if let Err(source) = path.symlink_metadata() {
            return Err(self.io(&path, source));
        }
        let mut packing = self.start(&mut pack(Path::new(&from.directory), &from.name))?;
        if let Some(content) = packing.stdout.take() {
            self.unpack_in(content)?;
        }
        self.wait(packing)
    }

    /// Packs files of the tree and unpacks them on the host.
    fn copy_out(&self, from: &Contained) -> Result<(), Error> {
        let target = Path::new(&self.helper.to);
        self.make_directories(target)?;
        let Packing {
            child: mut packing,
            directory: _directory,
        } = self.start_in_tree(from)?;
        let mut unpacking = Command::new("tar");
        unpacking.args(["--numeric-owner", "--xattrs", "--xattrs-include=*"]);
        if self.options.own_files {
            unpacking.arg("--no-same-owner");
        }
        unpacking.arg("--directory").arg(target);
        unpacking.args(["--extract", "--file", "-"]);
        let content = packing.stdout.take().map(Stdio::from);
        unpacking.stdin(content.unwrap_or_else(Stdio::null));
        let unpacking = self.start(&mut unpacking)?;
        self.wait(unpacking)?;
        self.wait(packing)
    }

    fn tar_in(&self, archive: &Path) -> Result<(), Error> {
        let archive = File::open(archive).map_err(|source| self.io(archive, source))?;
        self.unpack_in(archive)
    }

    fn tar_out(&self, from: &Contained) -> Result<(), Error> {
        let target = Path::new(&self.helper.to);
        let mut archive = self.create(target)?;
        let Packing {
            child: mut packing,
            directory: _directory,
        } = self.start_in_tree(from)?;
        if let Some(mut content) = packing.stdout.take() {
            io::copy(&mut content, &mut archive).map_err(|source| self.io(target, source))?;
        }
        self.wait(packing)
    }

    fn upload(&self, from: &Path) -> Result<(), Error> {
        let mut content = File::open(from).map_err(|source| self.io(from, source))?;
        let path = self.inside(&self.helper.to)?;
        if !self.root.is_directory(&path.parent())? {
            return Err(self.not_there(&path.parent(), "a directory"));
        }
        // An existing file keeps its mode, and a symlink leads to one inside.
        let opened = self.root.open_at(&path, OFlags::WRONLY | OFlags::TRUNC);
        let copied = match opened {
            Ok(file) => io::copy(&mut content, &mut File::from(file)),
            Err(rustix::io::Errno::NOENT) => {
                self.root.write_from(&path, &mut content, 0o644)?;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        };
        copied.map(|_| ()).map_err(|source| self.io(from, source))
    }

    fn download(&self, from: &str) -> Result<(), Error> {
        let path = self.inside(from)?;
        let opened = self.root.open_at(&path, OFlags::RDONLY | OFlags::NONBLOCK);
        let file = opened.ok().map(File::from);
        let is_file = |file: &File| file.metadata().is_ok_and(|found| found.is_file());
        let Some(mut file) = file.filter(is_file) else {
            return Err(self.not_there(&path, "a file"));
        };
        let target = Path::new(&self.helper.to);
        let mut written = self.create(target)?;
        let copied = io::copy(&mut file, &mut written);
        copied.map(|_| ()).map_err(|source| self.io(target, source))
    }

    /// Unpacks an archive in the tree.
    fn unpack_in(&self, mut archive: impl Read) -> Result<(), Error> {
        let path = self.inside(&self.helper.to)?;
        let directory = self.directory(&path)?;
        let mut unpacking = Command::new("tar");
        unpacking.args(TAR_OPTIONS).arg("--xattrs-include=*");
        unpacking.arg("--directory").arg(of_descriptor(&directory));
        unpacking.args(["--extract", "--file", "-"]);
        let incoming = Incoming {
            root: self.root,
            target: &path,
            without_devices: self.options.without_devices,
        };
        let mut unpacking = self.start(unpacking.stdin(Stdio::piped()))?;
        let copied = match unpacking.stdin.take() {
            Some(mut input) => incoming.copy(&mut archive, &mut input),
            None => Ok(()),
        };
        let ended = self.wait(unpacking);
        match copied {
            // tar's own message says why it has closed its input.
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
                Err(self.io(self.root.path(), source))
            }
            _ => ended,
        }
    }

    /// A directory of the tree.
    fn directory(&self, path: &RootPath) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = self.root.open_at(path, flags);
        opened.map_err(|_| self.not_there(path, "a directory"))
    }

    fn start_in_tree(&self, from: &Contained) -> Result<Packing, Error> {
        let path = self.inside(&from.directory)?;
        let directory = self.directory(&path)?;
        let entry = self.inside(&format!("{}/{}", from.directory, from.name))?;
        if from.name != "." && !self.root.exists(&entry)? {
            return Err(self.not_there(&entry, "in the tree"));
        }
        let child = self.start(&mut pack(Path::new(&of_descriptor(&directory)), &from.name))?;
        Ok(Packing { child, directory })
    }

    fn start(&self, command: &mut Command) -> Result<Child, Error> {
        command.spawn().map_err(|source| Error::Start {
            program: "tar".to_owned(),
            source,
        })
    }

    fn wait(&self, mut child: Child) -> Result<(), Error> {
        // A reader that has ended early is the failure, not the writer's closed pipe.
        drop(child.stdout.take());
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Tar {
                helper: self.helper.name(),
                status,
            }),
            Err(source) => Err(self.io(Path::new("tar"), source)),
        }
    }

    fn inside(&self, path: &str) -> Result<RootPath, Error> {
        let mut parts: Vec<&str> = path.split('/').collect();
        parts.retain(|part| !matches!(*part, "" | "."));
        RootPath::parse(parts.join("/"))
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
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o755).create(path);
        match path.as_os_str().is_empty() {
            true => Ok(()),
            false => made.map_err(|source| self.io(path, source)),
        }
    }

    fn not_there(&self, path: &RootPath, expected: &'static str) -> Error {
        let inside = path.to_string();
        Error::NotThere {
            helper: self.helper.name(),
            path: self.root.path().join(inside.trim_start_matches('/')),
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

/// A tar that writes what is in a directory to its standard output.
fn pack(directory: &Path, name: &str) -> Command {
    let mut packing = Command::new("tar");
    packing.args(TAR_OPTIONS).arg("--directory").arg(directory);
    packing.args(["--create", "--file", "-", "--", name]);
    packing.stdin(Stdio::null()).stdout(Stdio::piped());
    packing
}

/// The path by which a process that this one starts finds a directory that is open here.
fn of_descriptor(descriptor: &OwnedFd) -> PathBuf {
    let process = rustix::process::getpid();
    let process = process.as_raw_nonzero();
    PathBuf::from(format!("/proc/{process}/fd/{}", descriptor.as_raw_fd()))
}
