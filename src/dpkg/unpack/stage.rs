//! One .deb into the staging place: its files under numbers, its entries as a list, its control members read.
//!
//! Nothing here looks at the tree, so any number of packages can be staged at once and in any order. A file gets its mode and
//! time here, its owner and its place when it is committed.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::dpkg::{self, Conffile, Directive};
use crate::formats::deb::{Archive, Deb, Entry, Kind, Member};
use crate::formats::digest::Md5Hasher;
use crate::formats::package::Package;
use crate::tree::rootfs::{BadPath, RootPath, Rootfs, modified_at};

use super::filter::{PathRule, is_left_out};
use super::{Error, STAGING};

/// A package that waits to be committed.
#[derive(Debug)]
pub(super) struct Staged {
    /// What names its directory.
    pub(super) slot: usize,
    /// Its number in the plan, once that is known.
    pub(super) number: usize,
    pub(super) package: Package,
    pub(super) qualified: String,
    pub(super) stanza: String,
    pub(super) members: Vec<Member>,
    pub(super) conffiles: Vec<Conffile>,
    pub(super) triggers: Vec<Directive>,
    /// In the archive's order, with the symlinks last, which is the order of dpkg's list.
    pub(super) nodes: Vec<Node>,
}

/// An entry of the data member.
#[derive(Debug)]
pub(super) struct Node {
    /// Where in the archive it is, from 0; names the staged file.
    pub(super) number: u32,
    pub(super) path: RootPath,
    pub(super) entry: Entry,
    /// Left out by a path rule: listed, not unpacked.
    pub(super) left_out: bool,
    /// Given up to another package that replaces this one: neither listed nor unpacked.
    pub(super) yielded: bool,
    /// The MD5 of its content, where that is wanted.
    pub(super) md5: Option<String>,
}

/// The directory that packages are staged in.
#[derive(Debug)]
pub(super) struct Place {
    directory: OwnedFd,
    /// What a new file's owner and group are.
    pub(super) creator: (u32, u32),
}

/// How one package is to be staged.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) slot: usize,
    /// What to call it before its control file is read.
    pub(super) name: &'a str,
    pub(super) rules: &'a [PathRule],
    /// Whether the thread's umask is 0, so that a file is created with its very mode.
    pub(super) modes_are_kept: bool,
}

impl Place {
    /// Makes the staging place, empty, on the tree's own file system.
    pub(super) fn create(root: &Rootfs) -> Result<Place, crate::tree::rootfs::Error> {
        let path = RootPath::known(STAGING);
        root.remove_tree(&path)?;
        root.make_directories(&path.parent())?;
        root.make_directory(&path, 0o700)?;
        // A directory with setgid around it would hand its group down to every file.
        root.set_owner_and_mode(&path, 0, 0, Some(0o700))?;
        let directory = root.open_at(&path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let directory = directory.map_err(|e| root.error(&path, "open the directory", e))?;
        let creator = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        Ok(Place { directory, creator })
    }

    /// The directory of one package.
    pub(super) fn package(&self, number: usize) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.directory, number.to_string(), flags, Mode::empty())
    }

    /// A staged file, to be read.
    pub(super) fn file(&self, number: usize, node: u32) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(
            self.package(number)?,
            node.to_string(),
            flags,
            Mode::empty(),
        )
        .map(File::from)
    }
}

/// Stages a whole package.
pub(super) fn stage(place: &Place, deb: Deb, wanted: Wanted<'_>) -> Result<Staged, Error> {
    let control = |source| Error::Control {
        package: wanted.name.into(),
        source,
    };
    let package = Package::parse(&deb.stanza).map_err(|e| control(e.into()))?;
    check_names(&package)?;
    let name = package.name.clone();
    let member = |member| deb.member(member).map_or(&[][..], |m| &m.content);
    let conffiles = dpkg::parse_conffiles(&name, member("conffiles")).map_err(control)?;
    let triggers = dpkg::parse_triggers(&name, member("triggers")).map_err(control)?;
    let slot = wanted.slot.to_string();
    let made = rustix::fs::mkdirat(&place.directory, &*slot, Mode::RWXU)
        .and_then(|()| place.package(wanted.slot));
    let mut writer = Writer {
        directory: made.map_err(|e| Error::staging(&name, e))?,
        name: &name,
        modes_are_kept: wanted.modes_are_kept,
        hash_all: deb.member("md5sums").is_none(),
        conffiles: &conffiles,
    };
    let mut nodes = Vec::new();
    let mut data = deb.data().map_err(|source| Error::Deb {
        package: name.clone(),
        source,
    })?;
    while let Some(entry) = data.next_entry().map_err(|e| Error::data(&name, e))? {
        let mut node = Node::new(nodes.len() as u32, entry, &name, wanted.rules)?;
        if node.is_staged() {
            writer.write(&mut node, &mut data)?;
        }
        nodes.push(node);
    }
    drop(data);
    deb.keep_copy();
    nodes.sort_by_key(|node| node.entry.kind == Kind::Symlink);
    let qualified = dpkg::qualified_name(&package);
    let Deb {
        stanza, members, ..
    } = deb;
    Ok(Staged {
        slot: wanted.slot,
        number: wanted.slot,
        package,
        qualified,
        stanza,
        members,
        conffiles,
        triggers,
        nodes,
    })
}

