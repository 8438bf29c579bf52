//! The world in which the whole program is tested without a network: packages, an archive, a mirror, and what came of a run.
//!
//! Every test makes a [`World`] of its own in a directory of its own, so all run at once. What a host cannot offer makes a test
//! skip itself aloud.

pub mod archive;
pub mod base;
pub mod deb;
pub mod key;
pub mod reference;
pub mod server;
pub mod tree;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use archive::{Archive, Suite};
use deb::Deb;
use key::Key;
use server::Server;

/// A place for one test: an archive with the base distribution and the test's own packages, served on loopback.
pub struct World {
    pub directory: tempfile::TempDir,
    pub archive: Archive,
    pub server: Server,
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl World {
    /// A world whose suite `fake` has the base distribution and `debs`. None where the host cannot run the tree's programs.
    pub fn new(debs: impl IntoIterator<Item = Deb>) -> Option<World> {
        World::of(&suite(debs))
    }

    /// A world with this suite.
    pub fn of(suite: &Suite) -> Option<World> {
        let world = World::bare_if_able()?;
        world.archive.publish(suite);
        Some(world)
    }

    /// A world whose archive is still empty, where the host can run the tree's programs.
    pub fn bare_if_able() -> Option<World> {
        able().map_err(|why| skip(&why)).ok()?;
        Some(World::bare())
    }

    /// A world whose archive is still empty; works on every host.
    pub fn bare() -> World {
        let directory = tempfile::Builder::new()
            .prefix("rbootstrap-test-")
            .tempdir()
            .unwrap();
        let archive = Archive::new(&directory.path().join("archive"));
        archive.keyring(&directory.path().join("keyring.gpg"));
        for name in ["home", "tmp"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let server = Server::start(archive.root.clone());
        World {
            directory,
            archive,
            server,
        }
    }

    /// A path in this test's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where trees are made unless a test says otherwise.
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// The program, in an environment of its own, with the archive's keyring and a cache in the test's directory.
    pub fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("rbootstrap"));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"));
        command
            .env("RBOOTSTRAP_CACHE_DIR", self.path("cache"))
            .env("RBOOTSTRAP_STATE_DIR", self.path("state"))
            .current_dir(self.directory.path())
            .stdin(std::process::Stdio::null());
        command.arg("--keyring").arg(self.path("keyring.gpg"));
        command
    }

    /// Runs the program with these arguments behind `--keyring`.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        outcome(self.command().args(arguments))
    }

    /// Makes suite `fake` from the server into [`World::root`] with these options.
    pub fn make(&self, options: &[&str]) -> Outcome {
        let (root, url) = (self.root(), self.server.url());
        self.run(options.iter().map(OsStr::new).chain([
            OsStr::new("fake"),
            root.as_os_str(),
            OsStr::new(&url),
        ]))
    }

    /// The tree's file.
    pub fn read(&self, path: &str) -> String {
        let full = self.root().join(path);
        String::from_utf8_lossy(
            &fs::read(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display())),
        )
        .into_owned()
    }

    /// The tree's lines without times.
    pub fn tree(&self) -> Vec<String> {
        tree::dump(&self.root(), tree::Times::Left)
    }

    /// One path's line in the tree.
    pub fn line(&self, path: &str) -> String {
        tree::line_of(&self.root(), path)
    }

    /// What the tree's own dpkg-query says of all packages: `name version status`.
    pub fn installed(&self) -> Vec<String> {
        let mut query = Command::new("dpkg-query");
        query
            .arg("--admindir")
            .arg(self.root().join("var/lib/dpkg"));
        let output = query
            .args(["-W", "-f", "${binary:Package} ${Version} ${Status}\n"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Asserts that a failed run left nothing: no target, no mount, no temporary file, no process in the tree.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        assert!(
            !self.root().exists(),
            "the target is still there: {:#?}",
            self.tree()
        );
        self.assert_nothing_besides_target();
    }

    /// As [`World::assert_nothing_left`] without a look at the target.
    #[track_caller]
    pub fn assert_nothing_besides_target(&self) {
        let here = self.directory.path().to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(here),
            "something is still mounted: {mounts}"
        );
        let known = [
            "archive",
            "archive-new",
            "cache",
            "home",
            "keyring.gpg",
            "root",
            "state",
            "tmp",
        ];
        let unexpected = names(self.directory.path())
            .into_iter()
            .filter(|name| !known.contains(&&name[..]))
            .collect::<Vec<_>>();
        assert!(
            unexpected.is_empty(),
            "left beside the target: {unexpected:?}"
        );
        let temporary = names(&self.path("tmp"));
        assert!(temporary.is_empty(), "left in TMPDIR: {temporary:?}");
        if self.path("cache").exists() {
            tree::walk(&self.path("cache"), &mut |path, _| {
                let name = path.file_name().unwrap().to_string_lossy();
                assert!(
                    !name.contains("tmp") || name == "tmp",
                    "left in the cache: {}",
                    path.display()
                );
            });
        }
        assert_eq!(
            processes_below(self.directory.path()),
            Vec::<String>::new(),
            "still running in the tree"
        );
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

    /// Asserts that the message names all these.
    #[track_caller]
    pub fn names(self, things: &[&str]) -> Outcome {
        for thing in things {
            assert!(
                self.stderr.contains(thing),
                "`{thing}` is not named in:\n{}",
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
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The suite `fake`: the base distribution and these packages.
pub fn suite(debs: impl IntoIterator<Item = Deb>) -> Suite {
    Suite::new("fake").with(base::base()).with(debs)
}

/// Debian's name for the host's architecture.
pub fn host_architecture() -> &'static str {
    static ARCHITECTURE: LazyLock<String> = LazyLock::new(|| {
        let output = Command::new("dpkg").arg("--print-architecture").output();
        output.map_or("amd64".to_owned(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
    });
    &ARCHITECTURE
}

/// The key that archives are signed with unless a test says otherwise; one for all tests of a process.
pub fn archive_key() -> Arc<Key> {
    static KEY: LazyLock<Arc<Key>> =
        LazyLock::new(|| Arc::new(Key::new("The fake archive <archive@example.org>")));
    KEY.clone()
}

/// A package's bytes; the base distribution's are built once.
pub fn built(deb: &Arc<Deb>) -> Arc<Vec<u8>> {
    type Built = Mutex<HashMap<usize, Arc<Vec<u8>>>>;
    static BUILT: LazyLock<Built> = LazyLock::new(Mutex::default);
    let is_base = base::base().iter().any(|base| Arc::ptr_eq(base, deb));
    if !is_base {
        return Arc::new(deb.build());
    }
    let mut built = BUILT.lock().unwrap();
    built
        .entry(Arc::as_ptr(deb) as usize)
        .or_insert_with(|| Arc::new(deb.build()))
        .clone()
}

/// Whether this host can run a tree made of its own programs.
pub fn able() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("needs root".to_owned());
    }
    for program in ["dpkg", "ldd", "dash", "mawk", "ldconfig"] {
        if base::program(program).is_none() {
            return Err(format!("needs {program} on the host"));
        }
    }
    Ok(())
}

/// Says why a test does nothing; `scripts/test` shows what is said here.
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("skipped {name}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Processes whose root or working directory is below `directory`.
pub fn processes_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        for link in ["root", "cwd"] {
            let Ok(at) = fs::read_link(entry.path().join(link)) else {
                continue;
            };
            if at.starts_with(directory) {
                let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(format!(
                    "{} {}",
                    entry.file_name().to_string_lossy(),
                    String::from_utf8_lossy(&command).replace('\0', " ")
                ));
            }
        }
    }
    found
}
