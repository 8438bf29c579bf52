//! Marks what a run makes, so that the next run can remove what a killed one has left.
//!
//! The mark is an extended attribute, which no listing shows and which lies in no file of the tree.
//! It names the inode that it marks, so that a copy of it elsewhere marks nothing, and the process
//! that has set it. It is `trusted.` where the host permits that: neither another user nor a
//! maintainer script can set one. Elsewhere it is `user.`, and it counts only on what belongs to
//! this user and cannot be written by others.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, StatxFlags, XattrFlags};
use rustix::io::Errno;
use tempfile::TempDir;

const TRUSTED: &str = "trusted.rbootstrap.run";
/// Not packed into images: see `pack::entry`.
pub(crate) const USER: &str = "user.rbootstrap.run";
/// The prefix of temporary directories.
pub(crate) const PREFIX: &str = "rbootstrap.";
/// The mode of a temporary directory until it is marked. `mktemp -d` makes directories of mode
/// 0700, so that an empty one of this mode, name and owner is ours.
pub(crate) const UNMARKED: u32 = 0o1700;
/// The longest mark, in bytes.
const LIMIT: usize = 256;

/// Owner and mode of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A mark that belongs to what it was found on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) maker: Process,
    /// What a directory was before; `None` for one that the run created.
    pub(crate) before: Option<Ownership>,
}

/// A process, which its number alone does not identify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) number: u32,
    /// In clock ticks since the host started.
    started: u64,
    /// The host's boot, a UUID.
    boot: String,
    /// The inode of the PID namespace in which it has its number.
    namespace: u64,
}

/// A marked temporary directory of this run alone. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct TemporaryDirectory {
    directory: TempDir,
    /// Locked as long as this process lives.
    _lock: File,
}

