//! Pinned sources: which version is chosen, the pins in the tree's apt, and pins that are refused.

use std::fs;
use std::process::Command;

use rbootstrap::testing::{DebBuilder, FakeArchive, FakeSuite, host_architecture};

use crate::context::{TestContext, outcome};
use crate::table::{self, Row};

/// A context with an older and a newer `hello` in suites of their own.
fn three_suites() -> TestContext {
    let context = TestContext::new([]);
    for (name, version) in [("fake-old", "1.0"), ("fake-next", "3.0")] {
        let only_here = DebBuilder::new(&format!("only-in-{name}"), "1").architecture("all");
        context.archive.publish(&FakeSuite::new(name).with([
            DebBuilder::new("hello", version).architecture(host_architecture()),
            only_here,
        ]));
    }
    context
}

fn line(context: &TestContext, suite: &str, pin: &str) -> String {
    let options = format!("signed-by={} {pin}", context.path("keyring.gpg").display());
    format!("deb [{options}] {} {suite} main", context.mirror.url())
}

#[test]
fn candidates_are_chosen_by_pin() {
    let context = three_suites();
    for (suite, pin, expected) in [
        ("fake-next", "", "3.0"),
        ("fake-next", "pin-priority=499", "2.10-1"),
        ("fake-next", "pin-priority=500", "3.0"),
        ("fake-next", "pin-priority=1", "2.10-1"),
        ("fake-next", "pin-priority=-1", "2.10-1"),
        ("fake-old", "", "2.10-1"),
        ("fake-old", "pin-priority=500", "2.10-1"),
        ("fake-old", "pin-priority=501", "1.0"),
        ("fake-old", "pin-priority=1001", "1.0"),
    ] {
        let printed = context
            .make(&[
                "--print-debs",
                "--include=hello",
                "--source",
                &line(&context, suite, pin),
            ])
            .ok()
            .text();
        assert!(
            printed.contains(&format!("hello={expected}:")),
            "{suite} {pin}: {printed}"
        );
    }
    let stanza = format!(
        "Types: deb\nURIs: {}\nSuites: fake-next\nComponents: main\nSigned-By: {}\n\
         Pin-Priority: 100\n",
        context.mirror.url(),
        context.path("keyring.gpg").display()
    );
    fs::write(context.path("next.sources"), stanza).unwrap();
    for (include, expected) in [
        ("hello", "2.10-1"),
        ("hello/fake-next", "3.0"),
        ("hello=3.0", "3.0"),
        ("only-in-fake-next,hello", "2.10-1"),
    ] {
        let printed = context
            .make(&[
                "--print-debs",
                &format!("--include={include}"),
                "--source",
                "next.sources",
            ])
            .ok()
            .text();
        assert!(
            printed.contains(&format!("hello={expected}:")),
            "{include}: {printed}"
        );
    }
}

/// The same version in two archives: `tied` of the suite itself, and of another archive.
struct Tied {
    name: &'static str,
    other: fn(DebBuilder) -> DebBuilder,
    pin: &'static str,
    is_other: bool,
}

impl Row for Tied {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.pin)
    }

    fn run(&self) {
        let tied = || DebBuilder::new("tied", "1").file("usr/share/tied", "tied\n");
        let context = TestContext::new([tied()]);
        let other = FakeArchive {
            root: context.archive.root.join("other"),
            key: context.archive.key.clone(),
        };
        other.publish(&FakeSuite::new("other").with([(self.other)(tied())]));
        let source = line(&context, "other", self.pin).replace(" other main", "/other other main");
        let options = ["--variant=custom", "--include=tied", "--source", &source];
        context.download(&options).ok();
        let debs = context.mirror.debs();
        let is_of_other = |deb: &String| deb.starts_with("/other/") && deb.contains("tied");
        assert_eq!(debs.iter().any(is_of_other), self.is_other, "{debs:?}");
    }
}

