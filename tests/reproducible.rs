//! An image is a function of its packages and options: who makes it, where, when and from which
//! mirror does not matter.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rbootstrap::testing::archive::DATE;
use rbootstrap::testing::tar::SHIPPED;
use rbootstrap::testing::{Algorithm, DebBuilder, digest};

use crate::context::{TestContext, outcome, suite};
use crate::table::{self, Row};

/// When the newest package was built.
const NEWEST: u64 = SHIPPED + 30 * 86_400;

const DAY: i64 = 86_400;

/// Packages whose scripts make files, some newer than the essential ones.
fn packages() -> Vec<DebBuilder> {
    let notes = "echo $SOURCE_DATE_EPOCH $FORCE_SOURCE_DATE >/var/lib/tool.epoch\n\
                 mkdir -p /var/cache/tool\n\
                 { uname -n; cat /etc/hostname /etc/resolv.conf /etc/machine-id; env | sort; umask; pwd; } \
                 >/var/cache/tool/seen 2>/dev/null || true\n\
                 ln -s seen /var/cache/tool/link";
    vec![
        DebBuilder::new("tool", "1")
            .built(NEWEST)
            .file("usr/share/tool", "x")
            .conffile("etc/tool", "y")
            .depends("helper")
            .script("postinst", notes),
        DebBuilder::new("helper", "1")
            .built(SHIPPED - 1)
            .file("usr/share/helper", "x")
            .script("preinst", "echo $SOURCE_DATE_EPOCH >/var/lib/helper.epoch"),
    ]
}

/// A test's archive and directory, which several threads use at once.
struct Place {
    directory: PathBuf,
    url: String,
    /// The program, and the arguments and the environment of every run.
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Place {
    fn new(context: &TestContext) -> Place {
        let command = context.command();
        let own = |word: &OsStr| word.to_owned();
        let environment = command.get_envs();
        Place {
            directory: context.directory.path().to_owned(),
            url: context.mirror.url(),
            program: command.get_program().to_owned(),
            arguments: command.get_args().map(own).collect(),
            environment: environment
                .map(|(name, value)| (own(name), own(value.unwrap())))
                .collect(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// `rbootstrap` with the options of every image here.
    fn command(&self) -> Command {
        self.wrapped(&[])
    }

    /// The same in a wrapper such as `taskset -c 0`.
    fn wrapped(&self, wrapper: &[&str]) -> Command {
        let mut words = wrapper.iter().map(OsString::from).collect::<Vec<_>>();
        words.push(self.program.clone());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(&self.arguments);
        command.args(["--variant=minbase", "--include=tool"]);
        command.env_clear().envs(self.environment.iter().cloned());
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// The image that a command makes of suite `fake`.
    fn image(&self, command: Command, name: &str) -> Vec<u8> {
        self.make(command, name);
        fs::read(self.path(name)).unwrap()
    }

    /// Has a command make suite `fake`.
    fn make(&self, mut command: Command, name: &str) {
        command.arg("fake").arg(self.path(name)).arg(&self.url);
        outcome(&mut command).ok();
    }

    fn pack(&self, tree: &str, name: &str) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command
            .arg("pack")
            .arg(self.path(tree))
            .arg(self.path(name));
        command.env_clear().stdin(Stdio::null());
        outcome(&mut command).ok();
        fs::read(self.path(name)).unwrap()
    }
}

fn hash(bytes: &[u8]) -> String {
    digest(Algorithm::Sha256, bytes).to_string()
}

/// The newest time in a tar, and the content of one of its files.
fn newest_and_content(tar: &[u8], wanted: &str) -> (u64, String) {
    let mut newest = 0;
    let mut content = String::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        newest = newest.max(entry.header().mtime().unwrap());
        if *entry.path_bytes() == *format!("./{wanted}").as_bytes() {
            entry.read_to_string(&mut content).unwrap();
        }
    }
    (newest, content)
}

/// A host, an environment and options under which the image is the same.
struct Condition<'a> {
    name: &'static str,
    place: &'a Place,
    make: Make,
    expected: &'a str,
}

/// Makes an image of this name.
type Make = fn(&Place, &str) -> Vec<u8>;

impl Row for Condition<'_> {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run(&self) {
        let made = (self.make)(self.place, &format!("{}.tar", self.name));
        assert_eq!(hash(&made), self.expected);
    }
}

