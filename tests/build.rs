//! `rbootstrap build`: images of a table, which are built once and again when one of their packages
//! or options has changed.

mod kept;
mod refused;
mod shards;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::{DebBuilder, FakeSuite};
use serde_json::Value;

use crate::context::{Outcome, TestContext, outcome, suite};
use crate::oci::files;

fn packages(helper: &str) -> FakeSuite {
    suite([
        DebBuilder::new("tool", "1").script("postinst", "echo >/var/lib/tool"),
        DebBuilder::new("helper", helper).script("postinst", "echo >/var/lib/helper"),
        DebBuilder::new("user", "1").depends("helper"),
    ])
}

/// Six images, three of which have the package `helper`.
const SIX: &str = r#"
[[images]]
suite = "fake"
variant = ["essential", "minbase"]

[[images]]
suite = "fake"
variant = "essential"
name = "tool"
include = ["tool"]
tag = "registry.example/{name}:1"
sbom = ["spdx.json", "cdx.json"]

[[images]]
suite = "fake"
variant = "essential"
name = "helper"
include = ["helper"]
format = "tar.zst"

[[images]]
suite = "fake"
variant = "essential"
name = "user"
include = ["user"]
attest = true

[[images]]
suite = "fake"
variant = "extract"
name = "bare"
include = ["tool", "helper"]
"#;

/// A test's directory with the file `images.toml`, whose images have the test's keyring and mirror.
fn context(table: &str) -> TestContext {
    let context = TestContext::of(&packages("1"));
    write(&context, table);
    context
}

fn write(context: &TestContext, table: &str) {
    let url = context.mirror.url();
    let defaults = format!("[defaults]\nkeyring = 'keyring.gpg'\nonly-mirror = '{url}'\n");
    fs::write(context.path("images.toml"), defaults + table).unwrap();
}

/// Builds the images of `images.toml` into `out`.
fn build(context: &TestContext, options: &[&str]) -> Outcome {
    context.mirror.clear_log();
    let mut command = context.program();
    command.args(["build", "--output-dir=out"]);
    outcome(command.args(options).arg("images.toml"))
}

/// Each image's state, from the JSON of a build.
fn states(outcome: &Outcome) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(&outcome.text()).unwrap();
    assert_eq!(document["version"], 1);
    let mut states = BTreeMap::new();
    for image in document["images"].as_array().unwrap() {
        let text = |field: &str| image[field].as_str().unwrap().to_owned();
        states.insert(text("name"), text("state"));
    }
    states
}

/// The names of the images in this state.
fn in_state(outcome: &Outcome, wanted: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (name, state) in states(outcome) {
        if state == wanted {
            names.push(name);
        }
    }
    names
}

/// The annotation with the key, of the manifest of a single image.
fn key_in(archive: &Path) -> Value {
    let files = files(archive);
    let parse = |name: &str| -> Value { serde_json::from_slice(&files[name]).unwrap() };
    let digest = &parse("index.json")["manifests"][0]["digest"];
    let blob = digest.as_str().unwrap().replace("sha256:", "blobs/sha256/");
    parse(&blob)["annotations"]["org.rbootstrap.image.key"].clone()
}

const HOST: &str = "fake-essential";

#[test]
#[ignore = "needs root, dpkg"]
fn only_images_with_a_changed_package_are_built_again() {
    let context = context(SIX);
    let first = build(&context, &["--json", "--parallel=3"]).ok();
    assert_eq!(in_state(&first, "built").len(), 6, "{}", first.text());
    let mut sums = Command::new("sh");
    sums.current_dir(context.path("out"));
    outcome(sums.args(["-ec", "for sums in *.sha256; do sha256sum -c $sums; done"])).ok();
    let document: Value = serde_json::from_str(&first.text()).unwrap();
    for image in document["images"].as_array().unwrap() {
        for file in image["files"].as_array().unwrap() {
            assert!(context.path(file.as_str().unwrap()).exists(), "{file}");
        }
        let archive = image["files"][0].as_str().unwrap();
        if archive.ends_with("tool.oci.tar") {
            assert_eq!(key_in(&context.path(archive)), image["key"]);
        }
    }

    let second = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&second, "up-to-date").len(), 6);
    assert_eq!(context.mirror.paths(), ["/dists/fake/InRelease"]);

    context.archive.publish(&packages("2"));
    let third = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&third, "built"), ["bare", "helper", "user"]);
    assert_eq!(in_state(&third, "up-to-date").len(), 3);

    // A release that is signed again changes nothing.
    let mut signed_again = packages("2");
    signed_again.date += 86_400;
    context.archive.publish(&signed_again);
    let fourth = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&fourth, "up-to-date").len(), 6);
    assert_eq!(fs::read_dir(context.path("tmp")).unwrap().count(), 0);
}

