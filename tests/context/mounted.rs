//! File systems that a test mounts. Dropping one unmounts it.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

/// A mounted file system.
pub struct Mounted {
    at: PathBuf,
    /// What is unmounted before it.
    before: Option<Box<Mounted>>,
}

impl Mounted {
    fn at(at: &Path) -> Mounted {
        Mounted {
            at: at.to_owned(),
            before: None,
        }
    }

    /// Unmounts another one together with this one, and first.
    pub fn with(mut self, before: Mounted) -> Mounted {
        self.before = Some(Box::new(before));
        self
    }

    /// Mounts a tmpfs at a path that does not exist.
    pub fn tmpfs(at: &Path, options: &str) -> Mounted {
        Mounted::tmpfs_with(at, options, MountFlags::empty())
    }

    pub fn tmpfs_with(at: &Path, options: &str, flags: MountFlags) -> Mounted {
        fs::create_dir(at).unwrap();
        let options = CString::new(options).unwrap();
        mount("tmpfs", at, "tmpfs", flags, Some(&*options)).unwrap();
        Mounted::at(at)
    }

    /// Mounts a ramfs, which keeps no extended attributes.
    pub fn ramfs(at: &Path) -> Mounted {
        fs::create_dir(at).unwrap();
        mount("ramfs", at, "ramfs", MountFlags::empty(), None).unwrap();
        Mounted::at(at)
    }

    /// Mounts an overlay of new directories in `layers`.
    pub fn overlay(at: &Path, layers: &Path) -> Mounted {
        let mut options = String::new();
        for layer in ["lower", "upper", "work"] {
            let path = layers.join(layer);
            fs::create_dir(&path).unwrap();
            options.push_str(&format!(",{layer}dir={}", path.display()));
        }
        fs::create_dir(at).unwrap();
        let options = CString::new(options.trim_start_matches(',')).unwrap();
        mount(
            "overlay",
            at,
            "overlay",
            MountFlags::empty(),
            Some(&*options),
        )
        .unwrap();
        Mounted::at(at)
    }

    /// Mounts a directory a second time, with these flags.
    pub fn bind(at: &Path, directory: &Path, flags: MountFlags) -> Mounted {
        fs::create_dir(at).unwrap();
        mount_bind(directory, at).unwrap();
        let mounted = Mounted::at(at);
        mount_remount(at, MountFlags::BIND | flags, c"").unwrap();
        mounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.before.take());
        unmount(&self.at, UnmountFlags::DETACH).unwrap();
        fs::remove_dir(&self.at).unwrap();
    }
}
