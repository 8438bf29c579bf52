//! Archives in the shapes that other publishers than Debian make, read by the program and by the
//! host's apt: both take the same version, or none, and warn of the same archives.
//!
//! reprepro and aptly make theirs themselves; the others are made by hand. Where the two differ on
//! purpose, the row says so.

mod index;
mod kinds;
mod makers;
mod odd;
mod priorities;
mod release;
mod rows;
mod sources;

use std::fs;
use std::process::Command;

use rbootstrap::testing::server::{Reply, Server};
use rbootstrap::testing::{FakeArchive, host_architecture};

use crate::context::{TestContext, outcome};
use crate::table::{self, Row};

/// One archive below `other/`, which a server gives out. What is missing is answered with
/// `missing`.
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
    /// What follows the URI in the source; options come after a `|`. Or a whole source, with
    /// `{uri}`, `{key}` for the keyring's path and `{root}` for the directory.
    rest: &'static str,
    make: fn(&World),
    /// What is asked for: `extra`, and perhaps a version or a release.
    asks: &'static str,
    /// The version that both take; empty for none.
    version: &'static str,
    warns: bool,
    /// What the program does otherwise than apt.
    differs: &'static str,
}

impl Shape {
    const fn new(name: &'static str, make: fn(&World)) -> Shape {
        Shape {
            name,
            missing: 404,
            rest: "own main",
            make,
            asks: "extra",
            version: "1.1",
            warns: false,
            differs: "",
        }
    }

    const fn from(self, rest: &'static str) -> Shape {
        Shape { rest, ..self }
    }

    const fn asks(self, asks: &'static str) -> Shape {
        Shape { asks, ..self }
    }

    const fn takes(self, version: &'static str) -> Shape {
        Shape { version, ..self }
    }

    const fn refused(self) -> Shape {
        self.takes("")
    }

    const fn warns(self) -> Shape {
        Shape {
            warns: true,
            ..self
        }
    }

    const fn missing(self, missing: u16) -> Shape {
        Shape { missing, ..self }
    }
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
            match fs::read(root.join(decoded(asked.target.trim_start_matches('/')))) {
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
        let source = match rest.contains("{uri}") || rest.contains("{root}") {
            true => rest.to_owned(),
            false => format!("deb [signed-by={{key}} {options}] {{uri}} {rest}"),
        };
        let key = self.context.path("keyring.gpg");
        source
            .replace("{uri}", &self.server.origin())
            .replace("{root}", &self.other.root.display().to_string())
            .replace("{key}", &key.display().to_string())
    }

    fn program(&self, source: &str, asks: &str) -> Taken {
        let mut given = source.to_owned();
        if source.contains('\n') {
            fs::write(self.context.path("own.sources"), source).unwrap();
            "own.sources".clone_into(&mut given);
        }
        let options = [
            &format!("--include={asks}"),
            "--variant=custom",
            "--tries=1",
            "--mirror-wait=0",
            "--source",
            &given,
        ];
        let printed = self.context.print_debs(&options);
        let is_downloaded = self.context.download(&options).code == Some(0);
        let text = String::from_utf8_lossy(&printed.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("extra="));
        let version = line.and_then(|line| line.split(':').next());
        let version = version.filter(|_| is_downloaded);
        Taken {
            version: version.map(str::to_owned),
            warns: printed.stderr.contains("warning:"),
        }
    }

    /// The host's apt, with nothing of the host's configuration.
    fn apt(&self, source: &str, asks: &str) -> Taken {
        let root = self.context.path("apt");
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.env_clear().env("APT_CONFIG", root.join("apt.conf"));
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            outcome(command.args(arguments))
        };
        for below in [
            "lists/partial",
            "cache/archives/partial",
            "etc/parts",
            "etc/preferences.d",
            "etc/sources.d",
        ] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        let directory = root.display();
        let configuration = format!(
            "Dir::Etc \"{directory}/etc\";\nDir::Etc::parts \"{directory}/etc/parts\";\n\
             Dir::Etc::sourceparts \"{directory}/etc/sources.d\";\nDir::State::lists \"{directory}/lists\";\n\
             Dir::State::status \"{directory}/status\";\nDir::Cache \"{directory}/cache\";\n\
             APT::Architecture \"{}\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"0\";\nDebug::NoLocking \"1\";\n\
             Dir::Log \"{directory}\";\n",
            host_architecture()
        );
        fs::write(root.join("apt.conf"), configuration).unwrap();
        fs::write(root.join("status"), "").unwrap();
        let name = match is_deb822(source) {
            true => "etc/sources.d/own.sources",
            false => "etc/sources.list",
        };
        fs::write(root.join(name), format!("{source}\n")).unwrap();
        let updated = apt(&["update"]);
        let planned = apt(&["install", "--simulate", "--allow-unauthenticated", asks]);
        let downloaded = apt(&[
            "install",
            "--download-only",
            "--yes",
            "--allow-unauthenticated",
            asks,
        ]);
        let text = String::from_utf8_lossy(&planned.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Inst extra ("));
        let version = line.and_then(|line| line.split([' ', ')']).next());
        let version = version.filter(|_| downloaded.code == Some(0));
        Taken {
            version: version.map(str::to_owned),
            warns: updated.stderr.contains("W:"),
        }
    }
}

fn is_deb822(source: &str) -> bool {
    source.contains('\n') && !source.starts_with("deb ")
}

/// Whether a source is used without a signature.
fn is_trusted(source: &str) -> bool {
    let source = source.to_lowercase();
    source.contains("trusted=yes") || source.contains("trusted: yes")
}

/// A path without its escapes.
fn decoded(target: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| byte == b'%');
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).unwrap()
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
        let program = world.program(&source, self.asks);
        let apt = world.apt(&source, self.asks);
        assert_eq!(
            program.version, expected.version,
            "the program, as {source}"
        );
        if self.differs.is_empty() {
            assert_eq!(apt.version, expected.version, "apt, as {source}");
        } else {
            assert_ne!(apt.version, expected.version, "{}", self.differs);
        }
        if expected.version.is_none() {
            return;
        }
        // The program says what it does not check, and apt may say what is not there.
        let is_trusted = is_trusted(&source);
        let relaxes = ["check-date=no", "trusted=no"];
        let warns =
            expected.warns || is_trusted || relaxes.iter().any(|option| source.contains(option));
        assert_eq!(program.warns, warns, "the program's warning");
        assert!(
            is_trusted || apt.warns == expected.warns,
            "apt's warning: {}",
            apt.warns
        );
    }
}

#[test]
#[ignore = "needs root, apt"]
fn odd_archives_and_sources_are_read_as_by_apt() {
    let mut shapes = kinds::shapes();
    shapes.extend(index::shapes());
    shapes.extend(release::shapes());
    shapes.extend(sources::shapes());
    shapes.extend(priorities::shapes());
    table::run("odd archives and sources", 244, &shapes);
}

#[test]
#[ignore = "needs root, apt, reprepro, aptly"]
fn archives_of_others_are_read_as_by_apt() {
    table::run("archives of others", 32, &rows::shapes());
}
