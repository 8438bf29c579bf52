//! A second mirror takes over, whatever is wrong with the first; and indexes that do not match
//! their release are read again.

use std::fs;
use std::io::{BufRead, BufReader};

use rbootstrap::testing::server::{Reply, Then};
use rbootstrap::testing::{FakeArchive, MirrorFault};

use super::{Deb, Fault, Index, Release, Script, good};
use crate::context::TestContext;
use crate::table::{self, Row};

/// A mirror with this fault, before a good one.
fn failover(name: &'static str, target: super::Target, script: Script) -> Fault {
    Fault {
        has_second: true,
        options: &["--tries=1"],
        ..good(name, target, script)
    }
}

#[test]
#[ignore = "needs time"]
fn a_second_mirror_takes_over() {
    let missing: Script = |_, _| Reply::status(404);
    let busy: Script = |_, _| Reply::status(503).with("Retry-After", "1000");
    let closed: Script = |_, _| Reply::none();
    let silent: Script = |_, content| Reply::of(content).cut(9, Then::Hang);
    let wrong: Script = |_, content| Reply::of(&vec![7; content.len()]);
    let page: Script = |_, _| Reply::of(b"<html>log in first</html>");
    let cut: Script = |_, content| Reply::of(content).cut(9, Then::Close);
    let reset: Script = |_, content| Reply::of(content).cut(9, Then::Reset);
    let round: Script = |asked, _| Reply::status(302).with("Location", asked.target.clone());
    let flood: Script = |_, _| Reply {
        length: None,
        then: Then::Flood,
        ..Reply::of(b"")
    };
    let drip: Script = |_, content| Reply {
        length: Some(content.len().max(400_000)),
        then: Then::Drip(50),
        ..Reply::of(b"-")
    };
    let garbage: Script = |_, _| Reply::raw("nonsense\r\n\r\n", b"");
    let mut rows = Vec::new();
    for target in [Release, Index, Deb] {
        rows.push(failover("missing", target, missing));
        rows.push(failover("busy for long", target, busy));
        rows.push(failover("closed", target, closed));
        rows.push(failover("silent", target, silent));
        rows.push(failover("wrong", target, wrong));
        rows.push(failover("a login page", target, page));
        rows.push(failover("cut", target, cut));
        rows.push(failover("reset", target, reset));
        rows.push(failover("redirected in a circle", target, round));
        rows.push(failover("without end", target, flood));
        rows.push(failover("nonsense", target, garbage));
    }
    rows.push(failover("a drip", Deb, drip));
    table::run("faults: a second mirror", 34, &rows);
}

/// Indexes that come after their release, as while a mirror is updated: the old ones, so many
/// times.
fn late_indexes(times: usize, wait: &str) -> (TestContext, crate::context::Outcome) {
    let context = super::archive();
    let old = FakeArchive {
        root: context.path("archive-new"),
        key: context.archive.key.clone(),
    };
    old.publish(&rbootstrap::testing::FakeSuite::new("fake"));
    for path in rbootstrap::testing::tree::files(&context.archive.root.join("dists")) {
        let relative = path.strip_prefix(&context.archive.root).unwrap();
        let name = relative.to_string_lossy().into_owned();
        if name.contains("by-hash") {
            fs::remove_file(&path).unwrap();
        } else if name.contains("/Packages.") {
            let content = fs::read(old.root.join(relative)).unwrap();
            context
                .mirror
                .fault(&name, MirrorFault::Other(content, times));
        }
    }
    let outcome = context.print_debs(&["--variant=essential", "--tries=1", wait]);
    (context, outcome)
}

#[test]
#[ignore = "needs time"]
fn indexes_that_are_late_are_waited_for() {
    let says = "may be updating: reading release and index again in";
    // The first two readings follow each other at once.
    let (_, found) = late_indexes(1, "--mirror-wait=0");
    assert!(!found.ok().stderr.contains(says));
    let (_, found) = late_indexes(2, "--mirror-wait=0");
    found.fails(3).names(&["after 2 tries"]);
    let (_, found) = late_indexes(3, "--mirror-wait=2");
    found.ok().names(&[says]);
    let (context, found) = late_indexes(1000, "--mirror-wait=1");
    found.fails(3).names(&["after 6 tries", says]);
    context.assert_nothing_left();
}

#[test]
fn an_interrupt_ends_the_wait() {
    let context = super::archive();
    let fault = MirrorFault::Wrong;
    context.mirror.fault(".xz", fault.clone());
    context.mirror.fault(".gz", fault.clone());
    let hashes = context.archive.root.join("dists/fake/main");
    for path in rbootstrap::testing::tree::files(&hashes) {
        if path.to_string_lossy().contains("by-hash") {
            fs::remove_file(path).unwrap();
        }
    }
    let mut command = context.command();
    command
        .args(["--print-debs", "--variant=essential", "--tries=1"])
        .args(["--mirror-wait=86400", "fake", "root"])
        .arg(context.mirror.url())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // After the second reading it waits for 40 minutes.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = lines.any(|line| line.unwrap().contains("index again in"));
    assert!(waits, "it ended without a wait");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    context.assert_nothing_left();
}

/// A fault that passes, for InRelease and for .debs.
struct Passing(MirrorFault);

impl Row for Passing {
    fn name(&self) -> String {
        format!("{:?}", self.0)
    }

    fn run(&self) {
        let context = TestContext::new([]);
        for ending in ["InRelease", ".deb"] {
            context.mirror.fault(ending, self.0.clone());
        }
        context.download(&["--variant=essential"]).ok();
    }
}

#[test]
#[ignore = "needs time"]
fn passing_faults_are_retried() {
    let rows = [
        Passing(MirrorFault::Status(503, 1)),
        Passing(MirrorFault::Refuse(1)),
        Passing(MirrorFault::Break(1)),
    ];
    table::run("mirror: passing faults", 3, &rows);
}
