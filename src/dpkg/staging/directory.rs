//! The directory that packages are staged in: a directory for each package, in it a file for each
//! entry that has content.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::tree::rootfs::{self, RootPath, Rootfs};

use super::{PackageFile, STAGING, Staged};

/// The staging directory, held open.
#[derive(Debug)]
pub(crate) struct StagingDirectory {
    directory: OwnedFd,
    /// Owner and group of a new file.
    pub(crate) creator: (u32, u32),
}

impl StagingDirectory {
    /// Makes the directory, empty.
    pub(super) fn create(root: &Rootfs) -> Result<StagingDirectory, rootfs::Error> {
        let path = RootPath::known(STAGING);
        root.remove_tree(&path)?;
        root.make_directories(&path.parent())?;
        root.make_directory(&path, 0o700)?;
        // A directory with setgid around it would hand its group down to every file.
        root.set_owner_and_mode(&path, 0, 0, Some(0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = root.open_at(&path, flags, Mode::empty());
        let directory = directory.map_err(|e| root.error(&path, "open the directory", e))?;
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        Ok(StagingDirectory {
            directory,
            creator: (user, group),
        })
    }

    /// Makes the directory of one package.
    pub(super) fn create_package(&self, file: &PackageFile) -> Result<OwnedFd, Errno> {
        let name = name_of(file);
        rustix::fs::mkdirat(&self.directory, &*name, Mode::RWXU)?;
        self.open_package(&name)
    }

    /// The directory of one package.
    pub(crate) fn package(&self, staged: &Staged) -> Result<OwnedFd, Errno> {
        self.open_package(&name_of(&staged.file))
    }

    /// The staged content of an entry, for reading.
    pub(crate) fn content(&self, staged: &Staged, number: u32) -> Result<File, Errno> {
        open_content(self.package(staged)?, number)
    }

    fn open_package(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.directory, name, flags, Mode::empty())
    }
}

/// The name of a package's directory: its .deb's digest, since nothing has checked its own name.
fn name_of(file: &PackageFile) -> String {
    file.deb.digest.hexadecimal()
}

/// Opens a staged file in its package's directory.
pub(crate) fn open_content(package: impl AsFd, number: u32) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let name = number.to_string();
    rustix::fs::openat(package, name, flags, Mode::empty()).map(File::from)
}

/// Gives a staged file another owner or mode. The mode comes second: a new owner clears setuid.
pub(crate) fn set_owner_and_mode(
    package: impl AsFd,
    number: u32,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
) -> Result<(), Errno> {
    let name = number.to_string();
    if let Some((user, group)) = owner {
        let user = Some(Uid::from_raw(user));
        let group = Some(Gid::from_raw(group));
        rustix::fs::chownat(&package, &*name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(mode) = mode {
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::chmodat(&package, &*name, mode, AtFlags::empty())?;
    }
    Ok(())
}
