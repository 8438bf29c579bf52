//! User names and passwords: auth.conf and URLs, compared with the host's apt on the same files
//! against a server that demands a login; and where a password must not be.

mod cases;
mod redirects;
mod trees;

use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::server::{Reply, Server};
use rbootstrap::testing::{DebBuilder, FakeSuite, host_architecture};

use crate::context::{Outcome, TestContext, outcome};
use crate::table::{self, Row};
use cases::{CASES, Case};

/// `me:s3cret` as HTTP has it.
const LOGIN: &str = "Basic bWU6czNjcmV0";

/// An archive below /private/ that only those who are logged in can read, and one below /moved/
/// that another server without logins redirects to.
struct World {
    context: TestContext,
    server: Server,
}

impl World {
    fn new() -> World {
        let context = TestContext::new([]);
        let own = FakeSuite::new("own").with([DebBuilder::new("extra", "1").architecture("all")]);
        context.archive.publish(&own);
        let root = context.archive.root.clone();
        let server = Server::start(move |asked| {
            if let Some(path) = asked.target.strip_prefix("/moved/") {
                return Reply::status(302).with("Location", format!("/private/{path}"));
            }
            if asked.header("authorization") != LOGIN {
                let realm = "Basic realm=\"private\"";
                return Reply::status(401).with("WWW-Authenticate", realm);
            }
            let path = asked.target.trim_start_matches("/private/");
            match fs::read(root.join(path)) {
                Ok(content) => Reply::of(&content),
                Err(_) => Reply::status(404),
            }
        });
        World { context, server }
    }

    fn fill(&self, text: &str) -> String {
        let origin = self.server.origin();
        let port = origin.rsplit(':').next().unwrap();
        text.replace("{host}", "127.0.0.1").replace("{port}", port)
    }

    fn source(&self, uri: &str) -> String {
        let key = self.context.path("keyring.gpg");
        format!("deb [signed-by={}] {uri} own main", key.display())
    }

    /// The program with a file of entries and a source.
    fn run(&self, arguments: &[&str], auth: &str, uri: &str) -> Outcome {
        fs::write(self.context.path("auth.conf"), auth).unwrap();
        let source = self.source(uri);
        let options = ["--auth-conf=auth.conf", "--include=extra", "--tries=1"];
        let options = [&options, arguments, &["--source", &source]].concat();
        self.context.make(&options)
    }

    /// What the host's apt says of the same.
    fn apt(&self, auth: &str, uri: &str) -> Outcome {
        let root = self.context.path("apt");
        for directory in ["lists/partial", "cache", "etc/parts", "etc/auth.conf.d"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        fs::write(root.join("etc/auth.conf"), auth).unwrap();
        fs::write(root.join("etc/sources.list"), self.source(uri)).unwrap();
        outcome(apt_get(&root).args(["update", "-oAPT::Update::Error-Mode=any"]))
    }
}

/// apt-get with nothing of the host's configuration.
fn apt_get(root: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env_clear().env("APT_CONFIG", "/dev/null");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let root = root.display();
    command.args([
        format!("-oDir::Etc={root}/etc"),
        format!("-oDir::Etc::parts={root}/etc/parts"),
        format!("-oDir::Etc::sourceparts={root}/etc/parts"),
        format!("-oDir::State::lists={root}/lists"),
        format!("-oDir::State::status={root}/status"),
        format!("-oDir::Cache={root}/cache"),
        format!("-oAPT::Architecture={}", host_architecture()),
    ]);
    command.args(["-oAPT::Sandbox::User=root", "-oAcquire::Languages=none"]);
    command.arg("-oAcquire::Retries=0");
    command
}

impl Row for Case {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let world = World::new();
        let auth = world.fill(self.auth);
        let uri = world.fill(self.uri);
        let apt = world.apt(&auth, &uri);
        assert_eq!(apt.code == Some(0), self.reads, "apt: {}", apt.stderr);
        let made = world.run(&["--print-debs"], &auth, &uri);
        assert_eq!(
            made.code,
            Some(if self.reads { 0 } else { 5 }),
            "{}",
            made.stderr
        );
        for password in ["s3cret", "s3%63ret"] {
            assert!(!made.stderr.contains(password), "{}", made.stderr);
        }
        if !self.reads {
            made.names(&["401", "--auth-conf"]);
        }
    }
}

#[test]
#[ignore = "needs root, apt"]
fn logins_are_found_as_by_apt() {
    table::run("logins", 16, &CASES);
}

/// Messages on URLs that cannot be used have no password either.
#[test]
fn errors_have_no_password() {
    let context = TestContext::new([]);
    // The mirror must work: which of two failures is reported depends on timing.
    let mirror = context.mirror.url();
    for arguments in [
        &[
            "--source",
            "deb http://me:s3cret@h/x sid",
            "fake",
            "root",
            &mirror,
        ][..],
        &[
            "--source",
            "deb http://me:s3cret@h/[x sid main",
            "fake",
            "root",
            &mirror,
        ],
        &[
            "--source",
            "deb http://me:s3/cret@h/ sid main",
            "fake",
            "root",
            &mirror,
        ],
        &[
            "--source",
            "deb http://me:s3#cret@h sid main",
            "fake",
            "root",
            &mirror,
        ],
        &[
            "--source",
            "deb \"http://me:s3 cret@h/\" [x",
            "fake",
            "root",
            &mirror,
        ],
        &["--mirror", "ftp://me:s3cret@h", "fake", "root"],
        &["fake", "root", "gopher://me:s3cret@h"],
        &["fake", "root", "http://h", "http://me:s3cret@h"],
        &["fake", "root", "http://me:s3cret@127.0.0.1:1/x"],
    ] {
        let made = context.run([&["--print-debs", "--tries=1"], arguments].concat());
        assert_ne!(made.code, Some(0));
        assert!(
            !made.stderr.contains("cret"),
            "{arguments:?}: {}",
            made.stderr
        );
        assert!(
            made.stderr.contains("***@"),
            "{arguments:?}: {}",
            made.stderr
        );
    }
}

/// A file that must be there, and one that every user can read.
#[test]
fn a_file_of_logins_is_read_or_named() {
    let context = TestContext::new([]);
    let absent = context.print_debs(&["--auth-conf=absent.conf"]);
    absent.fails(2).names(&["absent.conf"]);
    let path = context.path("auth.conf");
    fs::write(&path, "machine h login a password s3cret\n").unwrap();
    for (mode, warns) in [(0o600, false), (0o640, false), (0o644, true)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&path, permissions).unwrap();
        let made = context.print_debs(&["--auth-conf=auth.conf"]).ok();
        let warning = "auth.conf has passwords, and every user can read it";
        assert_eq!(
            made.stderr.contains(warning),
            warns,
            "{mode:o}: {}",
            made.stderr
        );
    }
}

impl Outcome {
    /// Asserts that neither output has a word.
    #[track_caller]
    fn has_no(&self, word: &str) {
        let stdout = String::from_utf8_lossy(&self.stdout);
        for text in [&*stdout, &self.stderr] {
            assert!(!text.contains(word), "{text}");
        }
    }
}
