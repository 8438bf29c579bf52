//! Signals at random moments of real runs. SIGINT and SIGTERM undo everything at once; what SIGKILL
//! leaves, the next run removes.
//!
//! `RBOOTSTRAP_TEST_INTERRUPTIONS` is the number of interruptions, `RBOOTSTRAP_TEST_SEED` repeats a
//! sequence.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::{self, names};
use rustix::process::{Pid, Signal, kill_process};

use super::within_a_minute;
use crate::context::{Outcome, TestContext, outcome, processes_below};

/// How many without a number in the environment.
const DEFAULT: u64 = 60;

/// What an interrupted run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Makes {
    Directory,
    /// In a directory that exists.
    ExistingDirectory,
    Image,
    /// In place of an image that exists.
    ExistingImage,
}

/// One interruption.
#[derive(Clone, Copy, Debug)]
struct Interruption {
    signal: Signal,
    makes: Makes,
    is_cold: bool,
    after: Duration,
}

impl Interruption {
    /// The number decides the kind, so that all are tried equally often; chance decides the moment.
    fn new(number: u64, length: Duration, random: &mut StdRng) -> Interruption {
        let signals = [Signal::KILL, Signal::INT, Signal::KILL, Signal::TERM];
        let makes = [
            Makes::Directory,
            Makes::Image,
            Makes::ExistingDirectory,
            Makes::ExistingImage,
        ];
        Interruption {
            signal: signals[(number % 4) as usize],
            makes: makes[(number / 4 % 4) as usize],
            is_cold: (number / 16).is_multiple_of(2),
            after: length.mul_f64(random.gen_range(0.0..1.1)),
        }
    }

    fn is_image(&self) -> bool {
        matches!(self.makes, Makes::Image | Makes::ExistingImage)
    }

    fn target(&self, context: &TestContext) -> PathBuf {
        match self.is_image() {
            true => context.root().join("image.tar"),
            false => context.root().join("tree"),
        }
    }

    fn command(&self, context: &TestContext) -> Command {
        let mut command = context.command();
        command.args(["--variant=essential", "--include=hello,slow", "fake"]);
        command.arg(self.target(context)).arg(context.mirror.url());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The number in an environment variable.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is no number")),
    )
}

fn context() -> TestContext {
    let slow = DebBuilder::new("slow", "1")
        .file("usr/share/slow", vec![b'x'; 3_000_000])
        .script("postinst", "sleep 0.05; (sleep 100 &) ; sleep 0.05");
    TestContext::new([slow])
}

/// Empties what a former interruption used, and prepares the target.
fn prepare(context: &TestContext, interruption: &Interruption) {
    if interruption.is_cold && context.path("cache").exists() {
        fs::remove_dir_all(context.path("cache")).unwrap();
    }
    let root = context.root();
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir(&root).unwrap();
    let target = interruption.target(context);
    match interruption.makes {
        Makes::Directory | Makes::Image => {}
        Makes::ExistingDirectory => fs::create_dir(target).unwrap(),
        Makes::ExistingImage => fs::write(target, "yesterday's").unwrap(),
    }
}

/// Asserts that nothing runs, is mounted or lies about. `is_undone` says whether the target is as
/// it was before.
#[track_caller]
fn assert_clean(context: &TestContext, interruption: &Interruption, is_undone: bool) {
    context.assert_nothing_besides_target();
    let partial = context.path("cache/partial");
    if partial.exists() {
        assert_eq!(names(&partial), Vec::<String>::new(), "{interruption:?}");
    }
    let target = interruption.target(context);
    let expected: &[&str] = match interruption.makes {
        Makes::Directory | Makes::Image if is_undone => &[],
        Makes::Directory | Makes::ExistingDirectory => &["tree"],
        Makes::Image | Makes::ExistingImage => &["image.tar"],
    };
    assert_eq!(names(&context.root()), expected, "{interruption:?}");
    if is_undone && interruption.makes == Makes::ExistingDirectory {
        assert_eq!(names(&target), Vec::<String>::new(), "{interruption:?}");
    }
    if is_undone && interruption.makes == Makes::ExistingImage {
        assert_eq!(
            fs::read(&target).unwrap(),
            b"yesterday's",
            "{interruption:?}"
        );
    }
}

