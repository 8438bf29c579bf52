//! The lists of mounts of a process, with the one that programs look for: /proc.

use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::Errno;

/// How a file of /proc lists mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MountList {
    /// As in fstab(5).
    Table,
    /// With ids of the mounts (proc_pid_mountinfo(5)).
    WithIds,
}

impl MountList {
    /// By the path below /proc.
    pub(super) fn of(path: &str) -> Option<MountList> {
        match path.rsplit('/').next() {
            Some("mounts") => Some(MountList::Table),
            Some("mountinfo") => Some(MountList::WithIds),
            _ => None,
        }
    }

    /// The line of /proc, in a list that has these lines. `device` is the file system's.
    fn line_of_proc(self, listed: &str, device: u64) -> String {
        const OPTIONS: &str = "ro,nosuid,nodev,noexec,relatime";
        match self {
            MountList::Table => format!("proc /proc proc {OPTIONS} 0 0\n"),
            MountList::WithIds => {
                let ids = || listed.lines().filter_map(first_number);
                let root = ids().next().unwrap_or(1);
                let id = ids().max().unwrap_or(root) + 1;
                let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
                format!("{id} {root} {major}:{minor} / /proc {OPTIONS} - proc proc rw\n")
            }
        }
    }

    /// A file with this list and /proc in it.
    pub(super) fn with_proc(self, listed: &str, device: u64) -> Result<OwnedFd, Errno> {
        let mut file = std::fs::File::from(memfd_create(c"mounts", MemfdFlags::CLOEXEC)?);
        let line = self.line_of_proc(listed, device);
        let written = file.write_all(listed.as_bytes());
        let written = written.and_then(|()| file.write_all(line.as_bytes()));
        written.map_err(|_| Errno::NOMEM)?;
        seek(&file, SeekFrom::Start(0))?;
        Ok(file.into())
    }
}

/// The number of a mount.
fn first_number(line: &str) -> Option<u64> {
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn lists_of_mounts_end_with_proc() {
        let table = "overlay / overlay rw 0 0\n";
        let with_ids =
            "700 600 0:50 / / rw - overlay overlay rw\n901 700 0:5 / /dev rw - tmpfs d rw\n";
        let options = "ro,nosuid,nodev,noexec,relatime";
        for (path, listed, expected) in [
            (
                "1/mounts",
                table,
                format!("proc /proc proc {options} 0 0\n"),
            ),
            ("1/mounts", "", format!("proc /proc proc {options} 0 0\n")),
            (
                "1/mountinfo",
                with_ids,
                format!("902 700 0:21 / /proc {options} - proc proc rw\n"),
            ),
            (
                "1/task/1/mountinfo",
                "",
                format!("2 1 0:21 / /proc {options} - proc proc rw\n"),
            ),
        ] {
            let list = MountList::of(path).unwrap();
            let file = list.with_proc(listed, rustix::fs::makedev(0, 21)).unwrap();
            let mut text = String::new();
            std::fs::File::from(file).read_to_string(&mut text).unwrap();
            assert_eq!(text, listed.to_owned() + &expected, "{path}");
        }
        assert_eq!(MountList::of("1/mountstats"), None);
    }
}
