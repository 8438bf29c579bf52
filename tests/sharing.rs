//! One cache for several runs at once, some of them killed, and a cache that somebody has damaged
//! or that belongs to somebody else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::{self, Times, names};

use crate::context::{Outcome, TestContext, outcome};

const OPTIONS: &[&str] = &["--variant=essential", "--include=hello"];

/// The numbers of runs that share a cold cache: 60 runs in all.
const ROUNDS: &[usize] = &[8, 8, 8, 8, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2];

fn start(context: &TestContext, root: &Path) -> Child {
    let mut command = context.command();
    command.args(OPTIONS).arg("fake").arg(root);
    command.arg(context.mirror.url());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// A run of a round.
struct SharingRun {
    root: PathBuf,
    child: Child,
    is_killed: bool,
}

#[test]
#[ignore = "needs root, dpkg"]
fn runs_that_share_a_cold_cache_do_not_harm_each_other() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let context = TestContext::new([]);
    context.make(OPTIONS).ok();
    let reference = context.tree();
    fs::remove_dir_all(context.root()).unwrap();
    let mut count = 0;
    let mut killed = 0;
    for (round, at_once) in ROUNDS.iter().enumerate() {
        fs::remove_dir_all(context.path("cache")).unwrap();
        let mut runs = Vec::new();
        for number in 0..*at_once {
            let root = context.root().join(format!("{round}-{number}"));
            runs.push(SharingRun {
                child: start(&context, &root),
                root,
                is_killed: false,
            });
        }
        // One of every second round.
        if round % 2 == 1 {
            thread::sleep(Duration::from_millis(random.gen_range(20..800)));
            runs[0].child.kill().unwrap();
            runs[0].is_killed = true;
            killed += 1;
        }
        for run in runs {
            let output = run.child.wait_with_output().unwrap();
            count += 1;
            if run.is_killed && output.status.code().is_none() {
                continue;
            }
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(0),
                "seed {seed}, round {round}: {stderr}"
            );
            let found = tree::dump(&run.root, Times::Left);
            assert_eq!(
                tree::difference(&reference, &found),
                "",
                "seed {seed}, round {round}"
            );
        }
        fs::remove_dir_all(context.root()).unwrap();
        if round % 2 == 1 {
            // What a killed run has left is removed by the next one.
            context.make(OPTIONS).ok();
            fs::remove_dir_all(context.root()).unwrap();
        }
        let partial = names(&context.path("cache/partial"));
        assert_eq!(partial, Vec::<String>::new(), "seed {seed}, round {round}");
    }
    println!("{count} runs share a cache, {killed} of them killed");
    assert_eq!(count, 60);
}

/// What somebody does to a warm cache, and what a run then does.
struct Damage {
    name: &'static str,
    spoil: fn(&TestContext),
    /// 0 where the run makes the same tree all the same.
    code: i32,
}

/// Every file below a directory of the cache.
fn files(context: &TestContext, below: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    tree::walk(&context.path("cache").join(below), &mut |path, metadata| {
        if metadata.is_file() {
            files.push(path.to_owned());
        }
    });
    assert!(!files.is_empty(), "no files in {below}");
    files
}

fn each(context: &TestContext, below: &str, spoil: fn(&Path)) {
    for path in files(context, below) {
        spoil(&path);
    }
}

fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(path, content).unwrap();
}

fn cut(path: &Path) {
    let content = fs::read(path).unwrap();
    fs::write(path, &content[..content.len() / 2]).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, "").unwrap();
}

fn lengthen(path: &Path) {
    let mut content = fs::read(path).unwrap();
    content.push(0);
    fs::write(path, content).unwrap();
}

/// The file outside the cache that no damage may change.
fn canary(context: &TestContext) -> PathBuf {
    context.path("home/canary/file")
}

/// Replaces a file by a symlink to one outside.
fn link(path: &Path) {
    let home = path.ancestors().find(|above| above.ends_with("cache"));
    let canary = home.unwrap().with_file_name("home").join("canary/file");
    fs::remove_file(path).unwrap();
    symlink(canary, path).unwrap();
}

fn fifo(path: &Path) {
    fs::remove_file(path).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, 0o644.into(), 0).unwrap();
}

fn make_foreign(path: &Path) {
    chown(path, Some(1000), Some(1000)).unwrap();
}

fn make_writable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
}

fn replace_by_directory(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
}

/// Removes the copies, so that the downloads are needed.
fn without_copies(context: &TestContext) {
    fs::remove_dir_all(context.path("cache/derived")).unwrap();
}