/// What a run has made: a digest of the image, or the tree as text.
fn made(context: &TestContext, interruption: &Interruption) -> String {
    let target = interruption.target(context);
    match interruption.is_image() {
        true => format!("{:?}", length_and_hash(&target)),
        false => tree::dump(&target, tree::Times::Left).join("\n"),
    }
}

/// The length of a file and its FNV-1a hash.
fn length_and_hash(path: &std::path::Path) -> (u64, u64) {
    let content = fs::read(path).unwrap();
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in &content {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    }
    (content.len() as u64, sum)
}

/// A sequence of interruptions.
struct Sequence {
    context: TestContext,
    seed: u64,
    /// The tree and the image that a run makes.
    expected: [String; 2],
    /// How long the last whole run took.
    length: Duration,
}

impl Sequence {
    fn new(seed: u64) -> Sequence {
        let mut sequence = Sequence {
            context: context(),
            seed,
            expected: Default::default(),
            length: Duration::ZERO,
        };
        for makes in [Makes::Directory, Makes::Image] {
            let interruption = Interruption {
                signal: Signal::KILL,
                makes,
                is_cold: false,
                after: Duration::ZERO,
            };
            prepare(&sequence.context, &interruption);
            let code = sequence.run_on(&interruption).code;
            assert_eq!(code, Some(0));
            let made = made(&sequence.context, &interruption);
            sequence.expected[usize::from(interruption.is_image())] = made;
        }
        sequence
    }

    /// A whole run.
    fn run_on(&mut self, interruption: &Interruption) -> Outcome {
        let from = Instant::now();
        let mut command = interruption.command(&self.context);
        let outcome = outcome(command.stderr(Stdio::piped()));
        self.length = from.elapsed();
        outcome
    }

    /// Interrupts a run and asserts that nothing of it is left after the next one. True if the run
    /// had not ended before.
    fn interrupt(&mut self, number: u64, interruption: &Interruption) -> bool {
        let case = format!("seed {}, number {number}, {interruption:?}", self.seed);
        prepare(&self.context, interruption);
        let mut child = interruption.command(&self.context).spawn().unwrap();
        thread::sleep(interruption.after);
        kill_process(Pid::from_child(&child), interruption.signal).unwrap();
        let has_ended = within_a_minute(|| child.try_wait().unwrap().is_some());
        assert!(has_ended, "{case}: it did not end");
        let here = self.context.directory.path();
        let is_calm = within_a_minute(|| processes_below(here).is_empty());
        assert!(is_calm, "{case}: {:?}", processes_below(here));
        let code = child.wait().unwrap().code();
        match code {
            Some(0) => prepare(&self.context, interruption),
            // It was killed.
            None => {}
            Some(code) => {
                assert_eq!(code, 128 + interruption.signal.as_raw(), "{case}");
                assert_clean(&self.context, interruption, true);
            }
        }
        let mut next = self.run_on(interruption);
        if code.is_none() && next.stderr.contains("is not empty") {
            // It was killed after its last act: the tree is whole.
            self.assert_made(interruption, &case);
            prepare(&self.context, interruption);
            next = self.run_on(interruption);
        }
        assert_eq!(next.code, Some(0), "{case}: {}", next.stderr);
        assert_clean(&self.context, interruption, false);
        self.assert_made(interruption, &case);
        code != Some(0)
    }

    #[track_caller]
    fn assert_made(&self, interruption: &Interruption, case: &str) {
        let expected = &self.expected[usize::from(interruption.is_image())];
        let is_equal = made(&self.context, interruption) == *expected;
        assert!(is_equal, "{case}: another result");
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn at_random_moments() {
    let count = number("RBOOTSTRAP_TEST_INTERRUPTIONS").unwrap_or(DEFAULT);
    let seed = number("RBOOTSTRAP_TEST_SEED").unwrap_or_else(rand::random);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut sequence = Sequence::new(seed);
    let mut interrupted = 0;
    for number in 0..count {
        let interruption = Interruption::new(number, sequence.length, &mut random);
        interrupted += u64::from(sequence.interrupt(number, &interruption));
    }
    println!("{count} interruptions, {interrupted} before the end of a run");
    assert!(interrupted * 4 > count, "too few hit a run: {interrupted}");
}
