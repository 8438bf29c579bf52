//! The directory that packages are staged in: a directory for each package, in it a file for each
//! entry that has content.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::tree::STAGING;
use crate::tree::rootfs::{self, Handle, RootPath, Rootfs};

use super::{PackageFile, Staged};

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
        root.make_directories(&path.parent())?;
        root.make_new_directory(&path, 0o700)?;
        // A directory with setgid around it would hand its group down to every file.
        root.set_owner_and_mode(&path, 0, 0, Some(0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = root.open_at(&path, flags);
        let directory = directory.map_err(|e| root.error(&path, "open the directory", e))?;
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        Ok(StagingDirectory {
            directory,
            creator: (user, group),
        })
    }

    /// Makes the directory of one package. What a failed attempt has left in it goes.
    pub(super) fn create_package(&self, file: &PackageFile) -> Result<OwnedFd, Errno> {
        let name = name_of(file);
        match rustix::fs::mkdirat(&self.directory, &*name, Mode::RWXU) {
            Err(Errno::EXIST) => {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let left = rustix::fs::openat(&self.directory, &*name, flags, Mode::empty())?;
                let emptied = rootfs::empty_directory(left.as_fd(), None);
                emptied.map_err(|remains| remains.reason)?;
                self.open_package(&name)
            }
            made => {
                made?;
                self.open_package(&name)
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(root: &Rootfs) -> StagingDirectory {
        StagingDirectory::create(root).unwrap()
    }

    /// The time of the file system's own clock, in nanoseconds since the epoch.
    pub(crate) fn clock(&self) -> Result<i128, Errno> {
        rustix::fs::futimens(&self.directory, &rootfs::modified_now())?;
        let found = rustix::fs::fstat(&self.directory)?;
        let nanoseconds = i128::from(found.st_ctime_nsec);
        Ok(i128::from(found.st_ctime) * 1_000_000_000 + nanoseconds)
    }

    /// Which extended attributes the file system keeps ([`rootfs::kept_attributes`]).
    pub(crate) fn kept_attributes(&self) -> Result<Vec<String>, Errno> {
        rootfs::kept_attributes(&self.directory)
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
    Handle::at(package, number.to_string())?.open(OFlags::RDONLY)
}

/// Gives a staged file another owner or mode. The mode comes second: a new owner clears setuid. The
/// staging directory is inside the tree, where a script may have put a symlink in the file's place:
/// that is an error.
pub(crate) fn set_owner_and_mode(
    package: impl AsFd,
    number: u32,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
) -> Result<(), Errno> {
    let staged = Handle::at(package, number.to_string())?;
    if let Some((user, group)) = owner {
        staged.set_owner(user, group)?;
    }
    if let Some(mode) = mode {
        staged.set_mode(mode)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_symlink_in_place_of_a_staged_file_leads_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        rustix::fs::symlink(outside.path(), directory.path().join("7")).unwrap();
        let before = outside.path().metadata().unwrap().mode();
        let package = File::open(directory.path()).unwrap();
        let set = set_owner_and_mode(&package, 7, None, Some(0o6777));
        assert_eq!(set, Err(Errno::LOOP));
        assert_eq!(outside.path().metadata().unwrap().mode(), before);
        let opened = open_content(&package, 7).map(drop);
        assert_eq!(opened, Err(Errno::INVAL));
    }
}
