//! The priorities and sections in dpkg's database: debootstrap's order of calls decides which
//! packages have those of the index and which those of their .debs.

use std::process::Command;

use rbootstrap::testing::{DebBuilder, host_architecture};

use super::{made, service, target};
use crate::context::{TestContext, outcome, suite};

/// The value of a field in a stanza of the tree's status.
fn field(context: &TestContext, package: &str, name: &str) -> String {
    let status = context.read("var/lib/dpkg/status");
    let start = format!("Package: {package}\n");
    let stanza = status
        .split("\n\n")
        .find(|stanza| stanza.starts_with(&start));
    let mut lines = stanza.unwrap().lines();
    let start = format!("{name}: ");
    let value = lines.find_map(|line| line.strip_prefix(&start));
    value.unwrap_or_default().to_owned()
}

/// An archive whose index has other priorities and sections than the .debs.
fn overridden() -> TestContext {
    let mut debs = Vec::new();
    for name in ["core", "lib", "other"] {
        let deb = DebBuilder::new(name, "1").field("Priority", "optional");
        let deb = deb.field("Section", "misc");
        let deb = deb.conffile(&format!("etc/{name}"), "x\n");
        debs.push(match name {
            "core" => deb.depends("lib | other"),
            _ => deb,
        });
    }
    let shape = suite(debs);
    let context = TestContext::bare();
    context.archive.publish(&shape);
    let index = format!("main/binary-{}/Packages", host_architecture());
    let file = context.archive.root.join(format!("dists/fake/{index}.gz"));
    let text = outcome(Command::new("zcat").arg(file)).ok().text();
    let mut changed = String::new();
    for stanza in text.split_inclusive("\n\n") {
        let priority = match stanza.lines().next() {
            Some("Package: core") => "required",
            Some("Package: lib" | "Package: other") => "important",
            _ => {
                changed.push_str(stanza);
                continue;
            }
        };
        let stanza = stanza.replace("Priority: optional", &format!("Priority: {priority}"));
        changed.push_str(&stanza.replace("Section: misc", "Section: libs"));
    }
    context.archive.publish_text(&shape, &index, &changed);
    context
}

#[test]
#[ignore = "needs root, dpkg"]
fn required_packages_and_what_they_need_have_those_of_the_index() {
    let rows = ["at once", "in two stages"];
    for name in rows {
        println!("{name}");
        let context = overridden();
        let root = target(&context);
        let words = ["--variant=minbase", "--include=other", "fake", &root];
        if name == "at once" {
            made(&context, &words).ok();
        } else {
            made(&context, &[&["--foreign"], &words[..]].concat()).ok();
            let mut second = Command::new("chroot");
            second.args([&root, "/debootstrap/debootstrap", "--second-stage"]);
            second
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            outcome(&mut second).ok();
        }
        let found = ["core", "lib", "other"].map(|package| {
            let priority = field(&context, package, "Priority");
            format!(
                "{package} {priority} {}",
                field(&context, package, "Section")
            )
        });
        assert_eq!(
            found,
            [
                "core required libs",
                "lib important libs",
                "other optional misc"
            ],
            "{name}"
        );
        // All else is as dpkg wrote it.
        let mut audit = Command::new("dpkg");
        audit.arg(format!("--root={root}")).arg("--audit");
        assert_eq!(outcome(&mut audit).ok().text(), "", "{name}");
        let status = context.read("var/lib/dpkg/status");
        assert!(
            status.contains("Conffiles:\n /etc/core "),
            "{name}: {status}"
        );
        let available = context.read("var/lib/dpkg/available");
        for package in ["core", "lib", "other", "dpkg"] {
            assert!(
                available.contains(&format!("Package: {package}\n")),
                "{name}"
            );
        }
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_list_of_available_packages_has_every_version() {
    let shape = suite([service()]);
    let context = TestContext::bare();
    let older = "Package: service\nVersion: 1:1\nArchitecture: all\nMaintainer: m\n\
                 Description: older\nFilename: pool/x.deb\nSize: 1\nSHA256: 00\n\n";
    context.archive.publish_appended(&shape, older);
    let root = target(&context);
    let words = ["--variant=minbase", "--include=service", "fake", &root];
    made(&context, &words).ok();
    let available = context.read("var/lib/dpkg/available");
    let found = available.matches("Package: service\n").count();
    assert_eq!(found, 2, "{available}");
}
