//! `--snapshot`: the state of an archive at a given time.

use std::fs;
use std::path::Path;

use rbootstrap::testing::archive::DATE;
use rbootstrap::testing::{DebBuilder, FakeSuite, tree};

use crate::context::{Outcome, TestContext, outcome, suite};

const DAY: i64 = 86_400;

/// A time within the first state's validity, and one after it. DATE is 1 June 2025.
const VALID: &str = "20250601T060000Z";
const EXPIRED: &str = "20250605T000000Z";

/// A time for which the archive of snapshots has a state that is dated later.
const EARLY: &str = "20250603T000000Z";

/// An archive with two states: version 1 of `news`, valid for a day, which only the snapshots have,
/// and version 2.
fn two_states() -> TestContext {
    let context = TestContext::new([]);
    let mut first = state("1", DATE);
    first.valid_until = Some(DATE + DAY);
    context.archive.publish(&first);
    for time in [VALID, EXPIRED] {
        copy_archive(&context.archive.root, time);
    }
    context.archive.publish(&state("2", DATE + 10 * DAY));
    copy_archive(&context.archive.root, EARLY);
    context
}

fn state(version: &str, date: i64) -> FakeSuite {
    let mut suite = suite([DebBuilder::new("news", version)]);
    suite.date = date;
    suite
}

/// Copies the archive's state to `snapshots/TIME`.
fn copy_archive(root: &Path, time: &str) {
    for path in tree::files(root) {
        let name = path.strip_prefix(root).unwrap();
        if name.starts_with("snapshots") {
            continue;
        }
        let copy = root.join("snapshots").join(time).join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(path, copy).unwrap();
    }
}

fn print_debs(context: &TestContext, options: &[&str], mirror: &str) -> Outcome {
    let mut command = context.command();
    command.args(["--print-debs", "--variant=essential", "--include=news"]);
    outcome(command.args(options).args(["fake", "root", mirror]))
}

fn snapshots(context: &TestContext) -> String {
    format!("{}/snapshots/{{time}}", context.mirror.url())
}

#[test]
fn the_state_of_that_time_is_read() {
    let context = two_states();
    let live = context.mirror.url();
    let of_snapshots = snapshots(&context);
    // That the live archive is newer makes no rollback of a snapshot.
    for (options, mirror, version) in [
        (&[][..], &live, "news=2:"),
        (&["--snapshot=20250601T060000Z"], &of_snapshots, "news=1:"),
        (
            &["--snapshot=2025-06-01T06:00:00Z"],
            &of_snapshots,
            "news=1:",
        ),
        (&[], &live, "news=2:"),
    ] {
        let printed = print_debs(&context, options, mirror).ok().stdout;
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains(version), "{options:?}: {printed}");
    }
}

#[test]
#[ignore = "needs time"]
fn a_release_that_had_expired_by_then_is_refused() {
    let context = two_states();
    let late = "--snapshot=2025-06-05";
    print_debs(&context, &[late], &snapshots(&context))
        .fails(3)
        .names(&[
            "fake",
            "it was valid until 2025-06-02",
            "--no-check-valid-until",
        ]);
    context.assert_no_deb_requested();
    let accepted = [late, "--no-check-valid-until"];
    print_debs(&context, &accepted, &snapshots(&context)).ok();
}

#[test]
fn a_release_dated_after_that_time_is_refused() {
    let context = two_states();
    print_debs(&context, &["--snapshot=2025-06-03"], &snapshots(&context))
        .fails(3)
        .names(&[
            "its date 2025-06-11",
            "is after 2025-06-03",
            "the time of --snapshot",
        ]);
}

#[test]
fn times_and_mirrors_that_do_not_fit_are_refused() {
    let context = two_states();
    let live = context.mirror.url();
    print_debs(&context, &["--snapshot=2025-06-01"], &live)
        .fails(2)
        .names(&["--snapshot needs `{time}`", &live, "http://mirror.example"]);
    let of_snapshots = snapshots(&context);
    let options = ["--snapshot=2025-06-01", "--mirror=http://live.example"];
    print_debs(&context, &options, &of_snapshots)
        .fails(2)
        .names(&["--snapshot needs `{time}`", "http://live.example"]);
    print_debs(&context, &["--snapshot=yesterday"], &live)
        .fails(2)
        .names(&["`yesterday` is not a time such as 2026-09-12 or 20260912T075541Z"]);
    print_debs(&context, &["--snapshot=2025-06-02"], &snapshots(&context))
        .fails(5)
        .names(&["20250602T000000Z"]);
}
