//! The environment of a test of the whole program: a directory of its own with a signed archive, a
//! mirror that serves it, and the program's cache.
//!
//! Every test makes a [`TestContext`] of its own, so all can run at once. A run gives an
//! [`Outcome`]. [`reference`] makes a tree of the same archive with apt and dpkg.

pub mod docker;
pub mod mounted;
pub mod reference;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rbootstrap::testing::tree::{self, Times, names};
use rbootstrap::testing::{DebBuilder, FakeArchive, FakeSuite, Mirror, base};

/// A directory for one test, with an archive that a mirror serves on loopback.
pub struct TestContext {
    pub directory: tempfile::TempDir,
    pub archive: FakeArchive,
    pub mirror: Mirror,
}

/// The exit code and the output of a run.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl TestContext {
    /// Publishes the suite `fake` with the base distribution and `debs`.
    pub fn new(debs: impl IntoIterator<Item = DebBuilder>) -> TestContext {
        TestContext::of(&suite(debs))
    }

    /// Publishes this suite.
    pub fn of(suite: &FakeSuite) -> TestContext {
        let context = TestContext::bare();
        context.archive.publish(suite);
        context
    }

    /// Publishes nothing: the archive is empty.
    pub fn bare() -> TestContext {
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("rbootstrap-test-").tempdir().unwrap();
        let archive = FakeArchive::new(&directory.path().join("archive"));
        archive.keyring(&directory.path().join("keyring.gpg"));
        for name in ["home", "tmp"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let mirror = Mirror::start(archive.root.clone());
        TestContext {
            directory,
            archive,
            mirror,
        }
    }

    /// A path in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The tree's path, unless a test chooses another.
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// The program without arguments in the test's directory, with nothing of the caller's
    /// environment. `RBOOTSTRAP_TEST_PROGRAM` names another build of it, to measure that.
    pub fn program(&self) -> Command {
        let mut command = match std::env::var_os("RBOOTSTRAP_TEST_PROGRAM") {
            Some(other) => Command::new(fs::canonicalize(other).unwrap()),
            None => Command::new(assert_cmd::cargo::cargo_bin!("rbootstrap")),
        };
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("RBOOTSTRAP_CACHE_DIR", self.path("cache"))
            .env("RBOOTSTRAP_STATE_DIR", self.path("state"))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// The program with the archive's keyring.
    pub fn command(&self) -> Command {
        let mut command = self.program();
        command.arg("--keyring").arg(self.path("keyring.gpg"));
        command
    }

    /// Runs the program with the archive's keyring and these arguments.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        outcome(self.command().args(arguments))
    }

    /// Makes suite `fake` into [`TestContext::root`] with these options.
    pub fn make(&self, options: &[&str]) -> Outcome {
        let mut command = self.command();
        command.args(options).arg("fake").arg(self.root());
        outcome(command.arg(self.mirror.url()))
    }

    /// Plans suite `fake` with these options and prints the packages. Needs no root.
    pub fn print_debs(&self, options: &[&str]) -> Outcome {
        self.make(&[&["--print-debs"], options].concat())
    }

    /// Downloads the packages of suite `fake` with these options. Needs no root.
    pub fn download(&self, options: &[&str]) -> Outcome {
        self.make(&[&["--download-only"], options].concat())
    }

    /// A file of the tree.
    pub fn read(&self, path: &str) -> String {
        let full = self.root().join(path);
        match fs::read(&full) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) => panic!("{}: {error}", full.display()),
        }
    }

    /// The tree as text, without times.
    pub fn tree(&self) -> Vec<String> {
        tree::dump(&self.root(), Times::Left)
    }

    /// The line of one path of the tree.
    pub fn line(&self, path: &str) -> String {
        tree::line_of(&self.root(), path)
    }

    /// `name version status` of every package in the tree, by the host's dpkg-query.
    pub fn installed(&self) -> Vec<String> {
        let mut query = Command::new("dpkg-query");
        query.arg("--admindir");
        query.arg(self.root().join("var/lib/dpkg"));
        query.args(["-W", "-f", "${binary:Package} ${Version} ${Status}\n"]);
        let text = outcome(&mut query).text();
        text.lines().map(str::to_owned).collect()
    }

    /// Asserts that no .deb was requested from the mirror.
    #[track_caller]
    pub fn assert_no_deb_requested(&self) {
        assert_eq!(self.mirror.debs(), Vec::<String>::new());
    }

    /// Asserts that a failed run has left no target, mount, temporary file or process.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        assert!(
            !self.root().exists(),
            "the target is still there: {:#?}",
            self.tree()
        );
        self.assert_nothing_besides_target();
    }

    /// As [`TestContext::assert_nothing_left`], whatever the target is.
    #[track_caller]
    pub fn assert_nothing_besides_target(&self) {
        let here = self.directory.path().to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(here),
            "something is still mounted: {mounts}"
        );
        const KNOWN: &[&str] = &[
            "archive",
            "archive-new",
            "cache",
            "home",
            "keyring.gpg",
            "place",
            "root",
            "state",
            "tmp",
        ];
        let mut unexpected = names(self.directory.path());
        unexpected.retain(|name| !KNOWN.contains(&name.as_str()));
        assert!(
            unexpected.is_empty(),
            "left beside the target: {unexpected:?}"
        );
        let temporary = names(&self.path("tmp"));
        assert!(temporary.is_empty(), "left in TMPDIR: {temporary:?}");
        self.assert_cache_is_tidy();
        assert_eq!(
            processes_below(self.directory.path()),
            Vec::<String>::new(),
            "still running in the tree"
        );
    }

    #[track_caller]
    fn assert_cache_is_tidy(&self) {
        let cache = self.path("cache");
        if !cache.exists() {
            return;
        }
        tree::walk(&cache, &mut |path, _| {
            let name = path.file_name().unwrap().to_string_lossy();
            let is_temporary = name.contains("tmp") && name != "tmp";
            assert!(!is_temporary, "left in the cache: {}", path.display());
        });
    }
}

