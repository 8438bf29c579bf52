//! The answers to calls on files of /proc.
#![expect(
    unsafe_code,
    reason = "structures of the kernel are read and written as bytes; statx is called as the caller did"
)]

use std::ffi::{CStr, CString, c_int, c_long};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{
    Access, AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::OwnProc;
use super::calls::{FileCall, Follows, STATX_FLAGS, STATX_MASK, STATX_RESULT};
use super::path::{ProcPath, Process};
use crate::kernel::caller::CallingProcess;
use crate::kernel::listener::{CallAnswer, CallListener, Notification};
use crate::sandbox::masks;

/// The size of `struct statx`.
const STATX_SIZE: usize = 256;
/// The most bytes of an extended attribute, and of a list of their names (XATTR_SIZE_MAX).
const ATTRIBUTE_LIMIT: usize = 64 << 10;
/// The most bytes of a link's target (PATH_MAX).
const TARGET_LIMIT: usize = 4096;

/// A file of /proc that a call names.
enum Found {
    Root,
    /// The path below /proc.
    Link(String),
    /// Neither a link nor below one: the path below /proc, and the file, open as O_PATH.
    File(String, OwnedFd),
}

/// A call with what it takes to answer it.
struct Asked<'a> {
    notification: &'a Notification,
    listener: &'a CallListener,
    caller: CallingProcess<'a>,
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
        let path = asked.string(call.path)?;
        let path = ProcPath::parse(&path).ok_or(Errno::NOENT)?;
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
                let writes = flags & OFlags::ACCMODE != OFlags::RDONLY;
                match writes && !flags.contains(OFlags::PATH) {
                    true => Err(Errno::ROFS),
                    false => {
                        self.open_below(&CString::new(path.as_str()).unwrap_or_default(), flags)
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

    fn open_below(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags & OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.processes, path, flags, Mode::empty())
    }

    /// Opens what a process has open already, or runs in. Never waits for the other end of a FIFO:
    /// other calls wait for this process.
    fn open_target(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if flags.contains(OFlags::PATH) {
            return self.open_for_path(path, flags);
        }
        let opening = flags - OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.processes, path, opening, Mode::empty())?;
        if !flags.contains(OFlags::NONBLOCK) {
            let now = rustix::fs::fcntl_getfl(&file)?;
            rustix::fs::fcntl_setfl(&file, now - OFlags::NONBLOCK)?;
        }
        Ok(file)
    }

    /// Opens a file for a call with O_PATH, which can do less with it. The kernel passes no
    /// descriptor with O_PATH on, so what cannot simply be read is refused.
    fn open_for_path(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let asked = flags & (OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW) | OFlags::CLOEXEC;
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
        asked.write(result, bytes(&status))?;
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
        asked.write(result, bytes(&status))?;
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

    /// A call that changes a file, or concerns its attributes, through a link of a process.
    fn on_target(&self, asked: &Asked<'_>, found: &Found, call: FileCall) -> Result<i64, Errno> {
        let Found::Link(path) = found else {
            return Err(match call {
                FileCall::GetAttribute | FileCall::ListAttributes => Errno::OPNOTSUPP,
                _ => Errno::ROFS,
            });
        };
        match call {
            FileCall::SetMode { mode } => {
                let mode = Mode::from_raw_mode(asked.int(mode) as u32 & 0o7777);
                rustix::fs::chmodat(&self.processes, path.as_str(), mode, AtFlags::empty())?;
                Ok(0)
            }
            FileCall::SetOwner { ids, follows } => {
                if !follows.follows(&asked.notification.arguments) {
                    return Err(Errno::ROFS);
                }
                let [user, group] = [ids, ids + 1].map(|id| asked.int(id) as u32);
                let user = (user != u32::MAX).then(|| Uid::from_raw(user));
                let group = (group != u32::MAX).then(|| Gid::from_raw(group));
                let flags = AtFlags::empty();
                rustix::fs::chownat(&self.processes, path.as_str(), user, group, flags)?;
                Ok(0)
            }
            FileCall::SetTimes => self.set_times(asked, path),
            FileCall::Link => self.link(asked, path),
            _ => {
                // The calls on attributes take no directory.
                rustix::process::fchdir(&self.processes)?;
                let done = asked.attribute(path, call);
                rustix::process::chdir(c"/")?;
                done
            }
        }
    }

    /// `linkat`, by which programs give a name to a file that they have made without one.
    fn link(&self, asked: &Asked<'_>, path: &str) -> Result<i64, Errno> {
        const DIRECTORY: usize = 2;
        const NAME: usize = 3;
        const FLAGS: usize = 4;
        if asked.int(FLAGS) & libc::AT_SYMLINK_FOLLOW == 0 {
            return Err(Errno::XDEV);
        }
        // The caller's root is this process's.
        let name = asked.string(NAME)?;
        let directory = match asked.int(DIRECTORY) {
            libc::AT_FDCWD => asked.caller.open_own("cwd")?,
            descriptor => asked.caller.open_own(format_args!("fd/{descriptor}"))?,
        };
        asked.require_waiting()?;
        let flags = AtFlags::SYMLINK_FOLLOW;
        rustix::fs::linkat(&self.processes, path, &directory, &name, flags)?;
        Ok(0)
    }

    fn set_times(&self, asked: &Asked<'_>, path: &str) -> Result<i64, Errno> {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: libc::UTIME_NOW,
        };
        let mut times = [now, now];
        let address = asked.notification.arguments[2];
        if address != 0 {
            let mut bytes = [0; mem::size_of::<[libc::timespec; 2]>()];
            asked.read(address, &mut bytes)?;
            // SAFETY: plain numbers, for which every byte is valid.
            times = unsafe { mem::transmute::<[u8; 32], [libc::timespec; 2]>(bytes) };
        }
        let [last_access, last_modification] = times.map(|time| rustix::fs::Timespec {
            tv_sec: time.tv_sec,
            tv_nsec: time.tv_nsec,
        });
        let times = Timestamps {
            last_access,
            last_modification,
        };
        rustix::fs::utimensat(&self.processes, path, &times, AtFlags::empty())?;
        Ok(0)
    }
}

