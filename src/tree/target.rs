//! The directory that becomes the tree: claimed before anything is fetched, given back as it was when something fails.
//!
//! Knows which directories are fit (absent or empty, not `/`, on a file system that can hold a system) and how to undo. What is
//! written into the tree goes through `rootfs`.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    FlockOperation, Gid, Mode, OFlags, StatVfsMountFlags, Uid, chmod, chown, flock, open, statvfs,
};
use rustix::io::Errno;

use crate::tree::rootfs::Rootfs;

/// A claimed target. Dropped without [`Target::keep`], it is again what it was: absent, or empty.
#[derive(Debug)]
pub(crate) struct Target {
    root: Rootfs,
    /// Held against other runs into the same directory, as long as this lives.
    _lock: OwnedFd,
    /// The topmost directory that the claim created; `None` when the target was there.
    created: Option<PathBuf>,
    /// Mode, owner and group of a target that was there.
    was: Option<(u32, u32, u32)>,
    kept: bool,
}

/// Why a directory cannot be the target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It has something in it.
    #[error("the target {} is not empty: it has `{}` in it", path.display(), Path::new(found).display())]
    NotEmpty {
        /// The target.
        path: PathBuf,
        /// A name in it.
        found: OsString,
    },
    /// It is a file, a device, …
    #[error("the target {} is not a directory", path.display())]
    NotADirectory {
        /// The target.
        path: PathBuf,
    },
    /// Another run makes a tree in it.
    #[error("the target {} is being made by another run", path.display())]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// It is the running system.
    #[error("the target {} is the running system's own root", path.display())]
    RunningSystem {
        /// The target.
        path: PathBuf,
    },
    /// Programs cannot run from it, so maintainer scripts cannot.
    #[error("the target {} is on a file system mounted noexec: maintainer scripts cannot run there", path.display())]
    NoExec {
        /// The target.
        path: PathBuf,
    },
    /// Names that differ in case only are one file there, and packages ship such names.
    #[error("the target {} is on a file system that does not tell upper from lower case", path.display())]
    CaseInsensitive {
        /// The target.
        path: PathBuf,
    },
    /// What is to be installed does not fit.
    #[error("{} has {} MB free, and the packages need about {} MB", path.display(), free / 1_000_000, needed / 1_000_000)]
    NoRoom {
        /// The target.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The operating system said no.
    #[error("cannot {action} the target {}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The target.
        path: PathBuf,
        /// Why it could not.
        #[source]
        source: io::Error,
    },
    /// The tree could not be opened.
    #[error(transparent)]
    Rootfs(#[from] crate::tree::rootfs::Error),
}