impl TemporaryDirectory {
    /// Creates one in `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<TemporaryDirectory> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        builder.permissions(Permissions::from_mode(UNMARKED));
        let directory = builder.tempdir_in(parent)?;
        let lock = File::open(directory.path())?;
        let _ = lock.try_lock();
        set(&lock, None);
        Ok(TemporaryDirectory {
            directory,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Whether an extended attribute is a mark.
pub(crate) fn is_name(attribute: &OsStr) -> bool {
    attribute == TRUSTED || attribute == USER
}

/// Marks an open file or directory as made by this process. Without a mark, what a killed run
/// leaves has to be removed by hand, so a failure is no error.
pub(crate) fn set(marked: impl AsFd, before: Option<Ownership>) {
    let marked = marked.as_fd();
    let Some((identity, maker)) = identity(marked).zip(Process::this()) else {
        return;
    };
    let text = Mark { maker, before }.text(&identity);
    let flags = XattrFlags::empty();
    if rustix::fs::fsetxattr(marked, TRUSTED, text.as_bytes(), flags).is_err() {
        let _ = rustix::fs::fsetxattr(marked, USER, text.as_bytes(), flags);
    }
}

/// Reads the mark of an open file or directory.
pub(crate) fn find(marked: impl AsFd) -> Option<Mark> {
    let marked = marked.as_fd();
    let stat = rustix::fs::fstat(marked).ok()?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return None;
    }
    let mut text = [0; LIMIT];
    let length = match rustix::fs::fgetxattr(marked, TRUSTED, &mut text[..]) {
        Ok(length) => length,
        Err(_) if may_set_trusted(marked) || stat.st_mode & 0o022 != 0 => return None,
        Err(_) => rustix::fs::fgetxattr(marked, USER, &mut text[..]).ok()?,
    };
    let text = std::str::from_utf8(&text[..length]).ok()?;
    Mark::parse(text, &identity(marked)?)
}

/// Removes the mark, also one that somebody else has set. An error if it is still there.
pub(crate) fn clear(marked: impl AsFd) -> Result<(), Errno> {
    let marked = marked.as_fd();
    for name in [TRUSTED, USER] {
        match rustix::fs::fremovexattr(marked, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            // Only who can set it can remove it.
            Err(Errno::PERM | Errno::ACCESS) if name == TRUSTED => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether this process could set the attribute that other users cannot set.
fn may_set_trusted(marked: BorrowedFd<'_>) -> bool {
    let replaced = rustix::fs::fsetxattr(marked, TRUSTED, b"", XattrFlags::REPLACE);
    !matches!(replaced, Err(Errno::PERM | Errno::OPNOTSUPP))
}

/// The inode and the time of its birth, which no later inode of that number shares.
fn identity(marked: BorrowedFd<'_>) -> Option<String> {
    let mask = StatxFlags::INO | StatxFlags::BTIME;
    let found = rustix::fs::statx(marked, c"", AtFlags::EMPTY_PATH, mask).ok()?;
    let born = found.stx_btime;
    Some(format!(
        "{} {}.{:09}",
        found.stx_ino, born.tv_sec, born.tv_nsec
    ))
}

impl Mark {
    fn text(&self, identity: &str) -> String {
        let maker = &self.maker;
        let mut text = format!(
            "1 {identity} {} {} {} {}",
            maker.number, maker.started, maker.boot, maker.namespace
        );
        if let Some(before) = self.before {
            text.push_str(&format!(" {} {} {}", before.mode, before.uid, before.gid));
        }
        text
    }

    /// Reads a mark, which must name this inode.
    fn parse(text: &str, identity: &str) -> Option<Mark> {
        let rest = text.strip_prefix("1 ")?.strip_prefix(identity)?;
        let mut words = rest.strip_prefix(' ')?.split(' ');
        let maker = Process {
            number: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
            boot: words.next()?.to_owned(),
            namespace: words.next()?.parse().ok()?,
        };
        let before = match words.next() {
            None => None,
            Some(mode) => Some(Ownership {
                mode: mode.parse().ok()?,
                uid: words.next()?.parse().ok()?,
                gid: words.next()?.parse().ok()?,
            }),
        };
        words.next().is_none().then_some(Mark { maker, before })
    }
}

impl Process {
    fn this() -> Option<Process> {
        let number = rustix::process::getpid().as_raw_nonzero().get();
        let number = u32::try_from(number).ok()?;
        Some(Process {
            number,
            started: start_of(number)?,
            boot: boot()?,
            namespace: pid_namespace()?,
        })
    }

    /// Whether the process has ended. The caller holds the lock that the process held for as long
    /// as it lived, so this matters only where the lock is not enough: on a file system that other
    /// hosts share.
    pub(crate) fn has_ended(&self, marked: impl AsFd) -> bool {
        if boot().as_ref() != Some(&self.boot) {
            return is_local(marked.as_fd());
        }
        if pid_namespace() != Some(self.namespace) {
            return true;
        }
        start_of(self.number) != Some(self.started)
    }
}

fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn pid_namespace() -> Option<u64> {
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

/// When a process started: field 22 of its stat (proc_pid_stat(5)). None if none of that number
/// runs; one that has ended stays until its parent asks for its status.
fn start_of(number: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name, field 2, may contain spaces and parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    if rest.starts_with(['Z', 'X']) {
        return None;
    }
    rest.split(' ').nth(19)?.parse().ok()
}

/// Whether only this host writes to the file system. Numbers from linux/magic.h and the sources of
/// the file systems.
fn is_local(marked: BorrowedFd<'_>) -> bool {
    /// NFS, SMB, CIFS, 9p, Ceph, FUSE, GFS2, OCFS2, Lustre, AFS.
    const SHARED: [u64; 10] = [
        0x6969,
        0xfe53_4d42,
        0xff53_4d42,
        0x0102_1997,
        0x00c3_6400,
        0x6573_5546,
        0x0116_1970,
        0x7461_636f,
        0x0bd0_0bd0,
        0x5346_414f,
    ];
    let found = rustix::fs::fstatfs(marked);
    found.is_ok_and(|found| !SHARED.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_what_it_marks() {
        let maker = Process {
            number: 12,
            started: 345,
            boot: "b-o".into(),
            namespace: 4_026_531_836,
        };
        let before = Ownership {
            mode: 0o2770,
            uid: 1,
            gid: 2,
        };
        for before in [None, Some(before)] {
            let maker = maker.clone();
            let mark = Mark { maker, before };
            let text = mark.text("7 1.000000002");
            assert_eq!(Mark::parse(&text, "7 1.000000002"), Some(mark));
            assert_eq!(Mark::parse(&text, "7 1.000000003"), None);
            assert_eq!(Mark::parse(&text, "8 1.000000002"), None);
            assert_eq!(Mark::parse(&format!("{text} 1"), "7 1.000000002"), None);
            assert_eq!(Mark::parse(&text[..12], "7 1.000000002"), None);
        }
    }

    #[test]
    fn this_process_is_alive() {
        let this = Process::this().unwrap();
        let file = tempfile::tempfile().unwrap();
        assert!(!this.has_ended(&file));
        let other = Process {
            started: this.started + 1,
            ..this.clone()
        };
        assert!(other.has_ended(&file));
        let before_reboot = Process {
            boot: "another".into(),
            ..this
        };
        assert!(before_reboot.has_ended(&file));
    }

    #[test]
    fn a_mark_is_found_where_it_was_set_and_only_there() {
        let directory = tempfile::tempdir().unwrap();
        let marked = fs::File::open(directory.path()).unwrap();
        set(&marked, None);
        let Some(mark) = find(&marked) else {
            panic!("no mark on {}", directory.path().display());
        };
        assert_eq!(mark.maker, Process::this().unwrap());
        let other = tempfile::tempdir().unwrap();
        let other = fs::File::open(other.path()).unwrap();
        for name in [TRUSTED, USER] {
            let mut text = [0; LIMIT];
            if let Ok(length) = rustix::fs::fgetxattr(&marked, name, &mut text[..]) {
                rustix::fs::fsetxattr(&other, name, &text[..length], XattrFlags::empty()).unwrap();
            }
        }
        assert_eq!(find(&other), None);
        clear(&marked).unwrap();
        clear(&marked).unwrap();
        assert_eq!(find(&marked), None);
    }

    #[test]
    #[ignore = "needs root"]
    fn root_believes_no_mark_that_others_can_set() {
        let directory = tempfile::tempdir().unwrap();
        let marked = fs::File::open(directory.path()).unwrap();
        let maker = Process::this().unwrap();
        let text = Mark {
            maker,
            before: None,
        }
        .text(&identity(marked.as_fd()).unwrap());
        rustix::fs::fsetxattr(&marked, USER, text.as_bytes(), XattrFlags::empty()).unwrap();
        assert_eq!(find(&marked), None);
        set(&marked, None);
        assert!(find(&marked).is_some());
        rustix::fs::fchown(&marked, Some(rustix::fs::Uid::from_raw(1000)), None).unwrap();
        assert_eq!(find(&marked), None);
    }
}
