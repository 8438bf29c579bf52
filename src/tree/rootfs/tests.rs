#![expect(
    clippy::disallowed_methods,
    reason = "builds traps around the tree with the standard library"
)]

use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;

use super::*;

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

#[test]
fn links_that_point_outside_lead_inside() {
    let target = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let root = Rootfs::open(target.path()).unwrap();
    root.symlink(outside.path().as_os_str().as_bytes(), &path("absolute"))
        .unwrap();
    root.symlink(b"../../../../../../../..", &path("relative"))
        .unwrap();
    assert!(root.write(&path("absolute/file"), b"x", 0o644).is_err());
    root.write(&path("relative/file"), b"x", 0o644).unwrap();
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    assert_eq!(root.read(&path("file")).unwrap().unwrap(), b"x");
}

#[test]
fn files_directories_and_links() {
    let target = tempfile::tempdir().unwrap();
    let root = Rootfs::open(target.path()).unwrap();
    root.make_directories(&path("usr/bin")).unwrap();
    root.symlink(b"usr/bin", &path("bin")).unwrap();
    assert!(
        !root.make_directory(&path("bin"), 0o755).unwrap()
            && root.make_directory(&path("tmp"), 0o1777).unwrap()
    );
    root.write(&path("bin/x"), b"1", 0o4755).unwrap();
    root.write(&path("bin/x"), b"2", 0o755).unwrap();
    assert_eq!(root.read(&path("usr/bin/x")).unwrap().unwrap(), b"2");
    assert_eq!(
        root.metadata(&path("tmp")).unwrap().unwrap().st_mode & 0o7777,
        0o1777
    );
    assert_eq!(
        root.read_link(&path("bin")).unwrap().unwrap().as_bytes(),
        b"usr/bin"
    );
    assert_eq!(
        root.names(&path("/")).unwrap(),
        [&b"bin"[..], b"tmp", b"usr"]
    );
    assert!(root.remove(&path("bin/x")).unwrap() && !root.remove(&path("no/such")).unwrap());
    root.remove_tree(&path("usr")).unwrap();
    assert!(
        root.read(&path("bin/x")).unwrap().is_none() && !root.is_directory(&path("bin")).unwrap()
    );
}

/// A tree with a symlink `link` to `outside`, a file of mode 0640 beside the tree.
struct Trap {
    directory: tempfile::TempDir,
    root: Rootfs,
}

impl Trap {
    fn new() -> Trap {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        let outside = directory.path().join("outside");
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(&outside, "secret").unwrap();
        rustix::fs::chmod(&outside, Mode::from_raw_mode(0o640)).unwrap();
        let root = Rootfs::open(&tree).unwrap();
        root.symlink(outside.as_os_str().as_bytes(), &path("link"))
            .unwrap();
        Trap { directory, root }
    }

    fn outside_mode(&self) -> u32 {
        let found = rustix::fs::stat(self.directory.path().join("outside")).unwrap();
        found.st_mode & 0o7777
    }
}

fn ids() -> (u32, u32) {
    let uid = rustix::process::geteuid().as_raw();
    (uid, rustix::process::getegid().as_raw())
}

#[test]
fn modes_do_not_follow_a_symlink() {
    let trap = Trap::new();
    let (uid, gid) = ids();
    trap.root
        .set_owner_and_mode(&path("link"), uid, gid, Some(0o6777))
        .unwrap();
    assert_eq!(trap.outside_mode(), 0o640);
}

#[test]
fn a_handle_keeps_its_inode_when_the_name_is_exchanged() {
    let trap = Trap::new();
    trap.root.make_directory(&path("a"), 0o755).unwrap();
    let handle = trap.root.handle(&path("a")).unwrap().unwrap();
    trap.root.rename(&path("a"), &path("b")).unwrap();
    trap.root.rename(&path("link"), &path("a")).unwrap();
    handle.set_mode(0o700).unwrap();
    assert_eq!(trap.outside_mode(), 0o640);
    let moved = trap.root.metadata(&path("b")).unwrap().unwrap();
    assert_eq!(moved.st_mode & 0o7777, 0o700);
    let link = trap.root.handle(&path("a")).unwrap().unwrap();
    assert_eq!(link.set_mode(0o700), Err(Errno::LOOP));
}

#[test]
fn only_regular_files_are_read() {
    let target = tempfile::tempdir().unwrap();
    let root = Rootfs::open(target.path()).unwrap();
    root.write(&path("file"), b"x", 0o644).unwrap();
    root.symlink(b"/file", &path("link")).unwrap();
    root.make_node(&path("fifo"), FileType::Fifo, 0o644, 0)
        .unwrap();
    root.symlink(b"fifo", &path("link-to-fifo")).unwrap();
    assert_eq!(root.read(&path("link")).unwrap().unwrap(), b"x");
    for name in ["fifo", "link-to-fifo"] {
        let error = root.read(&path(name)).unwrap_err();
        assert_eq!(error.source.to_string(), "not a regular file", "{name}");
    }
    let error = root.read(&path("/")).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::IsADirectory);
}

#[test]
#[ignore = "needs root"]
fn devices_are_not_read() {
    let target = tempfile::tempdir().unwrap();
    let root = Rootfs::open(target.path()).unwrap();
    let zero = rustix::fs::makedev(1, 5);
    root.make_node(&path("zero"), FileType::CharacterDevice, 0o644, zero)
        .unwrap();
    let error = root.read(&path("zero")).unwrap_err();
    assert_eq!(error.source.to_string(), "not a regular file");
}

#[test]
fn reading_stops_at_the_limit() {
    let target = tempfile::tempdir().unwrap();
    let root = Rootfs::open(target.path()).unwrap();
    root.write(&path("file"), b"12345", 0o644).unwrap();
    assert_eq!(
        root.read_up_to(&path("file"), 5).unwrap().unwrap(),
        b"12345"
    );
    let error = root.read_up_to(&path("file"), 4).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn truncating_keeps_the_mode_and_follows_nothing() {
    let trap = Trap::new();
    trap.root.write(&path("log"), b"line", 0o640).unwrap();
    trap.root.truncate(&path("log")).unwrap();
    let found = trap.root.metadata(&path("log")).unwrap().unwrap();
    assert_eq!((found.st_size, found.st_mode & 0o7777), (0, 0o640));
    let error = trap.root.truncate(&path("link")).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput);
    let outside = std::fs::read(trap.directory.path().join("outside")).unwrap();
    assert_eq!(outside, b"secret");
}

/// Creates directories below each other, whose path is far longer than the kernel takes.
fn make_deep(root: &Rootfs, levels: usize) {
    let name = "d".repeat(100);
    let mut at = rustix::fs::openat(root, c".", OFlags::PATH, Mode::empty()).unwrap();
    for _ in 0..levels {
        rustix::fs::mkdirat(&at, &*name, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, &*name, OFlags::PATH, Mode::empty()).unwrap();
    }
    rustix::fs::symlinkat(c"../../outside", &at, c"link").unwrap();
}

#[test]
fn directories_of_any_depth_are_removed() {
    let trap = Trap::new();
    let top = path(&"d".repeat(100));
    for levels in [100, 300] {
        make_deep(&trap.root, levels);
        // A name that removal itself uses.
        let taken = top.join(&path(".rbootstrap-removed-1/x"));
        trap.root.make_directories(&taken).unwrap();
        trap.root.remove_tree(&top).unwrap();
        assert_eq!(trap.root.names(&path("/")).unwrap(), [b"link"]);
    }
    assert_eq!(trap.outside_mode(), 0o640);
}
