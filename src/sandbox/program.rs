//! The file that PID 1 of the sandbox is executed from: a sealed copy of this program, in memory.
//!
//! Every script can name the file of PID 1's program, as /proc/1/exe. The kernel denies to open it,
//! because PID 1 is not dumpable; and if it did not, the script would get the copy, which cannot be
//! written and is gone after the run, and not the program on the host.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// Opens the file of this program.
pub(super) fn own_file() -> io::Result<File> {
    File::open("/proc/self/exe")
}

/// Copies the program to memory, where nothing can change it.
pub(super) fn sealed_copy(mut program: &File) -> io::Result<OwnedFd> {
    let mut copy = File::from(memory_file()?);
    io::copy(&mut program, &mut copy)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(copy.as_fd(), seals)?;
    Ok(copy.into())
}

/// A file in memory that can be executed and sealed.
fn memory_file() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(c"rbootstrap", flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 there is no such flag, and every file can be executed.
        Err(Errno::INVAL) => memfd_create(c"rbootstrap", flags),
        made => made,
    }
}
