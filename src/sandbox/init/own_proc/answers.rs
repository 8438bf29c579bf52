//! Answers calls that open a file of /proc or read what it is.
#![expect(unsafe_code, reason = "statx is called as the caller did")]

use std::ffi::{CStr, CString, c_long};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::OwnProc;
use super::asked::Asked;
use super::calls::{FileCall, Follows, STATX_FLAGS, STATX_MASK, STATX_RESULT};
use super::mounts::MountList;
use super::path::ProcPath;
use crate::kernel::caller::{CallingProcess, bytes_of};
use crate::kernel::listener::{CallAnswer, CallListener, Notification};
use crate::sandbox::masks;

/// The size of `struct statx`.
const STATX_SIZE: usize = 256;
/// The most bytes of a link's target (PATH_MAX).
const TARGET_LIMIT: usize = 4096;

/// A file of /proc that a call names.
pub(super) enum Found {
    Root,
    /// The path below /proc.
    Link(String),
    /// Neither a link nor below one: the path below /proc, and the file, open as O_PATH.
    File(String, OwnedFd),
}

impl OwnProc {
    /// The kernel does every call that is not on a file of /proc: in the tree's own, it does not
    /// exist.
    pub(super) fn decide(
        &self,
        listener: &CallListener,
        notification: &Notification,
    ) -> CallAnswer {
        let caller = CallingProcess {
            thread: notification.thread,
            processes: self.processes.as_fd(),
        };
        let asked = Asked {
            notification,
            listener,
            caller,
        };
        self.try_answer(&asked).unwrap_or(CallAnswer::Continue)
    }

    /// Fails where the kernel is to answer.
    fn try_answer(&self, asked: &Asked<'_>) -> Result<CallAnswer, Errno> {
        let number = c_long::from(asked.notification.number);
        let mut calls = self.calls.iter();
        let call = calls.find(|call| call.number == number);
        let call = call.ok_or(Errno::NOSYS)?;
        // Most paths are others, about which nothing else is asked.
        let path = asked
            .caller
            .string(asked.notification.arguments[call.path])?;
        let path = ProcPath::parse(&path).ok_or(Errno::NOENT)?;
        asked.require_waiting()?;
        let found = self.find(asked, &path)?;
        let answer = match call.call {
            FileCall::Open { flags } => return self.open(asked, &found, flags),
            FileCall::Stat { result, follows } => self.stat(asked, &found, result, follows),
            FileCall::Statx => self.statx(asked, &found),
            FileCall::StatFs { result } => self.stat_fs(asked, &found, result),
            FileCall::Access { mode } => self.access(asked, &found, mode),
            FileCall::ReadLink { buffer } => return self.read_link(asked, &found, buffer),
            change_or_attribute => self.on_target(asked, &found, change_or_attribute),
        };
        Ok(answer.map_or_else(CallAnswer::Error, CallAnswer::Value))
    }

    fn find(&self, asked: &Asked<'_>, path: &ProcPath<'_>) -> Result<Found, Errno> {
        let path = match *path {
            ProcPath::Root => return Ok(Found::Root),
            ProcPath::Link(process, link) => {
                return Ok(Found::Link(format!("{}/{link}", asked.own(process)?)));
            }
            ProcPath::OfProcess(process, "") => asked.own(process)?.to_string(),
            ProcPath::OfProcess(process, below) => format!("{}/{below}", asked.own(process)?),
            ProcPath::OfKernel(path) => return self.find_of_kernel(asked, path),
        };
        self.find_file(asked, path)
    }

    /// What is not hidden where /proc is mounted.
    fn find_of_kernel(&self, asked: &Asked<'_>, path: &str) -> Result<Found, Errno> {
        if masks::is_hidden(path) {
            return Err(Errno::NOENT);
        }
        let found = self.find_file(asked, path.to_owned())?;
        match &found {
            Found::File(_, file) if masks::is_for_root_alone(&rustix::fs::fstat(file)?) => {
                Err(Errno::NOENT)
            }
            _ => Ok(found),
        }
    }

    fn find_file(&self, asked: &Asked<'_>, path: String) -> Result<Found, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(&self.processes, &path, flags, Mode::empty(), resolve)?;
        asked.require_waiting()?;
        // Engines mount parts of /proc read-only, and empty files over others.
        match rustix::fs::fstatfs(&file)?.f_type {
            libc::PROC_SUPER_MAGIC => Ok(Found::File(path, file)),
            _ => Err(Errno::NOENT),
        }
    }

