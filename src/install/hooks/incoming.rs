//! Unpacks the user's tar archives in the tree, for the helpers copy-in, sync-in and tar-in.
//!
//! The result is that of GNU tar run as root: numeric owners, all mode bits, extended attributes
//! and times. Existing entries are replaced, except directories that are not empty. GNU tar itself
//! would follow a symlink of the tree to a file of the host; here every path is resolved with the
//! tree as root. Unknown entry types are refused. Unknown pax records are ignored, with a warning
//! for access control lists and labels.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, lsetxattr,
    makedev,
};
use rustix::io::Errno;

use crate::formats::deb::{Archive, DebLimits, Dialect, Entry, Kind, TarError};
use crate::interrupt::Interrupt;
use crate::mark;
use crate::report::Report;
use crate::tree::rootfs::{self, Directory, Handle, RootPath, Rootfs};

/// Where an archive is unpacked, and what of it.
pub(in crate::install) struct Incoming<'a> {
    pub(in crate::install) root: &'a Rootfs,
    /// A directory, or a symlink to one.
    pub(in crate::install) target: &'a RootPath,
    /// Leaves out device nodes.
    pub(in crate::install) without_devices: bool,
    pub(in crate::install) interrupt: &'a Interrupt,
    pub(in crate::install) report: &'a Report,
}

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("it is not an uncompressed tar archive")]
    NotTar,
    #[error(transparent)]
    Archive(#[from] TarError),
    /// A name, or the target of a hard link, with `..`.
    #[error("`{path}` leads out of the directory in which the archive is unpacked")]
    Outside { path: String },
    #[error("cannot make `{path}` a hard link to `{target}`")]
    HardLink {
        path: String,
        target: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot set the extended attribute `{name}` of `{path}`")]
    Attribute {
        path: String,
        name: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

/// An entry's name, in the directory that contains it.
struct EntryPlace {
    path: RootPath,
    parent: Directory,
    name: CString,
}

/// The time of a directory, which is set once its entries are made.
struct DirectoryTime {
    /// Below the target.
    below: RootPath,
    times: Timestamps,
}

impl Incoming<'_> {
    /// Unpacks all entries.
    ///
    /// # Errors
    ///
    /// If the archive is not a tar, if an entry's type is unknown, if an entry leads out of the
    /// target, and if reading or writing fails. Entries that were already unpacked are kept.
    pub(in crate::install) fn unpack(&self, archive: impl Read) -> Result<(), Error> {
        let limits = DebLimits::none(self.interrupt.clone());
        let mut archive = Archive::new(archive, Dialect::Pax, limits);
        let mut directories = Vec::new();
        let mut ignored = BTreeSet::new();
        let mut is_first = true;
        while let Some(entry) = next(&mut archive, is_first)? {
            is_first = false;
            self.check_interrupt()?;
            if self.without_devices && matches!(entry.kind, Kind::Character | Kind::Block) {
                continue;
            }
            for record in &entry.ignored {
                if ignored.insert(*record) {
                    let text = format!("`{record}` of the archive is not unpacked");
                    self.report.warning(text);
                }
            }
            let below = self.inside(&entry.path)?;
            self.root.make_directories(&self.above(&below))?;
            let place = self.find(&below)?;
            let made = self.make(&entry, &place, &mut archive)?;
            made.map_err(|error| self.root.error(&place.path, "unpack it", error))?;
            if entry.kind != Kind::HardLink {
                let set = place.set_owner_and_mode(&entry);
                set.map_err(|error| self.root.error(&place.path, "unpack it", error))?;
                self.set_attributes(&entry, &place)?;
                let set = place.set_times_of(&entry);
                set.map_err(|error| self.root.error(&place.path, "set its time", error))?;
            }
            if entry.kind == Kind::Directory {
                let times = times(&entry);
                directories.push(DirectoryTime { below, times });
            }
        }
        for directory in directories.iter().rev() {
            // Another entry may have replaced it.
            if let Ok(place) = self.find(&directory.below) {
                let set = place.set_time_of_directory(&directory.times);
                set.map_err(|error| self.root.error(&place.path, "set its time", error))?;
            }
        }
        Ok(())
    }

    /// The directory that contains an entry. The target itself is there.
    fn above(&self, below: &RootPath) -> RootPath {
        match below.is_root() {
            true => RootPath::default(),
            false => self.target.join(below).parent(),
        }
    }

    fn find(&self, below: &RootPath) -> Result<EntryPlace, Error> {
        if below.is_root() {
            return Ok(EntryPlace {
                path: self.target.clone(),
                parent: self.root.directory(self.target)?,
                name: c".".to_owned(),
            });
        }
        let path = self.target.join(below);
        let (parent, name) = self.root.parent(&path)?;
        Ok(EntryPlace { path, parent, name })
    }

    fn inside(&self, path: &[u8]) -> Result<RootPath, Error> {
        RootPath::parse(path).map_err(|_| Error::Outside { path: shown(path) })
    }

    fn check_interrupt(&self) -> Result<(), Error> {
        match self.interrupt.cause() {
            Some(_) => Err(TarError::Interrupted.into()),
            None => Ok(()),
        }
    }

    fn set_attributes(&self, entry: &Entry, place: &EntryPlace) -> Result<(), Error> {
        for attribute in &entry.attributes {
            self.check_interrupt()?;
            let name = OsStr::from_bytes(&attribute.name);
            // A mark copied from another tree would have this tree removed.
            if mark::is_name(name) {
                continue;
            }
            let flags = XattrFlags::empty();
            match lsetxattr(place.path_by_descriptor(), name, &attribute.value, flags) {
                Ok(()) => {}
                // The file system does not support it, or a user namespace may not set it.
                Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                // The file system cannot store this attribute or value. GNU tar also only warns.
                Err(error @ (Errno::TOOBIG | Errno::INVAL | Errno::RANGE | Errno::NOSPC)) => {
                    let path = shown(&entry.path);
                    let name = shown(&attribute.name);
                    self.report.warning(format!(
                        "cannot set the extended attribute `{name}` of `{path}`: {error}"
                    ));
                }
                Err(error) => {
                    return Err(Error::Attribute {
                        path: shown(&entry.path),
                        name: shown(&attribute.name),
                        source: error.into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Makes an entry. The outer error is the archive's or another path's.
    fn make(
        &self,
        entry: &Entry,
        place: &EntryPlace,
        archive: &mut Archive<impl Read>,
    ) -> Result<io::Result<()>, Error> {
        match entry.kind {
            Kind::HardLink => {
                let target = self.target.join(&self.inside(&entry.target)?);
                let (parent, name) = self.root.parent(&target)?;
                let target = EntryPlace {
                    path: target,
                    parent,
                    name,
                };
                let linked = place.link(&target);
                linked.map_err(|error| Error::HardLink {
                    path: shown(&entry.path),
                    target: shown(&entry.target),
                    source: error.into(),
                })?;
            }
            Kind::File => {
                let mut file = match place.create() {
                    Ok(file) => file,
                    Err(error) => return Ok(Err(error.into())),
                };
                loop {
                    let chunk = archive.chunk()?;
                    if chunk.is_empty() {
                        break;
                    }
                    if let Err(error) = file.write_all(chunk) {
                        return Ok(Err(error));
                    }
                }
            }
            Kind::Symlink | Kind::Character | Kind::Block | Kind::Directory | Kind::Fifo => {
                if let Err(error) = place.make_without_content(entry) {
                    return Ok(Err(error.into()));
                }
            }
        }
        Ok(Ok(()))
    }
}

impl EntryPlace {
    /// Creates an empty file.
    fn create(&self) -> Result<File, Errno> {
        self.clear()?;
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = new | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::openat(&self.parent, &*self.name, flags, mode).map(File::from)
    }

    fn link(&self, target: &EntryPlace) -> Result<(), Errno> {
        let found = Handle::at(&target.parent, &*target.name)?;
        if let Ok(here) = Handle::at(&self.parent, &*self.name)
            && (here.stat().st_dev, here.stat().st_ino)
                == (found.stat().st_dev, found.stat().st_ino)
        {
            return Ok(());
        }
        self.clear()?;
        rustix::fs::linkat(
            &target.parent,
            &*target.name,
            &self.parent,
            &*self.name,
            AtFlags::empty(),
        )
    }

    fn make_without_content(&self, entry: &Entry) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(0o600);
        let kind = match entry.kind {
            Kind::Directory => return self.make_directory(),
            Kind::Symlink => {
                self.clear()?;
                let target = OsStr::from_bytes(&entry.target);
                return rustix::fs::symlinkat(target, &self.parent, &*self.name);
            }
            Kind::Character => FileType::CharacterDevice,
            Kind::Block => FileType::BlockDevice,
            Kind::Fifo | Kind::File | Kind::HardLink => FileType::Fifo,
        };
        self.clear()?;
        let (major, minor) = entry.device;
        let device = makedev(major, minor);
        rustix::fs::mknodat(&self.parent, &*self.name, kind, mode, device)
    }

    /// Makes a directory, unless there is one. A symlink is replaced, as GNU tar does.
    fn make_directory(&self) -> Result<(), Errno> {
        let make = || rustix::fs::mkdirat(&self.parent, &*self.name, Mode::RWXU);
        match make() {
            Err(Errno::EXIST) => {
                let found = Handle::at(&self.parent, &*self.name)?;
                if found.kind() == FileType::Directory {
                    return Ok(());
                }
                self.clear()?;
                make()
            }
            made => made,
        }
    }

    /// Removes what is there: a file, or an empty directory.
    fn clear(&self) -> Result<(), Errno> {
        let remove = |flags| rustix::fs::unlinkat(&self.parent, &*self.name, flags);
        let removed = match remove(AtFlags::empty()) {
            Err(Errno::ISDIR) => remove(AtFlags::REMOVEDIR),
            removed => removed,
        };
        match removed {
            Err(Errno::NOENT) => Ok(()),
            removed => removed,
        }
    }

    fn set_owner_and_mode(&self, entry: &Entry) -> Result<(), Errno> {
        let handle = Handle::at(&self.parent, &*self.name)?;
        handle.set_owner_and_mode(entry.uid, entry.gid, entry.mode)
    }

    /// Directories get theirs once their entries are made.
    fn set_times_of(&self, entry: &Entry) -> Result<(), Errno> {
        match entry.kind {
            Kind::Directory => Ok(()),
            Kind::File
            | Kind::HardLink
            | Kind::Symlink
            | Kind::Character
            | Kind::Block
            | Kind::Fifo => self.set_times(&times(entry)),
        }
    }

    fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(&self.parent, &*self.name, times, flags)
    }

    /// Sets the time of a directory, if it is still one.
    fn set_time_of_directory(&self, times: &Timestamps) -> Result<(), Errno> {
        match Handle::at(&self.parent, &*self.name) {
            Ok(found) if found.kind() == FileType::Directory => self.set_times(times),
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A path for calls that take no descriptor of a directory.
    fn path_by_descriptor(&self) -> PathBuf {
        let parent = format!("/proc/self/fd/{}", self.parent.as_fd().as_raw_fd());
        Path::new(&parent).join(OsStr::from_bytes(self.name.as_bytes()))
    }
}

fn next(archive: &mut Archive<impl Read>, is_first: bool) -> Result<Option<Entry>, Error> {
    archive.next_entry().map_err(|error| match error {
        TarError::Checksum { at: 0 } => Error::NotTar,
        TarError::Field {
            at: 0,
            field: "check sum",
        } => Error::NotTar,
        TarError::Truncated if is_first => Error::NotTar,
        error => error.into(),
    })
}

/// A name of the archive for messages.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

fn times(entry: &Entry) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: entry.modified,
            tv_nsec: entry.nanoseconds.into(),
        },
    }
}
