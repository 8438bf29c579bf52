//! How a path is opened with the tree as its root.
//!
//! `openat2` lets the kernel resolve it. Kernels before 5.6, gVisor and the system call lists of
//! some containers do not have it; there the path is walked here, a component at a time, each
//! opened without following a symlink. Both give the same files, and neither leaves the tree.

use std::collections::VecDeque;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

/// The most symlinks that are followed in a path, as by the kernel (path_resolution(7)).
pub(in crate::tree) const LINK_LIMIT: usize = 40;

/// How often the kernel is asked before a path is walked here, which no rename disturbs.
const TRIES: usize = 8;

/// `NO_MAGICLINKS` keeps a path from leaving through /proc, were that mounted.
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const BELOW: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);
const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens `path` with `root` as its root. Nothing is created.
pub(super) fn open_inside(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    if !has_openat2() {
        return walk(root, path, flags);
    }
    let name = OsStr::from_bytes(if path.is_empty() { b"." } else { path });
    let opened =
        until_undisturbed(|| rustix::fs::openat2(root, name, flags, Mode::empty(), INSIDE));
    match opened {
        Err(Errno::AGAIN) => walk(root, path, flags),
        opened => opened,
    }
}

/// Opens the directory `name` of `parent`. A symlink is `ENOTDIR` or `ELOOP`, a mount point
/// `EXDEV`.
pub(super) fn open_below(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !has_openat2() {
        return open_below_by_step(parent, name, flags);
    }
    let opened =
        until_undisturbed(|| rustix::fs::openat2(parent, name, flags, Mode::empty(), BELOW));
    match opened {
        Err(Errno::AGAIN) => open_below_by_step(parent, name, flags),
        opened => opened,
    }
}

/// Tries again while something on this host is renamed or mounted: then the kernel cannot tell
/// whether `..` stays below the root, and fails with `EAGAIN`.
fn until_undisturbed(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    for _ in 1..TRIES {
        match open() {
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    open()
}

fn open_below_by_step(
    parent: BorrowedFd<'_>,
    name: &CStr,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    if mount_of(parent)? != mount_of(directory.as_fd())? {
        return Err(Errno::XDEV);
    }
    Ok(directory)
}

/// Whether the kernel has `openat2` and lets us call it. A list of system calls refuses with
/// `EPERM` what it does not know, or with `ENOSYS`.
fn has_openat2() -> bool {
    static HAS_OPENAT2: OnceLock<bool> = OnceLock::new();
    *HAS_OPENAT2.get_or_init(|| {
        let directory = OFlags::PATH | OFlags::CLOEXEC;
        let here = rustix::fs::openat2(rustix::fs::CWD, c"/", directory, Mode::empty(), INSIDE);
        !matches!(here, Err(Errno::NOSYS | Errno::PERM))
    })
}

/// A walk along a path.
struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// The directories below the root on the way here. `..` goes back along them, whatever was
    /// moved meanwhile, so it never leads above the root.
    way: Vec<OwnedFd>,
    /// The components still to go.
    rest: VecDeque<Vec<u8>>,
    links: usize,
}

fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut walk = Walk {
        root,
        way: Vec::new(),
        rest: components(path),
        links: 0,
    };
    while let Some(name) = walk.rest.pop_front() {
        if name == b".." {
            walk.way.pop();
        }
        if name == b"." || name == b".." {
            continue;
        }
        if let Some(found) = walk.step(&name, flags)? {
            return Ok(found);
        }
    }
    rustix::fs::openat(walk.here(), c".", flags, Mode::empty())
}

