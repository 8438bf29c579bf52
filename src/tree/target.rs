//! The directory that becomes the tree: claimed before anything is fetched, and restored when the
//! run fails.
//!
//! Knows which directories are suitable (absent or empty, not `/`, on a file system that can hold a
//! system) and how to undo. A claim works on one open directory throughout, so exchanging the path
//! for another meanwhile has no effect. What is written into the tree goes through `rootfs`.

mod acl;
mod claim;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, StatVfsMountFlags, Uid, fchmod, fchown, fstatvfs};
use rustix::io::Errno;

use crate::tree::rootfs::{self, RootPath, Rootfs};
use acl::Acls;
use claim::{CreatedDirectories, LockedDirectory};

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
    kept: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ownership {
    mode: u32,
    uid: u32,
    gid: u32,
}

/// The attributes of a tree's root directory.
const OF_A_TREE: Ownership = Ownership {
    mode: 0o755,
    uid: 0,
    gid: 0,
};

/// Why a directory cannot be the target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "the target {} is not empty: it contains `{}`",
        path.display(),
        Path::new(found).display()
    )]
    NotEmpty { path: PathBuf, found: OsString },
    #[error("the target {} is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("the target {} is a symlink of another user (uid {uid})", path.display())]
    ForeignSymlink { path: PathBuf, uid: u32 },
    #[error("the target {} is being built by another run", path.display())]
    Busy { path: PathBuf },
    #[error("the target {} is the root of the running system", path.display())]
    RunningSystem { path: PathBuf },
    #[error(
        "the target {} is on a file system mounted noexec: maintainer scripts cannot run there",
        path.display()
    )]
    NoExec { path: PathBuf },
    /// Packages ship names that differ only in case.
    #[error("the target {} is on a case-insensitive file system", path.display())]
    CaseInsensitive { path: PathBuf },
    #[error(
        "{} has {} MB free, but the packages need about {} MB",
        path.display(),
        free / 1_000_000,
        needed / 1_000_000
    )]
    NoRoom {
        path: PathBuf,
        /// In bytes.
        free: u64,
        /// In bytes.
        needed: u64,
    },
    #[error("cannot {action} the target {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Rootfs(#[from] rootfs::Error),
}

impl Error {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NotEmpty { .. } => {
                Some("name a directory that is empty or does not exist yet".into())
            }
            Error::NotADirectory { .. }
            | Error::ForeignSymlink { .. }
            | Error::Busy { .. }
            | Error::RunningSystem { .. }
            | Error::NoExec { .. }
            | Error::CaseInsensitive { .. }
            | Error::NoRoom { .. }
            | Error::Io { .. }
            | Error::Rootfs(_) => None,
        }
    }
}

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

    /// Creates a temporary tree below `parent`, for an image that is written elsewhere. Dropping it
    /// removes it.
    pub(crate) fn temporary(parent: &Path) -> Result<Target, Error> {
        let created = tempfile::Builder::new()
            .prefix("rbootstrap.")
            .tempdir_in(parent);
        let directory = created.map_err(|source| Error::Io {
            action: "create",
            path: parent.to_owned(),
            source,
        })?;
        let path = directory.keep();
        Target::hold(claim::adopt(&path)?, &path)
    }

    /// Takes a locked, empty directory. From here on, dropping it restores what was before.
    fn hold(claim: LockedDirectory, path: &Path) -> Result<Target, Error> {
        let LockedDirectory { directory, created } = claim;
        let failed = |action| move |e: Errno| io_error(action, path, e);
        let found = rustix::fs::fstat(&directory).map_err(failed("look at"))?;
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        let flags = flags | rustix::fs::OFlags::CLOEXEC;
        let root = rustix::fs::openat(&directory, c".", flags, Mode::empty());
        let root = Rootfs::from_directory(root.map_err(failed("open"))?, path);
        let before = Ownership {
            mode: found.st_mode & 0o7777,
            uid: found.st_uid,
            gid: found.st_gid,
        };
        OF_A_TREE
            .apply(&directory)
            .map_err(failed("set owner and mode of"))?;
        // Another user may have added something until the owner changed. It is not ours to remove.
        if let Err(e) = claim::refuse_content(&directory, path) {
            let _ = before.apply(&directory);
            return Err(e);
        }
        let acls = Acls::take(&directory).map_err(failed("remove the ACL of"))?;
        let target = Target {
            root,
            directory,
            acls,
            before: created.is_empty().then_some(before),
            created,
            kept: false,
        };
        target.check_file_system()?;
        Ok(target)
    }

    pub(crate) fn root(&self) -> &Rootfs {
        &self.root
    }

    /// Leaves the tree where it is.
    pub(crate) fn keep(&mut self) {
        self.created.keep();
        self.kept = true;
    }

    /// Checks that `needed` bytes fit.
    pub(crate) fn has_room_for(&self, needed: u64) -> Result<(), Error> {
        let path = self.root.path();
        let found = fstatvfs(&self.directory).map_err(|e| io_error("measure", path, e))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        // Some file systems state no size at all.
        if found.f_blocks > 0 && free < needed {
            return Err(Error::NoRoom {
                path: path.into(),
                free,
                needed,
            });
        }
        Ok(())
    }

    fn check_file_system(&self) -> Result<(), Error> {
        let path = self.root.path();
        let failed = |action| move |e: Errno| io_error(action, path, e);
        let mounted = fstatvfs(&self.directory).map_err(failed("look at"))?;
        if mounted.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(Error::NoExec { path: path.into() });
        }
        let upper = c"CASE.rbootstrap";
        let lower = c"case.rbootstrap";
        rustix::fs::mkdirat(&self.directory, upper, Mode::RWXU).map_err(failed("write into"))?;
        let same = rustix::fs::statat(&self.directory, lower, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        rustix::fs::unlinkat(&self.directory, upper, AtFlags::REMOVEDIR)
            .map_err(failed("write into"))?;
        if same {
            return Err(Error::CaseInsensitive { path: path.into() });
        }
        Ok(())
    }

    /// Empties the tree, but for the `lost+found` of a target that existed.
    fn empty(&self) {
        let names = self.root.names(&RootPath::default());
        for name in names.unwrap_or_default() {
            if self.created.is_empty() && name == b"lost+found" {
                continue;
            }
            let _ = self.root.remove_tree(&RootPath::default().entry(&name));
        }
    }
}

impl Drop for Target {
    /// Errors cannot be reported from here; what cannot be removed stays and is visible. `created`
    /// removes itself afterwards.
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.empty();
        if let Some(before) = self.before {
            let _ = self.acls.restore(&self.directory);
            let _ = before.apply(&self.directory);
        }
    }
}

impl Ownership {
    fn apply(self, directory: &OwnedFd) -> Result<(), Errno> {
        // Without root no tree is made, but unit tests claim targets.
        if rustix::process::geteuid().is_root() {
            let uid = Some(Uid::from_raw(self.uid));
            let gid = Some(Gid::from_raw(self.gid));
            fchown(directory, uid, gid)?;
        }
        fchmod(directory, Mode::from_raw_mode(self.mode))
    }
}

fn io_error(action: &'static str, path: &Path, error: Errno) -> Error {
    Error::Io {
        action,
        path: path.to_owned(),
        source: error.into(),
    }
}
