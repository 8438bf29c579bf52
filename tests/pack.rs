//! Packing trees that no package made: every kind of file, odd names, odd owners; and reading them back with GNU tar.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::tree::{self, Times};
use rustix::fs::{CWD, FileType, makedev, mknodat};

use crate::context::{Outcome, TestContext, outcome};

fn pack(context: &TestContext, arguments: &[&str]) -> Outcome {
    let mut command = context.program();
    outcome(command.arg("pack").args(arguments))
}

/// A tree with one of everything.
fn zoo(root: &Path) {
    let file = |path: &str, mode: u32, owner: u32| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{}\n", path.display())).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    file("usr/bin/setuid", 0o4755, 0);
    file("usr/bin/plain", 0o755, 0);
    file("home/far", 0o600, 3_000_000);
    file(
        &format!("usr/{}/{}", "d".repeat(120), "f".repeat(200)),
        0o644,
        0,
    );
    file("usr/naïve €", 0o644, 0);
    file("usr/line\nbreak", 0o644, 0);
    file("usr/no-access", 0, 0);
    fs::write(
        root.join(std::ffi::OsStr::from_bytes(b"usr/caf\xe9")),
        "latin",
    )
    .unwrap();
    fs::write(root.join("usr/empty"), "").unwrap();
    fs::hard_link(root.join("usr/bin/plain"), root.join("usr/bin/again")).unwrap();
    fs::hard_link(root.join("usr/bin/plain"), root.join("a-first")).unwrap();
    symlink("../bin/plain", root.join("usr/link")).unwrap();
    symlink("x".repeat(150), root.join("usr/dangling")).unwrap();
    chown_link(&root.join("usr/dangling"), 7);
    for directory in ["dev/pts", "proc/1", "sys/kernel", "empty"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o1777)).unwrap();
    mknodat(
        CWD,
        root.join("usr/null"),
        FileType::CharacterDevice,
        0o666.into(),
        makedev(1, 3),
    )
    .unwrap();
    mknodat(
        CWD,
        root.join("usr/block"),
        FileType::BlockDevice,
        0o600.into(),
        makedev(259, 300),
    )
    .unwrap();
    mknodat(CWD, root.join("usr/pipe"), FileType::Fifo, 0o644.into(), 0).unwrap();
    mknodat(
        CWD,
        root.join("dev/null"),
        FileType::CharacterDevice,
        0o666.into(),
        makedev(1, 3),
    )
    .unwrap();
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    rustix::fs::setxattr(
        root.join("usr/bin/plain"),
        "security.capability",
        &capability,
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
}

fn chown_link(path: &Path, owner: u32) {
    std::os::unix::fs::lchown(path, Some(owner), Some(owner)).unwrap();
}

#[test]
#[ignore = "needs root"]
fn gnu_tar_reads_back_what_was_packed() {
    let context = TestContext::bare();
    zoo(&context.root());
    pack(&context, &["root", "archive/zoo.tar"]).ok();
    let back = context.path("back");
    fs::create_dir(&back).unwrap();
    let mut extract = Command::new("tar");
    extract
        .args([
            "-xp",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "-f",
        ])
        .arg(context.path("archive/zoo.tar"))
        .arg("-C")
        .arg(&back);
    outcome(&mut extract).ok();
    let free = |line: &String| {
        [" /dev/", " /proc/", " /sys/"]
            .iter()
            .any(|free| line.contains(free))
    };
    let lines = |root: &Path| {
        tree::dump(root, Times::Shown)
            .into_iter()
            .filter(|line| !free(line))
            .collect::<Vec<_>>()
    };
    assert_eq!(tree::difference(&lines(&context.root()), &lines(&back)), "");
    for directory in ["dev", "proc", "sys"] {
        assert_eq!(
            rbootstrap::testing::tree::names(&back.join(directory)),
            Vec::<String>::new(),
            "{directory}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn the_same_tree_gives_the_same_bytes() {
    let context = TestContext::bare();
    zoo(&context.root());
    let first = pack(&context, &["root"]).ok().stdout;
    let second = pack(&context, &["--jobs=1", "root", "-"]).ok().stdout;
    assert!(first == second);
    // Sorted, whatever the order on disk: a file made last is not last.
    let names: Vec<String> = {
        let mut archive = tar::Archive::new(&first[..]);
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                String::from_utf8_lossy(&entry.unwrap().path_bytes())
                    .trim_end_matches('/')
                    .to_owned()
            })
            .collect()
    };
    let mut sorted = names.clone();
    sorted.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    assert_eq!(names, sorted);
    for compressed in ["zoo.tar.xz", "zoo.tar.zst", "zoo.tar.gz"] {
        let images = ["1", "2", "8"].map(|jobs| {
            pack(&context, &["--jobs", jobs, "root", compressed]).ok();
            fs::read(context.path(compressed)).unwrap()
        });
        assert!(
            images[0] == images[1] && images[1] == images[2],
            "{compressed}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn the_tree_stays_as_it_was() {
    let context = TestContext::bare();
    zoo(&context.root());
    let before = tree::dump(&context.root(), Times::Shown);
    pack(&context, &["root", "archive/zoo.tar.zst"]).ok();
    assert_eq!(
        tree::difference(&before, &tree::dump(&context.root(), Times::Shown)),
        ""
    );
    context.assert_nothing_besides_target();
}

#[test]
fn what_is_no_tree_is_refused() {
    let context = TestContext::bare();
    pack(&context, &["no-such-tree"])
        .fails(6)
        .names(&["no-such-tree"]);
    pack(&context, &["keyring.gpg"])
        .fails(6)
        .names(&["keyring.gpg"]);
    fs::create_dir(context.root()).unwrap();
    pack(&context, &["root", "no/such/place.tar"])
        .fails(6)
        .names(&["no/such/place.tar"]);
    assert_eq!(fs::metadata(context.root()).unwrap().nlink(), 2);
    context.assert_nothing_besides_target();
}