impl Walk<'_> {
    /// The directory that the walk has reached.
    fn here(&self) -> BorrowedFd<'_> {
        match self.way.last() {
            Some(directory) => directory.as_fd(),
            None => self.root,
        }
    }

    /// Goes on by one component. The last one is opened and returned.
    fn step(&mut self, name: &[u8], flags: OFlags) -> Result<Option<OwnedFd>, Errno> {
        let found = rustix::fs::openat(self.here(), name, STEP, Mode::empty())?;
        let stat = rustix::fs::fstat(&found)?;
        let is_last = self.rest.is_empty();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink if is_last && flags.contains(OFlags::NOFOLLOW) => {}
            FileType::Symlink => {
                self.follow(&found)?;
                return Ok(None);
            }
            FileType::Directory if !is_last => {
                self.way.push(found);
                return Ok(None);
            }
            FileType::Directory => {}
            _ if !is_last || flags.contains(OFlags::DIRECTORY) => return Err(Errno::NOTDIR),
            _ => {}
        }
        if flags.contains(OFlags::PATH) && !flags.contains(OFlags::DIRECTORY) {
            return Ok(Some(found));
        }
        // A symlink that took its place meanwhile is an error, not followed.
        let flags = flags | OFlags::NOFOLLOW;
        rustix::fs::openat(self.here(), name, flags, Mode::empty()).map(Some)
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<(), Errno> {
        self.links += 1;
        if self.links > LINK_LIMIT {
            return Err(Errno::LOOP);
        }
        let target = rustix::fs::readlinkat(link, c"", Vec::new())?;
        if target.to_bytes().starts_with(b"/") {
            self.way.clear();
        }
        let mut rest = components(target.to_bytes());
        rest.append(&mut self.rest);
        self.rest = rest;
        Ok(())
    }
}

/// The components of a path. A slash at its end is a last component `.`: what is before it has to
/// be a directory.
pub(in crate::tree) fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    let mut components = VecDeque::new();
    for component in path.split(|&b| b == b'/') {
        if !component.is_empty() {
            components.push_back(component.to_vec());
        }
    }
    if path.ends_with(b"/") {
        components.push_back(b".".to_vec());
    }
    components
}

/// Whether an entry of a directory, not followed if it is a symlink, is a mount point.
pub(super) fn is_mount_point(directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
    let entry = rustix::fs::openat(directory, name, STEP | OFlags::NOFOLLOW, Mode::empty())?;
    Ok(mount_of(directory)? != mount_of(entry.as_fd())?)
}

