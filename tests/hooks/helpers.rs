//! The helpers by themselves, as hooks call them: `--hook-helper ROOT MODE HOOK SKIP VERBOSITY …`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rbootstrap::testing::tree::names;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::context::{Outcome, TestContext, outcome, processes_below};
use crate::interrupt::{interrupted_with, start, within_a_minute};

/// A helper in the context's tree, which must exist.
pub fn helper(context: &TestContext, words: &[impl AsRef<OsStr>]) -> Outcome {
    helper_skipping(context, "", words)
}

pub fn helper_skipping(context: &TestContext, skip: &str, words: &[impl AsRef<OsStr>]) -> Outcome {
    outcome(&mut command(context, skip, words))
}

fn command(context: &TestContext, skip: &str, words: &[impl AsRef<OsStr>]) -> Command {
    let mut command = context.program();
    command.arg0("mmdebstrap").arg("--hook-helper");
    command.arg(context.root());
    command.args(["root", "customize", skip, "1"]).args(words);
    command
}

#[test]
fn failures_name_the_path_and_its_cause() {
    let context = TestContext::bare();
    let (root, place) = (context.root(), context.path("place"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(root.join("etc")).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(place.join("kept"), "kept").unwrap();
    let mode = Mode::from_raw_mode(0o644);
    mknodat(CWD, root.join("fifo"), FileType::Fifo, mode, 0).unwrap();
    symlink("/no/such", root.join("dangling")).unwrap();
    let rows: [(&[&str], &[&str]); 12] = [
        (
            &["upload", "no-such", "/x"],
            &["upload: no-such: No such file"],
        ),
        (
            &["upload", "place", "/x"],
            &["upload: place: Is a directory"],
        ),
        // Opening it to write would wait for a reader.
        (
            &["upload", "place/kept", "/fifo"],
            &["upload: ", "root/fifo is not a regular file"],
        ),
        (
            &["upload", "place/kept", "/etc"],
            &["root/etc is not a regular file"],
        ),
        (
            &["upload", "place/kept", "/no/such"],
            &["root/no is not a directory"],
        ),
        (
            &["download", "/fifo", "place/new"],
            &["root/fifo is not a file"],
        ),
        (
            &["download", "/no", "place/new"],
            &["root/no is not a file"],
        ),
        (
            &["tar-out", "/no", "place/kept"],
            &["root/no is not in the tree"],
        ),
        (&["copy-out", "/..", "place/new"], &["/.."]),
        (
            &["copy-in", "place/no", "/"],
            &["copy-in: place/no: No such file"],
        ),
        (
            &["copy-in", "place/kept", "/no"],
            &["root/no is not a directory"],
        ),
        (&["fetch", "x", "y"], &["no such helper"]),
    ];
    for (words, says) in &rows {
        helper(&context, words).fails(1).names(says);
        let made = names(&place);
        assert_eq!(made, ["kept"], "{words:?}");
        assert_eq!(fs::read(place.join("kept")).unwrap(), b"kept", "{words:?}");
    }
    println!("{} cases", rows.len());
}

/// The tar that packs is the cause if both tars fail.
#[test]
#[ignore = "needs root"]
fn the_messages_of_tar_are_shown() {
    let context = TestContext::bare();
    fs::create_dir(context.root()).unwrap();
    fs::create_dir(context.path("place")).unwrap();
    // More than a pipe holds, for a reader that ends at once.
    fs::write(context.root().join("large"), vec![0; 1 << 20]).unwrap();
    let bin = context.path("home/bin");
    fs::create_dir_all(&bin).unwrap();
    let rows: [(&str, &[&str], &str, i32); 4] = [
        (
            "exit 2",
            &["copy-in", "place", "/"],
            "copy-in: tar failed: exit status: 2",
            1,
        ),
        (
            "echo reason >&2; exit 2",
            &["copy-out", "/.", "place/to"],
            "copy-out: tar failed: exit status: 2: its output ended with\n    reason",
            1,
        ),
        (
            "case \"$*\" in *--extract*) echo unpacking >&2; exit 3;; esac; exec /bin/tar \"$@\"",
            &["copy-out", "/.", "place/to"],
            "copy-out: tar failed: exit status: 3: its output ended with\n    unpacking",
            1,
        ),
        (
            "echo advice >&2; exec /bin/tar \"$@\"",
            &["copy-in", "place", "/"],
            "W: copy-in: advice",
            0,
        ),
    ];
    for (script, words, says, code) in &rows {
        let tar = bin.join("tar");
        fs::write(&tar, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&tar, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = command(&context, "", words);
        command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        let made = outcome(&mut command);
        assert_eq!(made.code, Some(*code), "{script}: {}", made.stderr);
        assert!(made.stderr.contains(says), "{script}: {}", made.stderr);
    }
    println!("{} cases", rows.len());
}

/// `MMDEBSTRAP_ARGV0` is the name by which the program was called.
#[test]
fn every_name_of_the_program_has_the_helpers() {
    let context = TestContext::bare();
    fs::create_dir(context.root()).unwrap();
    fs::write(context.path("place"), "x").unwrap();
    let names = ["mmdebstrap", "rbootstrap", "/usr/bin/rbootstrap"];
    for name in names {
        let mut command = context.program();
        command.arg0(name).arg("--hook-helper").arg(context.root());
        command.args(["root", "customize", "", "1", "upload", "place", "/x"]);
        outcome(&mut command).ok();
        assert_eq!(context.read("x"), "x", "{name}");
        fs::remove_file(context.root().join("x")).unwrap();
    }
    println!("{} names", names.len());
}

/// A helper that a hook calls ends with the hook.
#[test]
fn an_interrupt_ends_a_helper() {
    let context = TestContext::bare();
    fs::create_dir(context.root()).unwrap();
    let large = fs::File::create(context.root().join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    let words = ["tar-out", "/large", "/dev/null"];
    let child = start(&mut command(&context, "", &words));
    assert!(within_a_minute(|| runs_tar(&context)), "no tar runs");
    interrupted_with(child, Signal::TERM, 1);
    assert_eq!(
        processes_below(context.directory.path()),
        Vec::<String>::new()
    );
}

/// The other side of a FIFO may never come, or say nothing.
#[test]
fn an_interrupt_ends_a_helper_that_waits_for_a_fifo() {
    let rows: [&[&str]; 4] = [
        &["upload", "place", "/x"],
        &["tar-in", "place", "/"],
        &["download", "/large", "place"],
        &["tar-out", "/large", "place"],
    ];
    for words in &rows {
        for has_other_side in [false, true] {
            let context = TestContext::bare();
            fs::create_dir(context.root()).unwrap();
            let large = fs::File::create(context.root().join("large")).unwrap();
            large.set_len(1 << 30).unwrap();
            let fifo = context.path("place");
            mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            let mut both = fs::OpenOptions::new();
            let both = both.read(true).write(true);
            let other_side = has_other_side.then(|| both.open(&fifo).unwrap());
            let child = start(&mut command(&context, "", words));
            let status = format!("/proc/{}/status", child.id());
            assert!(within_a_minute(|| hears_sigterm(&status)), "{words:?}");
            std::thread::sleep(std::time::Duration::from_millis(100));
            interrupted_with(child, Signal::TERM, 1);
            drop(other_side);
        }
    }
    println!("{} cases", rows.len() * 2);
}

/// Whether a process has a handler for SIGTERM, by its proc_pid_status(5).
fn hears_sigterm(status: &str) -> bool {
    let status = fs::read_to_string(status).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & (1 << (Signal::TERM.as_raw() - 1)) != 0
}

#[test]
#[ignore = "needs root"]
fn fifos_of_the_host_are_read_and_written() {
    let context = TestContext::bare();
    fs::create_dir(context.root()).unwrap();
    let fifo = context.path("place");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let content = vec![b'x'; 1 << 20];
    for (words, other_side) in [
        (["upload", "place", "/x"], "sleep 0.1; cat from >place"),
        (["download", "/x", "place"], "sleep 0.1; cat place >to"),
    ] {
        fs::write(context.path("from"), &content).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", other_side]);
        let mut shell = shell.current_dir(context.directory.path()).spawn().unwrap();
        helper(&context, &words).ok();
        assert!(shell.wait().unwrap().success(), "{words:?}");
    }
    assert!(fs::read(context.path("to")).unwrap() == content);
}

/// Whether a tar runs in the context's directory.
pub fn runs_tar(context: &TestContext) -> bool {
    let processes = processes_below(context.directory.path());
    processes.iter().any(|process| process.contains("tar --"))
}

#[test]
#[ignore = "needs root"]
fn symlinks_that_are_copied_out_are_what_they_lead_to() {
    let context = TestContext::bare();
    let root = context.root();
    fs::create_dir_all(root.join("usr/lib/deep")).unwrap();
    fs::create_dir(root.join("etc")).unwrap();
    fs::write(root.join("usr/lib/release"), "inside").unwrap();
    for (target, link) in [
        ("../usr/lib/release", "etc/os-release"),
        ("/usr/lib/release", "etc/absolute"),
        ("/usr/lib", "etc/lib"),
        ("release", "usr/lib/near"),
        ("os-release", "etc/chain"),
        ("/", "etc/all"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let rows = [
        ("/etc/os-release", "release"),
        ("/etc/absolute", "release"),
        ("/etc/chain", "release"),
        ("/etc/lib", "lib"),
        ("/etc/lib/near", "release"),
        ("etc/os-release", "release"),
    ];
    for (from, name) in rows {
        let place = context.path("copied");
        helper(&context, &["copy-out", from, "copied"]).ok();
        assert_eq!(names(&place), [name], "{from}");
        let found = place.join(name).symlink_metadata().unwrap();
        assert!(!found.is_symlink(), "{from}");
        fs::remove_dir_all(&place).unwrap();
        helper(&context, &["tar-out", from, "packed"]).ok();
        let listed = outcome(Command::new("tar").arg("-tf").arg(context.path("packed"))).ok();
        assert!(listed.text().starts_with(name), "{from}: {}", listed.text());
    }
    helper(&context, &["copy-out", "/etc/all", "whole"]).ok();
    assert!(context.path("whole/usr/lib/release").exists());
    println!("{} cases", rows.len() + 1);
}
