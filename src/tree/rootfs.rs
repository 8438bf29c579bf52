//! The only door into the target tree.
//!
//! A [`Rootfs`] is an open directory, a [`RootPath`] a path inside it. The kernel resolves every path with the tree as its root
//! (`openat2` with `RESOLVE_IN_ROOT`), so a symlink that a package brings can never lead outside. Which files go where is for
//! others to know.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid,
};
use rustix::io::Errno;

/// A path inside the tree: normalised, without `..`, `.`, empty components or NUL. The root itself is empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RootPath(Vec<u8>);

impl RootPath {
    /// Reads a path as archives and databases write it: `./usr/bin`, `/usr/bin`, `usr/bin/`.
    pub(crate) fn parse(path: impl AsRef<[u8]>) -> Result<RootPath, BadPath> {
        let bad = || BadPath {
            path: String::from_utf8_lossy(path.as_ref()).into_owned(),
        };
        let mut clean = Vec::with_capacity(path.as_ref().len());
        for component in path.as_ref().split(|&b| b == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(bad()),
                _ if component.contains(&0) => return Err(bad()),
                _ => {}
            }
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(component);
        }
        Ok(RootPath(clean))
    }

    /// A path that this program itself spells, normalised but for a leading slash.
    pub(crate) fn known(path: &'static str) -> RootPath {
        RootPath(path.trim_start_matches('/').into())
    }

    /// The path without a leading slash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root itself.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that it is in; the root's is the root.
    pub(crate) fn parent(&self) -> RootPath {
        RootPath(self.split().0.to_vec())
    }

    /// The last component, empty for the root.
    pub(crate) fn name(&self) -> &[u8] {
        self.split().1
    }

    /// The path with `suffix` behind its last component, as in `.dpkg-new`.
    pub(crate) fn with_suffix(&self, suffix: &str) -> RootPath {
        RootPath([&self.0, suffix.as_bytes()].concat())
    }

    /// The path below this one.
    pub(crate) fn join(&self, below: &RootPath) -> RootPath {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => RootPath([&self.0, &b"/"[..], &below.0].concat()),
        }
    }

    /// Whether this is `above` or something below it.
    pub(crate) fn is_within(&self, above: &RootPath) -> bool {
        above.is_root()
            || self
                .0
                .strip_prefix(&above.0[..])
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    fn split(&self) -> (&[u8], &[u8]) {
        match memchr::memrchr(b'/', &self.0) {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&[], &self.0),
        }
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path that could lead out of the tree, or that no file can have.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` is not a path inside the tree")]
pub(crate) struct BadPath {
    /// The path as it was given.
    pub(crate) path: String,
}

/// Something that could not be done in the tree.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action}", root.join(path.to_string().trim_start_matches('/')).display())]
pub(crate) struct Error {
    /// The tree.
    pub(crate) root: PathBuf,
    /// The path inside it.
    pub(crate) path: RootPath,
    /// What was to be done: `create the directory`, …
    pub(crate) action: &'static str,
    /// Why it could not.
    #[source]
    pub(crate) source: io::Error,
}

impl Error {
    /// Whether the disk, or a quota on it, is full.
    pub(crate) fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// The target tree.
#[derive(Debug)]
pub(crate) struct Rootfs {
    directory: OwnedFd,
    device: u64,
    path: PathBuf,
}

/// A directory of the tree, held open.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Rootfs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// `RESOLVE_NO_MAGICLINKS` keeps a path from leaving through /proc, were that mounted.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

impl Rootfs {
    /// Opens a tree whose root directory exists.
    pub(crate) fn open(path: &Path) -> Result<Rootfs, Error> {
        let directory = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let error = |e: Errno| Error {
            root: path.into(),
            path: RootPath::default(),
            action: "open the tree",
            source: e.into(),
        };
        let directory = directory.map_err(error)?;
        let device = rustix::fs::fstat(&directory).map_err(error)?.st_dev;
        Ok(Rootfs {
            directory,
            device,
            path: path.to_owned(),
        })
    }

    /// The same tree, for another owner.
    pub(crate) fn try_clone(&self) -> io::Result<Rootfs> {
        Ok(Rootfs {
            directory: self.directory.try_clone()?,
            device: self.device,
            path: self.path.clone(),
        })
    }

    /// Where the tree lies on the host, for messages and for handing it to another process.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about `path`, for callers that work on a [`Directory`] themselves.
    pub(crate) fn error(
        &self,
        path: &RootPath,
        action: &'static str,
        source: impl Into<io::Error>,
    ) -> Error {
        Error {
            root: self.path.clone(),
            path: path.clone(),
            action,
            source: source.into(),
        }
    }

    /// Opens `path` inside the tree with `flags`, following symlinks inside the tree.
    pub(crate) fn open_at(
        &self,
        path: &RootPath,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        let name = if path.is_root() {
            OsStr::new(".")
        } else {
            OsStr::from_bytes(path.as_bytes())
        };
        rustix::fs::openat2(&self.directory, name, flags | OFlags::CLOEXEC, mode, INSIDE)
    }

    /// Opens a directory, through symlinks that stay inside the tree.
    pub(crate) fn directory(&self, path: &RootPath) -> Result<Directory, Error> {
        let opened = self.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        opened
            .map(Directory)
            .map_err(|e| self.error(path, "open the directory", e))
    }

    /// What `path` itself is, not following a last symlink; `None` when nothing is there.
    pub(crate) fn metadata(&self, path: &RootPath) -> Result<Option<Stat>, Error> {
        let found = self
            .open_at(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
            .and_then(rustix::fs::fstat);
        absent_is_none(found).map_err(|e| self.error(path, "look at it", e))
    }

    /// Whether something is at `path`, be it a dangling symlink.
    pub(crate) fn exists(&self, path: &RootPath) -> Result<bool, Error> {
        Ok(self.metadata(path)?.is_some())
    }

    /// Whether `path` is a directory or a symlink that leads to one inside the tree.
    pub(crate) fn is_directory(&self, path: &RootPath) -> bool {
        self.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .is_ok()
    }

    /// The content of a file, `None` when it is not there.
    pub(crate) fn read(&self, path: &RootPath) -> Result<Option<Vec<u8>>, Error> {
        let opened =
            absent_is_none(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()));
        let Some(file) = opened.map_err(|e| self.error(path, "read it", e))? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        File::from(file)
            .read_to_end(&mut content)
            .map_err(|e| self.error(path, "read it", e))?;
        Ok(Some(content))
    }

    /// Writes a whole file with this mode, in place of whatever file was there: its readers see the old or the new content.
    pub(crate) fn write(&self, path: &RootPath, content: &[u8], mode: u32) -> Result<(), Error> {
        let error = |e: io::Error| self.error(path, "write it", e);
        let (parent, name) = self.parent(path)?;
        let temporary = [path.name(), b".rbootstrap-new"].concat();
        let temporary = OsStr::from_bytes(&temporary);
        unless_absent(rustix::fs::unlinkat(&parent, temporary, AtFlags::empty()))
            .map_err(|e| error(e.into()))?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, temporary, flags, Mode::from_raw_mode(0o600))
            .map_err(|e| error(e.into()))?;
        let mut file = File::from(file);
        let written = file
            .write_all(content)
            .and_then(|()| Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?));
        let done = written.and_then(|()| {
            Ok(rustix::fs::renameat(
                &parent,
                temporary,
                &parent,
                name.as_c_str(),
            )?)
        });
        done.map_err(|e| {
            let _ = rustix::fs::unlinkat(&parent, temporary, AtFlags::empty());
            error(e)
        })
    }

    /// Makes one directory with this mode; one that is there already, or a symlink to one, stays as it is. True when it is new.
    pub(crate) fn make_directory(&self, path: &RootPath, mode: u32) -> Result<bool, Error> {
        if path.is_root() {
            return Ok(false);
        }
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, name.as_c_str(), Mode::from_raw_mode(mode)) {
            Ok(()) => {
                let set = rustix::fs::chmodat(
                    &parent,
                    name.as_c_str(),
                    Mode::from_raw_mode(mode),
                    AtFlags::empty(),
                );
                set.map(|()| true)
                    .map_err(|e| self.error(path, "set the mode", e))
            }
            Err(Errno::EXIST) if self.is_directory(path) => Ok(false),
            Err(e) => Err(self.error(path, "create the directory", e)),
        }
    }

    /// Makes a directory and those above it that are missing, all with mode 0755.
    pub(crate) fn make_directories(&self, path: &RootPath) -> Result<(), Error> {
        if self.is_directory(path) {
            return Ok(());
        }
        self.make_directories(&path.parent())?;
        self.make_directory(path, 0o755).map(drop)
    }

    /// Makes a symlink to `target`, which is not looked at. What is there already is an error.
    pub(crate) fn symlink(&self, target: &[u8], path: &RootPath) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let made = rustix::fs::symlinkat(OsStr::from_bytes(target), &parent, name.as_c_str());
        made.map_err(|e| self.error(path, "create the symlink", e))
    }

    /// Where a symlink leads, `None` when nothing is there or it is no symlink.
    pub(crate) fn read_link(&self, path: &RootPath) -> Result<Option<CString>, Error> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::readlinkat(&parent, name.as_c_str(), Vec::new()) {
            Ok(target) => Ok(Some(target)),
            Err(Errno::NOENT | Errno::INVAL | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(self.error(path, "read the symlink", e)),
        }
    }

    /// Makes a character or block device, or a FIFO, with this mode.
    pub(crate) fn make_node(
        &self,
        path: &RootPath,
        kind: FileType,
        mode: u32,
        device: u64,
    ) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let made = rustix::fs::mknodat(
            &parent,
            name.as_c_str(),
            kind,
            Mode::from_raw_mode(mode),
            device,
        )
        .and_then(|()| {
            rustix::fs::chmodat(
                &parent,
                name.as_c_str(),
                Mode::from_raw_mode(mode),
                AtFlags::empty(),
            )
        });
        made.map_err(|e| self.error(path, "create the device node", e))
    }

    /// Moves a file over whatever file is at `to`.
    pub(crate) fn rename(&self, from: &RootPath, to: &RootPath) -> Result<(), Error> {
        let ((from_parent, from_name), (to_parent, to_name)) =
            (self.parent(from)?, self.parent(to)?);
        let moved = rustix::fs::renameat(
            &from_parent,
            from_name.as_c_str(),
            &to_parent,
            to_name.as_c_str(),
        );
        moved.map_err(|e| self.error(to, "move a file here", e))
    }

    /// Removes a file, symlink or node. What is not there is no error; true when something was.
    pub(crate) fn remove(&self, path: &RootPath) -> Result<bool, Error> {
        let removed = self.parent_if_there(path)?.map(|(parent, name)| {
            unless_absent(rustix::fs::unlinkat(
                &parent,
                name.as_c_str(),
                AtFlags::empty(),
            ))
        });
        removed
            .transpose()
            .map(|done| done.unwrap_or(false))
            .map_err(|e| self.error(path, "remove it", e))
    }

    /// Removes what is below a directory and leaves the directory itself.
    pub(crate) fn empty(&self, path: &RootPath) -> Result<(), Error> {
        for name in self.names(path)? {
            self.remove_tree(&path.join(&RootPath(name)))?;
        }
        Ok(())
    }

    /// Removes a directory with all that is below it, or a file; what is not there is no error. What another file system holds
    /// that is mounted below is never touched: the mount point then is an error.
    pub(crate) fn remove_tree(&self, path: &RootPath) -> Result<(), Error> {
        match self.metadata(path)? {
            None => return Ok(()),
            Some(found) if FileType::from_raw_mode(found.st_mode) != FileType::Directory => {
                return self.remove(path).map(drop);
            }
            Some(found) if found.st_dev != self.device => {
                return Err(self.error(path, "remove a mount point", Errno::BUSY));
            }
            Some(_) => self.empty(path)?,
        }
        let (parent, name) = self.parent(path)?;
        let removed = unless_absent(rustix::fs::unlinkat(
            &parent,
            name.as_c_str(),
            AtFlags::REMOVEDIR,
        ));
        removed
            .map(drop)
            .map_err(|e| self.error(path, "remove the directory", e))
    }

    /// The names in a directory, sorted by byte; none when it is not there.
    pub(crate) fn names(&self, path: &RootPath) -> Result<Vec<Vec<u8>>, Error> {
        let error = |e: Errno| self.error(path, "list the directory", e);
        let Some(opened) =
            absent_is_none(self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()))
                .map_err(error)?
        else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(opened).map_err(error)? {
            let name = entry.map_err(error)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Sets mode and owner of `path` itself, a symlink's owner too. The mode comes second: a new owner takes setuid away.
    pub(crate) fn set_owner_and_mode(
        &self,
        path: &RootPath,
        uid: u32,
        gid: u32,
        mode: Option<u32>,
    ) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let owned = rustix::fs::chownat(
            &parent,
            name.as_c_str(),
            Some(uid),
            Some(gid),
            AtFlags::SYMLINK_NOFOLLOW,
        );
        owned.map_err(|e| self.error(path, "set the owner", e))?;
        let Some(mode) = mode else { return Ok(()) };
        let set = rustix::fs::chmodat(
            &parent,
            name.as_c_str(),
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        );
        set.map_err(|e| self.error(path, "set the mode", e))
    }

    /// Sets the modification time of `path` itself, in seconds since the epoch.
    pub(crate) fn set_modified(&self, path: &RootPath, seconds: i64) -> Result<(), Error> {
        let (parent, name) = self.parent(path)?;
        let set = rustix::fs::utimensat(
            &parent,
            name.as_c_str(),
            &modified_at(seconds),
            AtFlags::SYMLINK_NOFOLLOW,
        );
        set.map_err(|e| self.error(path, "set the time", e))
    }

    /// The directory of `path`, open, and its name there. Never for the root itself.
    pub(crate) fn parent(&self, path: &RootPath) -> Result<(Directory, CString), Error> {
        let name = CString::new(path.name())
            .map_err(|e| self.error(path, "name it", io::Error::from(e)))?;
        let parent = self.open_at(
            &path.parent(),
            OFlags::PATH | OFlags::DIRECTORY,
            Mode::empty(),
        );
        Ok((
            parent
                .map(Directory)
                .map_err(|e| self.error(path, "open the directory above it", e))?,
            name,
        ))
    }

    fn parent_if_there(&self, path: &RootPath) -> Result<Option<(Directory, CString)>, Error> {
        match self.parent(path) {
            Ok(found) => Ok(Some(found)),
            Err(e)
                if matches!(
                    e.source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// A modification time for `utimensat`, leaving the access time alone.
pub(crate) fn modified_at(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        },
    }
}

fn absent_is_none<T>(found: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

fn unless_absent(removed: Result<(), Errno>) -> Result<bool, Errno> {
    absent_is_none(removed).map(|done| done.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::parse(text).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_stay_inside() {
        for same in ["usr/bin", "./usr/bin", "/usr/bin/", "//usr/./bin"] {
            assert_eq!(path(same), path("usr/bin"));
        }
        for bad in ["..", "a/../b", "../a", "a\0b"] {
            assert!(RootPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(
            path("./").is_root()
                && path("usr/bin").is_within(&path("usr"))
                && !path("usrx").is_within(&path("usr"))
        );
        assert_eq!(
            (path("a/b").parent(), path("a/b").name(), path("a").parent()),
            (path("a"), &b"b"[..], path("/"))
        );
    }

    #[test]
    fn links_that_point_outside_lead_inside() {
        let target = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let root = Rootfs::open(target.path()).unwrap();
        root.symlink(outside.path().as_os_str().as_bytes(), &path("absolute"))
            .unwrap();
        root.symlink(b"../../../../../../../..", &path("relative"))
            .unwrap();
        assert!(root.write(&path("absolute/file"), b"x", 0o644).is_err());
        root.write(&path("relative/file"), b"x", 0o644).unwrap();
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
        assert_eq!(root.read(&path("file")).unwrap().unwrap(), b"x");
    }

    #[test]
    fn files_directories_and_links() {
        let target = tempfile::tempdir().unwrap();
        let root = Rootfs::open(target.path()).unwrap();
        root.make_directories(&path("usr/bin")).unwrap();
        root.symlink(b"usr/bin", &path("bin")).unwrap();
        assert!(
            !root.make_directory(&path("bin"), 0o755).unwrap()
                && root.make_directory(&path("tmp"), 0o1777).unwrap()
        );
        root.write(&path("bin/x"), b"1", 0o4755).unwrap();
        root.write(&path("bin/x"), b"2", 0o755).unwrap();
        assert_eq!(root.read(&path("usr/bin/x")).unwrap().unwrap(), b"2");
        assert_eq!(
            root.metadata(&path("tmp")).unwrap().unwrap().st_mode & 0o7777,
            0o1777
        );
        assert_eq!(
            root.read_link(&path("bin")).unwrap().unwrap().as_bytes(),
            b"usr/bin"
        );
        assert_eq!(
            root.names(&path("/")).unwrap(),
            [&b"bin"[..], b"tmp", b"usr"]
        );
        assert!(root.remove(&path("bin/x")).unwrap() && !root.remove(&path("no/such")).unwrap());
        root.remove_tree(&path("usr")).unwrap();
        assert!(root.read(&path("bin/x")).unwrap().is_none() && !root.is_directory(&path("bin")));
    }
}