/// Replaces a directory by a symlink to one outside.
fn link_directory(context: &TestContext, directory: &str) {
    let path = context.path("cache").join(directory);
    fs::remove_dir_all(&path).unwrap();
    symlink(context.path("home/canary"), path).unwrap();
}

const fn damage(name: &'static str, code: i32, spoil: fn(&TestContext)) -> Damage {
    Damage { name, spoil, code }
}

const DAMAGES: &[Damage] = &[
    damage("downloads with a flipped bit", 0, |c| {
        each(c, "SHA256", flip)
    }),
    damage("copies with a flipped bit", 0, |c| each(c, "derived", flip)),
    damage("everything with a flipped bit", 0, |c| each(c, "", flip)),
    damage("truncated downloads", 0, |c| each(c, "SHA256", cut)),
    damage("truncated copies", 0, |c| each(c, "derived", cut)),
    damage("everything truncated", 0, |c| each(c, "", cut)),
    damage("everything empty", 0, |c| each(c, "", empty)),
    damage("everything longer", 0, |c| each(c, "", lengthen)),
    damage("links in place of downloads", 0, |c| {
        each(c, "SHA256", link)
    }),
    damage("links in place of copies", 0, |c| each(c, "derived", link)),
    damage("links in place of everything", 0, |c| each(c, "", link)),
    damage("FIFOs in place of everything", 0, |c| each(c, "", fifo)),
    damage("directories in place of copies", 0, |c| {
        each(c, "derived", replace_by_directory)
    }),
    damage("foreign downloads", 0, |c| each(c, "SHA256", make_foreign)),
    damage("foreign copies", 0, |c| each(c, "derived", make_foreign)),
    damage("everything writable", 0, |c| each(c, "", make_writable)),
    damage("another host's copies", 0, |c| {
        fs::remove_dir_all(c.path("state")).unwrap()
    }),
    damage("no copies", 0, |c| {
        fs::remove_dir_all(c.path("cache/derived")).unwrap()
    }),
    damage("no downloads", 0, |c| {
        fs::remove_dir_all(c.path("cache/SHA256")).unwrap()
    }),
    damage("a partial file that was planted", 0, |c| {
        symlink(canary(c), c.path("cache/partial/.rbootstrap-planted")).unwrap();
    }),
    damage("a link in place of the downloads' directory", 0, |c| {
        link_directory(c, "SHA256");
    }),
    damage("such a link without copies", 6, |c| {
        without_copies(c);
        link_directory(c, "SHA256");
    }),
    damage("a link in place of the partial files' directory", 6, |c| {
        link_directory(c, "partial")
    }),
    damage("a directory that others can write to", 6, |c| {
        make_writable(&c.path("cache"));
    }),
    damage("a cache of another user", 6, |c| {
        make_foreign(&c.path("cache"))
    }),
    damage("a download directory of another user", 6, |c| {
        without_copies(c);
        make_foreign(&c.path("cache/SHA256"));
    }),
    damage("a file in place of the cache", 6, |c| {
        fs::remove_dir_all(c.path("cache")).unwrap();
        fs::write(c.path("cache"), "x").unwrap();
    }),
];

fn make(context: &TestContext) -> Outcome {
    let mut command = context.command();
    command.args(OPTIONS).arg("fake").arg(context.root());
    outcome(command.arg(context.mirror.url()))
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_damaged_cache_is_fetched_again_or_refused() {
    for damage in DAMAGES {
        let context = TestContext::new([DebBuilder::new("extra", "1")]);
        make(&context).ok();
        let reference = context.tree();
        fs::remove_dir_all(context.root()).unwrap();
        let outside = context.path("home/canary");
        fs::create_dir(&outside).unwrap();
        fs::write(canary(&context), "secret").unwrap();
        let before = tree::dump(&outside, Times::Shown);
        (damage.spoil)(&context);
        let made = make(&context);
        assert_eq!(
            made.code,
            Some(damage.code),
            "{}: {}",
            damage.name,
            made.stderr
        );
        assert_eq!(
            tree::dump(&outside, Times::Shown),
            before,
            "{}",
            damage.name
        );
        match damage.code {
            0 => {
                let difference = tree::difference(&reference, &context.tree());
                assert_eq!(difference, "", "{}", damage.name);
            }
            _ => assert!(!context.root().exists(), "{}", damage.name),
        }
    }
    println!("{} kinds of damage", DAMAGES.len());
    assert_eq!(DAMAGES.len(), 27);
}
