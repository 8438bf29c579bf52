//! A process that waits for the answer to a call: its memory, its files, its ids.
//!
//! Nothing here has more rights than the process: paths are resolved with its root and from its
//! current directory, and links of /proc are not followed, except to its own descriptors.
#![expect(
    unsafe_code,
    reason = "the memory and the limits of another process are reached through pointers"
)]

use std::ffi::{CStr, CString, OsStr};
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::mem;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// The limit that carries the number of a process's credentials. The kernel has not used it since
/// Linux 2.4, and a process inherits it through fork and exec.
const CARRIER: libc::__rlimit_resource_t = libc::RLIMIT_LOCKS;
/// Added to the number, so that a limit that the caller of the program has set is not taken for
/// one.
const CARRIED: u64 = 0x7262_0000_0000;

/// The most bytes of a path, including its NUL (PATH_MAX).
const PATH_LIMIT: usize = 4096;
const PAGE: u64 = 4096;
/// The most bytes that are read of /proc/PID/status.
const STATUS_LIMIT: u64 = 16 << 10;

/// The process, by the id of the calling thread.
#[derive(Clone, Copy)]
pub(super) struct CallingProcess<'s> {
    pub(super) thread: u32,
    /// /proc of the host.
    pub(super) processes: BorrowedFd<'s>,
}

/// A file as the arguments of a call name it.
pub(super) struct CallFile {
    /// Of a directory, or of the file itself if there is no path.
    pub(super) descriptor: i32,
    /// `None` for the descriptor's file.
    pub(super) path: Option<CString>,
    pub(super) follows: bool,
}

impl CallingProcess<'_> {
    /// Reads memory. Returns fewer bytes than requested where the mapped memory ends.
    pub(super) fn read(&self, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
        // In two pieces, because the kernel may read nothing of a piece that is only partly mapped.
        let first = (PAGE - address % PAGE).min(into.len() as u64) as usize;
        let local = libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        };
        let remote = [
            area(address, first),
            area(address.wrapping_add(first as u64), into.len() - first),
        ];
        // SAFETY: the kernel writes to `into` and checks the addresses of the other process.
        let read = unsafe {
            libc::process_vm_readv(
                self.thread as i32,
                &raw const local,
                1,
                remote.as_ptr(),
                remote.len() as u64,
                0,
            )
        };
        usize::try_from(read).map_err(|_| Errno::FAULT)
    }

    pub(super) fn read_exactly(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        match self.read(address, into)? {
            read if read == into.len() => Ok(()),
            _ => Err(Errno::FAULT),
        }
    }

    /// Reads a string of at most a path's length.
    pub(super) fn string(&self, address: u64) -> Result<CString, Errno> {
        let mut bytes = [0; PATH_LIMIT];
        // Most strings are short, and then lie in one page.
        let mut read = self.read(address, &mut bytes[..256])?;
        if !bytes[..read].contains(&0) {
            read = self.read(address, &mut bytes)?;
        }
        let found = CStr::from_bytes_until_nul(&bytes[..read]);
        found.map(CStr::to_owned).map_err(|_| Errno::NAMETOOLONG)
    }

    /// Opens the memory for writing. It stays this process's, even if its PID is reused.
    pub(super) fn memory(&self) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(self.processes, self.own("mem"), flags, Mode::empty())?;
        Ok(File::from(opened))
    }

    /// The metadata of the file behind a descriptor.
    pub(super) fn status(&self, descriptor: i32) -> Result<Stat, Errno> {
        let link = self.own(format_args!("fd/{descriptor}"));
        rustix::fs::statat(self.processes, link, AtFlags::empty())
    }

    /// A path below /proc of this process.
    fn own(&self, what: impl Display) -> String {
        format!("{}/{what}", self.thread)
    }

    fn open_own(&self, what: impl Display) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat(self.processes, self.own(what), flags, Mode::empty())
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

    /// A field of the process's /proc/PID/status.
    fn status_field(&self, name: &str) -> Result<String, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = self.own("status");
        let opened = rustix::fs::openat(self.processes, path, flags, Mode::empty())?;
        let mut bytes = Vec::new();
        let mut file = File::from(opened).take(STATUS_LIMIT);
        file.read_to_end(&mut bytes).map_err(|_| Errno::IO)?;
        let text = String::from_utf8_lossy(&bytes);
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim().to_owned()).ok_or(Errno::IO)
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

fn area(address: u64, length: usize) -> libc::iovec {
    libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address as usize),
        iov_len: length,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

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
    fn memory_is_read_up_to_its_end() {
        let processes = rustix::fs::open(c"/proc", OFlags::PATH, Mode::empty()).unwrap();
        let caller = CallingProcess {
            thread: std::process::id(),
            processes: processes.as_fd(),
        };
        let text = c"a path".to_owned();
        assert_eq!(caller.string(text.as_ptr().addr() as u64), Ok(text));
        let long = CString::new("x".repeat(PATH_LIMIT)).unwrap();
        let found = caller.string(long.as_ptr().addr() as u64);
        assert_eq!(found, Err(Errno::NAMETOOLONG));
        assert_eq!(caller.string(8), Err(Errno::FAULT));
        let mut there = *b"abc";
        let address = there.as_mut_ptr().addr() as u64;
        caller
            .memory()
            .unwrap()
            .write_all_at(b"xyz", address)
            .unwrap();
        assert_eq!(std::hint::black_box(&there), b"xyz");
        assert!(caller.memory().unwrap().write_all_at(b"x", 8).is_err());
        assert_eq!(caller.credentials(), 0);
        assert!(caller.umask().is_ok());
        assert_eq!(caller.has_no_new_privileges(), Ok(false));
    }
}