impl Outcome {
    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Outcome {
        self.fails(0)
    }

    /// Asserts this exit code.
    #[track_caller]
    pub fn fails(self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "stderr:\n{}", self.stderr);
        self
    }

    /// Asserts that standard error contains all these words.
    #[track_caller]
    pub fn names(self, words: &[&str]) -> Outcome {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "`{word}` is not named in:\n{}",
                self.stderr
            );
        }
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }
}

/// Runs a command to its end.
pub fn outcome(command: &mut Command) -> Outcome {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{}: {error}", command.get_program().display()),
    };
    Outcome {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The suite `fake` with the base distribution and these packages.
pub fn suite(debs: impl IntoIterator<Item = DebBuilder>) -> FakeSuite {
    FakeSuite::new("fake").with(base::base()).with(debs)
}

/// Processes that work below `directory`, or have mounts of it: a sandbox sees its tree as `/`, but
/// the kernel's table of mounts names the directory.
pub fn processes_below(directory: &Path) -> Vec<String> {
    let mut views = HashMap::new();
    let mut found = Vec::new();
    for process in processes() {
        let link = |name: &str| fs::read_link(process.join(name)).ok();
        let is_below = |name: &str| link(name).is_some_and(|at| at.starts_with(directory));
        // Processes with one namespace and root see the same mounts, and reading them is slow.
        let has_mounts = match link("ns/mnt").zip(link("root")) {
            None => has_mounts_of(&process, directory),
            Some(view) => *views
                .entry(view)
                .or_insert_with(|| has_mounts_of(&process, directory)),
        };
        if has_mounts || is_below("root") || is_below("cwd") {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            found.push(format!(
                "{} {}",
                process.display(),
                String::from_utf8_lossy(&command).replace('\0', " ")
            ));
        }
    }
    found
}

/// The directories of all processes.
fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    processes.map(|entry| entry.path())
}

/// Whether a process has a part of this directory mounted. A mount's fourth field is its root
/// within its file system (proc_pid_mountinfo(5)), which may be mounted anywhere.
fn has_mounts_of(process: &Path, directory: &Path) -> bool {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let mounts = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
    let mut roots = mounts.lines().filter_map(|line| line.split(' ').nth(3));
    roots.any(|root| root.split('/').any(|part| part == name))
}
