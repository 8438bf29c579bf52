//! `--lock` and `--locked`: an image is built again from its lock, whatever the archive has become,
//! and nothing else is. `rbootstrap diff` and `join` compare locks.

mod compare;
mod documents;
mod places;
mod refused;

use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::{Algorithm, DebBuilder, FakeSuite, digest, tree};
use serde_json::{Value, json};

use crate::context::{Outcome, TestContext, outcome, suite};

/// `tool`, whose scripts leave the time and whose conffile, dependency and provider matter.
fn packages(version: &str) -> Vec<DebBuilder> {
    vec![
        DebBuilder::new("tool", version)
            .depends("helper, service")
            .conffile("etc/tool", "y")
            .file("usr/share/doc/tool/copyright", "free")
            .file("usr/share/man/man1/tool.1", "x")
            .script("postinst", "echo $SOURCE_DATE_EPOCH >/var/lib/tool"),
        DebBuilder::new("helper", version).script("preinst", "echo >/var/lib/helper"),
        DebBuilder::new("server", "1").field("Provides", "service"),
    ]
}

fn state(version: &str) -> FakeSuite {
    suite(packages(version))
}

fn context() -> TestContext {
    let context = TestContext::of(&state("1"));
    fs::create_dir(context.path("place")).unwrap();
    context
}

fn forget(context: &TestContext) {
    for name in ["cache", "state"] {
        let _ = fs::remove_dir_all(context.path(name));
    }
    context.mirror.clear_log();
}

/// Makes an image of suite `fake` with these options, over an empty cache.
fn image(context: &TestContext, command: Command, options: &[&str]) -> Outcome {
    let mut command = command;
    forget(context);
    command.args(options).args(["fake", "place/image.tar"]);
    outcome(command.arg(context.mirror.url()))
}

