//! Whether a file system can hold a tree, tried out in the empty target before anything is fetched.
//!
//! nodev and nosuid do not matter: nodes and setuid files can be made there, and the sandbox has a
//! /dev of its own.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, StatVfsMountFlags, Uid, fstatvfs};
use rustix::io::Errno;

use super::{Error, io_error};

/// The directory in which everything is tried out; `OTHER_CASE` is absent where case matters.
const PROBE: &str = "PROBE.rbootstrap";
const OTHER_CASE: &str = "probe.rbootstrap";
/// Any owner but root, and a mode with a special bit.
const OWNER: u32 = 1;
const MODE: u32 = 0o4751;

/// Checks the file system of an empty directory.
pub(super) fn check(directory: &OwnedFd, path: &Path) -> Result<(), Error> {
    let mounted = fstatvfs(directory).map_err(|e| io_error("look at", path, e))?;
    if mounted.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(Error::NoExec { path: path.into() });
    }
    let made = rustix::fs::mkdirat(directory, PROBE, Mode::RWXU);
    made.map_err(|e| io_error("write into", path, e))?;
    let tried = try_out(directory, path);
    let removed = rustix::fs::unlinkat(directory, PROBE, AtFlags::REMOVEDIR);
    tried?;
    removed.map_err(|e| io_error("write into", path, e))
}

fn try_out(directory: &OwnedFd, path: &Path) -> Result<(), Error> {
    if rustix::fs::statat(directory, OTHER_CASE, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(Error::CaseInsensitive { path: path.into() });
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let probe = rustix::fs::openat(directory, PROBE, flags, Mode::empty());
    let probe = probe.map_err(|e| io_error("write into", path, e))?;
    let failed = |feature| move |source| unfit(path, feature, source);
    let result = owners_and_modes(&probe)
        .map_err(failed("files with owners and modes"))
        .and_then(|()| hard_links(&probe).map_err(failed("hard links")))
        .and_then(|()| symlinks(&probe).map_err(failed("symlinks")));
    for name in ["file", "hard-link", "symlink"] {
        let _ = rustix::fs::unlinkat(&probe, name, AtFlags::empty());
    }
    result
}

/// A full disk or a quota is not the file system's kind.
fn unfit(path: &Path, feature: &'static str, source: Errno) -> Error {
    match source {
        Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::ROFS => {
            io_error("write into", path, source)
        }
        _ => Error::Unfit {
            path: path.into(),
            feature,
            source: source.into(),
        },
    }
}

fn owners_and_modes(probe: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(probe, "file", flags, Mode::RUSR | Mode::WUSR)?;
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        let uid = Some(Uid::from_raw(OWNER));
        let gid = Some(Gid::from_raw(OWNER));
        rustix::fs::fchown(&file, uid, gid)?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(MODE))?;
    let found = rustix::fs::fstat(&file)?;
    let is_owner_kept = !is_root || (found.st_uid, found.st_gid) == (OWNER, OWNER);
    match is_owner_kept && found.st_mode & 0o7777 == MODE {
        true => Ok(()),
        false => Err(Errno::OPNOTSUPP),
    }
}

fn hard_links(probe: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::linkat(probe, "file", probe, "hard-link", AtFlags::empty())
}

fn symlinks(probe: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::symlinkat("file", probe, "symlink")
}
