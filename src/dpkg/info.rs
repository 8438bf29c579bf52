//! /var/lib/dpkg/info: the control members, lists and digests of packages.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::formats::deb::Member;
use crate::formats::package::{MultiArch, Package};
use crate::tree::rootfs::{self, RootPath, Rootfs, modified_at};

use super::Error;

const DIRECTORY: &str = "var/lib/dpkg/info";

/// The name that dpkg keeps a package's files under: `PACKAGE`, or `PACKAGE:ARCHITECTURE` where several architectures of it may
/// be installed.
pub(crate) fn qualified_name(package: &Package) -> String {
    match package.multi_arch {
        MultiArch::Same => format!("{}:{}", package.name, package.architecture),
        _ => package.name.clone(),
    }
}

/// Whether a control member goes to info/. dpkg takes neither `control`, nor one called `list`, nor names with a dot.
pub(crate) fn is_info_member(name: &str) -> bool {
    !matches!(name, "control" | "list") && !name.contains('.')
}

/// What info/ gets of one package.
#[derive(Debug)]
pub(crate) struct InfoFiles<'a> {
    /// Its [`qualified_name`].
    pub(crate) qualified: &'a str,
    /// Its control members; those that do not belong into info/ are passed over.
    pub(crate) members: &'a [Member],
    /// The paths it ships, as in `.list`.
    pub(crate) list: &'a [u8],
    /// The digests of its files, where it has no member `md5sums`.
    pub(crate) md5sums: Option<&'a [u8]>,
}

/// The text of a `md5sums` file: digests and paths.
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

/// Makes the directory and says which layout it has: that in which names may carry an architecture.
pub(super) fn prepare(root: &Rootfs) -> Result<(), Error> {
    root.make_directories(&RootPath::known(DIRECTORY))?;
    let format = RootPath::known("var/lib/dpkg/info/format");
    if !root.exists(&format)? {
        root.write(&format, b"1\n", 0o644)?;
    }
    Ok(())
}

/// The directory, held open.
#[derive(Debug)]
pub(crate) struct InfoDirectory<'a> {
    root: &'a Rootfs,
    directory: rootfs::Directory,
}

impl InfoDirectory<'_> {
    /// Opens it. No script may run while it is open, since one could put another directory in its place.
    pub(crate) fn open(root: &Rootfs) -> Result<InfoDirectory<'_>, Error> {
        Ok(InfoDirectory {
            root,
            directory: root.directory(&RootPath::known(DIRECTORY))?,
        })
    }

    /// Writes a package's files.
    pub(crate) fn write(&self, files: &InfoFiles<'_>) -> Result<(), Error> {
        let name = |suffix: &str| format!("{}.{suffix}", files.qualified);
        for member in files.members.iter().filter(|m| is_info_member(&m.name)) {
            self.write_file(
                &name(&member.name),
                &member.content,
                (member.mode, Some(member.modified)),
            )?;
        }
        if let Some(md5sums) = files.md5sums {
            self.write_file(&name("md5sums"), md5sums, (0o644, None))?;
        }
        self.write_file(&name("list"), files.list, (0o644, None))
    }

    /// A control member of a package, if it has it.
    pub(crate) fn member(&self, qualified: &str, member: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.root.read(&path_of(&format!("{qualified}.{member}")))?)
    }

    /// The paths in a package's list.
    pub(crate) fn list(&self, qualified: &str) -> Result<Vec<RootPath>, Error> {
        let list = self.member(qualified, "list")?.unwrap_or_default();
        Ok(list
            .split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
            .filter_map(|line| RootPath::parse(line).ok())
            .collect())
    }

    /// Removes all files of a package.
    pub(crate) fn remove(&self, qualified: &str) -> Result<(), Error> {
        let start = format!("{qualified}.");
        for name in self.root.names(&RootPath::known(DIRECTORY))? {
            // A package's name may have dots, the name of a member has none.
            if name
                .strip_prefix(start.as_bytes())
                .is_some_and(|member| !member.contains(&b'.'))
            {
                self.root
                    .remove(&path_of(&String::from_utf8_lossy(&name)))?;
            }
        }
        Ok(())
    }

    /// Takes paths, given as lines of a list, out of a package's list: others have taken them over.
    pub(crate) fn forget(
        &self,
        qualified: &str,
        lost: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let name = format!("{qualified}.list");
        let Some(list) = self.member(qualified, "list")? else {
            return Ok(());
        };
        let kept: Vec<u8> = list
            .split_inclusive(|&b| b == b'\n')
            .filter(|l| !lost(l.trim_ascii_end()))
            .flatten()
            .copied()
            .collect();
        self.write_file(&name, &kept, (0o644, None))
    }

    /// Writes a file anew; the new one takes the place of the old one's name, never of its content.
    fn write_file(
        &self,
        name: &str,
        content: &[u8],
        (mode, modified): (u32, Option<i64>),
    ) -> Result<(), Error> {
        let error = |e: std::io::Error| Error::Tree(self.root.error(&path_of(name), "write it", e));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || {
            rustix::fs::openat(
                &self.directory,
                OsStr::from_bytes(name.as_bytes()),
                flags,
                Mode::from_raw_mode(0o600),
            )
        };
        let file = create().or_else(|e| match e {
            rustix::io::Errno::EXIST => {
                rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?;
                create()
            }
            other => Err(other),
        });
        let mut file = File::from(file.map_err(|e| error(e.into()))?);
        file.write_all(content).map_err(error)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|e| error(e.into()))?;
        match modified {
            Some(seconds) => {
                rustix::fs::futimens(&file, &modified_at(seconds)).map_err(|e| error(e.into()))
            }
            None => Ok(()),
        }
    }
}

fn path_of(name: &str) -> RootPath {
    RootPath::parse(name).map_or_else(
        |_| RootPath::known(DIRECTORY),
        |name| RootPath::known(DIRECTORY).join(&name),
    )
}
