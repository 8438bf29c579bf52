//! Locks that are broken or edited, and words that do not fit one.

use std::fs;

use rbootstrap::testing::{Algorithm, digest};
use serde_json::{Value, json};

use super::{context, read};
use crate::context::{Outcome, TestContext, outcome};

/// A change of a lock, and the field that the error names.
type Row = (&'static str, fn(&mut Value), &'static str);

fn file(path: &str, mode: u32) -> Value {
    json!({"path": path, "mode": mode, "text": ""})
}

/// A lock that is good, and runs of others.
struct Edited {
    context: TestContext,
    good: Value,
}

impl Edited {
    fn new() -> Edited {
        let context = context();
        let options = ["--variant=minbase", "--include=tool", "--lock=place/lock"];
        context.download(&options).ok();
        let good = read(&context.path("place/lock"));
        Edited { context, good }
    }

    fn changed(&self, change: fn(&mut Value)) -> Value {
        let mut lock = self.good.clone();
        change(&mut lock);
        assert!(lock != self.good, "the edit changed nothing");
        lock
    }

    fn run(&self, text: &str) -> Outcome {
        fs::write(self.context.path("place/broken"), text).unwrap();
        let mut command = self.context.program();
        outcome(command.args(["--simulate", "--locked=place/broken", "fake"]))
    }
}

/// The lock with the checksum that its fields have.
fn sealed(mut lock: Value) -> Value {
    lock.as_object_mut().unwrap().remove("checksum");
    lock.sort_all_objects();
    let checksum = digest(Algorithm::Sha256, lock.to_string().as_bytes());
    lock["checksum"] = json!(checksum.to_string());
    lock
}

#[test]
#[ignore = "needs time"]
fn a_broken_lock_is_refused_with_its_field() {
    let edited = Edited::new();
    let rows: [Row; 26] = [
        ("another format", |l| l["format"] = json!("x"), "format"),
        ("a later version", |l| l["version"] = json!(2), "version"),
        (
            "no packages",
            |l| drop(l.as_object_mut().unwrap().remove("packages")),
            "packages",
        ),
        ("an unknown field", |l| l["more"] = json!(1), "more"),
        (
            "a digest of another kind",
            |l| l["packages"][0]["digest"] = json!("MD5:00"),
            "packages[0].digest",
        ),
        (
            "a short digest",
            |l| l["packages"][0]["digest"] = json!("SHA256:00"),
            "packages[0].digest",
        ),
        (
            "another digest",
            |l| l["packages"][0]["digest"] = json!(format!("SHA256:{}", "0".repeat(64))),
            "packages[0].digest",
        ),
        (
            "another version",
            |l| l["packages"][1]["version"] = json!("9"),
            "packages[1].version",
        ),
        (
            "another name",
            |l| l["packages"][1]["name"] = json!("x"),
            "packages[1].name",
        ),
        (
            "another size",
            |l| l["packages"][1]["size"] = json!(1),
            "packages[1].size",
        ),
        (
            "no stanza",
            |l| l["packages"][1]["stanza"] = json!(""),
            "packages[1].stanza",
        ),
        (
            "no such source",
            |l| l["packages"][1]["source"] = json!(7),
            "packages[1].source",
        ),
        (
            "too many essential",
            |l| l["essential_count"] = json!(999),
            "essential_count",
        ),
        (
            "a call of no package",
            |l| l["calls"][0] = json!({"unpack": [999]}),
            "calls[0]",
        ),
        (
            "an unknown variant",
            |l| l["options"]["variant"] = json!("fat"),
            "options.variant",
        ),
        (
            "no architectures",
            |l| l["options"]["architectures"] = json!([]),
            "options.architectures",
        ),
        (
            "a file above the tree",
            |l| l["apt_files"] = json!([{"path": "/../x", "mode": 420, "text": ""}]),
            "apt_files[0]",
        ),
        (
            "a file twice",
            |l| l["apt_files"] = json!([file("/a", 420), file("/b", 420), file("a", 420)]),
            "apt_files[2].path",
        ),
        (
            "a file below a file",
            |l| l["apt_files"] = json!([file("/a/b/c", 420), file("/a-", 420), file("/a", 420)]),
            "apt_files[0].path",
        ),
        (
            "the mode of a directory",
            |l| l["apt_files"] = json!([file("/a", 0o40755)]),
            "apt_files[0].mode",
        ),
        (
            "a file without content",
            |l| l["apt_files"] = json!([{"path": "/a", "mode": 420}]),
            "apt_files[0]",
        ),
        (
            "half a byte",
            |l| l["apt_files"] = json!([{"path": "/a", "mode": 420, "hexadecimal": "0"}]),
            "apt_files[0]",
        ),
        (
            "a package twice",
            |l| {
                let first = l["packages"][0].clone();
                l["packages"].as_array_mut().unwrap().push(first);
            },
            "is listed twice",
        ),
        (
            "a relative pattern",
            |l| l["options"]["path_rules"] = json!([{"exclude": "x"}]),
            "options.path_rules[0]",
        ),
        (
            "a release of another kind",
            |l| l["sources"][0]["release"] = json!("MD5:00"),
            "sources[0].release",
        ),
        (
            "no public archive",
            |l| drop(l["sources"][0].as_object_mut().unwrap().remove("public")),
            "checksum",
        ),
    ];
    edited.run(&edited.good.to_string()).ok();
    assert!(sealed(edited.good.clone()) == edited.good);
    for (name, change, field) in rows {
        println!("{name}");
        let lock = sealed(edited.changed(change)).to_string();
        edited.run(&lock).fails(3).names(&["place/broken", field]);
    }
    let mut unsealed = edited.good.clone();
    unsealed.as_object_mut().unwrap().remove("checksum");
    let unsealed = edited.run(&unsealed.to_string());
    unsealed.fails(3).names(&["place/broken", "`checksum`"]);
    for text in ["", "{", "[]", "{}"] {
        edited.run(text).fails(3).names(&["place/broken"]);
    }
    println!("{} cases", rows.len() + 5);
}

