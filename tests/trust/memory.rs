//! The memory of dates: where it is kept, what its message says, and servers that lag.

use std::fs;

use rbootstrap::testing::{FakeArchive, MirrorFault};

use super::rollback::{HINT, publish};
use crate::context::TestContext;

/// A symlink in place of the memory ends the run, as for every directory of the cache.
#[test]
fn a_planted_link_is_not_followed() {
    let context = TestContext::bare();
    publish(&context.archive, 0);
    fs::create_dir(context.path("cache")).unwrap();
    let elsewhere = context.path("home");
    std::os::unix::fs::symlink(&elsewhere, context.path("cache/releases")).unwrap();
    super::quick_plan(&context, &[])
        .fails(6)
        .names(&["releases", "is not safe to use"]);
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
}

/// The message names both dates.
#[test]
fn both_dates_are_named() {
    let context = TestContext::bare();
    for days in [1, 0] {
        publish(&context.archive, days);
        let outcome = super::quick_plan(&context, &[]);
        if days == 1 {
            outcome.ok();
        } else {
            let dates = ["2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z"];
            outcome.fails(3).names(&dates).names(&[HINT]);
        }
    }
}

/// A mirror whose servers lag behind each other is asked again before its release is refused.
#[test]
fn a_lagging_server_is_asked_again() {
    let context = TestContext::bare();
    publish(&context.archive, 1);
    super::quick_plan(&context, &[]).ok();
    let old = FakeArchive {
        root: context.path("archive-new"),
        key: context.archive.key.clone(),
    };
    publish(&old, 0);
    let stale = fs::read(old.root.join("dists/fake/InRelease")).unwrap();
    context
        .mirror
        .fault("dists/fake/InRelease", MirrorFault::Other(stale, 1));
    context.print_debs(&["--variant=essential"]).ok();
}
