//! A process that waits for the answer to a call: its memory, and what /proc shows of it.
#![expect(
    unsafe_code,
    reason = "the memory of another process is reached through pointers"
)]

use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The most bytes of a path, including its NUL (PATH_MAX).
const PATH_LIMIT: usize = 4096;
const PAGE: u64 = 4096;
/// The most bytes that are read of /proc/PID/status.
const STATUS_LIMIT: u64 = 16 << 10;

/// Whether this process may not call `process_vm_readv`.
static DENIES_VM_READ: AtomicBool = AtomicBool::new(false);

/// The process, by the id of the calling thread.
#[derive(Clone, Copy)]
pub(crate) struct CallingProcess<'s> {
    pub(crate) thread: u32,
    /// /proc of the host.
    pub(crate) processes: BorrowedFd<'s>,
}

impl CallingProcess<'_> {
    /// Reads memory. Returns fewer bytes than requested where the mapped memory ends.
    pub(crate) fn read(&self, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
        if DENIES_VM_READ.load(Ordering::Relaxed) {
            return self.read_through_proc(address, into);
        }
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
        if let Ok(read) = usize::try_from(read) {
            return Ok(read);
        }
        // A container's list of system calls may lack it.
        match Errno::from_io_error(&std::io::Error::last_os_error()) {
            Some(Errno::PERM | Errno::NOSYS) => {
                DENIES_VM_READ.store(true, Ordering::Relaxed);
                self.read_through_proc(address, into)
            }
            _ => Err(Errno::FAULT),
        }
    }

    fn read_through_proc(&self, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let memory = rustix::fs::openat(self.processes, self.own("mem"), flags, Mode::empty())?;
        let read = File::from(memory).read_at(into, address);
        read.map_err(|_| Errno::FAULT)
    }

    pub(crate) fn read_exactly(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        match self.read(address, into)? {
            read if read == into.len() => Ok(()),
            _ => Err(Errno::FAULT),
        }
    }

    /// Reads a string of at most a path's length.
    pub(crate) fn string(&self, address: u64) -> Result<CString, Errno> {
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
    pub(crate) fn memory(&self) -> Result<File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(self.processes, self.own("mem"), flags, Mode::empty())?;
        Ok(File::from(opened))
    }

    /// A path below /proc of this process.
    pub(crate) fn own(&self, what: impl Display) -> String {
        format!("{}/{what}", self.thread)
    }

    pub(crate) fn open_own(&self, what: impl Display) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat(self.processes, self.own(what), flags, Mode::empty())
    }

    /// A field of the process's /proc/PID/status.
    pub(crate) fn status_field(&self, name: &str) -> Result<String, Errno> {
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
}

/// The bytes of a structure that the kernel has filled, for the caller's memory.
pub(crate) fn bytes_of<T: Copy>(structure: &T) -> &[u8] {
    // SAFETY: a plain structure as the kernel writes it, whose padding was zeroed or filled.
    unsafe { std::slice::from_raw_parts((&raw const *structure).cast(), size_of::<T>()) }
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

    use super::*;

    /// This process is its own caller.
    #[test]
    fn memory_is_read_up_to_its_end() {
        let processes = rustix::fs::open(c"/proc", OFlags::PATH, Mode::empty()).unwrap();
        let caller = CallingProcess {
            thread: std::process::id(),
            processes: processes.as_fd(),
        };
        let text_again = c"text again".to_owned();
        let text = c"a path".to_owned();
        assert_eq!(caller.string(text.as_ptr().addr() as u64), Ok(text));
        let long = CString::new("x".repeat(PATH_LIMIT)).unwrap();
        let found = caller.string(long.as_ptr().addr() as u64);
        assert_eq!(found, Err(Errno::NAMETOOLONG));
        assert_eq!(caller.string(8), Err(Errno::FAULT));
        let mut bytes = [0; 4];
        let address = text_again.as_ptr().addr() as u64;
        assert_eq!(caller.read_through_proc(address, &mut bytes), Ok(4));
        assert_eq!(&bytes, b"text");
        assert_eq!(caller.read_through_proc(8, &mut bytes), Err(Errno::FAULT));
        let mut there = *b"abc";
        let address = there.as_mut_ptr().addr() as u64;
        caller
            .memory()
            .unwrap()
            .write_all_at(b"xyz", address)
            .unwrap();
        assert_eq!(std::hint::black_box(&there), b"xyz");
        assert!(caller.memory().unwrap().write_all_at(b"x", 8).is_err());
    }
}
