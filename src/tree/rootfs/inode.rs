//! Which inode a file is.
//!
//! A tree on one mount may be on several devices: an overlay's files keep the devices of its
//! layers, and a subvolume of Btrfs is a device of its own.

use rustix::fs::{Stat, Statx, makedev};

/// An inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    pub(crate) fn of(status: &Statx) -> Inode {
        Inode {
            device: makedev(status.stx_dev_major, status.stx_dev_minor),
            number: status.stx_ino,
        }
    }

    /// As [`Inode::of`], by another kind of status.
    pub(crate) fn of_stat(status: &Stat) -> Inode {
        Inode {
            device: status.st_dev,
            number: status.st_ino,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{AtFlags, CWD, StatxFlags};

    use super::*;

    #[test]
    fn both_kinds_of_status_name_the_same_inode() {
        let mut found = Vec::new();
        for path in ["/", "/proc", "/proc/self/exe"] {
            let none = AtFlags::empty();
            let status = rustix::fs::statx(CWD, path, none, StatxFlags::BASIC_STATS).unwrap();
            let inode = Inode::of(&status);
            let stat = rustix::fs::statat(CWD, path, none).unwrap();
            assert_eq!(inode, Inode::of_stat(&stat), "{path}");
            assert!(!found.contains(&inode), "{path}");
            found.push(inode);
        }
    }
}
