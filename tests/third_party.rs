//! Archives in the shapes that other publishers than Debian make, read by the program and by the
//! host's apt: both take the same version, or none, and warn of the same archives.
//!
//! reprepro and aptly make theirs themselves; the others are made by hand. Where the two differ on
//! purpose, the row says so.

mod makers;
mod rows;

use std::fs;
use std::process::Command;

use rbootstrap::testing::server::{Reply, Server};
use rbootstrap::testing::{FakeArchive, host_architecture};

use crate::context::{TestContext, outcome};
use crate::table::{self, Row};

/// One archive below `other/`, which a server gives out. What is missing is answered with `missing`.
struct World {
    context: TestContext,
    other: FakeArchive,
    server: Server,
}

/// What a program made of an archive.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    /// The version of `extra` that it would install.
    version: Option<String>,
    warns: bool,
}

struct Shape {
    name: &'static str,
    /// The status for a file that is not there.
    missing: u16,
    /// What follows the URI in the source; options go before a `|`.
    rest: &'static str,
    make: fn(&World),
    /// The version that both take; empty for none.
    version: &'static str,
    warns: bool,
    /// What the program does otherwise than apt.
    differs: &'static str,
}

impl World {
    fn new(missing: u16) -> World {
        let context = TestContext::new([]);
        let root = context.path("archive/other");
        fs::create_dir_all(&root).unwrap();
        let other = FakeArchive {
            root: root.clone(),
            key: context.archive.key.clone(),
        };
        let server = Server::start(move |asked| {
            let path = asked.target.trim_start_matches('/').replace("%2b", "+");
            match fs::read(root.join(path)) {
                Ok(content) => Reply::of(&content),
                Err(_) => Reply::status(missing),
            }
        });
        World {
            context,
            other,
            server,
        }
    }

    fn source(&self, rest: &str) -> String {
        let (rest, options) = rest.split_once('|').unwrap_or((rest, ""));
        let key = self.context.path("keyring.gpg");
        let uri = self.server.origin();
        format!("deb [signed-by={} {options}] {uri} {rest}", key.display())
    }

    fn program(&self, source: &str) -> Taken {
        let options = [
            "--include=extra",
            "--tries=1",
            "--mirror-wait=0",
            "--source",
            source,
        ];
        let printed = self.context.print_debs(&options);
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("extra="));
        let version = line.and_then(|line| line.split(':').next());
        Taken {
            version: version.map(str::to_owned),
            warns: printed.stderr.contains("warning:"),
        }
    }

    /// The host's apt, with nothing of the host's configuration.
    fn apt(&self, source: &str) -> Taken {
        let root = self.context.path("apt");
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.env_clear().env("APT_CONFIG", root.join("apt.conf"));
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            outcome(command.args(arguments))
        };
        for below in ["lists/partial", "cache", "etc/parts", "etc/preferences.d"] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        let directory = root.display();
        let configuration = format!(
            "Dir::Etc \"{directory}/etc\";\nDir::Etc::parts \"{directory}/etc/parts\";\n\
             Dir::Etc::sourceparts \"{directory}/etc/parts\";\nDir::State::lists \"{directory}/lists\";\n\
             Dir::State::status \"{directory}/status\";\nDir::Cache \"{directory}/cache\";\n\
             APT::Architecture \"{}\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"0\";\n",
            host_architecture()
        );
        fs::write(root.join("apt.conf"), configuration).unwrap();
        fs::write(root.join("status"), "").unwrap();
        fs::write(root.join("etc/sources.list"), source).unwrap();
        let updated = apt(&["update"]);
        let planned = apt(&["install", "--simulate", "extra"]);
        let text = String::from_utf8_lossy(&planned.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Inst extra ("));
        let version = line.and_then(|line| line.split(' ').next());
        Taken {
            version: version.map(str::to_owned),
            warns: updated.stderr.contains("W:"),
        }
    }
}

impl Row for Shape {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn run(&self) {
        let world = World::new(self.missing);
        (self.make)(&world);
        let source = world.source(self.rest);
        let expected = Taken {
            version: Some(self.version.to_owned()).filter(|version| !version.is_empty()),
            warns: self.warns,
        };
        let program = world.program(&source);
        let apt = world.apt(&source);
        assert_eq!(
            program.version, expected.version,
            "the program, as {source}"
        );
        if self.differs.is_empty() {
            assert_eq!(apt.version, expected.version, "apt, as {source}");
        } else {
            assert_ne!(apt.version, expected.version, "{}", self.differs);
        }
        if expected.version.is_some() {
            assert_eq!(program.warns, expected.warns, "the program's warning");
            assert_eq!(apt.warns, expected.warns, "apt's warning");
        }
    }
}

#[test]
#[ignore = "needs root, apt, reprepro, aptly"]
fn archives_of_others_are_read_as_by_apt() {
    table::run("archives of others", 32, &rows::shapes());
}