const CONDITIONS: [(&str, Make); 10] = [
    ("warm", |place, name| place.image(place.command(), name)),
    ("other-host", other_host),
    ("no-environment", no_environment),
    ("other-files", other_files),
    ("packed-later", packed_later),
    ("cold", |place, name| {
        let mut command = place.command();
        for option in ["cache", "state"] {
            let directory = place.path(&format!("cold-{option}"));
            command.arg(format!("--{option}-dir={}", directory.display()));
        }
        place.image(command, name)
    }),
    ("one-processor", |place, name| {
        let mut command = place.wrapped(&["taskset", "-c", "0"]);
        command.arg("--no-cache");
        place.image(command, name)
    }),
    ("beside-a-directory", |place, name| {
        let mut command = place.command();
        command.arg("--tar").arg(place.path(name));
        place.make(command, "beside");
        fs::read(place.path(name)).unwrap()
    }),
    ("a-copy-packed", |place, name| {
        place.make(place.command(), "to-copy");
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(place.path("to-copy"));
        outcome(copy.arg(place.path("copy"))).ok();
        place.pack("copy", name)
    }),
    ("after-another-epoch", after_another_epoch),
];

fn other_host(place: &Place, name: &str) -> Vec<u8> {
    let setup = "umask 077; cd /; echo other.example >/proc/sys/kernel/hostname; exec \"$@\"";
    let mut command = place.wrapped(&["unshare", "--uts", "sh", "-c", setup, "sh"]);
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR");
    command.arg("--jobs=1");
    place.image(command, name)
}

fn no_environment(place: &Place, name: &str) -> Vec<u8> {
    let mut command = place.wrapped(&["sh", "-c", "exec <&-; exec \"$@\"", "sh"]);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    for option in ["cache", "state"] {
        let directory = place.path(option).display().to_string();
        command.arg(format!("--{option}-dir={directory}"));
    }
    command.arg("--jobs=2");
    place.image(command, name)
}

/// The host has other files where programs find its name, its users and its time zone.
fn other_files(place: &Place, name: &str) -> Vec<u8> {
    let setup = "for file in resolv.conf hosts hostname machine-id localtime timezone passwd group; do \
                 echo other:x:7:7::/:/bin/sh >\"$TMPDIR/$file\"; \
                 [ ! -e /etc/$file ] || mount --bind \"$TMPDIR/$file\" /etc/$file; done; \
                 exec \"$@\"";
    let mut command = place.wrapped(&["unshare", "--mount", "sh", "-c", setup, "sh"]);
    let temporary = place.path("other files");
    fs::create_dir(&temporary).unwrap();
    command.env("TMPDIR", temporary);
    place.image(command, name)
}

/// Made as a directory with an odd name, in a hostile environment, then packed.
fn packed_later(place: &Place, name: &str) -> Vec<u8> {
    let tree = "with spaces and ümläuts";
    let mut command = place.command();
    for variable in [
        "DEBIAN_FRONTEND",
        "PERL5LIB",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "DPKG_ROOT",
        "DPKG_ADMINDIR",
        "HOME",
        "USER",
    ] {
        command.env(variable, "/nonexistent/hostile");
    }
    command.arg("--jobs=7");
    place.make(command, tree);
    place.pack(tree, name)
}

/// An earlier run with a SOURCE_DATE_EPOCH of its own, and the same cache.
fn after_another_epoch(place: &Place, name: &str) -> Vec<u8> {
    let mut command = place.command();
    command.env("SOURCE_DATE_EPOCH", "1500000000");
    let earlier = place.image(command, &format!("earlier-{name}"));
    let (newest, epoch) = newest_and_content(&earlier, "var/lib/tool.epoch");
    assert_eq!((newest, epoch.as_str()), (1_500_000_000, "1500000000 1\n"));
    place.image(place.command(), name)
}

