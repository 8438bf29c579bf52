//! `scripts/callers`, which runs the command lines of callers: with programs of a few lines.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::context::{TestContext, outcome};

fn callers() -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/callers"));
    command
}

/// A misspelled name must not select zero callers and pass.
#[test]
#[ignore = "needs python3"]
fn callers_that_do_not_exist_are_named() {
    let mut command = callers();
    let refused = outcome(command.args(["true", "http://localhost", "no-such-one"]));
    refused.fails(2).names(&["no such caller: no-such-one"]);
}

/// Each of two runs waits for the other before it looks at its tree.
#[test]
#[ignore = "needs root, python3"]
fn runs_at_the_same_time_have_trees_of_their_own() {
    let context = TestContext::new([]);
    let place = context.path("place");
    fs::create_dir(&place).unwrap();
    let program = context.path("program");
    let script = format!(
        "#!/bin/sh -e
while [ $# -gt 2 ]; do shift; done
mkdir \"$1\"
file=$(mktemp \"$1/XXXXXX\")
mktemp {place}/XXXXXX
seen=0
until [ \"$(ls {place} | wc -l)\" = 2 ]; do
    seen=$((seen + 1))
    [ $seen -lt 300 ] || {{ echo no other run >&2; exit 9; }}
    sleep 0.1
done
test -e \"$file\" || {{ echo the tree was removed >&2; exit 8; }}
",
        place = place.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut command = callers();
        command.arg(&program).arg(context.mirror.url());
        command
            .args(["--suite=fake", "ganeti"])
            .stdin(Stdio::null());
        command.env("TMPDIR", context.path("tmp"));
        runs.push(command.stdout(Stdio::piped()).spawn().unwrap());
    }
    for run in runs {
        let done = run.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(text.ends_with("1 of 1\n"), "{text}");
    }
}
