//! Locks that are broken, and words and places that do not fit one.

use std::fs;

use serde_json::{Value, json};

use super::{context, read};
use crate::context::outcome;

/// A change of a lock, and the field that the error names.
type Row = (&'static str, fn(&mut Value), &'static str);

#[test]
fn a_broken_lock_is_refused_with_its_field() {
    let context = context();
    let options = ["--variant=minbase", "--include=tool", "--lock=place/lock"];
    context.download(&options).ok();
    let good = read(&context.path("place/lock"));
    let rows: [Row; 17] = [
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
    ];
    let run = |text: &str| {
        fs::write(context.path("place/broken"), text).unwrap();
        let mut command = context.program();
        outcome(command.args(["--simulate", "--locked=place/broken", "fake"]))
    };
    run(&good.to_string()).ok();
    for (name, change, field) in rows {
        let mut lock = good.clone();
        change(&mut lock);
        println!("{name}");
        run(&lock.to_string())
            .fails(3)
            .names(&["place/broken", field]);
    }
    // What is whole but was edited leads to another installation.
    let edits: [fn(&mut Value); 4] = [
        |l| l["packages"].as_array_mut().unwrap().swap(0, 1),
        |l| l["packages"][0]["automatic"] = json!(true),
        |l| l["calls"].as_array_mut().unwrap().truncate(1),
        |l| l["options"]["merged_usr"] = json!("made-first"),
    ];
    let mut refused = 0;
    for edit in edits {
        let mut lock = good.clone();
        edit(&mut lock);
        let outcome = run(&lock.to_string());
        refused += usize::from(outcome.code == Some(3) && outcome.stderr.contains("`key`"));
    }
    assert!(refused >= 3, "{refused} of {} edits", edits.len());
    for text in ["", "{", "[]", "{}"] {
        run(text).fails(3).names(&["place/broken"]);
    }
    println!("{} cases", rows.len() + edits.len() + 4);
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
    println!("{} cases", rows.len() + 1);
}

#[test]
fn a_place_where_no_lock_can_be_is_refused_at_once() {
    let context = context();
    for path in ["place", "none/lock", "keyring.gpg/lock"] {
        let lock = format!("--lock={path}");
        let failed = context.print_debs(&["--variant=essential", &lock]);
        failed.fails(6).names(&[path]);
        assert_eq!(context.mirror.paths(), [""; 0], "{path}");
    }
}