/// As for apt, versions with other metadata are others, and their priority decides; one version
/// with the same metadata is taken from the first source.
#[test]
fn ties_of_versions_are_decided_by_priority_and_then_by_order() {
    let same = |deb| deb;
    let depends = |deb: DebBuilder| deb.depends("libc6");
    let larger = |deb: DebBuilder| deb.file("usr/share/more", "more\n".repeat(4000));
    let sized = |deb: DebBuilder| deb.field("Installed-Size", "4711");
    let provides = |deb: DebBuilder| deb.field("Provides", "tie");
    let rows = [
        (
            "the same",
            same as fn(DebBuilder) -> DebBuilder,
            "pin-priority=900",
            false,
        ),
        ("another Depends", depends, "", false),
        ("another Depends", depends, "pin-priority=900", true),
        ("another Depends", depends, "pin-priority=100", false),
        ("another Size", larger, "", false),
        ("another Size", larger, "pin-priority=501", true),
        ("another Installed-Size", sized, "pin-priority=900", true),
        ("another Provides", provides, "pin-priority=1001", true),
        ("another Provides", provides, "pin-priority=499", false),
    ];
    let mut cases = Vec::new();
    for (name, other, pin, is_other) in rows {
        cases.push(Tied {
            name,
            other,
            pin,
            is_other,
        });
    }
    table::run("pins: ties", 9, &cases);
}

#[test]
fn what_is_pinned_below_zero_is_never_chosen() {
    let context = three_suites();
    let include = "--include=only-in-fake-next";
    context
        .make(&[
            "--print-debs",
            include,
            "--source",
            &line(&context, "fake-next", "pin-priority=1"),
        ])
        .ok();
    let refused = context.make(&[
        "--print-debs",
        include,
        "--source",
        &line(&context, "fake-next", "pin-priority=-1"),
    ]);
    refused.fails(4).names(&["only-in-fake-next", "pinned"]);
}

#[test]
fn a_pin_that_is_none_is_a_wrong_command_line() {
    let context = three_suites();
    for pin in [
        "pin-priority=0",
        "pin-priority=high",
        "pin-priority=32768",
        "pin-priority=",
    ] {
        let line = line(&context, "fake-next", pin);
        context
            .make(&["--print-debs", "--source", &line])
            .fails(2)
            .names(&["pin-priority", "32767"]);
    }
    // The suite's own archive a second time: apt cannot tell the two apart.
    context
        .make(&[
            "--print-debs",
            "--source",
            &line(&context, "fake", "pin-priority=50"),
        ])
        .fails(2)
        .names(&["fake", "pinned"]);
}

#[test]
#[ignore = "needs root, dpkg, apt"]
fn the_trees_own_apt_has_the_same_pins() {
    let context = three_suites();
    let elsewhere = line(&context, "fake", "pin-priority=700").replace("127.0.0.1", "localhost");
    let old = line(&context, "fake-old", "pin-priority=-5");
    let next = line(&context, "fake-next", "pin-priority=42");
    context
        .make(&[
            "--include=hello",
            "--source",
            &old,
            "--source",
            &next,
            "--source",
            &elsewhere,
        ])
        .ok();
    let preferences = "Package: *\nPin: release o=Fake,l=Fake,n=fake-old\nPin-Priority: -5\n\n\
        Package: *\nPin: release o=Fake,l=Fake,n=fake-next\nPin-Priority: 42\n\n\
        Package: *\nPin: origin \"localhost\"\nPin-Priority: 700\n";
    assert_eq!(
        context.read("etc/apt/preferences.d/pinned-sources.pref"),
        preferences
    );
    let sources = context.read("etc/apt/sources.list");
    assert!(
        sources.contains(" fake-next main") && !sources.contains("pin"),
        "{sources}"
    );
    let root = context.root();
    let apt = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("APT_CONFIG", "/dev/null");
        command
            .arg("-o")
            .arg(format!("Dir={}", root.display()))
            .arg("-o");
        command.arg(format!(
            "Dir::State::status={}",
            root.join("var/lib/dpkg/status").display()
        ));
        for option in [
            "Acquire::AllowInsecureRepositories=true",
            "APT::Sandbox::User=root",
            "Acquire::Languages=none",
        ] {
            command.args(["-o", option]);
        }
        outcome(command.args(arguments)).ok().text()
    };
    apt("apt-get", &["update"]);
    let policy = apt("apt-cache", &["policy", "hello"]);
    let words: Vec<&str> = policy.split_whitespace().collect();
    for expected in ["Candidate: 2.10-1", "3.0 42", "1.0 -5", "2.10-1 700"] {
        assert!(words.join(" ").contains(expected), "{expected}: {policy}");
    }
}
