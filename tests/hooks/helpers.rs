//! The helpers by themselves, as hooks call them: `--hook-helper ROOT MODE HOOK SKIP VERBOSITY …`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
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

/// Whether a tar runs in the context's directory.
pub fn runs_tar(context: &TestContext) -> bool {
    let processes = processes_below(context.directory.path());
    processes.iter().any(|process| process.contains("tar --"))
}
