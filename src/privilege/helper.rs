//! Finds newuidmap and newgidmap, and checks that they have the rights that they need.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, getxattr, statvfs};

use super::subordinate::Ids;
use super::{Caller, Error};

/// Searched after PATH, which may be unset in a service.
const DIRECTORIES: [&str; 5] = [
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
    "/usr/sbin",
    "/run/wrappers/bin",
];

const SETUID: u32 = 0o4000;

/// The programs that may map subordinate ids.
#[derive(Clone, Debug)]
pub(super) struct Helpers {
    pub(super) users: PathBuf,
    pub(super) groups: PathBuf,
}

/// Finds both programs.
pub(super) fn find(caller: &Caller) -> Result<Helpers, Error> {
    Ok(Helpers {
        users: find_one(caller, Ids::Users)?,
        groups: find_one(caller, Ids::Groups)?,
    })
}

fn name(ids: Ids) -> &'static str {
    match ids {
        Ids::Users => "newuidmap",
        Ids::Groups => "newgidmap",
    }
}

fn find_one(caller: &Caller, ids: Ids) -> Result<PathBuf, Error> {
    let program = name(ids);
    let known = DIRECTORIES.iter().map(PathBuf::from);
    for directory in caller.path.iter().cloned().chain(known) {
        let path = directory.join(program);
        if !path.is_file() {
            continue;
        }
        if rustix::thread::no_new_privs().unwrap_or(false) {
            return Err(Error::NoNewPrivileges { program });
        }
        return match has_rights(&path) {
            true => Ok(path),
            false => Err(Error::HelperRights { path }),
        };
    }
    Err(Error::NoHelper { program })
}

/// Whether a program is setuid root or has file capabilities, and is not mounted nosuid.
fn has_rights(path: &Path) -> bool {
    let is_heeded =
        statvfs(path).is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::NOSUID));
    let is_setuid =
        fs::metadata(path).is_ok_and(|found| found.mode() & SETUID != 0 && found.uid() == 0);
    let mut value = [0; 64];
    is_heeded && (is_setuid || getxattr(path, c"security.capability", &mut value[..]).is_ok())
}
