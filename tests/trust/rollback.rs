//! A release that is older than one of an earlier run with the same cache.

use std::fs;
use std::path::Path;

use rbootstrap::testing::archive::DATE;
use rbootstrap::testing::{DebBuilder, FakeArchive, Mirror, tree};

use super::small;
use crate::context::{Outcome, TestContext, outcome};
use crate::table::{self, Row};

const DAY: i64 = 86_400;

/// One thing that happens, in order.
#[derive(Clone, Copy)]
enum Step {
    /// The archive gets this state, whose Date is so many days after the first.
    Publish(i64),
    /// The same, with a Release that names another suite.
    PublishOtherSuite(i64),
    /// The second mirror gets this state.
    PublishSecond(i64),
    /// A run with these options ends well.
    Succeeds(&'static [&'static str]),
    /// A run with these options ends with 3 and says this.
    Refused(&'static [&'static str], &'static str),
    /// A run ends well and warns of this.
    Warned(&'static [&'static str], &'static str),
    /// The archive's indexes no longer match their release.
    SpoilIndexes,
    /// The files that remember dates are overwritten.
    SpoilMemory,
    /// The host's key is replaced.
    ForgetKey,
}

use Step::{
    ForgetKey, Publish, PublishOtherSuite, PublishSecond, Refused, SpoilIndexes, SpoilMemory,
    Succeeds, Warned,
};

struct Sequence {
    name: &'static str,
    steps: Vec<Step>,
}

/// The archive, and a second one that has the same key.
struct Archives {
    context: TestContext,
    second: FakeArchive,
    second_mirror: Mirror,
}

impl Row for Sequence {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let context = TestContext::bare();
        let second = FakeArchive {
            root: context.path("archive-new"),
            key: context.archive.key.clone(),
        };
        let second_mirror = Mirror::start(second.root.clone());
        let archives = Archives {
            context,
            second,
            second_mirror,
        };
        for (number, step) in self.steps.iter().enumerate() {
            archives.take(*step, number + 1);
        }
    }
}

impl Archives {
    fn take(&self, step: Step, number: usize) {
        let context = &self.context;
        match step {
            Publish(days) => publish(&context.archive, days),
            PublishOtherSuite(days) => publish_as(&context.archive, days, "other"),
            PublishSecond(days) => publish(&self.second, days),
            Succeeds(options) => drop(self.expect(options, 0, "", number)),
            Warned(options, says) => {
                let outcome = self.expect(options, 0, says, number);
                assert!(outcome.stderr.contains("warning"), "{}", outcome.stderr);
            }
            Refused(options, says) => {
                self.expect(options, 3, says, number);
                context.assert_no_deb_requested();
                context.assert_nothing_left();
            }
            SpoilIndexes => overwrite(&context.archive.root.join("dists"), "/binary-"),
            SpoilMemory => overwrite(&context.path("cache"), "/releases/"),
            ForgetKey => fs::remove_file(context.path("state/cache.key")).unwrap(),
        }
    }

    /// Runs the program. `URL` and `SECOND` in an option stand for the mirrors.
    fn expect(&self, options: &[&str], code: i32, says: &str, number: usize) -> Outcome {
        let context = &self.context;
        let url = context.mirror.url();
        let second = self.second_mirror.url();
        let mut mirror = url.clone();
        let mut command = context.command();
        command.args([
            "--print-debs",
            "--variant=essential",
            "--tries=1",
            "--mirror-wait=0",
        ]);
        for option in options {
            let option = option.replace("URL", &url).replace("SECOND", &second);
            match option.strip_prefix("MIRROR=") {
                Some(given) => given.clone_into(&mut mirror),
                None => drop(command.arg(option)),
            }
        }
        command.arg("fake").arg(context.root()).arg(mirror);
        let outcome = outcome(&mut command);
        let found = format!("step {number}: exit {:?}\n{}", outcome.code, outcome.stderr);
        assert_eq!(outcome.code, Some(code), "{found}");
        assert!(outcome.stderr.contains(says), "no `{says}` in {found}");
        outcome
    }
}

pub(super) fn publish(archive: &FakeArchive, days: i64) {
    publish_as(archive, days, &small().suite);
}

fn publish_as(archive: &FakeArchive, days: i64, suite: &str) {
    // Each state has an index of its own.
    let version = (days + 30_000).to_string();
    let mut shape = small().with([DebBuilder::new("dated", &version)]);
    shape.date = DATE + days * DAY;
    if suite != shape.suite {
        shape.suite = suite.to_owned();
        shape.codename = suite.to_owned();
    }
    archive.publish(&shape);
}

/// Overwrites the files below `root` whose path contains `part`.
fn overwrite(root: &Path, part: &str) {
    let mut overwritten = 0;
    for path in tree::files(root) {
        if path.to_string_lossy().contains(part) {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 2;
            fs::write(path, bytes).unwrap();
            overwritten += 1;
        }
    }
    assert!(overwritten > 0, "no file has {part}");
}

const ALLOWED: &[&str] = &["--allow-rollback"];
const UNCHECKED: &[&str] = &["--no-check-gpg"];
pub(super) const HINT: &str = "--allow-rollback";

