//! Runs a table of hostile packages.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rbootstrap::testing::tree::{Times, difference, dump};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::case::Case;
use crate::context::{Outcome, TestContext, suite};

/// A directory outside of every target that no run may change.
pub struct Canary {
    directory: tempfile::TempDir,
    before: Vec<String>,
}

impl Canary {
    pub fn new() -> Canary {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("directory")).unwrap();
        for file in ["secret", "directory/file"] {
            fs::write(path.join(file), "of the host\n").unwrap();
            let mode = PermissionsExt::from_mode(0o640);
            fs::set_permissions(path.join(file), mode).unwrap();
        }
        symlink("secret", path.join("link")).unwrap();
        let before = dump(path, Times::Shown);
        Canary { directory, before }
    }

    pub fn path(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    /// What has changed in it; empty if nothing has.
    fn changes(&self) -> String {
        difference(&self.before, &dump(self.directory.path(), Times::Shown))
    }
}

/// The most memory that a run may map, in bytes: most of it is stacks and buffers that are never
/// touched.
const MEMORY: u64 = 2 << 30;

/// Runs a command that may not use more memory.
pub fn limited(command: &mut Command) -> Outcome {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let limit = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    prlimit(Some(Pid::from_child(&child)), Resource::As, limit).unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs each case with these options and its package included. Fails with all cases that go wrong.
pub fn run(table: &str, options: &[&str], canary: &Canary, cases: &[Case]) {
    let context = TestContext::bare();
    let mut stanzas = String::new();
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "{table}: two cases have one name");
    for case in cases {
        let path = format!("pool/{}.deb", case.name);
        let place = context.archive.place(&path, &case.build());
        stanzas += &format!("Package: {}\nVersion: 1\nArchitecture: all\n", case.name);
        stanzas += &format!("{}{place}\n", case.fields);
    }
    context.archive.publish_appended(&suite([]), &stanzas);
    let mut wrong = Vec::new();
    for case in cases {
        let include = format!("--include={}", case.name);
        let mut command = context.command();
        command.args(options).arg(include).arg("fake");
        let outcome = limited(command.arg(context.root()).arg(context.mirror.url()));
        let fault = fault(&context, canary, case, &outcome);
        if !fault.is_empty() {
            wrong.push(format!("{}: {fault}\n{}", case.name, outcome.stderr));
        }
        remove(&context.root());
    }
    println!("{table}: {} cases, {} failed", cases.len(), wrong.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What is wrong with the end of a case; empty if nothing is.
fn fault(context: &TestContext, canary: &Canary, case: &Case, outcome: &Outcome) -> String {
    let changes = canary.changes();
    if !changes.is_empty() {
        return format!("it changed the host:\n{changes}");
    }
    context.assert_nothing_besides_target();
    if outcome.code != Some(case.code) {
        return format!("code {:?} instead of {}", outcome.code, case.code);
    }
    if case.code == 0 {
        return String::new();
    }
    if context.root().exists() {
        return "the target is still there".to_owned();
    }
    // What is refused as malformed is named; of the tree, the path is.
    let package = if case.code == 3 { &case.name } else { "" };
    for word in [package, case.says] {
        if !outcome.stderr.contains(word) {
            return format!("`{word}` is not named");
        }
    }
    String::new()
}

/// Removes a tree that a case has left, which is what it should do if it succeeds.
fn remove(root: &Path) {
    if root.exists() {
        fs::remove_dir_all(root).unwrap();
    }
}
