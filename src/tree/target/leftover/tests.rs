#![expect(
    clippy::disallowed_methods,
    reason = "tests make what killed runs and other users leave"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Command;

use super::*;
use crate::tree::target::Target;

/// Set in a process that stands for a run that is killed.
const CHILD: &str = "RBOOTSTRAP_TEST_LEFTOVER";

/// What a child leaves: it claims, writes and ends without a word, as a killed run does.
fn leave(path: &Path) {
    let is_temporary = path.ends_with("temporary");
    let target = match is_temporary {
        true => Target::temporary(path).unwrap(),
        false => Target::claim(path).unwrap(),
    };
    let tree = target.root().path();
    fs::create_dir(tree.join("directory")).unwrap();
    fs::write(tree.join("directory/file"), "x").unwrap();
    std::mem::forget(target);
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        .unwrap();
}

/// Has a child leave something at `path`.
#[track_caller]
fn have_left(path: &Path) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tree::target::leftover::tests::child"])
        .env(CHILD, path)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), None, "the child was not killed: {status}");
}

#[test]
fn child() {
    if let Some(path) = std::env::var_os(CHILD) {
        leave(Path::new(&path));
    }
}

#[test]
fn what_a_killed_run_has_left_in_the_target_is_removed() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    have_left(&path);
    assert!(path.join("directory/file").exists());
    let mut target = Target::claim(&path).unwrap();
    assert!(target.left_by().is_some());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    // As the killed run had created it, a failing one removes it.
    target.undo().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_target_that_existed_becomes_again_what_it_was_before_the_killed_run() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    fs::create_dir_all(path.join("lost+found")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o2771)).unwrap();
    have_left(&path);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    drop(Target::claim(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o2771);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
}

#[test]
fn a_finished_tree_is_no_leftover() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    let mut target = Target::claim(&path).unwrap();
    fs::write(path.join("file"), "x").unwrap();
    target.keep().unwrap();
    drop(target);
    let directory = OwnedFd::from(fs::File::open(&path).unwrap());
    assert_eq!(mark::find(&directory), None);
    assert!(matches!(Target::claim(&path), Err(Error::NotEmpty { .. })));
    assert!(path.join("file").exists());
}

#[test]
fn temporary_directories_of_killed_runs_are_removed_and_no_others() {
    let above = tempfile::tempdir().unwrap();
    let temporary = above.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    have_left(&temporary);
    let left = fs::read_dir(&temporary).unwrap().next().unwrap().unwrap();
    let live = Target::temporary(&temporary).unwrap();
    // A user's directories, one as mktemp makes it.
    for name in ["rbootstrap.abcdef", "rbootstrap.mine", "other"] {
        fs::create_dir(temporary.join(name)).unwrap();
        fs::set_permissions(temporary.join(name), Permissions::from_mode(0o700)).unwrap();
    }
    fs::write(temporary.join("rbootstrap.mine/file"), "x").unwrap();
    // Killed before it was marked: only an empty one goes.
    for name in ["rbootstrap.empty0", "rbootstrap.filled"] {
        fs::create_dir(temporary.join(name)).unwrap();
        fs::set_permissions(temporary.join(name), Permissions::from_mode(mark::UNMARKED)).unwrap();
    }
    fs::write(temporary.join("rbootstrap.filled/file"), "x").unwrap();
    symlink(above.path(), temporary.join("rbootstrap.link00")).unwrap();
    let mut removed = Vec::new();
    for leftover in sweep(&temporary) {
        assert_eq!(leftover.remains, None);
        removed.push(leftover.path);
    }
    removed.sort();
    let mut expected = vec![left.path(), temporary.join("rbootstrap.empty0")];
    expected.sort();
    assert_eq!(removed, expected);
    assert!(live.root().path().exists());
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 6);
}

/// Makes a leftover with its mark, then spoils it.
struct Attack {
    name: &'static str,
    spoil: fn(&Path),
}

#[test]
#[ignore = "needs root"]
fn a_planted_mark_makes_nothing_go() {
    let attacks = [
        Attack {
            name: "the directory belongs to another user",
            spoil: |path| chown(path, Some(1000), Some(1000)).unwrap(),
        },
        Attack {
            name: "the mark was copied to another directory",
            spoil: |path| {
                let copy = path.with_file_name("copy");
                let copied = Command::new("cp").arg("-a").args([path, &copy]).status();
                assert!(copied.unwrap().success());
                fs::remove_dir_all(path).unwrap();
                fs::rename(copy, path).unwrap();
            },
        },
        Attack {
            name: "the mark is one that users can set",
            spoil: |path| {
                let directory = fs::File::open(path).unwrap();
                let mut text = [0; 256];
                let trusted = "trusted.rbootstrap.run";
                let length = rustix::fs::fgetxattr(&directory, trusted, &mut text[..]).unwrap();
                mark::clear(&directory).unwrap();
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::fsetxattr(&directory, mark::USER, &text[..length], flags).unwrap();
            },
        },
        Attack {
            name: "the mark is nonsense",
            spoil: |path| {
                let directory = fs::File::open(path).unwrap();
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::fsetxattr(&directory, "trusted.rbootstrap.run", b"1 2", flags).unwrap();
            },
        },
    ];
    for attack in &attacks {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("temporary");
        fs::create_dir(&path).unwrap();
        have_left(&path);
        let left = fs::read_dir(&path).unwrap().next().unwrap().unwrap().path();
        (attack.spoil)(&left);
        assert!(sweep(&path).is_empty(), "{}", attack.name);
        assert!(left.join("directory/file").exists(), "{}", attack.name);
        let claimed = Target::claim(&left);
        assert!(
            matches!(claimed, Err(Error::NotEmpty { .. })),
            "{}: {claimed:?}",
            attack.name
        );
        assert!(left.join("directory/file").exists(), "{}", attack.name);
    }
    assert_eq!(attacks.len(), 4, "planted marks");
}

#[test]
#[ignore = "needs root"]
fn symlinks_and_mounts_in_a_leftover_are_not_followed() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("tree");
    let outside = above.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "x").unwrap();
    have_left(&path);
    symlink(&outside, path.join("link")).unwrap();
    drop(Target::claim(&path).unwrap());
    assert!(outside.join("file").exists());
}
