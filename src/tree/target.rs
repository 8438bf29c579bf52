//! The directory that becomes the tree: claimed before anything is fetched, and restored when the
//! run fails.
//!
//! Knows which directories are suitable (absent or empty, not `/`, on a file system that can hold a
//! system) and how to undo. A claim works on one open directory throughout, so exchanging the path
//! for another meanwhile has no effect. What is written into the tree goes through `rootfs`.

mod acl;
mod claim;
mod error;
mod fitness;
mod leftover;
mod removal;

#[cfg(test)]
mod tests;

use std::fs::Permissions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown};
use rustix::io::Errno;

use crate::mark::{self, Ownership};
use crate::tree::rootfs::{Remains, Rootfs, empty_directory};
use acl::Acls;
use claim::{CreatedDirectories, LockedDirectory};

pub(crate) use error::Error;
use error::io_error;
pub(crate) use leftover::sweep;
pub(crate) use removal::remove;

/// A claimed target. Dropped without [`Target::keep`], it is what it was before: absent, or empty.
#[derive(Debug)]
pub(crate) struct Target {
    root: Rootfs,
    /// The directory, locked against other runs as long as this lives.
    directory: OwnedFd,
    /// Empty when the target existed.
    created: CreatedDirectories,
    /// The attributes of a target that existed.
    before: Option<Ownership>,
    /// The access control lists that it had.
    acls: Acls,
    /// The process whose leftovers were removed from it.
    left_by: Option<u32>,
    /// Whether nothing is to be undone any more.
    settled: bool,
}

/// The attributes of a tree's root directory.
const OF_A_TREE: Ownership = Ownership {
    mode: 0o755,
    uid: 0,
    gid: 0,
};

impl Target {
    /// Claims `path`: creates it and its missing parents, or finds it empty (an empty `lost+found`
    /// is allowed).
    pub(crate) fn claim(path: &Path) -> Result<Target, Error> {
        let path = std::path::absolute(path).map_err(|source| Error::Io {
            action: "find",
            path: path.into(),
            source,
        })?;
        Target::hold(claim::open_or_create(&path)?, &path)
    }