#[test]
#[ignore = "needs root, dpkg"]
fn an_image_is_that_of_a_single_run() {
    let context = context("[[images]]\nsuite = 'fake'\nvariant = 'essential'\nname = 'one'\n");
    build(&context, &[]).ok();
    let archive = context.path("out/one.oci.tar");
    let key = key_in(&archive);
    let annotation = format!(
        "--annotation=org.rbootstrap.image.key={}",
        key.as_str().unwrap()
    );
    let url = context.mirror.url();
    for (case, options) in [
        ("options", "--variant=essential"),
        ("lock", "--locked=out/one.lock"),
    ] {
        context
            .run([options, &annotation, "fake", "single.oci.tar", &url])
            .ok();
        let single = fs::read(context.path("single.oci.tar")).unwrap();
        assert!(single == fs::read(&archive).unwrap(), "{case}");
    }
}

/// What is done to a finished image, and whether it is built again then.
type Change = (
    &'static str,
    fn(&TestContext),
    &'static [&'static str],
    &'static str,
);

#[test]
#[ignore = "needs root"]
fn an_image_is_built_again_when_something_else_is_asked_for() {
    const TABLE: &str =
        "[[images]]\nsuite = 'fake'\nvariant = 'extract'\nname = 'one'\ninclude = ['tool']\n";
    fn more(context: &TestContext, lines: &str) {
        write(context, &format!("{TABLE}{lines}\n"));
    }
    fn remove(context: &TestContext, name: &str) {
        fs::remove_file(context.path("out").join(name)).unwrap();
    }
    let rows: [Change; 15] = [
        ("nothing", |_| {}, &[], "up-to-date"),
        ("--rebuild", |_| {}, &["--rebuild"], "built"),
        ("no image", |c| remove(c, "one.oci.tar"), &[], "built"),
        (
            "no manifest",
            |c| remove(c, "one.manifest.json"),
            &[],
            "built",
        ),
        (
            "an emptied image",
            |c| fs::write(c.path("out/one.oci.tar"), "").unwrap(),
            &[],
            "built",
        ),
        (
            "a damaged manifest",
            |c| fs::write(c.path("out/one.manifest.json"), "{}").unwrap(),
            &[],
            "built",
        ),
        ("no checksums", |c| remove(c, "one.sha256"), &[], "built"),
        ("no lock", |c| remove(c, "one.lock"), &[], "built"),
        (
            "a damaged lock",
            |c| fs::write(c.path("out/one.lock"), "{}").unwrap(),
            &[],
            "built",
        ),
        ("a label", |c| more(c, "label = {a = 'b'}"), &[], "built"),
        ("the label again", |_| {}, &[], "up-to-date"),
        ("a name", |c| more(c, "tag = 'a/b:c'"), &[], "built"),
        (
            "a document",
            |c| more(c, "tag = 'a/b:c'\nsbom = ['cdx.json']"),
            &[],
            "built",
        ),
        ("a level", |c| more(c, "compress-level = 1"), &[], "built"),
        (
            "a profile",
            |c| more(c, "compress-level = 1\nslim = true"),
            &[],
            "built",
        ),
    ];
    let context = context(TABLE);
    build(&context, &[]).ok();
    for (case, change, options, expected) in &rows {
        change(&context);
        let outcome = build(&context, &[&["--json"], *options].concat()).ok();
        assert_eq!(states(&outcome)["one"], *expected, "{case}");
    }
    println!("{} changes", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_failed_image_does_not_stop_the_others() {
    let table = "[[images]]\nsuite = 'fake'\nvariant = 'essential'\n\
                 [[images]]\nsuite = 'fake'\nvariant = 'essential'\nname = 'absent'\ninclude = 'no-such'\n\
                 [[images]]\nsuite = 'fake'\nvariant = 'extract'\nname = 'last'\ninclude = 'tool'\n";
    let context = context(table);
    let failed = build(&context, &["--json", "--parallel=1"]).fails(4);
    let failed = failed.names(&["absent: error: ", "no-such", "error: 1 of 3 images failed"]);
    assert_eq!(in_state(&failed, "built").len(), 2);
    let document: Value = serde_json::from_str(&failed.text()).unwrap();
    assert_eq!(document["images"][1]["error"]["code"], 4);
    assert!(!context.path("out/absent.oci.tar").exists());
    let table = build(&context, &[]).fails(4).text();
    let mut shown = Vec::new();
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        shown.push(words[..2].join(" "));
    }
    let first = format!(
        "{HOST}-{} up-to-date",
        rbootstrap::testing::host_architecture()
    );
    assert_eq!(
        shown,
        [
            "IMAGE STATE",
            &first,
            "absent failed",
            "last up-to-date",
            "0 built,"
        ]
    );
}