/// Stages some files of a package again, since the first copies have gone elsewhere or were left out.
pub(super) fn stage_again(
    place: &Place,
    deb: &Deb,
    staged: &Staged,
    numbers: &[u32],
) -> Result<(), Error> {
    let name = &staged.package.name;
    let mut writer = Writer {
        directory: place
            .package(staged.slot)
            .map_err(|e| Error::staging(name, e))?,
        name,
        modes_are_kept: false,
        hash_all: false,
        conffiles: &[],
    };
    let mut data = deb.data().map_err(|source| Error::Deb {
        package: name.clone(),
        source,
    })?;
    let mut number = 0;
    while let Some(entry) = data.next_entry().map_err(|e| Error::data(name, e))? {
        if entry.kind == Kind::File && numbers.contains(&number) {
            writer.write(&mut Node::new(number, entry, name, &[])?, &mut data)?;
        }
        number += 1;
    }
    Ok(())
}

impl Node {
    fn new(
        number: u32,
        mut entry: Entry,
        package: &str,
        rules: &[PathRule],
    ) -> Result<Node, Error> {
        let bad = |source| Error::Path {
            package: package.into(),
            source,
        };
        let path = RootPath::parse(std::mem::take(&mut entry.path)).map_err(bad)?;
        // A newline would be the end of a line in dpkg's list, and dpkg does not take it either.
        if path.as_bytes().contains(&b'\n') || (path.is_root() && entry.kind != Kind::Directory) {
            return Err(bad(BadPath {
                path: path.to_string(),
            }));
        }
        let left_out = is_left_out(rules, &path, entry.kind);
        Ok(Node {
            number,
            path,
            entry,
            left_out,
            yielded: false,
            md5: None,
        })
    }

    /// Whether its content was written when the package was staged.
    pub(super) fn is_staged(&self) -> bool {
        self.entry.kind == Kind::File && !self.left_out
    }

    /// The path that a hard link leads to.
    pub(super) fn link_target(&self, package: &str) -> Result<RootPath, Error> {
        RootPath::parse(&self.entry.target).map_err(|source| Error::Path {
            package: package.into(),
            source,
        })
    }
}

/// Names become the names of files, so they must be what Policy 5.6.7 and 5.6.8 allow.
fn check_names(package: &Package) -> Result<(), Error> {
    let plain = |name: &str, more: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    if plain(&package.name, "+-.") && plain(&package.architecture, "-") {
        return Ok(());
    }
    Err(Error::Name {
        name: format!("{}:{}", package.name, package.architecture),
    })
}

/// Writes files into a package's staging directory.
struct Writer<'a> {
    directory: OwnedFd,
    name: &'a str,
    modes_are_kept: bool,
    hash_all: bool,
    conffiles: &'a [Conffile],
}

impl Writer<'_> {
    /// Writes the content that follows, with the entry's mode and time.
    fn write<R: std::io::Read>(
        &mut self,
        node: &mut Node,
        data: &mut Archive<R>,
    ) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::staging(self.name, e);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (mode, special) = (node.entry.mode & 0o777, node.entry.mode & 0o7000);
        let name = node.number.to_string();
        let file = rustix::fs::openat(&self.directory, name, flags, Mode::from_raw_mode(mode))
            .map_err(|e| failed(e.into()))?;
        let mut file = File::from(file);
        let wants_md5 = self.hash_all || self.conffiles.iter().any(|c| c.path == node.path);
        let mut md5 = wants_md5.then(Md5Hasher::default);
        loop {
            let chunk = data.chunk().map_err(|e| Error::data(self.name, e))?;
            if chunk.is_empty() {
                break;
            }
            file.write_all(chunk).map_err(failed)?;
            if let Some(md5) = &mut md5 {
                md5.update(chunk);
            }
        }
        node.md5 = md5.map(Md5Hasher::finish);
        // Writing may take setuid away, so the special bits come after it.
        if special != 0 || !self.modes_are_kept {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode | special))
                .map_err(|e| failed(e.into()))?;
        }
        rustix::fs::futimens(&file, &modified_at(node.entry.modified)).map_err(|e| failed(e.into()))
    }
}

/// Gives a staged file another owner or mode. The mode comes second: a new owner takes setuid away.
pub(super) fn set_owner_and_mode(
    directory: impl AsFd,
    node: u32,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
) -> Result<(), Errno> {
    let name = node.to_string();
    if let Some((uid, gid)) = owner {
        rustix::fs::chownat(
            &directory,
            &*name,
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
    }
    match mode {
        Some(mode) => rustix::fs::chmodat(
            &directory,
            &*name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        ),
        None => Ok(()),
    }
}