    /// Claims `path` with whatever is in it. Nothing is undone.
    pub(crate) fn occupy(path: &Path) -> Result<Target, Error> {
        let path = std::path::absolute(path).map_err(|source| Error::Io {
            action: "find",
            path: path.into(),
            source,
        })?;
        let LockedDirectory {
            directory,
            mut created,
            ..
        } = claim::open_any(&path)?;
        created.keep();
        let found = rustix::fs::fstat(&directory).map_err(|e| io_error("look at", &path, e))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&directory, c".", flags, Mode::empty());
        let root = root.map_err(|e| io_error("open", &path, e))?;
        apply(OF_A_TREE, &directory).map_err(|e| io_error("set owner and mode of", &path, e))?;
        let target = Target {
            root: Rootfs::from_directory(root, &path),
            acls: Acls::take(&directory).map_err(|e| io_error("remove the ACL of", &path, e))?,
            directory,
            before: Some(Ownership {
                mode: found.st_mode & 0o7777,
                uid: found.st_uid,
                gid: found.st_gid,
            }),
            created,
            left_by: None,
            settled: true,
        };
        fitness::check(&target.directory, &path)?;
        Ok(target)
    }

    /// Creates a temporary tree below `parent`, for an image that is written elsewhere. Dropping it
    /// removes it.
    pub(crate) fn temporary(parent: &Path) -> Result<Target, Error> {
        let mut tries = 0;
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(mark::PREFIX);
            builder.permissions(Permissions::from_mode(mark::UNMARKED));
            let directory = builder
                .tempdir_in(parent)
                .map_err(|source| Error::Temporary {
                    parent: parent.to_owned(),
                    source,
                })?;
            let path = directory.keep();
            tries += 1;
            match claim::adopt(&path) {
                // Another run has taken it for a leftover before it was locked.
                Err(_) if tries < 5 && !path.exists() => {}
                claimed => return Target::hold(claimed?, &path),
            }
        }
    }

    /// Takes a locked, empty directory. From here on, dropping it restores what was before.
    fn hold(claim: LockedDirectory, path: &Path) -> Result<Target, Error> {
        let LockedDirectory {
            directory,
            created,
            leftover,
        } = claim;
        let failed = |action| move |e: Errno| io_error(action, path, e);
        let found = rustix::fs::fstat(&directory).map_err(failed("look at"))?;
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        let flags = flags | rustix::fs::OFlags::CLOEXEC;
        let root = rustix::fs::openat(&directory, c".", flags, Mode::empty());
        let root = Rootfs::from_directory(root.map_err(failed("open"))?, path);
        let found = Ownership {
            mode: found.st_mode & 0o7777,
            uid: found.st_uid,
            gid: found.st_gid,
        };
        let before = leftover.as_ref().and_then(|mark| mark.before);
        let before = before.unwrap_or(found);
        // Marked first: until then its mode shows that a temporary directory is ours.
        if !created.is_empty() {
            mark::set(&directory, None);
        }
        apply(OF_A_TREE, &directory).map_err(|e| match e {
            Errno::PERM if found.uid != rustix::process::geteuid().as_raw() => Error::Foreign {
                path: path.to_owned(),
            },
            e => io_error("set owner and mode of", path, e),
        })?;
        // Another user may have added something until the owner changed. It is not ours to remove.
        if let Err(e) = claim::refuse_content(&directory, path) {
            let _ = apply(before, &directory);
            return Err(e);
        }
        let acls = Acls::take(&directory).map_err(failed("remove the ACL of"))?;
        let before = created.is_empty().then_some(before);
        if before.is_some() {
            mark::set(&directory, before);
        }
        let target = Target {
            root,
            directory,
            acls,
            before,
            created,
            left_by: leftover.map(|mark| mark.maker.number),
            settled: false,
        };
        fitness::check(&target.directory, path)?;
        Ok(target)
    }

    pub(crate) fn root(&self) -> &Rootfs {
        &self.root
    }

    /// The open directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The process whose leftovers were removed from the target.
    pub(crate) fn left_by(&self) -> Option<u32> {
        self.left_by
    }

    /// Leaves the tree where it is. The mark goes, so that no later run takes the tree for a
    /// leftover.
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        let cleared = mark::clear(&self.directory);
        cleared.map_err(|e| io_error("finish", self.root.path(), e))?;
        self.created.keep();
        self.settled = true;
        Ok(())
    }

    /// Makes the target what it was before, as dropping it does, and says what could not be
    /// removed.
    pub(crate) fn undo(&mut self) -> Result<(), Remains> {
        if self.settled {
            return Ok(());
        }
        self.settled = true;
        let spared = self.created.is_empty().then_some(c"lost+found");
        let emptied = empty_directory(self.directory.as_fd(), spared);
        // A directory that the run has created goes with its mark.
        if emptied.is_ok() && self.before.is_some() {
            let _ = mark::clear(&self.directory);
        }
        if let Some(before) = self.before {
            let _ = self.acls.restore(&self.directory);
            let _ = apply(before, &self.directory);
        }
        self.created.remove();
        emptied
    }
}

impl Drop for Target {
    /// What cannot be removed is known only to those who call [`Target::undo`].
    fn drop(&mut self) {
        let _ = self.undo();
    }
}

/// Sets owner and mode.
fn apply(ownership: Ownership, directory: &OwnedFd) -> Result<(), Errno> {
    // Without root no tree is made, but unit tests claim targets.
    if rustix::process::geteuid().is_root() {
        let uid = Some(Uid::from_raw(ownership.uid));
        let gid = Some(Gid::from_raw(ownership.gid));
        fchown(directory, uid, gid)?;
    }
    fchmod(directory, Mode::from_raw_mode(ownership.mode))
}
