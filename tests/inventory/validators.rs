//! The documents before validators and a scanner of others, which scripts/test installs from PyPI:
//! spdx-tools, ntia-conformance-checker, cyclonedx-python-lib and syft.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{json, tool};
use crate::context::{Outcome, TestContext, outcome};

/// Where scripts/test installs them.
fn validator(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    target.join("sbom-validators/bin").join(name)
}

fn run(name: &str, arguments: &[&str], directory: &Path) -> Outcome {
    let mut command = Command::new(validator(name));
    outcome(command.args(arguments).current_dir(directory))
}

const CYCLONEDX: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(found) if found else 0)
";

/// Asserts that all validators accept `NAME.spdx.json` and `NAME.cdx.json`.
fn assert_valid(directory: &Path, name: &str) {
    let spdx = format!("{name}.spdx.json");
    let valid = run("pyspdxtools", &["-i", &spdx], directory).ok();
    assert!(!valid.stderr.contains("ERROR"), "{}", valid.stderr);
    let checked = run("ntia-checker", &["--file", &spdx], directory).ok();
    let is_conformant = checked
        .text()
        .lines()
        .any(|line| line.contains("onforman") && line.ends_with("True"));
    assert!(is_conformant, "{}", checked.text());
    let cyclonedx = format!("{name}.cdx.json");
    run("python3", &["-c", CYCLONEDX, &cyclonedx], directory).ok();
}

/// The packages that syft finds in an image (with an attestation, it takes archives as docker's),
/// as `name version purl`, sorted.
fn scanned(directory: &Path, image: &str) -> Vec<String> {
    let found = run("syft", &["scan", "-q", "-o", "json", image], directory).ok();
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let mut lines = Vec::new();
    for artifact in found["artifacts"].as_array().unwrap() {
        if artifact["type"] == "deb" {
            lines.push(line(artifact));
        }
    }
    lines.sort();
    lines
}

fn line(package: &Value) -> String {
    let field = |name: &str| package[name].as_str().unwrap().to_owned();
    [field("name"), field("version"), field("purl")].join(" ")
}

/// Those of a manifest.
fn manifested(manifest: &Value) -> Vec<String> {
    let packages = manifest["packages"].as_array().unwrap();
    let mut lines: Vec<String> = packages.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
#[ignore = "needs root, dpkg, sbom-validators"]
fn validators_and_a_scanner_take_a_small_image() {
    let context = TestContext::new([tool()]);
    let options = [
        "--variant=essential",
        "--include=tool++,./local.deb",
        "--tag=own:1",
        "--manifest=m.json",
        "--sbom=m.spdx.json",
        "--sbom=m.cdx.json",
        "--attest",
        "--tar=m.oci.tar",
    ];
    let local = rbootstrap::testing::DebBuilder::new("local", "1~a").field("Homepage", "none");
    fs::write(context.path("local.deb"), local.build()).unwrap();
    context.make(&options).ok();
    // The validator takes no address without a name.
    let path = context.path("m.spdx.json");
    let text = fs::read_to_string(&path).unwrap();
    let named = text.replace(&context.mirror.url(), "http://ftp.example.org/debian");
    assert_ne!(named, text);
    fs::write(path, named).unwrap();
    assert_valid(context.directory.path(), "m");
    let manifest = json(&context, "m.json");
    // syft gives the packages of no distribution that it does not know a package URL.
    let without_purl = |line: String| line.split(" pkg:").next().unwrap().trim_end().to_owned();
    let listed: Vec<String> = manifested(&manifest)
        .into_iter()
        .map(without_purl)
        .collect();
    for image in ["docker-archive:m.oci.tar", "dir:root"] {
        let found = scanned(context.directory.path(), image);
        let found: Vec<String> = found.into_iter().map(without_purl).collect();
        assert_eq!(found, listed, "{image}");
    }
    let mut pack = context.program();
    pack.args([
        "pack",
        "--sbom=p.spdx.json",
        "--sbom=p.cdx.json",
        "root",
        "p.tar",
    ]);
    outcome(&mut pack).ok();
    assert_valid(context.directory.path(), "p");
}

#[test]
#[ignore = "needs root, network, sbom-validators"]
fn validators_and_a_scanner_take_debian() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-cache");
    let mut make = Command::new(assert_cmd::cargo::cargo_bin!("rbootstrap"));
    make.current_dir(directory.path());
    make.arg("--cache-dir").arg(cache);
    make.args([
        "--variant=minbase",
        "--tag=trixie",
        "--attest",
        "--manifest=t.json",
    ]);
    make.args([
        "--sbom=t.spdx.json",
        "--sbom=t.cdx.json",
        "trixie",
        "t.oci.tar",
    ]);
    outcome(&mut make).ok();
    assert_valid(directory.path(), "t");
    let manifest = fs::read(directory.path().join("t.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let listed = manifested(&manifest);
    assert!(listed.len() > 70, "{listed:?}");
    assert_eq!(
        scanned(directory.path(), "docker-archive:t.oci.tar"),
        listed
    );
    println!("{} packages", listed.len());
}