fn one_mirror() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "newer",
            vec![Publish(0), Succeeds(&[]), Publish(1), Succeeds(&[])],
        ),
        (
            "the same",
            vec![Publish(0), Succeeds(&[]), Publish(0), Succeeds(&[])],
        ),
        (
            "older",
            vec![Publish(300), Succeeds(&[]), Publish(0), Refused(&[], HINT)],
        ),
        (
            "1970 first, then newer",
            vec![Publish(-20_240), Succeeds(&[]), Publish(0), Succeeds(&[])],
        ),
        (
            "1970 later",
            vec![
                Publish(0),
                Succeeds(&[]),
                Publish(-20_240),
                Refused(&[], HINT),
            ],
        ),
        (
            "older, then again",
            vec![
                Publish(2),
                Succeeds(&[]),
                Publish(1),
                Refused(&[], HINT),
                Refused(&[], HINT),
                Publish(2),
                Succeeds(&[]),
            ],
        ),
    ]
}

fn more_of_one_mirror() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "a step back from the newest of three",
            vec![
                Publish(0),
                Succeeds(&[]),
                Publish(2),
                Succeeds(&[]),
                Publish(1),
                Refused(&[], HINT),
            ],
        ),
        (
            "another suite's date does not count",
            vec![
                Publish(0),
                Succeeds(&[]),
                PublishOtherSuite(9),
                Warned(&[], "is of suite other"),
                Publish(1),
                Succeeds(&[]),
            ],
        ),
        (
            "older, allowed for one run",
            vec![
                Publish(2),
                Succeeds(&[]),
                Publish(1),
                Warned(ALLOWED, "an earlier run has used one dated"),
                Refused(&[], HINT),
            ],
        ),
        (
            "older, with a plan in the cache",
            vec![
                Publish(0),
                Succeeds(&[]),
                Publish(1),
                Succeeds(&[]),
                Succeeds(&[]),
                Publish(0),
                Refused(&[], HINT),
            ],
        ),
        (
            "the same mirror with a slash",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Refused(&["MIRROR=URL/"], HINT),
            ],
        ),
    ]
}

fn what_else_changes() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "expiry does not matter",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Refused(&["--no-check-valid-until"], HINT),
            ],
        ),
        (
            "a cache that keeps nothing else",
            vec![
                Publish(1),
                Succeeds(&["--cache-max-size=0"]),
                Publish(0),
                Refused(&["--cache-max-size=0"], HINT),
            ],
        ),
        (
            "the newer one was of no use",
            vec![
                Publish(1),
                SpoilIndexes,
                Refused(&[], "does not match"),
                Publish(0),
                Succeeds(&[]),
            ],
        ),
    ]
}

fn what_is_the_same_source() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "another URL",
            vec![
                Publish(1),
                Succeeds(&[]),
                PublishSecond(0),
                Succeeds(&["MIRROR=SECOND"]),
            ],
        ),
        (
            "each URL for itself",
            vec![
                Publish(1),
                PublishSecond(3),
                Succeeds(&[]),
                Succeeds(&["MIRROR=SECOND"]),
                PublishSecond(2),
                Refused(&["MIRROR=SECOND"], HINT),
                Succeeds(&[]),
            ],
        ),
        (
            "another cache",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Succeeds(&["--cache-dir=cache-2"]),
            ],
        ),
        (
            "no cache",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Succeeds(&["--no-cache"]),
            ],
        ),
        (
            "a run without a cache is not remembered",
            vec![
                Publish(1),
                Succeeds(&["--no-cache"]),
                Publish(0),
                Succeeds(&[]),
            ],
        ),
    ]
}

fn what_is_remembered() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "another host's key",
            vec![
                Publish(1),
                Succeeds(&[]),
                ForgetKey,
                Publish(0),
                Succeeds(&[]),
            ],
        ),
        (
            "a damaged memory",
            vec![
                Publish(1),
                Succeeds(&[]),
                SpoilMemory,
                Publish(0),
                Succeeds(&[]),
            ],
        ),
        (
            "a damaged memory is replaced",
            vec![
                Publish(1),
                Succeeds(&[]),
                SpoilMemory,
                Succeeds(&[]),
                Publish(0),
                Refused(&[], HINT),
            ],
        ),
    ]
}

fn mirrors_and_unsigned() -> Vec<(&'static str, Vec<Step>)> {
    let both: &[&str] = &["--mirror=SECOND"];
    vec![
        (
            "a lagging mirror before a good one",
            vec![
                Publish(1),
                PublishSecond(1),
                Succeeds(both),
                Publish(0),
                Succeeds(both),
            ],
        ),
        (
            "a lagging mirror behind a good one",
            vec![Publish(1), PublishSecond(0), Succeeds(both), Succeeds(both)],
        ),
        (
            "two lagging mirrors",
            vec![
                Publish(1),
                PublishSecond(1),
                Succeeds(both),
                Publish(0),
                PublishSecond(0),
                Refused(both, HINT),
            ],
        ),
        (
            "the second mirror's newer state counts for the source",
            vec![
                Publish(0),
                PublishSecond(1),
                SpoilIndexes,
                Succeeds(both),
                Publish(0),
                Refused(&[], HINT),
            ],
        ),
        (
            "an unchecked run is not remembered",
            vec![Publish(1), Succeeds(UNCHECKED), Publish(0), Succeeds(&[])],
        ),
        (
            "an unchecked run does not compare",
            vec![
                Publish(1),
                Succeeds(&[]),
                Publish(0),
                Succeeds(UNCHECKED),
                Refused(&[], HINT),
            ],
        ),
    ]
}

#[test]
fn older_releases() {
    let mut rows = one_mirror();
    rows.extend(more_of_one_mirror());
    rows.extend(what_else_changes());
    rows.extend(what_is_the_same_source());
    rows.extend(what_is_remembered());
    rows.extend(mirrors_and_unsigned());
    let mut cases = Vec::new();
    for (name, steps) in rows {
        cases.push(Sequence { name, steps });
    }
    table::run("trust: rollback", 28, &cases);
}