#[test]
#[ignore = "needs root, dpkg, unshare"]
fn an_image_does_not_depend_on_host_environment_cache_or_jobs() {
    let context = TestContext::new(packages());
    let place = Place::new(&context);
    let expected = hash(&place.image(place.command(), "base.tar"));
    let rows = CONDITIONS.map(|(name, make)| Condition {
        name,
        place: &place,
        make,
        expected: &expected,
    });
    table::run("reproducible", 10, &rows);
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_release_signed_again_changes_nothing() {
    let context = TestContext::new(packages());
    let place = Place::new(&context);
    let endings = ["tar", "tar.gz", "tar.xz", "tar.zst"];
    let make = |when: &str| {
        endings.map(|ending| {
            let name = format!("{when}.{ending}");
            hash(&place.image(place.command(), &name))
        })
    };
    let first = make("first");
    let mut later = suite(packages());
    later.date = DATE + DAY;
    later.valid_until = None;
    context.archive.publish(&later);
    assert_eq!(make("later"), first);
}

#[test]
#[ignore = "needs root, dpkg"]
fn times_end_at_the_newest_package_and_scripts_see_the_essential_ones() {
    let context = TestContext::new(packages());
    let place = Place::new(&context);
    let tar = place.image(place.command(), "image.tar");
    let (newest, of_tool) = newest_and_content(&tar, "var/lib/tool.epoch");
    assert_eq!((newest, of_tool.as_str()), (NEWEST, "1600000000 1\n"));
    let (_, of_helper) = newest_and_content(&tar, "var/lib/helper.epoch");
    assert_eq!(of_helper, "1600000000\n");

    // Without scripts, and without the essential packages.
    let options = [
        "--variant=extract",
        "--include=tool",
        "fake",
        "-",
        &place.url,
    ];
    let extracted = context.run(options).ok().stdout;
    let (newest, _) = newest_and_content(&extracted, "");
    assert_eq!(newest, NEWEST);
}

/// A package from the future, as from a machine whose clock is wrong, or the user's own epoch.
#[test]
#[ignore = "needs root, dpkg"]
fn an_epoch_in_the_future_is_the_time_of_all_that_is_made() {
    const FUTURE: u64 = 4_000_000_000;
    let later = DebBuilder::new("later", "1").built(FUTURE);
    let context = TestContext::new(packages().into_iter().chain([later]));
    let place = Place::new(&context);
    let mut images = Vec::new();
    for (name, include, epoch) in [
        ("a.tar", "--include=later", None),
        ("b.tar", "--include=later", None),
        ("c.tar", "--include=helper", Some(FUTURE)),
        ("d.tar", "--include=helper", Some(FUTURE)),
    ] {
        let mut command = place.command();
        command.arg(include);
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch.to_string());
        }
        let image = place.image(command, name);
        assert_eq!(newest_and_content(&image, "").0, FUTURE, "{name}");
        images.push(hash(&image));
    }
    assert_eq!(images[0], images[1]);
    assert_eq!(images[2], images[3]);
    let mut command = place.command();
    command.arg("--include=later");
    place.make(command, "tree");
    assert_eq!(hash(&place.pack("tree", "packed.tar")), images[0]);
}

/// What a script has made long before the end has a time before the run that starts from a snapshot.
#[test]
#[ignore = "needs root, dpkg"]
fn an_epoch_in_the_future_is_the_time_of_what_a_snapshot_has() {
    let slow = DebBuilder::new("slow", "1").script("postinst", "echo 1 >/var/lib/early; sleep 4");
    let context = TestContext::new(packages().into_iter().chain([slow]));
    let place = Place::new(&context);
    let mut images = Vec::new();
    for name in ["a.tar", "b.tar"] {
        let mut command = place.command();
        command.args(["--include=slow", "--snapshots=all"]);
        command.env("SOURCE_DATE_EPOCH", "4000000000");
        images.push(hash(&place.image(command, name)));
    }
    assert_eq!(images[0], images[1]);
}