impl Error {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::NotEmpty { .. } => {
                Some("name a directory that is empty or does not exist yet".into())
            }
            Error::NotADirectory { .. }
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
    /// Claims `path`: creates it, with what is missing above it, or finds it empty (an empty `lost+found` is allowed).
    pub(crate) fn claim(path: &Path) -> Result<Target, Error> {
        let error = |action| {
            move |source| Error::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let path = std::path::absolute(path).map_err(error("find"))?;
        match path.metadata() {
            Ok(found) if !found.is_dir() => Err(Error::NotADirectory { path }),
            Ok(found) => {
                let system = Path::new("/").metadata().map_err(error("find"))?;
                if (found.dev(), found.ino()) == (system.dev(), system.ino()) {
                    return Err(Error::RunningSystem { path });
                }
                Target::hold(&path, None, Some((found.mode(), found.uid(), found.gid())))?.checked()
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
                let created = topmost_missing(&path);
                create(&path).map_err(error("create"))?;
                // From here on, dropping it takes back what was created.
                Target::hold(&path, Some(created), None)?.checked()
            }
            Err(source) => Err(Error::Io {
                action: "find",
                path,
                source,
            }),
        }
    }

    /// A directory of its own below `parent`, for an image that is written elsewhere. It goes when this is dropped.
    pub(crate) fn temporary(parent: &Path) -> Result<Target, Error> {
        let error = |source| Error::Io {
            action: "create",
            path: parent.to_owned(),
            source,
        };
        let directory = tempfile::Builder::new()
            .prefix("rbootstrap.")
            .tempdir_in(parent)
            .map_err(error)?;
        let path = directory.keep();
        Target::hold(&path, Some(path.clone()), None)?.checked()
    }

    /// Takes an empty directory. One that another run holds, or has filled, is its own, whoever created it.
    fn hold(
        path: &Path,
        created: Option<PathBuf>,
        was: Option<(u32, u32, u32)>,
    ) -> Result<Target, Error> {
        let error = |source: Errno| Error::Io {
            action: "open",
            path: path.to_owned(),
            source: source.into(),
        };
        let lock = open(
            path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(error)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(Error::Busy { path: path.into() }),
            locked => locked.map_err(error)?,
        }
        refuse_content(path)?;
        Ok(Target {
            root: Rootfs::open(path)?,
            _lock: lock,
            created,
            was,
            kept: false,
        })
    }

    /// The tree.
    pub(crate) fn root(&self) -> &Rootfs {
        &self.root
    }

    /// Leaves the tree where it is.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// That `needed` bytes fit.
    pub(crate) fn has_room_for(&self, needed: u64) -> Result<(), Error> {
        let path = self.root.path();
        let found = statvfs(path).map_err(|e| Error::Io {
            action: "measure",
            path: path.into(),
            source: e.into(),
        })?;
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

    fn checked(self) -> Result<Target, Error> {
        let path = self.root.path();
        let error = |action| {
            move |source: io::Error| Error::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let mounted = statvfs(path)
            .map_err(io::Error::from)
            .map_err(error("look at"))?;
        if mounted.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(Error::NoExec { path: path.into() });
        }
        let probe = tempfile::Builder::new()
            .prefix("CASE.")
            .tempdir_in(path)
            .map_err(error("write into"))?;
        let lower = probe
            .path()
            .file_name()
            .map(|name| name.to_ascii_lowercase())
            .unwrap_or_default();
        if path.join(lower).exists() {
            return Err(Error::CaseInsensitive { path: path.into() });
        }
        drop(probe);
        own(path, 0o755, 0, 0)
            .map_err(io::Error::from)
            .map_err(error("set owner and mode of"))?;
        Ok(self)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Nothing can be told from here, and what cannot be removed is left to be seen.
        let root = &self.root;
        for name in root.names(&Default::default()).unwrap_or_default() {
            if self.created.is_none() && name == b"lost+found" {
                continue;
            }
            if let Ok(path) = crate::tree::rootfs::RootPath::parse(&name) {
                let _ = root.remove_tree(&path);
            }
        }
        if let Some((mode, user, group)) = self.was {
            let _ = own(root.path(), mode, user, group);
        }
        let mut directory = Some(root.path());
        while let (Some(path), Some(created)) = (directory, &self.created)
            && path.starts_with(created)
        {
            let _ = rustix::fs::rmdir(path);
            directory = path.parent();
        }
    }
}

fn own(path: &Path, mode: u32, user: u32, group: u32) -> Result<(), Errno> {
    // Without root no tree is made, but a plan's claim is tried in tests.
    if rustix::process::geteuid().is_root() {
        chown(path, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    chmod(path, Mode::from_raw_mode(mode))
}

fn refuse_content(path: &Path) -> Result<(), Error> {
    let error = |source| Error::Io {
        action: "list",
        path: path.to_owned(),
        source,
    };
    for entry in path.read_dir().map_err(error)? {
        let entry = entry.map_err(error)?;
        let empty_lost_and_found = entry.file_name() == "lost+found"
            && entry
                .path()
                .read_dir()
                .is_ok_and(|mut d| d.next().is_none());
        if !empty_lost_and_found {
            return Err(Error::NotEmpty {
                path: path.into(),
                found: entry.file_name(),
            });
        }
    }
    Ok(())
}

fn topmost_missing(path: &Path) -> PathBuf {
    let missing = path
        .ancestors()
        .take_while(|above| above.symlink_metadata().is_err());
    missing.last().unwrap_or(path).to_owned()
}

fn create(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|above| above.symlink_metadata().is_err())
        .collect();
    for directory in missing.into_iter().rev() {
        rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests make targets of every kind, with every writer of the standard library"
)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_absent_again() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b/c");
        let target = Target::claim(&path).unwrap();
        target
            .root()
            .write(
                &crate::tree::rootfs::RootPath::parse("x").unwrap(),
                b"",
                0o644,
            )
            .unwrap();
        drop(target);
        assert_eq!(above.path().read_dir().unwrap().count(), 0);
        Target::claim(&path).unwrap().keep();
        assert!(path.is_dir());
    }

    #[test]
    fn empty_is_empty_again() {
        let path = tempfile::tempdir().unwrap();
        std::fs::create_dir(path.path().join("lost+found")).unwrap();
        let target = Target::claim(path.path()).unwrap();
        target
            .root()
            .make_directories(&crate::tree::rootfs::RootPath::parse("usr/bin").unwrap())
            .unwrap();
        drop(target);
        let left: Vec<_> = path
            .path()
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["lost+found"]);
    }

    #[test]
    fn an_empty_target_gets_its_owner_and_mode_back() {
        let path = tempfile::tempdir().unwrap();
        let look = || {
            path.path()
                .metadata()
                .map(|m| (m.mode() & 0o7777, m.uid()))
                .unwrap()
        };
        chmod(path.path(), Mode::from_raw_mode(0o2770)).unwrap();
        let before = look();
        let target = Target::claim(path.path()).unwrap();
        assert_eq!(look().0, 0o755);
        drop(target);
        assert_eq!(look(), before);
    }

    #[test]
    fn one_run_at_a_time() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("tree");
        let first = Target::claim(&path).unwrap();
        assert!(matches!(Target::claim(&path), Err(Error::Busy { .. })));
        assert!(path.is_dir());
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_unfit_is_refused_and_left_alone() {
        let above = tempfile::tempdir().unwrap();
        let file = above.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(
            Target::claim(&file),
            Err(Error::NotADirectory { .. })
        ));
        assert!(
            matches!(Target::claim(above.path()), Err(Error::NotEmpty { found, .. }) if found == "file")
        );
        assert!(matches!(
            Target::claim(Path::new("/")),
            Err(Error::RunningSystem { .. })
        ));
        std::os::unix::fs::symlink("nowhere", above.path().join("dangling")).unwrap();
        assert!(matches!(
            Target::claim(&above.path().join("dangling")),
            Err(Error::Io { .. })
        ));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }

    #[test]
    fn room_is_measured() {
        let target = Target::temporary(&std::env::temp_dir()).unwrap();
        assert!(target.has_room_for(1).is_ok());
        assert!(matches!(
            target.has_room_for(u64::MAX),
            Err(Error::NoRoom { .. })
        ));
        let path = target.root().path().to_owned();
        drop(target);
        assert!(!path.exists());
    }
}