/// A name, an edit, and the field that the error names if the checksum was made anew; `None` if the
/// lock then describes another installation.
type Edit = (&'static str, fn(&mut Value), Option<&'static str>);

#[test]
#[ignore = "needs time"]
fn an_edited_lock_is_refused() {
    let edited = Edited::new();
    let rows: [Edit; 16] = [
        (
            "another order",
            |l| l["packages"].as_array_mut().unwrap().swap(0, 1),
            Some("`key`"),
        ),
        (
            "an automatic package",
            |l| l["packages"][0]["automatic"] = json!(true),
            Some("`key`"),
        ),
        (
            "a requested package",
            |l| l["packages"][0]["requested"] = json!(true),
            None,
        ),
        ("no calls", |l| l["calls"] = json!([]), Some("`key`")),
        (
            "a merged /usr",
            |l| l["options"]["merged_usr"] = json!("made-first"),
            Some("`key`"),
        ),
        (
            "secrets that go",
            |l| l["options"]["removes_secrets"] = json!(true),
            None,
        ),
        (
            "another suite",
            |l| l["options"]["suite"] = json!("other"),
            Some("options.suite"),
        ),
        (
            "another distribution",
            |l| l["options"]["distribution"] = json!("other"),
            None,
        ),
        ("another time", |l| l["epoch"] = json!(1), None),
        (
            "a time of the user's",
            |l| l["options"]["source_date_epoch"] = json!(1),
            Some("`key`"),
        ),
        (
            "another URL",
            |l| l["packages"][0]["url"] = json!("http://x/y"),
            None,
        ),
        (
            "another release",
            |l| l["sources"][0]["release"] = json!(format!("SHA256:{}", "0".repeat(64))),
            None,
        ),
        (
            "another mirror",
            |l| l["sources"][0]["uris"] = json!(["http://x"]),
            None,
        ),
        (
            "another public archive",
            |l| l["sources"][0]["public"] = json!("http://x"),
            None,
        ),
        ("another key", |l| l["key"] = json!("00"), Some("`key`")),
        ("another program", |l| l["program"] = json!("0.0.0"), None),
    ];
    for (name, edit, field) in rows {
        println!("{name}");
        let lock = edited.changed(edit);
        edited
            .run(&lock.to_string())
            .fails(3)
            .names(&["place/broken", "checksum"]);
        let outcome = edited.run(&sealed(lock).to_string());
        match field {
            Some(field) => outcome.fails(3).names(&["place/broken", field]),
            None => outcome.ok(),
        };
    }
    println!("{} cases", rows.len());
}

#[test]
fn words_that_do_not_fit_a_lock_are_refused() {
    let context = context();
    let options = ["--variant=essential", "--lock=place/lock"];
    context.print_debs(&options).ok();
    let rows: [(&[&str], i32, &str); 9] = [
        (&["--include=tool", "fake"], 2, "--include"),
        (&["--exclude=tool", "fake"], 2, "--exclude"),
        (&["--variant=minbase", "fake"], 2, "--variant"),
        (&["--arch=amd64", "fake"], 2, "--arch"),
        (&["--source=deb http://x y z", "fake"], 2, "--source"),
        (&["--path-exclude=/x", "fake"], 2, "--path-exclude"),
        (&["--profile=docker", "fake"], 2, "--profile"),
        (&["--lock=place/other", "fake"], 2, "--lock"),
        (&["trixie"], 3, "options.suite"),
    ];
    for (words, code, named) in rows {
        let mut command = context.program();
        command.args(["--simulate", "--locked=place/lock"]);
        outcome(command.args(words)).fails(code).names(&[named]);
    }
    let mut command = context.program();
    outcome(command.args(["--simulate", "--locked=place/none", "fake"]))
        .fails(2)
        .names(&["place/none"]);
    // The variables of these options count as the options do.
    let variables = [
        ("RBOOTSTRAP_VARIANT", "minbase"),
        ("RBOOTSTRAP_INCLUDE", "tool"),
        ("RBOOTSTRAP_EXCLUDE", "tool"),
        ("RBOOTSTRAP_ARCH", "amd64"),
        ("RBOOTSTRAP_COMPONENTS", "main"),
        ("RBOOTSTRAP_PROFILE", "docker"),
        ("RBOOTSTRAP_APT_SOURCES", "used"),
    ];
    for (name, value) in variables {
        let mut command = context.program();
        command.args(["--simulate", "--locked=place/lock", "fake"]);
        outcome(command.env(name, value))
            .fails(2)
            .names(&["--locked", name]);
    }
    println!("{} cases", rows.len() + 1 + variables.len());
}
