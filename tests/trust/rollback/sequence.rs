//! What happens to an archive and its mirrors, step by step, and the runs in between.

use std::fs;
use std::path::Path;

use rbootstrap::testing::archive::DATE;
use rbootstrap::testing::{DebBuilder, FakeArchive, Mirror, tree};

use super::super::small;
use crate::context::{Outcome, TestContext, outcome};
use crate::table::Row;

const DAY: i64 = 86_400;

/// One thing that happens, in order.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// The archive gets this state, whose Date is so many days after the first.
    Publish(i64),
    /// The same, with a Release that names another suite.
    PublishOtherSuite(i64),
    /// The same, with a Release that has no Date.
    PublishUndated(i64),
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
    ForgetKey, Publish, PublishOtherSuite, PublishSecond, PublishUndated, Refused, SpoilIndexes,
    SpoilMemory, Succeeds, Warned,
};

pub(super) struct Sequence {
    pub(super) name: &'static str,
    pub(super) steps: Vec<Step>,
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
            PublishUndated(days) => {
                publish(&context.archive, days);
                remove_date(&context.archive);
            }
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

pub(in crate::trust) fn publish(archive: &FakeArchive, days: i64) {
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

fn remove_date(archive: &FakeArchive) {
    let shape = small();
    let directory = archive.root.join("dists").join(&shape.name);
    let text = fs::read_to_string(directory.join("Release")).unwrap();
    let (before, after) = text.split_once("Date: ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    archive.sign(&shape, &directory, &format!("{before}{after}"));
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
