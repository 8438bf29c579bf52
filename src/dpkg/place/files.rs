//! The system calls that place entries in the tree, as few as possible.
//!
//! Each parent directory is resolved once, inside the tree, and then held open; everything else is
//! an `*at` call on it. What is placed, and whether it may be, is decided by `place`.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, makedev};
use rustix::io::Errno;

use super::placed_files::NamedFile;
use crate::tree::rootfs::{
    Directory, Error, Handle, HeldDirectories, HeldDirectory, RootPath, Rootfs, modified_at,
};

/// How many symlinks are followed, as by dpkg.
const LINK_LIMIT: usize = 25;

/// Owner, group, mode and time of an entry in the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) modified: i64,
}

impl Attributes {
    /// The same time, with the owner and mode of the tree's root directory.
    pub(super) fn of_root(self) -> Attributes {
        Attributes {
            uid: 0,
            gid: 0,
            mode: 0o755,
            ..self
        }
    }
}

/// Places entries, with the directories that they are in held open.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    root: &'a Rootfs,
    directories: HeldDirectories,
}

impl<'a> Files<'a> {
    pub(crate) fn new(root: &'a Rootfs) -> Files<'a> {
        Files {
            root,
            directories: HeldDirectories::new(),
        }
    }

    /// Closes all directories: a script may have replaced them.
    pub(crate) fn forget_directories(&mut self) {
        self.directories.clear();
    }

    /// Makes a directory. One that is there, or a symlink to one, stays as it is.
    pub(crate) fn directory(
        &mut self,
        path: &RootPath,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let error = self.failing(path, "create the directory");
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(attributes.mode & 0o777)) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.root.is_directory(path)? => return Ok(()),
            // A dangling symlink: the merged /usr of a package before the one that ships usr/bin.
            Err(Errno::EXIST) if self.root.read_link(path)?.is_some() => {
                return ensure(self.root, path, LINK_LIMIT);
            }
            Err(e) => return Err(error(e)),
        }
        self.set_directory_attributes(path, attributes)
    }

    /// Sets a directory's owner, mode and time; those of a symlink in its place are left alone.
    pub(crate) fn set_directory_attributes(
        &mut self,
        path: &RootPath,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let error = self.failing(path, "set the owner, mode or time of the directory");
        let root = self.root;
        let (parent, name) = if path.is_root() {
            (rustix::fd::AsFd::as_fd(root), OsStr::new("."))
        } else {
            self.parent(path)?
        };
        let handle = Handle::at(parent, name).map_err(&error)?;
        if handle.kind() != FileType::Directory {
            return Ok(());
        }
        let found = handle.stat();
        if (found.st_uid, found.st_gid) != (attributes.uid, attributes.gid) {
            let set = handle.set_owner(attributes.uid, attributes.gid);
            set.map_err(&error)?;
        }
        if found.st_mode & 0o7777 != attributes.mode {
            handle.set_mode(attributes.mode).map_err(&error)?;
        }
        set_modified(parent, name, attributes).map_err(&error)
    }

    /// Moves a staged file, by its number in its package's directory, over whatever file is there.
    pub(crate) fn file(
        &mut self,
        package: BorrowedFd<'_>,
        number: u32,
        path: &RootPath,
    ) -> Result<(), Error> {
        let error = self.failing(path, "move a file here");
        let (parent, name) = self.parent(path)?;
        rustix::fs::renameat(package, number.to_string(), parent, name).map_err(error)
    }

    /// Makes a symlink in place of whatever file is there. A directory stays, as it does for dpkg.
    pub(crate) fn symlink(
        &mut self,
        target: &[u8],
        path: &RootPath,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let error = self.failing(path, "create the symlink");
        let (parent, name) = self.parent(path)?;
        let target = OsStr::from_bytes(target);
        match rustix::fs::symlinkat(target, parent, name) {
            Err(Errno::EXIST) => {
                let found =
                    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(&error)?;
                if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                    return Ok(());
                }
                let same = rustix::fs::readlinkat(parent, name, Vec::new())
                    .is_ok_and(|there| there.to_bytes() == target.as_bytes());
                if !same {
                    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(&error)?;
                    rustix::fs::symlinkat(target, parent, name).map_err(&error)?;
                }
            }
            made => made.map_err(&error)?,
        }
        set_symlink_attributes(parent, name, attributes).map_err(error)
    }

    /// Gives a file another name, in place of whatever file has it, and the attributes of that
    /// name's entry, as dpkg does.
    pub(crate) fn hard_link(
        &mut self,
        target: &RootPath,
        path: &RootPath,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let error = self.failing(path, "create the hard link");
        let (target_parent, target_name) = self.root.parent(target)?;
        let (parent, name) = self.parent(path)?;
        let link = || {
            rustix::fs::linkat(
                &target_parent,
                target_name.as_c_str(),
                parent,
                name,
                AtFlags::empty(),
            )
        };
        let linked = link().or_else(|e| match e {
            Errno::EXIST if target == path => Ok(()),
            Errno::EXIST => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty()).and_then(|()| link())
            }
            other => Err(other),
        });
        linked.map_err(&error)?;
        set_attributes(parent, name, attributes).map_err(error)
    }

    /// Makes a device or FIFO in place of whatever file is there.
    pub(crate) fn node(
        &mut self,
        kind: FileType,
        device: (u32, u32),
        path: &RootPath,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let error = self.failing(path, "create the device node");
        let (parent, name) = self.parent(path)?;
        let mode = Mode::from_raw_mode(attributes.mode);
        let make = || rustix::fs::mknodat(parent, name, kind, mode, makedev(device.0, device.1));
        let made = make().or_else(|e| match e {
            Errno::EXIST => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty()).and_then(|()| make())
            }
            other => Err(other),
        });
        made.and_then(|()| set_attributes(parent, name, attributes))
            .map_err(error)
    }

    /// The directory above a path, open, and the path's last component.
    fn parent<'b>(&mut self, path: &'b RootPath) -> Result<(BorrowedFd<'_>, &'b OsStr), Error> {
        let held = self.held(path)?;
        Ok((
            rustix::fd::AsFd::as_fd(&held.directory),
            OsStr::from_bytes(path.name()),
        ))
    }

    fn held(&mut self, path: &RootPath) -> Result<&HeldDirectory, Error> {
        let root = self.root;
        self.directories
            .above(path, root, |above| open_directory(root, above))
    }

    /// What is at a path, with the directory that it is in.
    pub(crate) fn named<'n>(&mut self, path: &'n RootPath) -> Result<NamedFile<'n>, Error> {
        let error = self.failing(path, "look at it");
        let held = self.held(path)?;
        let name = path.name();
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let status = rustix::fs::statat(&held.directory, name, flags).map_err(error)?;
        Ok(NamedFile {
            above: held.inode,
            name,
            status,
        })
    }

    fn failing(&self, path: &RootPath, action: &'static str) -> impl Fn(Errno) -> Error + use<'a> {
        let root = self.root;
        let path = path.clone();
        move |e| root.error(&path, action, e)
    }
}

