//! A process that waits for the answer to a call: its files and its ids.
//!
//! Nothing here has more rights than the process: paths are resolved with its root and from its
//! current directory, and links of /proc are not followed, except to its own descriptors.
#![expect(
    unsafe_code,
    reason = "the limits of another process are reached through pointers"
)]

use std::ffi::{CStr, CString, OsStr};
use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::kernel::caller::CallingProcess;

/// The limit that carries the number of a process's credentials. The kernel has not used it since
/// Linux 2.4, and a process inherits it through fork and exec.
const CARRIER: libc::__rlimit_resource_t = libc::RLIMIT_LOCKS;
/// Added to the number, so that a limit that the caller of the program has set is not taken for
/// one.
const CARRIED: u64 = 0x7262_0000_0000;

/// A file as the arguments of a call name it.
pub(super) struct CallFile {
    /// Of a directory, or of the file itself if there is no path.
    pub(super) descriptor: i32,
    /// `None` for the descriptor's file.
    pub(super) path: Option<CString>,
    pub(super) follows: bool,
}

impl CallingProcess<'_> {
    /// The metadata of the file behind a descriptor.
    pub(super) fn status(&self, descriptor: i32) -> Result<Stat, Errno> {
        let link = self.own(format_args!("fd/{descriptor}"));
        rustix::fs::statat(self.processes, link, AtFlags::empty())
    }

    /// Opens a file with O_PATH.
    pub(super) fn open(&self, file: &CallFile) -> Result<OwnedFd, Errno> {
        let Some(path) = &file.path else {
            return match file.descriptor {
                libc::AT_FDCWD => self.open_own("cwd"),
                descriptor => self.open_own(format_args!("fd/{descriptor}")),
            };
        };
        if let Some(descriptor) = own_descriptor(path) {
            return match file.follows {
                true => self.open_own(format_args!("fd/{descriptor}")),
                false => Err(Errno::LOOP),
            };
        }
        self.open_path(file.descriptor, path, file.follows)
    }

    fn open_path(&self, descriptor: i32, path: &CStr, follows: bool) -> Result<OwnedFd, Errno> {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if !follows {
            flags |= OFlags::NOFOLLOW;
        }
        let no_magic = ResolveFlags::NO_MAGICLINKS;
        if path.to_bytes().first() == Some(&b'/') {
            let root = self.open_own("root")?;
            let resolve = ResolveFlags::IN_ROOT | no_magic;
            let opened = rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve);
            return match opened {
                // A directory was moved meanwhile.
                Err(Errno::AGAIN) => self.open_in_chroot(&root, path, flags),
                opened => opened,
            };
        }
        let from = self.open(&CallFile {
            descriptor,
            path: None,
            follows: true,
        })?;
        let resolve = ResolveFlags::BENEATH | no_magic;
        match rustix::fs::openat2(&from, path, flags, Mode::empty(), resolve) {
            // It has `..` above the start, or a symlink with an absolute target.
            Err(Errno::XDEV | Errno::AGAIN) => self.open_in_chroot(&from, path, flags),
            opened => opened,
        }
    }

    /// Resolves a path as the process does, by taking over its root.
    fn open_in_chroot(&self, from: &OwnedFd, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::process::fchdir(self.open_own("root")?)?;
        rustix::process::chroot(c".")?;
        rustix::process::fchdir(from)?;
        let resolve = ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve)
    }

    /// Opens the directory that a file is to be made in, and returns it with the file's name.
    pub(super) fn open_above(&self, file: &CallFile) -> Result<(OwnedFd, CString), Errno> {
        let path = file.path.as_deref().ok_or(Errno::NOENT)?;
        if path.to_bytes().ends_with(b"/.") {
            return Err(Errno::NOENT);
        }
        let text = Path::new(OsStr::from_bytes(path.to_bytes()));
        let name = text.file_name().ok_or(Errno::EXIST)?;
        let parent = match text.parent().map(Path::as_os_str) {
            None => OsStr::new("."),
            Some(parent) if parent.is_empty() => OsStr::new("."),
            Some(parent) => parent,
        };
        let parent = CString::new(parent.as_bytes()).map_err(|_| Errno::INVAL)?;
        let name = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
        let above = self.open(&CallFile {
            descriptor: file.descriptor,
            path: Some(parent),
            follows: true,
        })?;
        Ok((above, name))
    }

    /// The mode bits that new files do not get.
    pub(super) fn umask(&self) -> Result<Mode, Errno> {
        let bits = u32::from_str_radix(&self.status_field("Umask:")?, 8);
        bits.map(Mode::from_raw_mode).map_err(|_| Errno::IO)
    }

    /// Whether setuid and setgid bits of programs are ignored (PR_SET_NO_NEW_PRIVS).
    pub(super) fn has_no_new_privileges(&self) -> Result<bool, Errno> {
        Ok(self.status_field("NoNewPrivs:")? != "0")
    }

    /// The number of the process's credentials.
    pub(super) fn credentials(&self) -> usize {
        // SAFETY: all-zero is a valid value; the kernel fills it.
        let mut limit: libc::rlimit64 = unsafe { mem::zeroed() };
        // SAFETY: the kernel writes to `limit`.
        let found = unsafe {
            libc::prlimit64(
                self.thread as i32,
                CARRIER,
                std::ptr::null(),
                &raw mut limit,
            )
        };
        match limit.rlim_cur.checked_sub(CARRIED) {
            Some(number) if found == 0 && limit.rlim_cur != libc::RLIM64_INFINITY => {
                usize::try_from(number).unwrap_or_default()
            }
            _ => 0,
        }
    }

    pub(super) fn set_credentials(&self, number: usize) -> Result<(), Errno> {
        let limit = libc::rlimit64 {
            rlim_cur: CARRIED + number as u64,
            rlim_max: libc::RLIM64_INFINITY,
        };
        // SAFETY: the kernel reads `limit`.
        let set = unsafe {
            libc::prlimit64(
                self.thread as i32,
                CARRIER,
                &raw const limit,
                std::ptr::null_mut(),
            )
        };
        match set {
            0 => Ok(()),
            _ => Err(Errno::PERM),
        }
    }
}

