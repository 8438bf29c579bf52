//! Reads and writes /var/lib/dpkg/info: the control members, file lists and digests of packages.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::formats::deb::Member;
use crate::formats::package::{MultiArch, Package};
use crate::tree::rootfs::{self, RootPath, Rootfs, modified_at};

use super::Error;

const DIRECTORY: &str = "var/lib/dpkg/info";

/// The name of a package's files in info/: `PACKAGE`, or `PACKAGE:ARCHITECTURE` if several
/// architectures of it may be installed.
pub(crate) fn qualified_name(package: &Package) -> String {
    match package.multi_arch {
        MultiArch::Same => format!("{}:{}", package.name, package.architecture),
        _ => package.name.clone(),
    }
}

/// Whether dpkg writes a control member to info/: not `control`, not `list`, and no name with a
/// dot.
pub(crate) fn is_info_member(name: &str) -> bool {
    !matches!(name, "control" | "list") && !name.contains('.')
}

/// The files of one package in info/.
#[derive(Debug)]
pub(crate) struct InfoFiles<'a> {
    /// The package's [`qualified_name`].
    pub(crate) qualified: &'a str,
    /// All control members; those that do not belong into info/ are skipped.
    pub(crate) members: &'a [Member],
    /// The paths that the package ships, as in `.list`.
    pub(crate) list: &'a [u8],
    /// The digests of its files, if it has no member `md5sums`.
    pub(crate) md5sums: Option<&'a [u8]>,
}

/// The text of a `md5sums` file.
pub(crate) fn md5sums<'a>(files: impl Iterator<Item = (&'a str, &'a RootPath)>) -> Vec<u8> {
    let mut text = Vec::new();
    for (md5, path) in files {
        text.extend_from_slice(md5.as_bytes());
        text.extend_from_slice(b"  ");
        text.extend_from_slice(path.as_bytes());
        text.push(b'\n');
    }
    text
}

/// Creates the directory and `format`, which says that names may contain an architecture.
pub(super) fn prepare(root: &Rootfs) -> Result<(), Error> {
    root.make_directories(&RootPath::known(DIRECTORY))?;
    let format = RootPath::known("var/lib/dpkg/info/format");
    if !root.exists(&format)? {
        root.write(&format, b"1\n", 0o644)?;
    }
    Ok(())
}

/// The directory /var/lib/dpkg/info, held open.
#[derive(Debug)]
pub(crate) struct InfoDirectory<'a> {
    root: &'a Rootfs,
    directory: rootfs::Directory,
}

impl InfoDirectory<'_> {
    /// No script may run while it is open: a script could replace the directory.
    pub(crate) fn open(root: &Rootfs) -> Result<InfoDirectory<'_>, Error> {
        Ok(InfoDirectory {
            root,
            directory: root.directory(&RootPath::known(DIRECTORY))?,
        })
    }

    pub(crate) fn write(&self, files: &InfoFiles<'_>) -> Result<(), Error> {
        let name = |suffix: &str| format!("{}.{suffix}", files.qualified);
        for member in files.members.iter().filter(|m| is_info_member(&m.name)) {
            let file = self.write_file(&name(&member.name), &member.content, member.mode)?;
            let set = rustix::fs::futimens(&file, &modified_at(member.modified));
            set.map_err(|e| self.error(&name(&member.name), e))?;
        }
        if let Some(md5sums) = files.md5sums {
            self.write_file(&name("md5sums"), md5sums, 0o644)?;
        }
        self.write_file(&name("list"), files.list, 0o644).map(drop)
    }

    /// A control member of a package, if there is one.
    pub(crate) fn member(&self, qualified: &str, member: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.root.read(&path_of(&format!("{qualified}.{member}")))?)
    }

    /// The paths in a package's list.
    pub(crate) fn list(&self, qualified: &str) -> Result<Vec<RootPath>, Error> {
        let list = self.member(qualified, "list")?.unwrap_or_default();
        let mut paths = Vec::new();
        for line in list.split(|&b| b == b'\n') {
            if let Ok(path) = RootPath::parse(line)
                && !line.is_empty()
            {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// Removes all files of a package.
    pub(crate) fn remove(&self, qualified: &str) -> Result<(), Error> {
        let start = format!("{qualified}.");
        for name in self.root.names(&RootPath::known(DIRECTORY))? {
            // A package's name may contain dots, the name of a member does not.
            if let Some(member) = name.strip_prefix(start.as_bytes())
                && !member.contains(&b'.')
            {
                let path = RootPath::known(DIRECTORY).entry(&name);
                self.root.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes lines from a package's list: other packages have replaced these files.
    pub(crate) fn forget(
        &self,
        qualified: &str,
        lost: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let name = format!("{qualified}.list");
        let Some(list) = self.member(qualified, "list")? else {
            return Ok(());
        };
        let mut kept = Vec::with_capacity(list.len());
        for line in list.split_inclusive(|&b| b == b'\n') {
            if !lost(line.trim_ascii_end()) {
                kept.extend_from_slice(line);
            }
        }
        self.write_file(&name, &kept, 0o644).map(drop)
    }

    /// Creates a file, replacing one of that name.
    fn write_file(&self, name: &str, content: &[u8], mode: u32) -> Result<File, Error> {
        let created = match self.create(name) {
            Err(Errno::EXIST) => rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())
                .and_then(|()| self.create(name)),
            created => created,
        };
        let mut file = File::from(created.map_err(|e| self.error(name, e))?);
        file.write_all(content).map_err(|e| self.error(name, e))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|e| self.error(name, e))?;
        Ok(file)
    }

    fn create(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.directory, name, flags, Mode::from_raw_mode(0o600))
    }

    fn error(&self, name: &str, source: impl Into<std::io::Error>) -> Error {
        Error::Tree(self.root.error(&path_of(name), "write it", source))
    }
}

fn path_of(name: &str) -> RootPath {
    let directory = RootPath::known(DIRECTORY);
    match RootPath::parse(name) {
        Ok(name) => directory.join(&name),
        // Not a file's name: the directory itself is neither read nor written.
        Err(_) => directory,
    }
}
