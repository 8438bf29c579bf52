//! `--manifest`, `--sbom` and `--attest`: what they say of an image, that the same image has the
//! same documents, and that a failed run leaves none.

mod validators;

use std::collections::BTreeMap;
use std::fs;

use rbootstrap::testing::{DebBuilder, FakeSuite};
use serde_json::Value;

use crate::context::{TestContext, outcome};
use crate::oci::files;

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: me
License: GPL-2+ or Artistic

Files: debian/*
Copyright: me
License: own

License: own
 Do what you like.
";

/// A package with a source of another name and version, and licenses.
fn tool() -> DebBuilder {
    DebBuilder::new("tool++", "1:2.0-3+b1")
        .architecture(rbootstrap::testing::host_architecture())
        .field("Source", "tools (1:2.0-3)")
        .field("Section", "utils")
        .field("Homepage", "https://example.org/tool")
        .file("usr/share/doc/tool++/copyright", COPYRIGHT)
        .file("usr/bin/tool", "x")
}

fn json(context: &TestContext, name: &str) -> Value {
    serde_json::from_slice(&fs::read(context.path(name)).unwrap()).unwrap()
}

/// The package of a manifest with this name.
fn listed(manifest: &Value, name: &str) -> Value {
    let packages = manifest["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

#[test]
#[ignore = "needs root, dpkg"]
fn the_documents_say_what_is_in_the_image() {
    let context = TestContext::new([tool()]);
    let url = context.mirror.url();
    let run = |documents: [&str; 3], options: &[&str], target: &str| {
        let [manifest, spdx, cyclonedx] = documents;
        let mut arguments = vec!["--variant=essential", "--include=tool++", "--tag=a/b:c"];
        arguments.extend(["--attest", "--manifest", manifest, "--sbom", spdx, "--sbom"]);
        arguments.extend([cyclonedx]);
        arguments.extend(options);
        arguments.extend(["fake", target, &url]);
        context.run(arguments).ok()
    };
    run(["1.json", "1.spdx.json", "1.cdx.json"], &[], "one.oci.tar");
    let options = ["--jobs=1", "--no-cache", "--tar=two.oci.tar"];
    run(["2.json", "2.spdx.json", "2.cdx.json"], &options, "root");
    for (first, second) in [
        ("1.json", "2.json"),
        ("1.spdx.json", "2.spdx.json"),
        ("1.cdx.json", "2.cdx.json"),
        ("one.oci.tar", "two.oci.tar"),
    ] {
        let first_bytes = fs::read(context.path(first)).unwrap();
        let second_bytes = fs::read(context.path(second)).unwrap();
        assert!(first_bytes == second_bytes, "{first} and {second} differ");
    }
    let manifest = json(&context, "1.json");
    assert_eq!(manifest["name"], "docker.io/a/b:c");
    let names = manifest["packages"].as_array().unwrap().iter();
    let names: Vec<String> = names
        .map(|p| p["name"].as_str().unwrap().to_owned())
        .collect();
    let mut installed = Vec::new();
    for line in context.installed() {
        let name = line.split([' ', ':']).next().unwrap();
        installed.push(name.to_owned());
    }
    installed.sort();
    assert_eq!(names, installed);

    let found = listed(&manifest, "tool++");
    let deb = found["url"].as_str().unwrap().strip_prefix(&url).unwrap();
    let deb = deb
        .replace("%2b", "+")
        .replace("%2B", "+")
        .replace("%3a", ":");
    let bytes = fs::read(context.archive.root.join(deb.trim_start_matches('/'))).unwrap();
    assert_eq!(found["size"], bytes.len());
    assert_eq!(found["digest"], format!("sha256:{}", sha256(&bytes)));
    assert_eq!(found["source"]["name"], "tools");
    assert_eq!(found["source"]["version"], "1:2.0-3");
    assert_eq!(found["section"], "utils");
    let license = found["license"].as_str().unwrap();
    assert!(
        license.starts_with("(Artistic-1.0-Perl OR GPL-2.0-or-later) AND LicenseRef-own-"),
        "{license}"
    );
    let purl = found["purl"].as_str().unwrap();
    let architecture = rbootstrap::testing::host_architecture();
    assert!(
        purl.starts_with("pkg:deb/")
            && purl.contains(&format!(
                "/tool%2B%2B@1:2.0-3%2Bb1?arch={architecture}&distro="
            ))
            && purl.ends_with("&upstream=tools%401:2.0-3"),
        "{purl}"
    );
    assert_attested(
        &files(&context.path("one.oci.tar")),
        &json(&context, "1.spdx.json"),
    );
}

/// Asserts that the image's index has one statement about its only image, with this predicate.
fn assert_attested(image: &BTreeMap<String, Vec<u8>>, predicate: &Value) {
    let parsed = |digest: &Value| -> Value {
        let path = digest.as_str().unwrap().replace("sha256:", "blobs/sha256/");
        serde_json::from_slice(&image[&path]).unwrap()
    };
    let top: Value = serde_json::from_slice(&image["index.json"]).unwrap();
    assert_eq!(top["manifests"].as_array().unwrap().len(), 1);
    let index = parsed(&top["manifests"][0]["digest"]);
    let [made, attestation] = &index["manifests"].as_array().unwrap()[..] else {
        panic!("{index}");
    };
    assert_eq!(attestation["platform"]["os"], "unknown");
    assert_eq!(attestation["platform"]["architecture"], "unknown");
    let annotations = &attestation["annotations"];
    assert_eq!(
        annotations["vnd.docker.reference.type"],
        "attestation-manifest"
    );
    assert_eq!(annotations["vnd.docker.reference.digest"], made["digest"]);
    let manifest = parsed(&attestation["digest"]);
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
    let kind = &layer["annotations"]["in-toto.io/predicate-type"];
    assert_eq!(kind, "https://spdx.dev/Document");
    let statement = parsed(&layer["digest"]);
    assert_eq!(&statement["predicateType"], kind);
    let subject = &statement["subject"][0];
    let digest = subject["digest"]["sha256"].as_str().unwrap();
    assert_eq!(format!("sha256:{digest}"), made["digest"].as_str().unwrap());
    assert!(
        subject["name"]
            .as_str()
            .unwrap()
            .starts_with("pkg:docker/a/b@c?")
    );
    assert_eq!(&statement["predicate"], predicate);
    // The annotations of the image are still those of the index.
    assert!(index["annotations"]["org.opencontainers.image.created"].is_string());
    // docker's own store takes the image.
    let docker: Value = serde_json::from_slice(&image["manifest.json"]).unwrap();
    let configuration = parsed(&made["digest"])["config"]["digest"].clone();
    let path = configuration
        .as_str()
        .unwrap()
        .replace("sha256:", "blobs/sha256/");
    assert_eq!(docker[0]["Config"], path.as_str());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let mut text = String::new();
    for byte in sha2::Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[test]
#[ignore = "needs root"]
fn packages_that_are_only_unpacked_are_listed() {
    let context = TestContext::new([tool()]);
    context
        .make(&["--variant=extract", "--include=tool++", "--manifest=m.json"])
        .ok();
    let found = listed(&json(&context, "m.json"), "tool++");
    assert_eq!(found["version"], "1:2.0-3+b1");
    assert_eq!(found["source"]["name"], "tools");
    assert!(
        found["license"]
            .as_str()
            .unwrap()
            .contains("GPL-2.0-or-later")
    );
    assert!(found["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_packed_tree_has_what_a_run_says_but_for_its_files() {
    let context = TestContext::new([tool()]);
    let options = [
        "--variant=essential",
        "--include=tool++",
        "--manifest=m.json",
    ];
    context.make(&options).ok();
    let mut pack = context.program();
    pack.args(["pack", "--manifest=p-{arch}.json", "--sbom=p.spdx.json"]);
    pack.args(["--sbom=p.cdx.json", "--attest", "root", "p.oci.tar"]);
    outcome(&mut pack).ok();
    let mut expected = json(&context, "m.json");
    for package in expected["packages"].as_array_mut().unwrap() {
        for field in ["digest", "size", "url"] {
            assert!(package.as_object_mut().unwrap().remove(field).is_some());
        }
    }
    let architecture = rbootstrap::testing::host_architecture();
    assert_eq!(json(&context, &format!("p-{architecture}.json")), expected);
    assert!(context.path("p.spdx.json").exists() && context.path("p.cdx.json").exists());
    let mut join = context.program();
    join.args(["join", "--tag=a/b:c", "j.oci.tar", "p.oci.tar"]);
    outcome(&mut join).ok();
    let joined = files(&context.path("j.oci.tar"));
    assert_eq!(joined.len(), 4 + 3 + 3, "{:?}", joined.keys());
}

/// A suite of two architectures with one package of each.
#[test]
#[ignore = "needs root"]
fn several_images_have_documents_of_their_own() {
    let mut suite = FakeSuite::new("fake");
    suite.architectures = ["amd64", "arm64"].map(str::to_owned).to_vec();
    for architecture in suite.architectures.clone() {
        suite = suite.with([DebBuilder::new("hello", "1")
            .architecture(&architecture)
            .file("usr/bin/hello", &architecture)]);
    }
    let context = TestContext::of(&suite);
    let url = context.mirror.url();
    let run = |options: &[&str]| {
        let mut arguments = vec!["--variant=extract", "--include=hello", "--arch=amd64"];
        arguments.push("--arch=arm64");
        arguments.extend(options);
        arguments.extend(["fake", "all.oci.tar", &url]);
        context.run(arguments)
    };
    run(&["--sbom=m.json"])
        .fails(2)
        .names(&["--sbom", "{arch}"]);
    assert!(!context.path("all.oci.tar").exists());
    run(&["--manifest={arch}.json", "--attest"]).ok();
    for architecture in ["amd64", "arm64"] {
        let manifest = json(&context, &format!("{architecture}.json"));
        let found = listed(&manifest, "hello");
        assert_eq!(found["architecture"], architecture);
    }
    // A nested index, and for each architecture an image and a statement.
    let image = files(&context.path("all.oci.tar"));
    assert_eq!(image.len(), 4 + 2 * (3 + 3));
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_failed_run_leaves_no_document() {
    let broken = DebBuilder::new("broken", "1").script("postinst", "exit 1");
    let context = TestContext::new([broken]);
    let options = [
        "--variant=essential",
        "--include=broken",
        "--manifest=place.json",
    ];
    context.make(&options).fails(7);
    context.assert_nothing_left();
    // Nor does one whose document has no place, and it fails before any download.
    let requested = context.mirror.debs().len();
    context
        .make(&[
            "--variant=essential",
            "--sbom=no/such/place.json",
            "--no-cache",
        ])
        .fails(6)
        .names(&["no/such/place.json"]);
    assert_eq!(context.mirror.debs().len(), requested);
    context.assert_nothing_left();
}
