//! A number in memory that a process shares with the children that it forks.
#![expect(unsafe_code, reason = "mapped memory is reached through a pointer")]

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

/// The number, 0 at first. Its memory is mapped until the process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedNumber(NonNull<AtomicU64>);

// SAFETY: all access is atomic, and the memory stays mapped.
unsafe impl Send for SharedNumber {}
// SAFETY: as above.
unsafe impl Sync for SharedNumber {}

impl SharedNumber {
    pub(crate) fn new() -> io::Result<SharedNumber> {
        // SAFETY: asks for new memory, which replaces none.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<AtomicU64>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match NonNull::new(memory) {
            Some(memory) if memory.as_ptr() != libc::MAP_FAILED => Ok(SharedNumber(memory.cast())),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn set(self, number: u64) {
        self.number().store(number, Ordering::SeqCst);
    }

    pub(crate) fn get(self) -> u64 {
        self.number().load(Ordering::SeqCst)
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: mapped, aligned to a page and zeroed by the kernel.
        unsafe { self.0.as_ref() }
    }
}
