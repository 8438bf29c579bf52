//! The documents of an image that is built again say what those of the first run said.

use std::fs;

use super::{context, hash};
use crate::context::{Outcome, TestContext, outcome};

const SUITE: &str = r#"distribution = "fake"
components = ["main"]
pockets = ["release"]
keyrings = ["own"]
merged_usr = "shipped"
deb822_sources = true

[archives.main]
mirrors = [{ uris = ["http://127.0.0.1:1/public"] }]

[pocket.release]
suite = "{codename}"
archive = "main"

[keyring.own]
file = "KEYRING"
tree_path = "/usr/share/keyrings/fake-archive-keyring.gpg"

[[suites]]
codename = "fake"
version = "1"
"#;

fn run(context: &TestContext, words: &[&str]) -> Outcome {
    let mut command = context.program();
    command
        .args(words)
        .args(["--attest", "--sbom=place/s.json"]);
    command.args(["--manifest=place/m.json", "fake"]);
    outcome(command.args(["place/image.oci.tar", &context.mirror.url()]))
}

#[test]
#[ignore = "needs root"]
fn a_locked_run_says_where_the_packages_are_public() {
    let context = context();
    let directory = context.path("home/.config/rbootstrap/suites");
    fs::create_dir_all(&directory).unwrap();
    let keyring = context.path("keyring.gpg");
    let text = SUITE.replace("KEYRING", keyring.to_str().unwrap());
    fs::write(directory.join("fake.toml"), text).unwrap();
    let files = ["place/m.json", "place/s.json", "place/image.oci.tar"];
    let made = [
        "--variant=extract",
        "--include=tool,helper",
        "--lock=place/lock",
    ];
    run(&context, &made).ok();
    let first = files.map(|file| hash(&context.path(file)));
    let manifest = fs::read_to_string(context.path("place/m.json")).unwrap();
    assert!(
        manifest.contains("\"http://127.0.0.1:1/public/pool"),
        "{manifest}"
    );
    // Another host need not know the suite.
    fs::remove_dir_all(&directory).unwrap();
    run(&context, &["--locked=place/lock"]).ok();
    assert_eq!(files.map(|file| hash(&context.path(file))), first);
}