impl Asked<'_> {
    /// An argument that is an int.
    fn int(&self, argument: usize) -> c_int {
        self.notification.arguments[argument] as c_int
    }

    /// An argument that is a size, at most this one.
    fn size(&self, argument: usize, limit: usize) -> usize {
        let size = usize::try_from(self.notification.arguments[argument]);
        size.map_or(limit, |size| size.min(limit))
    }

    /// A string in the caller's memory.
    fn string(&self, argument: usize) -> Result<CString, Errno> {
        let string = self.caller.string(self.notification.arguments[argument])?;
        self.require_waiting()?;
        Ok(string)
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.caller.read_exactly(address, into)?;
        self.require_waiting()
    }

    /// Writes to the caller's memory.
    fn write(&self, argument: usize, bytes: &[u8]) -> Result<(), Errno> {
        let memory = self.caller.memory()?;
        self.require_waiting()?;
        let address = self.notification.arguments[argument];
        let written = memory.write_all_at(bytes, address);
        written.map_err(|_| Errno::FAULT)
    }

    /// Fails if the thread no longer waits: another process may have its id by now.
    fn require_waiting(&self) -> Result<(), Errno> {
        match self.listener.waits(self.notification) {
            true => Ok(()),
            false => Err(Errno::SRCH),
        }
    }

    /// The number of the caller's process. Fails for a path that names another one.
    fn own(&self, named: Process) -> Result<u32, Errno> {
        let own = self.caller.status_field("Tgid:")?;
        let own = own.parse().map_err(|_| Errno::IO)?;
        self.require_waiting()?;
        match named {
            Process::Number(number) if number != own => Err(Errno::NOENT),
            _ => Ok(own),
        }
    }

    /// A call on the attributes of a file, by a path from the current directory.
    fn attribute(&self, path: &str, call: FileCall) -> Result<i64, Errno> {
        if call == FileCall::ListAttributes {
            let mut list = vec![0; self.size(2, ATTRIBUTE_LIMIT)];
            let length = rustix::fs::listxattr(path, &mut list[..])?;
            return self.give(1, &list, length);
        }
        let name = self.string(1)?;
        let mut value = vec![0; self.size(3, ATTRIBUTE_LIMIT)];
        match call {
            FileCall::SetAttribute => {
                self.read(self.notification.arguments[2], &mut value)?;
                let flags = XattrFlags::from_bits_retain(self.int(4) as u32);
                rustix::fs::setxattr(path, &name, &value, flags)?;
                Ok(0)
            }
            FileCall::GetAttribute => {
                let length = rustix::fs::getxattr(path, &name, &mut value[..])?;
                self.give(2, &value, length)
            }
            _ => {
                rustix::fs::removexattr(path, &name)?;
                Ok(0)
            }
        }
    }

    /// Gives what was read; nothing if the caller only asked for its length.
    fn give(&self, argument: usize, read: &[u8], length: usize) -> Result<i64, Errno> {
        if !read.is_empty() {
            self.write(argument, &read[..length])?;
        }
        Ok(length as i64)
    }
}

/// The bytes of a structure that the kernel has filled.
fn bytes<T: Copy>(structure: &T) -> &[u8] {
    // SAFETY: a plain structure as the kernel writes it, whose padding was zeroed or filled.
    unsafe { std::slice::from_raw_parts((&raw const *structure).cast(), mem::size_of::<T>()) }
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
