//! Decodes one .deb into the staging directory: its files under numbers, its entries as a list, its
//! control members parsed.
//!
//! Nothing here looks at the tree, so any number of packages can be staged at once and in any
//! order. A file gets its mode and time here, its owner and its path when it is placed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::dpkg::script::is_executable;
use crate::dpkg::unpack::Error;
use crate::dpkg::{self, Conffiles, Directive};
use crate::formats::deb::{Archive, Deb, Entry, Kind, Member};
use crate::formats::digest::Md5Hasher;
use crate::formats::package::Package;
use crate::formats::package_key::PackageKey;
use crate::formats::path_rule::PathRule;
use crate::tree::base;
use crate::tree::rootfs::{BadPath, RootPath, modified_at};

use super::PackageFile;
use super::directory::StagingDirectory;
use super::path_rules::is_left_out;

/// The length that no path reaches (PATH_MAX), in bytes.
const PATH_LIMIT: usize = 4096;
/// The longest name in a directory (NAME_MAX), in bytes.
const NAME_LIMIT: usize = 255;

/// A package that is decoded and waits to be unpacked.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) key: PackageKey,
    pub(crate) package: Package,
    pub(crate) qualified: String,
    /// When it was built, in seconds since the epoch.
    pub(crate) built: i64,
    /// The control file.
    pub(crate) stanza: String,
    pub(crate) members: Vec<Member>,
    pub(crate) conffiles: Conffiles,
    pub(crate) triggers: Vec<Directive>,
    /// In the archive's order, symlinks last: the order of dpkg's list.
    pub(crate) nodes: Vec<Node>,
    pub(super) file: Arc<PackageFile>,
}

/// An entry of the data member.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its position in the archive, from 0; names the staged file.
    pub(crate) number: u32,
    /// Where its content begins in the data member, in bytes.
    pub(crate) content_at: u64,
    pub(crate) path: RootPath,
    pub(crate) entry: Entry,
    /// Left out by a path rule: listed, not unpacked.
    pub(crate) left_out: bool,
    /// Given up to another package that replaces this one: neither listed nor unpacked.
    pub(crate) yielded: bool,
    /// The MD5 of its content, where dpkg's database needs it.
    pub(crate) md5: Option<String>,
}

/// The content of an entry in the data member of its package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StagedContent {
    /// The position of the entry in the archive.
    pub(crate) number: u32,
    /// Where it begins, and its length, in bytes.
    pub(crate) at: u64,
    pub(crate) size: u64,
}

/// How packages are decoded.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    pub(super) directory: &'a StagingDirectory,
    pub(super) rules: &'a [PathRule],
}

impl Decoder<'_> {
    /// Decodes a whole package.
    pub(super) fn decode(self, mut deb: Deb, file: &Arc<PackageFile>) -> Result<Staged, Error> {
        let name = &file.shown();
        make_preinst_executable(&mut deb.members);
        let control = |source| Error::Control {
            package: name.clone(),
            source,
        };
        let package = Package::parse_control(&deb.stanza).map_err(|e| control(e.into()))?;
        check_names(&package)?;
        let conffiles = content_of(&deb, "conffiles");
        let conffiles = dpkg::parse_conffiles(name, conffiles).map_err(control)?;
        let triggers = content_of(&deb, "triggers");
        let triggers = dpkg::parse_triggers(name, triggers).map_err(control)?;
        let directory = self.directory.create_package(file);
        let mut writer = Writer {
            directory: directory.map_err(|e| Error::staging(name, e))?,
            package: name,
            hash_all: deb.member("md5sums").is_none(),
            conffiles: Some(&conffiles),
        };
        let nodes = self.decode_data(&deb, &mut writer)?;
        deb.keep_copy();
        Ok(Staged {
            key: file.key.clone(),
            qualified: dpkg::qualified_name(&package),
            built: built(&deb, &nodes),
            package,
            stanza: deb.stanza,
            members: deb.members,
            conffiles,
            triggers,
            nodes,
            file: Arc::clone(file),
        })
    }

    fn decode_data(self, deb: &Deb, writer: &mut Writer<'_>) -> Result<Vec<Node>, Error> {
        let name = writer.package;
        let mut nodes = Vec::new();
        let mut data = open_data(deb, name)?;
        while let Some(entry) = data.next_entry().map_err(|e| Error::data(name, e))? {
            let mut node = Node::new(nodes.len() as u32, entry, name)?;
            node.content_at = data.position();
            node.left_out = is_left_out(self.rules, &node.path, node.entry.kind);
            if node.is_staged() {
                writer.write(&mut node, &mut data)?;
            }
            nodes.push(node);
        }
        nodes.sort_by_key(|node| node.entry.kind == Kind::Symlink);
        Ok(nodes)
    }

    /// Decodes some files of a package again.
    pub(super) fn decode_again(
        self,
        deb: &Deb,
        staged: &Staged,
        numbers: &[u32],
    ) -> Result<(), Error> {
        let name = &staged.file.shown();
        let directory = self.directory.package(staged);
        let mut writer = Writer {
            directory: directory.map_err(|e| Error::staging(name, e))?,
            package: name,
            hash_all: false,
            conffiles: None,
        };
        let mut data = open_data(deb, name)?;
        let mut number = 0;
        while let Some(entry) = data.next_entry().map_err(|e| Error::data(name, e))? {
            if entry.kind == Kind::File && numbers.contains(&number) {
                writer.write(&mut Node::new(number, entry, name)?, &mut data)?;
            }
            number += 1;
        }
        Ok(())
    }
}

/// When a package was built: the time in its ar headers or, if they have none, the newest of its
/// members.
fn built(deb: &Deb, nodes: &[Node]) -> i64 {
    if deb.built > 0 {
        return deb.built;
    }
    let control = deb.members.iter().map(|member| member.modified);
    let data = nodes.iter().map(|node| node.entry.modified);
    control.chain(data).max().unwrap_or(0).max(0)
}