fn hash(path: &Path) -> String {
    digest(Algorithm::Sha256, &fs::read(path).unwrap()).to_string()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_lock_makes_the_same_image_again() {
    let rows: [(&str, &[&str]); 7] = [
        ("essential", &["--variant=essential", "--include=tool"]),
        ("apt's call", &["--variant=minbase", "--include=tool"]),
        ("extract", &["--variant=extract", "--include=tool,helper"]),
        (
            "path rules",
            &[
                "--variant=essential",
                "--include=tool",
                "--path-exclude=/usr/share/man/*",
                "--path-exclude=/usr/share/doc/*",
                "--path-include=/usr/share/doc/*/copyright",
            ],
        ),
        (
            "profiles",
            &[
                "--variant=minbase",
                "--include=tool",
                "--profile=docker",
                "--slim",
            ],
        ),
        ("a first stage", &["--variant=minbase", "--foreign"]),
        (
            "sources with keys",
            &["--variant=minbase", "--apt-sources=used"],
        ),
    ];
    for (name, options) in rows {
        let context = context();
        let made = [options, &["--lock=place/lock"]].concat();
        image(&context, context.command(), &made).ok();
        let first = hash(&context.path("place/image.tar"));
        let lock = read(&context.path("place/lock"));
        assert!(lock["epoch"].is_number(), "{name}: {lock:#}");
        // The archive goes on. Its pool keeps the packages.
        context.archive.publish(&state("2"));
        let again = image(&context, context.program(), &["--locked=place/lock"]);
        again.ok();
        assert_eq!(hash(&context.path("place/image.tar")), first, "{name}");
        for path in context.mirror.paths() {
            assert!(path.ends_with(".deb"), "{name}: {path}");
        }
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_time_and_the_answers_must_be_the_same() {
    let debconf = DebBuilder::new("debconf", "1").program(
        "usr/bin/debconf-set-selections",
        "#!/bin/sh\ncat \"$@\" >/answers\n",
    );
    let context = TestContext::new([debconf]);
    fs::create_dir(context.path("place")).unwrap();
    fs::write(context.path("place/a"), "x x/y string z\n").unwrap();
    fs::write(context.path("place/b"), "x x/y string other\n").unwrap();
    let at = |mut command: Command, epoch: &str| {
        command.env("SOURCE_DATE_EPOCH", epoch);
        command
    };
    let options = [
        "--variant=essential",
        "--include=debconf",
        "--preseed=place/a",
        "--lock=place/lock",
    ];
    image(&context, at(context.command(), "1700000000"), &options).ok();
    let first = hash(&context.path("place/image.tar"));
    let again = ["--locked=place/lock", "--preseed=place/a"];
    image(&context, context.program(), &again).ok();
    assert_eq!(hash(&context.path("place/image.tar")), first);
    image(&context, at(context.program(), "1"), &again)
        .fails(3)
        .names(&["options.source_date_epoch", "1700000000"]);
    let other = ["--locked=place/lock", "--preseed=place/b"];
    for options in [&other[..], &other[..1]] {
        image(&context, context.program(), options)
            .fails(3)
            .names(&["options.preseed"]);
    }
}

/// Where the .deb of `helper` is below an archive.
fn helper(root: &Path) -> std::path::PathBuf {
    let files = tree::files(root);
    let is_it = |path: &&std::path::PathBuf| path.to_string_lossy().contains("helper_1_");
    files.iter().find(is_it).unwrap().clone()
}

#[test]
fn an_altered_package_is_refused() {
    let context = context();
    let options = ["--variant=custom", "--include=tool", "--lock=place/lock"];
    context.download(&options).ok();
    let deb = helper(&context.archive.root);
    let mut content = fs::read(&deb).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&deb, content).unwrap();
    forget(&context);
    let mut command = context.program();
    command.args(["--download-only", "--locked=place/lock", "fake", "root"]);
    outcome(&mut command).fails(3).names(&["helper"]);
}

/// The packages come from the mirror that the lock names, another MIRROR, a snapshot or the cache.
#[test]
fn packages_come_from_wherever_they_are() {
    let context = context();
    let options = ["--variant=custom", "--include=tool", "--lock=place/lock"];
    context.download(&options).ok();
    let other = TestContext::bare();
    let time = "20250601T060000Z";
    for path in tree::files(&context.archive.root) {
        let name = path.strip_prefix(&context.archive.root).unwrap();
        for copy in [
            other.archive.root.join(name),
            other.archive.root.join("snapshots").join(time).join(name),
        ] {
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(&path, copy).unwrap();
        }
    }
    let run = |words: &[&str]| {
        let mut command = context.program();
        command.args(["--download-only", "--locked=place/lock"]);
        outcome(command.args(words))
    };
    // The cache has them all.
    context.mirror.clear_log();
    run(&["fake"]).ok();
    assert_eq!(context.mirror.paths(), [""; 0]);
    forget(&context);
    run(&["fake"]).ok();
    assert!(!context.mirror.debs().is_empty());
    let snapshots = format!("{}/snapshots/{{time}}", other.mirror.url());
    let url = other.mirror.url();
    let rows: [&[&str]; 2] = [
        &["fake", "root", &url],
        &["--snapshot=20250601T060000Z", "fake", "root", &snapshots],
    ];
    for words in rows {
        forget(&context);
        other.mirror.clear_log();
        run(words).ok();
        assert_eq!(context.mirror.paths(), [""; 0], "{words:?}");
        assert!(!other.mirror.debs().is_empty(), "{words:?}");
    }
    // What the mirror of the command line lacks comes from the one of the lock.
    fs::remove_file(helper(&other.archive.root)).unwrap();
    forget(&context);
    run(rows[0]).ok();
    assert_eq!(context.mirror.debs().len(), 1);
}

#[test]
fn a_lock_says_what_was_chosen_and_from_where() {
    let context = context();
    let options = ["--variant=minbase", "--include=tool", "--lock=place/lock"];
    let printed = context.print_debs(&options).ok().text();
    let lock = read(&context.path("place/lock"));
    let mut lines = Vec::new();
    for package in lock["packages"].as_array().unwrap() {
        let word = |name: &str| package[name].as_str().unwrap().to_owned();
        let [name, version, architecture] = ["name", "version", "architecture"].map(word);
        lines.push(format!("{name}={version}:{architecture}\n"));
        assert!(
            word("url").starts_with(&context.mirror.url()),
            "{package:#}"
        );
        let marks = [&package["requested"], &package["automatic"]];
        match name.as_str() {
            "tool" => assert_eq!(marks, [&json!(true), &json!(false)]),
            "helper" | "server" => assert_eq!(marks, [&json!(false), &json!(true)]),
            _ => assert_eq!(marks[0], &json!(false), "{name}"),
        }
    }
    lines.sort();
    assert_eq!(lines.concat(), printed);
    let text = fs::read(context.archive.root.join("dists/fake/Release")).unwrap();
    let release = digest(Algorithm::Sha256, &text).to_string();
    assert_eq!(lock["sources"][0]["release"], json!(release));
    assert_eq!(lock["options"]["suite"], "fake");
    let (_, documented) = include_str!("../docs/lock.md")
        .split_once("## The format")
        .unwrap();
    let schema = documented.split("```").nth(1).unwrap();
    let schema: Value = serde_json::from_str(schema.trim_start_matches("json")).unwrap();
    let compared = assert_documented(&schema, &lock, "lock");
    assert!(compared > 40, "{compared}");
}

/// Asserts that the objects of a value have the fields that the schema requires, and no others than
/// it knows. Gives the number of fields.
fn assert_documented(schema: &Value, value: &Value, path: &str) -> usize {
    let mut compared = 0;
    if let Some(items) = value.as_array() {
        for (number, item) in items.iter().enumerate() {
            compared += assert_documented(&schema["items"], item, &format!("{path}[{number}]"));
        }
    }
    let Some(fields) = value.as_object() else {
        return compared;
    };
    assert_eq!(schema["additionalProperties"], false, "{path}");
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(fields.contains_key(name), "{path} has no {name}");
    }
    for (name, field) in fields {
        let known = &schema["properties"][name];
        assert!(known.is_object(), "{path}.{name} is not documented");
        compared += 1 + assert_documented(known, field, &format!("{path}.{name}"));
    }
    compared
}