    /// A file of /proc is opened for reading alone, as where /proc is mounted read-only.
    fn open(&self, asked: &Asked<'_>, found: &Found, flags: usize) -> Result<CallAnswer, Errno> {
        let flags = OFlags::from_bits_retain(asked.int(flags) as u32);
        let closes = flags.contains(OFlags::CLOEXEC);
        let opened = match found {
            // A descriptor of procfs that leads nowhere: programs ask for its file system.
            Found::Root if flags.contains(OFlags::PATH) => self.open_below(c"filesystems", flags),
            Found::Root => return Err(Errno::NOENT),
            Found::Link(path) => self.open_target(path, flags),
            Found::File(path, file) => {
                let status = rustix::fs::fstat(file)?;
                if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
                    return Err(Errno::NOENT);
                }
                let writes = flags.intersects(OFlags::WRONLY | OFlags::RDWR);
                match MountList::of(path) {
                    _ if writes && !flags.contains(OFlags::PATH) => Err(Errno::ROFS),
                    Some(list) => self.open_mounts(path, list),
                    None => {
                        let path = CString::new(path.as_str()).unwrap_or_default();
                        self.open_below(&path, flags)
                    }
                }
            }
        };
        asked.require_waiting()?;
        Ok(match opened {
            Ok(file) => CallAnswer::Open { file, closes },
            Err(error) => CallAnswer::Error(error),
        })
    }

    /// A list of mounts as it would be if /proc were one: programs ask for it there.
    fn open_mounts(&self, path: &str, list: MountList) -> Result<OwnedFd, Errno> {
        let path = CString::new(path).unwrap_or_default();
        let mut file = File::from(self.open_below(&path, OFlags::empty())?);
        let mut listed = String::new();
        file.read_to_string(&mut listed).map_err(|_| Errno::IO)?;
        let device = rustix::fs::fstat(&self.processes)?.st_dev;
        list.with_proc(&listed, device)
    }

    fn open_below(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        let added = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = flags.intersection(OFlags::NONBLOCK) | added;
        rustix::fs::openat(&self.processes, path, flags, Mode::empty())
    }

    /// Opens what a process has open already, or runs in. Never waits for the other end of a FIFO:
    /// other calls wait for this process.
    fn open_target(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if flags.contains(OFlags::PATH) {
            return self.open_for_path(path, flags);
        }
        if flags.contains(OFlags::CREATE | OFlags::EXCL) {
            return Err(Errno::EXIST);
        }
        let added = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opening = flags.difference(OFlags::CREATE) | added;
        let file = rustix::fs::openat(&self.processes, path, opening, Mode::empty())?;
        if !flags.contains(OFlags::NONBLOCK) {
            let now = rustix::fs::fcntl_getfl(&file)?;
            rustix::fs::fcntl_setfl(&file, now.difference(OFlags::NONBLOCK))?;
        }
        Ok(file)
    }

    /// Opens a file for a call with O_PATH, which can do less with it. The kernel passes no
    /// descriptor with O_PATH on, so what cannot simply be read is refused.
    fn open_for_path(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let kept = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let asked = flags.intersection(kept) | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.processes, path, asked, Mode::empty())?;
        match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
            FileType::RegularFile | FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                rustix::fs::openat(&self.processes, path, flags, Mode::empty())
            }
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// What a call that reads metadata is about, open as O_PATH.
    fn opened(&self, found: &Found, follows: bool) -> Result<OwnedFd, Errno> {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if !follows {
            flags |= OFlags::NOFOLLOW;
        }
        match found {
            Found::Root => Ok(rustix::io::dup(&self.processes)?),
            Found::Link(path) => {
                rustix::fs::openat(&self.processes, path.as_str(), flags, Mode::empty())
            }
            Found::File(_, file) => Ok(rustix::io::dup(file)?),
        }
    }

    fn stat(
        &self,
        asked: &Asked<'_>,
        found: &Found,
        result: usize,
        follows: Follows,
    ) -> Result<i64, Errno> {
        let follows = follows.follows(&asked.notification.arguments);
        let status = rustix::fs::fstat(self.opened(found, follows)?)?;
        asked.write(result, bytes_of(&status))?;
        Ok(0)
    }

    fn statx(&self, asked: &Asked<'_>, found: &Found) -> Result<i64, Errno> {
        let arguments = &asked.notification.arguments;
        let follows = Follows::ByFlags(STATX_FLAGS).follows(arguments);
        let file = self.opened(found, follows)?;
        let mut status = [0; STATX_SIZE];
        let sync = asked.int(STATX_FLAGS) & libc::AT_STATX_SYNC_TYPE;
        // SAFETY: the kernel writes a `struct statx` to `status`.
        let done = unsafe {
            libc::syscall(
                libc::SYS_statx,
                file.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH | sync,
                arguments[STATX_MASK],
                status.as_mut_ptr(),
            )
        };
        if done != 0 {
            return Err(last_error());
        }
        asked.write(STATX_RESULT, &status)?;
        Ok(0)
    }

    fn stat_fs(&self, asked: &Asked<'_>, found: &Found, result: usize) -> Result<i64, Errno> {
        let status = rustix::fs::fstatfs(self.opened(found, true)?)?;
        asked.write(result, bytes_of(&status))?;
        Ok(0)
    }

    fn access(&self, asked: &Asked<'_>, found: &Found, mode: usize) -> Result<i64, Errno> {
        let mode = Access::from_bits_truncate(asked.int(mode) as u32);
        let path = match found {
            Found::Root => ".",
            Found::Link(path) | Found::File(path, _) => path,
        };
        if mode.contains(Access::WRITE_OK) && !matches!(found, Found::Link(_)) {
            return Err(Errno::ROFS);
        }
        rustix::fs::accessat(&self.processes, path, mode, AtFlags::empty())?;
        Ok(0)
    }

    /// A link of a process, whose target the kernel writes as seen from this process's root, the
    /// tree's.
    fn read_link(
        &self,
        asked: &Asked<'_>,
        found: &Found,
        buffer: usize,
    ) -> Result<CallAnswer, Errno> {
        let path = match found {
            Found::Link(path) => path,
            Found::Root | Found::File(..) => return Ok(CallAnswer::Error(Errno::INVAL)),
        };
        let target = rustix::fs::readlinkat(&self.processes, path.as_str(), Vec::new())?;
        let room = asked.size(buffer + 1, TARGET_LIMIT);
        let target = target.as_bytes();
        let target = &target[..target.len().min(room)];
        asked.write(buffer, target)?;
        Ok(CallAnswer::Value(target.len() as i64))
    }
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