/// Opens a directory, and makes it where no package has shipped it before an entry in it.
fn open_directory(root: &Rootfs, path: &RootPath) -> Result<Directory, Error> {
    match root.directory(path) {
        Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => {
            ensure(root, path, LINK_LIMIT)?;
            root.directory(path)
        }
        opened => opened,
    }
}

/// Makes a directory with all that is missing on the way, also behind symlinks.
fn ensure(root: &Rootfs, path: &RootPath, links: usize) -> Result<(), Error> {
    if path.is_root() || root.is_directory(path)? {
        return Ok(());
    }
    ensure(root, &path.parent(), links)?;
    if let Some(target) = root.read_link(path)? {
        let links = links
            .checked_sub(1)
            .ok_or_else(|| root.error(path, "follow the symlinks at it", Errno::LOOP))?;
        return ensure(root, &led_to(path, target.as_bytes()), links);
    }
    root.make_directory(path, 0o755)?;
    root.set_owner_and_mode(path, 0, 0, Some(0o755))
}

/// The path that the symlinks at a path lead to.
pub(crate) fn followed(root: &Rootfs, path: &RootPath) -> Result<RootPath, Error> {
    let mut place = path.clone();
    for _ in 0..LINK_LIMIT {
        // A directory on the way may be missing, so the first question is whether anything exists.
        if !root.exists(&place)? {
            return Ok(place);
        }
        let Some(target) = root.read_link(&place)? else {
            return Ok(place);
        };
        place = led_to(&place, target.as_bytes());
    }
    Err(root.error(path, "follow the symlinks at it", Errno::LOOP))
}

/// Sets owner, mode and time of an entry; of a symlink, owner and time. A daemon that a script left
/// behind may exchange the name meanwhile, so owner and mode are set through a descriptor.
fn set_attributes(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    attributes: Attributes,
) -> Result<(), Errno> {
    let handle = Handle::at(parent, name)?;
    handle.set_owner_and_mode(attributes.uid, attributes.gid, attributes.mode)?;
    set_modified(parent, name, attributes)
}

fn set_symlink_attributes(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    attributes: Attributes,
) -> Result<(), Errno> {
    let uid = Some(Uid::from_raw(attributes.uid));
    let gid = Some(Gid::from_raw(attributes.gid));
    rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    set_modified(parent, name, attributes)
}

fn set_modified(parent: BorrowedFd<'_>, name: &OsStr, attributes: Attributes) -> Result<(), Errno> {
    let time = modified_at(attributes.modified);
    rustix::fs::utimensat(parent, name, &time, AtFlags::SYMLINK_NOFOLLOW)
}

/// Where a symlink at `path` leads by its text: `..` removes a component, and nothing leads above
/// the root.
pub(crate) fn led_to(path: &RootPath, target: &[u8]) -> RootPath {
    let above = path.parent();
    let start: &[u8] = if target.starts_with(b"/") {
        b""
    } else {
        above.as_bytes()
    };
    let mut components: Vec<&[u8]> = Vec::new();
    for component in start
        .split(|&b| b == b'/')
        .chain(target.split(|&b| b == b'/'))
    {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()),
            other => components.push(other),
        }
    }
    RootPath::parse(components.join(&b'/')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_within_the_tree() {
        for (path, target, expected) in [
            ("etc/a", &b"b"[..], "etc/b"),
            ("etc/a", b"/x/y", "x/y"),
            ("etc/a", b"../x", "x"),
            ("etc/a", b"../../../../x", "x"),
            ("a", b".//b/", "b"),
        ] {
            assert_eq!(
                led_to(&RootPath::known(path), target),
                RootPath::known(expected)
            );
        }
    }
}