/// The mount that a file or directory is on: by `statx` since Linux 5.8, before it from /proc.
/// Without both, its device, which a bind mount shares.
fn mount_of(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    const MNT_ID: StatxFlags = StatxFlags::MNT_ID;
    match rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, MNT_ID) {
        Ok(found) if found.stx_mask & MNT_ID.bits() != 0 => return Ok(found.stx_mnt_id),
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => {}
        Err(other) => return Err(other),
    }
    let information = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    for line in std::fs::read_to_string(information)
        .unwrap_or_default()
        .lines()
    {
        let id = line.strip_prefix("mnt_id:");
        if let Some(id) = id.and_then(|id| id.trim().parse().ok()) {
            return Ok(id);
        }
    }
    Ok(rustix::fs::fstat(file)?.st_dev)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "builds traps with the standard library"
)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn inode(opened: Result<OwnedFd, Errno>) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(opened?)?.st_ino)
    }

    /// A rename anywhere on the host makes the kernel unsure of `..` (`EAGAIN`).
    #[test]
    fn renames_elsewhere_disturb_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("tree/a/b")).unwrap();
        fs::write(directory.path().join("moved"), "x").unwrap();
        let tree = fs::File::open(directory.path().join("tree")).unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let names = ["moved", "renamed"].map(|name| directory.path().join(name));
                while !is_over.load(order) {
                    fs::rename(&names[0], &names[1]).unwrap();
                    fs::rename(&names[1], &names[0]).unwrap();
                }
            });
            let path = b"a/../a/b/../b/../../a/b/../..";
            let mut failures = 0;
            for _ in 0..20_000 {
                failures += usize::from(open_inside(tree.as_fd(), path, OFlags::PATH).is_err());
            }
            is_over.store(true, order);
            assert_eq!(failures, 0);
        });
    }

    /// Every path of a tree full of links is opened by the kernel and by a walk, with each kind of
    /// flags: the same inode or the same error.
    #[test]
    fn a_walk_opens_what_the_kernel_opens() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("usr/lib/deep")).unwrap();
        fs::write(tree.join("usr/lib/file"), "x").unwrap();
        fs::write(directory.path().join("outside"), "x").unwrap();
        for (target, link) in [
            ("usr/lib", "lib"),
            ("/usr/lib", "absolute"),
            ("../../../../../outside", "relative"),
            ("../outside", "above"),
            ("/lib/file", "file"),
            ("lib/../file", "back"),
            ("nothing", "dangling"),
            ("loop", "loop"),
            ("absolute/", "slash"),
            (".", "here"),
            ("usr/lib/file/", "file-slash"),
        ] {
            symlink(target, tree.join(link)).unwrap();
        }
        symlink("../../lib/deep/..", tree.join("usr/lib/deep/round")).unwrap();
        let root = fs::File::open(&tree).unwrap();
        let names = [
            "",
            "lib",
            "absolute",
            "relative",
            "above",
            "file",
            "back",
            "dangling",
            "loop",
            "slash",
            "here",
            "file-slash",
            "outside",
            "usr",
            "usr/lib/file",
            "usr/lib/deep",
            "nothing",
            "lib/file",
            "absolute/deep/round",
            "usr/lib/deep/round/file",
            "usr/lib/file/below",
            "here/here/lib/deep",
            "loop/x",
            "dangling/x",
            "above/x",
            "usr/lib/deep/round",
        ];
        let kinds = [
            OFlags::PATH,
            OFlags::PATH | OFlags::NOFOLLOW,
            OFlags::PATH | OFlags::DIRECTORY,
            OFlags::RDONLY | OFlags::DIRECTORY,
        ];
        let mut cases = 0;
        for name in names {
            for flags in kinds {
                let by_kernel = inode(open_inside(root.as_fd(), name.as_bytes(), flags));
                let by_walk = inode(walk(root.as_fd(), name.as_bytes(), flags | OFlags::CLOEXEC));
                assert_eq!(by_walk, by_kernel, "{name} {flags:?}");
                cases += 1;
            }
        }
        assert_eq!(cases, 104);
        let outside = fs::metadata(directory.path().join("outside")).unwrap();
        for name in ["relative", "above", "outside"] {
            let opened = inode(walk(root.as_fd(), name.as_bytes(), OFlags::PATH));
            assert_ne!(opened, Ok(outside.ino()), "{name}");
        }
    }

    #[test]
    fn a_chain_of_links_ends_where_the_kernel_ends_it() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("0"), "x").unwrap();
        for at in 1..=LINK_LIMIT + 1 {
            symlink((at - 1).to_string(), tree.path().join(at.to_string())).unwrap();
        }
        let root = fs::File::open(tree.path()).unwrap();
        for at in [LINK_LIMIT, LINK_LIMIT + 1] {
            let name = at.to_string();
            let by_kernel = inode(open_inside(root.as_fd(), name.as_bytes(), OFlags::PATH));
            let by_walk = inode(walk(root.as_fd(), name.as_bytes(), OFlags::PATH));
            assert_eq!(by_walk, by_kernel, "{at}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn mounts_are_seen_without_openat2() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("plain")).unwrap();
        let parent = fs::File::open(tree.path()).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let plain = open_below_by_step(parent.as_fd(), c"plain", flags);
        assert!(plain.is_ok(), "{plain:?}");
        let proc = fs::File::open("/").unwrap();
        let mounted = open_below_by_step(proc.as_fd(), c"proc", flags).map(drop);
        assert_eq!(mounted, Err(Errno::XDEV));
    }
}
