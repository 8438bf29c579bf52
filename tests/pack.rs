//! Packing trees that no package made: every kind of file, odd names, odd owners; and reading them back with GNU tar.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, makedev, mknodat};

use crate::world::tree::{self, Times};
use crate::world::{Outcome, World, outcome};

fn pack(world: &World, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(world.command().get_program());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", world.path("tmp"))
        .current_dir(world.directory.path());
    outcome(command.arg("pack").args(arguments).stdin(Stdio::null()))
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

/// Whether a test that makes devices and owners can run.
fn able() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        crate::world::skip("needs root");
    }
    root
}

#[test]
fn gnu_tar_reads_back_what_was_packed() {
    if !able() {
        return;
    }
    let world = World::bare();
    zoo(&world.root());
    pack(&world, &["root", "archive/zoo.tar"]).ok();
    let back = world.path("back");
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
        .arg(world.path("archive/zoo.tar"))
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
    assert_eq!(tree::difference(&lines(&world.root()), &lines(&back)), "");
    for directory in ["dev", "proc", "sys"] {
        assert_eq!(
            crate::world::names(&back.join(directory)),
            Vec::<String>::new(),
            "{directory}"
        );
    }
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    if !able() {
        return;
    }
    let world = World::bare();
    zoo(&world.root());
    let first = pack(&world, &["root"]).ok().stdout;
    let second = pack(&world, &["--jobs=1", "root", "-"]).ok().stdout;
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
            pack(&world, &["--jobs", jobs, "root", compressed]).ok();
            fs::read(world.path(compressed)).unwrap()
        });
        assert!(
            images[0] == images[1] && images[1] == images[2],
            "{compressed}"
        );
    }
}

#[test]
fn the_tree_stays_as_it_was() {
    if !able() {
        return;
    }
    let world = World::bare();
    zoo(&world.root());
    let before = tree::dump(&world.root(), Times::Shown);
    pack(&world, &["root", "archive/zoo.tar.zst"]).ok();
    assert_eq!(
        tree::difference(&before, &tree::dump(&world.root(), Times::Shown)),
        ""
    );
    world.assert_nothing_besides_target();
}

#[test]
fn what_is_no_tree_is_refused() {
    let world = World::bare();
    pack(&world, &["no-such-tree"])
        .fails(6)
        .names(&["no-such-tree"]);
    pack(&world, &["keyring.gpg"])
        .fails(6)
        .names(&["keyring.gpg"]);
    fs::create_dir(world.root()).unwrap();
    pack(&world, &["root", "no/such/place.tar"])
        .fails(6)
        .names(&["no/such/place.tar"]);
    assert_eq!(fs::metadata(world.root()).unwrap().nlink(), 2);
    world.assert_nothing_besides_target();
}
