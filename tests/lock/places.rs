//! Where a lock goes: FIFOs and symlinks stay, and what cannot hold one is refused before any
//! download.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::{Command, Stdio};
use std::thread;

use rbootstrap::testing::{DebBuilder, host_architecture};

use super::{context, read};
use crate::context::{TestContext, outcome};

/// A package that does not fit into a pipe, so that its image is written as long as a test wants.
fn large() -> TestContext {
    let text = "x".repeat(1 << 20);
    let context = TestContext::new([DebBuilder::new("large", "1").file("usr/share/large", &text)]);
    fs::create_dir(context.path("place")).unwrap();
    context
}

fn fifo(context: &TestContext, name: &str) {
    let made = Command::new("mkfifo").arg(context.path(name)).status();
    assert!(made.unwrap().success());
}

fn names(context: &TestContext) -> Vec<String> {
    let mut names = Vec::new();
    for entry in context.path("place").read_dir().unwrap() {
        names.push(entry.unwrap().file_name().into_string().unwrap());
    }
    names.sort();
    names
}

#[test]
fn a_place_where_no_lock_can_be_is_refused_at_once() {
    let context = context();
    fs::create_dir(context.path("place/archive")).unwrap();
    let rows = [
        ("a directory", "place", 6),
        ("an absent directory", "none/lock", 6),
        ("a file as a directory", "keyring.gpg/lock", 6),
        ("a file system without files", "/proc/lock", 6),
        ("standard output", "-", 2),
        ("a URL", "http://x/lock", 2),
    ];
    for (name, path, code) in rows {
        println!("{name}");
        let lock = format!("--lock={path}");
        let failed = context.download(&["--variant=essential", &lock]);
        failed.fails(code).names(&[path]);
        assert_eq!(context.mirror.paths(), [""; 0], "{name}");
    }
    assert_eq!(names(&context), ["archive"]);
    println!("{} cases", rows.len());
}

#[test]
fn a_lock_is_written_where_the_path_leads() {
    let context = context();
    let plan = |path: &str| {
        let lock = format!("--lock={path}");
        context.print_debs(&["--variant=essential", &lock]).ok()
    };
    plan("place/plain");
    let expected = fs::read(context.path("place/plain")).unwrap();
    fs::write(context.path("place/real"), "old").unwrap();
    symlink("real", context.path("place/link")).unwrap();
    plan("place/link");
    assert!(context.path("place/link").is_symlink());
    assert_eq!(fs::read(context.path("place/real")).unwrap(), expected);
    symlink("/dev/null", context.path("place/null")).unwrap();
    plan("place/null");
    assert!(context.path("place/null").is_symlink());
    fifo(&context, "place/fifo");
    let path = context.path("place/fifo");
    let reader = thread::spawn(move || fs::read(path).unwrap());
    plan("place/fifo");
    let kind = fs::symlink_metadata(context.path("place/fifo")).unwrap();
    assert!(kind.file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), expected);
    assert_eq!(names(&context), ["fifo", "link", "null", "plain", "real"]);
}

#[test]
#[ignore = "needs root"]
fn a_lock_inside_the_tree_is_refused() {
    let context = context();
    for lock in ["--lock=root/lock", "--lock=root/etc/lock"] {
        let failed = context.make(&["--variant=extract", "--include=helper", lock]);
        failed.fails(6).names(&["root"]);
        assert!(context.mirror.debs().is_empty());
        context.assert_nothing_left();
    }
}

/// A run that is killed while the image is written has written the lock, which has no name yet.
#[test]
#[ignore = "needs root"]
fn a_killed_run_leaves_no_lock() {
    let context = large();
    fifo(&context, "place/image.tar");
    let mut command = context.command();
    command.args(["--variant=extract", "--include=large", "--lock=place/lock"]);
    command.args(["fake", "place/image.tar"]);
    command.arg(context.mirror.url()).stderr(Stdio::null());
    let mut run = command.spawn().unwrap();
    let mut image = File::open(context.path("place/image.tar")).unwrap();
    let mut start = [0; 512];
    image.read_exact(&mut start).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(names(&context), ["image.tar"]);
}

