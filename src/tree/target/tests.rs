#![expect(
    clippy::disallowed_methods,
    reason = "tests make targets of every kind, with every writer of the standard library"
)]

use std::os::unix::fs::MetadataExt;

use rustix::fs::chmod;

use super::*;
use crate::tree::rootfs::RootPath;

#[test]
fn absent_is_absent_again() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("a/b/c");
    let target = Target::claim(&path).unwrap();
    target
        .root()
        .write(&RootPath::parse("x").unwrap(), b"", 0o644)
        .unwrap();
    drop(target);
    assert_eq!(above.path().read_dir().unwrap().count(), 0);
    Target::claim(&path).unwrap().keep().unwrap();
    assert!(path.is_dir());
}

#[test]
fn empty_is_empty_again() {
    let path = tempfile::tempdir().unwrap();
    std::fs::create_dir(path.path().join("lost+found")).unwrap();
    let target = Target::claim(path.path()).unwrap();
    target
        .root()
        .make_directories(&RootPath::parse("usr/bin").unwrap())
        .unwrap();
    drop(target);
    let left: Vec<_> = path
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lost+found"]);
}

#[test]
fn an_empty_target_gets_its_owner_and_mode_back() {
    let path = tempfile::tempdir().unwrap();
    let look = || {
        path.path()
            .metadata()
            .map(|m| (m.mode() & 0o7777, m.uid()))
            .unwrap()
    };
    chmod(path.path(), Mode::from_raw_mode(0o2770)).unwrap();
    let before = look();
    let target = Target::claim(path.path()).unwrap();
    assert_eq!(look().0, 0o755);
    drop(target);
    assert_eq!(look(), before);
}

#[test]
fn one_run_at_a_time() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    let first = Target::claim(&path).unwrap();
    assert!(matches!(Target::claim(&path), Err(Error::Busy { .. })));
    assert!(path.is_dir());
    drop(first);
    assert!(!path.exists());
}

#[test]
fn what_is_unfit_is_refused_and_left_alone() {
    let above = tempfile::tempdir().unwrap();
    let file = above.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(
        Target::claim(&file),
        Err(Error::NotADirectory { .. })
    ));
    assert!(
        matches!(Target::claim(above.path()), Err(Error::NotEmpty { found, .. }) if found == "file")
    );
    assert!(matches!(
        Target::claim(Path::new("/")),
        Err(Error::RunningSystem { .. })
    ));
    std::os::unix::fs::symlink("nowhere", above.path().join("dangling")).unwrap();
    assert!(matches!(
        Target::claim(&above.path().join("dangling")),
        Err(Error::DanglingSymlink { .. })
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
}

#[test]
fn a_target_that_is_exchanged_meanwhile_is_not_touched() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    let foreign = above.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("file"), "x").unwrap();
    chmod(&foreign, Mode::from_raw_mode(0o2770)).unwrap();
    let target = Target::claim(&path).unwrap();
    std::fs::rename(&path, above.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(&foreign, &path).unwrap();
    let inside = RootPath::known("x");
    target.root().write(&inside, b"", 0o644).unwrap();
    assert!(above.path().join("moved/x").exists());
    drop(target);
    assert_eq!(std::fs::read(foreign.join("file")).unwrap(), b"x");
    assert_eq!(foreign.metadata().unwrap().mode() & 0o7777, 0o2770);
    let mut left = above.path().join("moved").read_dir().unwrap();
    assert!(left.next().is_none());
}

#[test]
#[ignore = "needs root"]
fn a_symlink_of_another_user_is_refused() {
    let above = tempfile::tempdir().unwrap();
    std::fs::create_dir(above.path().join("directory")).unwrap();
    let link = above.path().join("link");
    std::os::unix::fs::symlink("directory", &link).unwrap();
    drop(Target::claim(&link).unwrap());
    std::os::unix::fs::lchown(&link, Some(1000), Some(1000)).unwrap();
    let refused = Target::claim(&link).unwrap_err();
    assert!(matches!(refused, Error::ForeignSymlink { uid: 1000, .. }));
}

#[test]
fn paths_of_any_length_are_removed() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    let target = Target::claim(&path).unwrap();
    let name = "d".repeat(200);
    let flags = rustix::fs::OFlags::PATH;
    let mut at = rustix::fs::openat(target.root(), c".", flags, Mode::empty()).unwrap();
    for _ in 0..100 {
        rustix::fs::mkdirat(&at, &*name, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, &*name, flags, Mode::empty()).unwrap();
    }
    drop(target);
    assert!(!path.exists());
}