impl CallFile {
    /// Whether the path can only name a directory.
    pub(super) fn ends_with_slash(&self) -> bool {
        let path = self.path.as_deref();
        path.is_some_and(|path| path.to_bytes().ends_with(b"/"))
    }

    pub(super) fn of_descriptor(descriptor: i32) -> CallFile {
        CallFile {
            descriptor,
            path: None,
            follows: true,
        }
    }
}

/// The number of the caller's descriptor that a path leads to, where the kernel would resolve
/// `self` to the supervisor.
fn own_descriptor(path: &CStr) -> Option<i32> {
    let path = path.to_str().ok()?;
    let starts = ["/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/"];
    let mut numbers = starts.iter().filter_map(|start| path.strip_prefix(start));
    numbers.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_links_to_descriptors_are_the_callers_own() {
        for (path, expected) in [
            (c"/proc/self/fd/3", Some(3)),
            (c"/proc/thread-self/fd/12", Some(12)),
            (c"/dev/fd/0", Some(0)),
            (c"/proc/self/fd/3/x", None),
            (c"/proc/self/fd/", None),
            (c"/proc/self/root", None),
            (c"/proc/1/fd/3", None),
            (c"dev/fd/3", None),
        ] {
            assert_eq!(own_descriptor(path), expected, "{path:?}");
        }
    }

    /// This process is its own caller.
    #[test]
    fn ids_and_modes_of_a_process_are_found() {
        let processes = rustix::fs::open(c"/proc", OFlags::PATH, Mode::empty()).unwrap();
        let caller = CallingProcess {
            thread: std::process::id(),
            processes: processes.as_fd(),
        };
        assert_eq!(caller.credentials(), 0);
        assert!(caller.umask().is_ok());
        assert_eq!(caller.has_no_new_privileges(), Ok(false));
    }
}
