//! The files of earlier builds: a failed build leaves them intact, the locks of skipped images get
//! the current releases, and of two concurrent builds only one builds an image.

use std::thread;

use super::*;

/// Fails if a file is not of its checksums.
fn verify(context: &TestContext) {
    let mut sums = Command::new("sh");
    sums.current_dir(context.path("out"));
    outcome(sums.args(["-ec", "for sums in *.sha256; do sha256sum -c $sums; done"])).ok();
}

const ONE: &str =
    "[[images]]\nsuite = 'fake'\nvariant = 'essential'\nname = 'one'\ninclude = 'tool'\n";

#[test]
#[ignore = "needs root, dpkg"]
fn a_failed_build_leaves_the_old_image_whole() {
    let context = context(ONE);
    build(&context, &[]).ok();
    let names = || -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(context.path("out")).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read(entry.path()).unwrap();
            names.push(format!("{:?} {}", entry.file_name(), text.len()));
        }
        names.sort();
        names
    };
    let before = names();
    assert_eq!(before.len(), 5, "{before:?}");
    write(&context, &format!("{ONE}hook = 'customize=exit 9'\n"));
    build(&context, &[]).fails(7);
    assert_eq!(names(), before);
    verify(&context);
    write(&context, ONE);
    let again = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&again, "up-to-date"), ["one"]);
}

/// The digest of the release that a lock records.
fn release(context: &TestContext, name: &str) -> Value {
    let text = fs::read(context.path("out").join(name)).unwrap();
    let lock: Value = serde_json::from_slice(&text).unwrap();
    lock["sources"][0]["release"].clone()
}

#[test]
#[ignore = "needs root"]
fn the_locks_of_one_build_are_of_the_same_releases() {
    let mut table = String::new();
    for package in ["tool", "helper"] {
        table += &format!(
            "[[images]]\nsuite = 'fake'\nvariant = 'extract'\nname = '{package}'\n\
             include = '{package}'\n"
        );
    }
    let context = context(&table);
    build(&context, &[]).ok();
    let first = fs::read(context.path("out/tool.lock")).unwrap();
    let second = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&second, "up-to-date").len(), 2);
    assert!(first == fs::read(context.path("out/tool.lock")).unwrap());

    context.archive.publish(&packages("2"));
    let third = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&third, "built"), ["helper"]);
    assert_eq!(
        release(&context, "tool.lock"),
        release(&context, "helper.lock")
    );
    verify(&context);
    let fourth = build(&context, &["--json"]).ok();
    assert_eq!(in_state(&fourth, "up-to-date").len(), 2);
}

#[test]
#[ignore = "needs root"]
fn two_builds_at_once_build_an_image_once() {
    let context = context(&ONE.replace("essential", "extract"));
    let mut built = Vec::new();
    let mut commands = Vec::new();
    for _ in 0..2 {
        let mut command = context.program();
        command.args(["build", "--output-dir=out", "--json", "images.toml"]);
        commands.push(command);
    }
    thread::scope(|scope| {
        let mut builds = Vec::new();
        for command in &mut commands {
            builds.push(scope.spawn(|| outcome(command).ok()));
        }
        for one in builds {
            built.extend(in_state(&one.join().unwrap(), "built"));
        }
    });
    assert_eq!(built, ["one"]);
    verify(&context);
}

#[test]
#[ignore = "needs root"]
fn the_key_has_the_name_that_an_image_attests() {
    let mut table = String::new();
    for (name, attest) in [("a", true), ("b", true), ("c", false), ("d", false)] {
        table += &format!(
            "[[images]]\nsuite = 'fake'\nvariant = 'extract'\nname = '{name}'\n\
             include = 'tool'\ntag = 'x/{{name}}'\nattest = {attest}\n"
        );
    }
    let context = context(&table);
    let outcome = build(&context, &["--json"]).ok();
    let document: Value = serde_json::from_str(&outcome.text()).unwrap();
    let key = |number: usize| document["images"][number]["key"].as_str().unwrap();
    assert_ne!(key(0), key(1));
    assert_eq!(key(2), key(3));
}
