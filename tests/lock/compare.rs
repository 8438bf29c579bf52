//! What has changed between two locks, and images that do not belong together.

use std::fs;

use serde_json::{Value, json};

use super::{context, read, state};
use crate::context::outcome;

#[test]
fn two_locks_are_compared_a_line_a_package() {
    let context = context();
    for (name, version) in [("old", "1"), ("new", "2")] {
        context.archive.publish(&state(version));
        let lock = format!("--lock=place/{name}");
        let more = match name {
            "old" => "--include=tool",
            _ => "--include=helper,base-passwd",
        };
        context.print_debs(&["--variant=custom", more, &lock]).ok();
    }
    let run = |words: &[&str]| outcome(context.program().arg("diff").args(words));
    let text = run(&["place/old", "place/new"]).ok().text();
    let added = read(&context.path("place/new"))["packages"]
        .as_array()
        .unwrap()
        .len()
        - 1;
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "upgraded helper:all 1 → 2",
        "removed tool:all 1",
        "removed server:all 1",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    assert_eq!(lines.len(), 3 + added, "{text}");
    let text = run(&["place/new", "place/old"]).ok().text();
    assert!(text.contains("downgraded helper:all 2 → 1\n"), "{text}");
    assert_eq!(run(&["place/old", "place/old"]).ok().text(), "");
    let text = run(&["--json", "place/old", "place/new"]).ok().text();
    let changes: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(changes["version"], 1);
    let helper = json!({"change": "upgraded", "name": "helper", "architecture": "all", "old": "1", "new": "2"});
    assert!(
        changes["changes"].as_array().unwrap().contains(&helper),
        "{text}"
    );
    fs::write(context.path("place/else"), "{}").unwrap();
    run(&["place/old", "place/else"])
        .fails(3)
        .names(&["place/else", "packages"]);
    let entry = json!({"name": "a", "version": "1", "architecture": "all"});
    let twice = json!({"packages": [entry, entry]}).to_string();
    fs::write(context.path("place/else"), twice).unwrap();
    run(&["place/else", "place/old"])
        .fails(3)
        .names(&["place/else", "packages[1]", "a:all"]);
    run(&["place/old", "place/none"])
        .fails(2)
        .names(&["place/none"]);
}

#[test]
#[ignore = "needs root, dpkg"]
fn images_are_compared_with_each_other_and_with_locks() {
    let context = context();
    let forms = ["tree", "image.tar.zst", "image.oci.tar", "layout"];
    for version in ["1", "2"] {
        context.archive.publish(&state(version));
        for form in forms {
            let lock = format!("--lock=place/{version}.lock");
            let target = format!("place/{version}.{form}");
            let mut command = context.command();
            command.args(["--variant=essential", "--include=tool", &lock]);
            if form == "layout" {
                command.arg("--format=oci");
            }
            outcome(command.args(["fake", &target]).arg(context.mirror.url())).ok();
        }
    }
    let diff = |old: String, new: String| {
        let mut command = context.program();
        outcome(command.args(["diff", &old, &new])).ok().text()
    };
    let inputs = [&forms[..], &["lock"]].concat();
    let changed = diff("place/1.lock".into(), "place/2.lock".into());
    assert_eq!(
        changed,
        "upgraded helper:all 1 → 2\nupgraded tool:all 1 → 2\n"
    );
    for old in &inputs {
        for new in &inputs {
            let same = diff(format!("place/1.{old}"), format!("place/1.{new}"));
            assert_eq!(same, "", "{old}, {new}");
            let found = diff(format!("place/1.{old}"), format!("place/2.{new}"));
            assert_eq!(found, changed, "{old}, {new}");
        }
    }
}

#[test]
#[ignore = "needs root"]
fn images_of_other_releases_are_not_joined() {
    let context = context();
    for (name, version) in [("a", "1"), ("b", "1"), ("c", "2")] {
        context.archive.publish(&state(version));
        let lock = format!("--lock=place/{name}.lock");
        let target = format!("place/{name}.oci.tar");
        let mut command = context.command();
        command.args(["--variant=extract", "--include=helper", &lock, "fake"]);
        outcome(command.arg(target).arg(context.mirror.url())).ok();
    }
    let join = |locks: &[&str], images: &[&str]| {
        let mut command = context.program();
        command.arg("join");
        for lock in locks {
            command.arg(format!("--lock=place/{lock}.lock"));
        }
        command.arg("place/all.oci.tar");
        for image in images {
            command.arg(format!("place/{image}.oci.tar"));
        }
        outcome(&mut command)
    };
    join(&["a", "c"], &["a", "c"])
        .fails(3)
        .names(&["place/a.lock", "place/c.lock", "fake"]);
    let of_one_release = join(&["a", "b"], &["a", "b"]);
    assert!(
        of_one_release.stderr.contains("platform"),
        "{of_one_release:?}"
    );
    for locks in [&["a"][..], &["a", "b", "c"]] {
        join(locks, &["a", "b"])
            .fails(2)
            .names(&["--lock", "2 images"]);
    }
    assert!(!context.path("place/all.oci.tar").exists());
    join(&["a"], &["a"]).ok();
}