/// The image, the tree, the documents and the lock are there together, or none of them.
#[test]
#[ignore = "needs root"]
fn a_run_that_fails_at_its_end_leaves_what_was_there() {
    let context = large();
    fifo(&context, "place/image.tar");
    fs::write(context.path("place/lock"), "old").unwrap();
    let mut command = context.command();
    command.args(["--variant=extract", "--include=large", "--lock=place/lock"]);
    command.args(["--manifest=place/m.json", "--sbom=place/s.json"]);
    command.args(["--tar=place/image.tar", "fake", "root"]);
    command.arg(context.mirror.url());
    let path = context.path("place/image.tar");
    let blocked = context.path("place/s.json");
    let reader = thread::spawn(move || {
        // The documents are complete once the image is begun.
        let mut image = File::open(path).unwrap();
        fs::create_dir(blocked).unwrap();
        image.read_to_end(&mut Vec::new()).unwrap()
    });
    outcome(&mut command).fails(6).names(&["place/s.json"]);
    assert!(reader.join().unwrap() > 0);
    assert_eq!(names(&context), ["image.tar", "lock", "s.json"]);
    assert_eq!(fs::read(context.path("place/lock")).unwrap(), b"old");
    context.assert_nothing_left();
    // Without the directory in the way, everything is there.
    fs::remove_dir(context.path("place/s.json")).unwrap();
    let path = context.path("place/image.tar");
    let reader = thread::spawn(move || fs::read(path).unwrap());
    outcome(&mut command).ok();
    reader.join().unwrap();
    assert_eq!(names(&context), ["image.tar", "lock", "m.json", "s.json"]);
    assert_eq!(read(&context.path("place/lock"))["version"], 1);
    assert!(context.root().is_dir());
}

/// No two outputs may have the same path, even if it is written differently.
#[test]
fn outputs_have_places_of_their_own() {
    let context = context();
    symlink("place", context.path("alias")).unwrap();
    fs::create_dir(context.path("place/layout")).unwrap();
    let native = format!("--sbom=place/{}.json", host_architecture());
    let rows: [(&str, &[&str]); 9] = [
        (
            "a lock and a manifest",
            &["--lock=place/x", "--manifest=./place/x", "fake", "root"],
        ),
        (
            "a parent",
            &[
                "--lock=place/../place/x",
                "--manifest=place/x",
                "fake",
                "root",
            ],
        ),
        (
            "a symlink",
            &["--lock=alias/x", "--manifest=place/x", "fake", "root"],
        ),
        (
            "a lock and an image",
            &["--lock=./place/x.tar", "fake", "place/x.tar"],
        ),
        (
            "a lock and --tar",
            &["--lock=place/x", "--tar=place//x", "fake", "root"],
        ),
        (
            "two SBOMs",
            &[
                "--sbom=place/x.json",
                "--sbom=place/./x.json",
                "fake",
                "root",
            ],
        ),
        (
            "an architecture",
            &["--manifest=place/{arch}.json", &native, "fake", "root"],
        ),
        (
            "a lock in an image",
            &[
                "--lock=place/layout/x",
                "--format=oci",
                "fake",
                "place/layout",
            ],
        ),
        (
            "a packed tree",
            &["pack", "--manifest=place/x.tar", "archive", "alias/x.tar"],
        ),
    ];
    for (name, words) in rows {
        println!("{name}");
        let mut command = context.program();
        let keyring = context.path("keyring.gpg");
        if words[0] != "pack" {
            command.arg("--keyring").arg(keyring);
        }
        command.args(words);
        if words[0] != "pack" {
            command.arg(context.mirror.url());
        }
        outcome(&mut command)
            .fails(2)
            .names(&["are the same, or one is inside the other"]);
        assert_eq!(context.mirror.paths(), [""; 0], "{name}");
    }
    assert_eq!(names(&context), ["layout"]);
    println!("{} cases", rows.len());
}