impl Node {
    fn new(number: u32, mut entry: Entry, package: &str) -> Result<Node, Error> {
        let bad = |source| Error::Path {
            package: package.into(),
            source,
        };
        let path = RootPath::parse(std::mem::take(&mut entry.path)).map_err(bad)?;
        // A newline would end a line of dpkg's list; dpkg does not accept it either.
        if path.as_bytes().contains(&b'\n')
            || (path.is_root() && entry.kind != Kind::Directory)
            || is_too_long(&path)
        {
            return Err(bad(BadPath {
                path: path.to_string(),
            }));
        }
        check_device(&entry, &path, package)?;
        let length = entry.target.len();
        if entry.kind == Kind::Symlink && (length == 0 || length >= PATH_LIMIT) {
            let package = package.to_owned();
            return Err(Error::Symlink { package, path });
        }
        Ok(Node {
            number,
            content_at: 0,
            path,
            entry,
            left_out: false,
            yielded: false,
            md5: None,
        })
    }

    /// Whether its content was written when the package was staged.
    pub(crate) fn is_staged(&self) -> bool {
        self.entry.kind == Kind::File && !self.left_out
    }

    /// What of the package it is.
    pub(crate) fn content(&self) -> StagedContent {
        StagedContent {
            number: self.number,
            at: self.content_at,
            size: self.entry.size,
        }
    }

    /// The path that a hard link leads to.
    pub(crate) fn link_target(&self, package: &str) -> Result<RootPath, Error> {
        RootPath::parse(&self.entry.target).map_err(|source| Error::Path {
            package: package.into(),
            source,
        })
    }
}

/// Whether no file can have this path (path_resolution(7)).
fn is_too_long(path: &RootPath) -> bool {
    let path = path.as_bytes();
    let mut names = path.split(|byte| *byte == b'/');
    path.len() >= PATH_LIMIT || names.any(|name| name.len() > NAME_LIMIT)
}

/// Checks that a device is one that every tree has. A block device, or the memory's, is a way to
/// the host.
fn check_device(entry: &Entry, path: &RootPath, package: &str) -> Result<(), Error> {
    let kind = match entry.kind {
        Kind::Character if base::is_plain_device(entry.device.0, entry.device.1) => return Ok(()),
        Kind::Character => "character",
        Kind::Block => "block",
        Kind::File | Kind::HardLink | Kind::Symlink | Kind::Directory | Kind::Fifo => {
            return Ok(());
        }
    };
    Err(Error::Device {
        package: package.to_owned(),
        path: path.clone(),
        kind,
        major: entry.device.0,
        minor: entry.device.1,
    })
}

/// Checks what becomes the names of files: only what dpkg allows (`pkg_name_is_illegal`), which is
/// more than Policy 5.6.7 does, and Policy 5.6.8.
fn check_names(package: &Package) -> Result<(), Error> {
    if is_plain(&package.name, "+-._") && is_plain(&package.architecture, "-") {
        return Ok(());
    }
    Err(Error::Name {
        name: format!("{}:{}", package.name, package.architecture),
    })
}

/// Whether a name starts with a letter or digit and has only these and `more` characters.
fn is_plain(name: &str, more: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_allowed)
}

/// dpkg makes a script executable when it runs it (setexecute), and it runs every preinst.
fn make_preinst_executable(members: &mut [Member]) {
    for member in members {
        if member.name == "preinst" && !is_executable(member.mode) {
            member.mode = 0o755;
        }
    }
}

/// The content of a control member, empty where the package has none of that name.
fn content_of<'a>(deb: &'a Deb, member: &str) -> &'a [u8] {
    let member = deb.member(member);
    member.map_or(&[], |member| &member.content)
}

fn open_data<'a>(deb: &'a Deb, package: &str) -> Result<Archive<Box<dyn Read + 'a>>, Error> {
    deb.data().map_err(|source| Error::Deb {
        package: package.to_owned(),
        source,
    })
}

/// Writes files into a package's staging directory.
struct Writer<'a> {
    directory: OwnedFd,
    package: &'a str,
    hash_all: bool,
    conffiles: Option<&'a Conffiles>,
}

impl Writer<'_> {
    /// Writes the content that follows, with the entry's mode and time.
    fn write<R: Read>(&mut self, node: &mut Node, data: &mut Archive<R>) -> Result<(), Error> {
        let failed = |e: io::Error| Error::staging(self.package, e);
        let mut file = self.create(node.number).map_err(failed)?;
        let conffile = self.conffiles.and_then(|all| all.get(&node.path));
        let is_hashed = self.hash_all || conffile.is_some();
        let mut md5 = is_hashed.then(Md5Hasher::default);
        loop {
            let chunk = data.chunk().map_err(|e| Error::data(self.package, e))?;
            if chunk.is_empty() {
                break;
            }
            file.write_all(chunk).map_err(failed)?;
            if let Some(md5) = &mut md5 {
                md5.update(chunk);
            }
        }
        node.md5 = md5.map(Md5Hasher::finish);
        // After the content, since writing may clear setuid. The mode of creation would be subject
        // to the umask and to default ACLs.
        let mode = Mode::from_raw_mode(node.entry.mode & 0o7777);
        rustix::fs::fchmod(&file, mode).map_err(|e| failed(e.into()))?;
        let times = modified_at(node.entry.modified);
        rustix::fs::futimens(&file, &times).map_err(|e| failed(e.into()))
    }

    fn create(&self, number: u32) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let only_ours = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.directory, number.to_string(), flags, only_ours)?;
        Ok(File::from(file))
    }
}
