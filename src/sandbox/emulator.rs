//! The host's emulator of another architecture's programs.
//!
//! The kernel starts it through binfmt_misc (`init::emulation`), from a descriptor, so it is in no
//! directory of the tree. It is a copy: every emulated script can name its emulator as
//! /proc/self/exe, and as root could change the mode of the host's own file.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::program;
use crate::formats::arch::Architecture;

/// Where emulators are installed. The first one wins.
const DIRECTORIES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Endings of their names. The first is always a static program, as the tree has none of the host's
/// libraries; the second only in newer releases.
const ENDINGS: [&str; 2] = ["-static", ""];

/// The path of an emulator. `None` if the host has none.
pub(crate) fn find(architecture: &Architecture) -> Option<PathBuf> {
    let name = architecture.qemu_name();
    for ending in ENDINGS {
        for directory in DIRECTORIES {
            let path = Path::new(directory).join(format!("qemu-{name}{ending}"));
            if path.is_file() {
                return Some(path);
            }
        }
    }
    None
}

/// Copies the emulator to memory. `None` if the host has none, or no memory for it.
pub(super) fn copy(architecture: &Architecture) -> Option<OwnedFd> {
    let file = File::open(find(architecture)?).ok()?;
    program::sealed_copy(&file).ok()
}
