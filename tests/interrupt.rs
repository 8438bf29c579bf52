//! Signals in every stage: the run exits with 128 plus the signal's number and undoes everything.
//!
//! A mirror that stalls or a script that waits holds the run in a stage; the test waits until it is
//! there.

mod heard;
mod random;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rbootstrap::testing::{DebBuilder, MirrorFault, host_architecture, tree};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::{TestContext, processes_below};

/// Starts a run that a test will interrupt.
pub fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends the signal and waits for the end; asserts the exit code that belongs to it.
#[track_caller]
pub fn interrupted(child: Child, signal: Signal) -> String {
    interrupted_with(child, signal, 128 + signal.as_raw())
}

/// As [`interrupted`], with another exit code.
#[track_caller]
pub fn interrupted_with(mut child: Child, signal: Signal, code: i32) -> String {
    kill_process(Pid::from_child(&child), signal).unwrap();
    ended(&mut child);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

/// Waits at most a minute for a process to end, so that a hanging process fails the test.
#[track_caller]
fn ended(child: &mut Child) {
    if !within_a_minute(|| child.try_wait().unwrap().is_some()) {
        child.kill().unwrap();
        panic!("it did not end in a minute");
    }
}

/// Polls a condition for a minute.
pub fn within_a_minute(mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    while !so() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Waits for a file of this name in the test's directory, which a script in the tree makes when it
/// runs.
#[track_caller]
fn wait_for_sign(context: &TestContext, name: &str) {
    let seen = within_a_minute(|| {
        let mut seen = false;
        for place in [context.root(), context.path("tmp")] {
            if place.exists() {
                tree::walk(&place, &mut |path, _| {
                    seen |= path.file_name().is_some_and(|found| found == name)
                });
            }
        }
        seen
    });
    assert!(seen, "the script never left its sign {name}");
}

#[test]
fn while_the_mirror_stalls() {
    for (signal, ending, goal) in [
        (Signal::INT, "/InRelease", "--print-debs"),
        (Signal::TERM, "Packages", "--print-debs"),
        (Signal::INT, ".deb", "--download-only"),
        (Signal::HUP, ".deb", "--download-only"),
    ] {
        let context = TestContext::of(&rbootstrap::testing::FakeSuite {
            by_hash: false,
            compressions: vec![rbootstrap::testing::Compression::None],
            ..crate::context::suite([])
        });
        context.mirror.fault(ending, MirrorFault::Stall);
        let child = start(context.command().args([
            "--variant=essential",
            goal,
            "fake",
            "root",
            &context.mirror.url(),
        ]));
        context.mirror.wait_for(ending);
        interrupted(child, signal);
        context.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn while_a_script_runs() {
    let wait = "touch /var/lib/sign; sleep 1000";
    let deaf = "trap '' INT TERM HUP; touch /var/lib/sign; while :; do sleep 1000; done";
    let daemon = "(trap '' INT TERM HUP; exec sleep 1000) & touch /var/lib/sign; wait";
    let rows = [
        (Signal::INT, "preinst", wait),
        (Signal::TERM, "postinst", wait),
        (Signal::INT, "postinst", deaf),
        (Signal::TERM, "preinst", daemon),
    ];
    for (signal, script, body) in rows {
        let context = TestContext::new([DebBuilder::new("waiting", "1").script(script, body)]);
        let child = start(context.command().args([
            "--variant=essential",
            "--include=waiting",
            "fake",
            "root",
            &context.mirror.url(),
        ]));
        wait_for_sign(&context, "sign");
        let stderr = interrupted(child, signal);
        assert!(stderr.contains("interrupted"), "{stderr}");
        context.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn while_an_essential_script_runs() {
    let essential = DebBuilder::new("waiting", "1")
        .field("Essential", "yes")
        .field("Priority", "required")
        .script("postinst", "touch /var/lib/sign; sleep 1000");
    let context = TestContext::new([essential]);
    let child = start(context.command().args([
        "--variant=essential",
        "fake",
        "root",
        &context.mirror.url(),
    ]));
    wait_for_sign(&context, "sign");
    interrupted(child, Signal::TERM);
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn while_an_image_is_made() {
    for target in ["-", "image.tar.xz"] {
        let context =
            TestContext::new([DebBuilder::new("waiting", "1")
                .script("postinst", "touch /var/lib/sign; sleep 1000")]);
        let child = start(context.command().args([
            "--variant=essential",
            "--include=waiting",
            "fake",
            target,
            &context.mirror.url(),
        ]));
        wait_for_sign(&context, "sign");
        interrupted(child, Signal::INT);
        context.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn while_an_image_is_written() {
    let context = TestContext::new([
        DebBuilder::new("large", "1").file("usr/share/large", vec![b'x'; 20_000_000])
    ]);
    let mut child = start(context.command().args([
        "--variant=essential",
        "--include=large",
        "fake",
        "-",
        &context.mirror.url(),
    ]));
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 512]).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // The reader of the pipe reads to the end, as `docker import` does.
    std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    ended(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    context.assert_nothing_left();
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_reader_that_goes_away_ends_it() {
    let context = TestContext::new([
        DebBuilder::new("large", "1").file("usr/share/large", vec![b'x'; 20_000_000])
    ]);
    let mut child = start(context.command().args([
        "--variant=essential",
        "--include=large",
        "fake",
        "-",
        &context.mirror.url(),
    ]));
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 512]).unwrap();
    drop(stdout);
    ended(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(6));
    context.assert_nothing_left();
}

#[test]
fn a_second_run_continues_where_the_first_was_stopped() {
    let context = TestContext::new([]);
    let last = format!("libhello1_2.10-1_{}.deb", host_architecture());
    context.mirror.fault(&last, MirrorFault::Stall);
    let options = [
        "--download-only",
        "--variant=essential",
        "--include=hello",
        "--downloads=1",
    ];
    let mut command = context.command();
    command
        .args(options)
        .args(["fake", "root", &context.mirror.url()]);
    let child = start(&mut command);
    context.mirror.wait_for(&last);
    interrupted(child, Signal::INT);
    let mut first = context.mirror.debs();
    first.retain(|path| !path.ends_with(&last));
    assert!(!first.is_empty());
    context.mirror.heal();
    context.mirror.clear_log();
    context.make(&options).ok();
    let mut again = context.mirror.debs();
    again.retain(|path| first.contains(path));
    assert_eq!(again, Vec::<String>::new(), "fetched again");
}

#[test]
#[ignore = "needs root, dpkg"]
fn even_killed_it_leaves_no_process_and_no_mount() {
    let body = "(trap '' INT TERM HUP; exec sleep 1000) & touch /var/lib/sign; sleep 1000";
    let context = TestContext::new([DebBuilder::new("waiting", "1").script("postinst", body)]);
    let mut child = start(context.command().args([
        "--variant=essential",
        "--include=waiting",
        "fake",
        "root",
        &context.mirror.url(),
    ]));
    wait_for_sign(&context, "sign");
    let sleeps = || {
        let mut running = processes_below(context.directory.path());
        running.retain(|process| process.ends_with(" sleep 1000 "));
        running.len()
    };
    assert!(within_a_minute(|| sleeps() == 2), "the search finds them");
    child.kill().unwrap();
    ended(&mut child);
    assert!(
        within_a_minute(|| processes_below(context.directory.path()).is_empty()),
        "{:?}",
        processes_below(context.directory.path())
    );
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(context.directory.path().to_str().unwrap()));
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_tree_that_is_kept_is_reported_once() {
    let context = TestContext::new([
        DebBuilder::new("waiting", "1").script("postinst", "touch /var/lib/sign; sleep 1000")
    ]);
    let child = start(context.command().args([
        "--keep",
        "--variant=essential",
        "--include=waiting",
        "fake",
        "root",
        &context.mirror.url(),
    ]));
    wait_for_sign(&context, "sign");
    let stderr = interrupted(child, Signal::INT);
    assert_eq!(
        stderr.matches("the failed tree stays in").count(),
        1,
        "{stderr}"
    );
    assert!(stderr.contains("error: interrupted\n"), "{stderr}");
    assert!(!stderr.contains("undone"), "{stderr}");
    assert!(context.root().join("usr/bin/dpkg").exists());
    context.assert_nothing_besides_target();
}
