//! `--progress json`: every line of standard error is an object of the schema in docs/json.md.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::Stdio;

use rbootstrap::testing::{DebBuilder, JsonEvent, JsonLine, MirrorFault};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::{Outcome, TestContext, outcome};

/// The objects on standard error; fails for a line that is none, or has a field that the schema
/// lacks.
#[track_caller]
fn lines(stderr: &str) -> Vec<JsonLine> {
    let mut lines: Vec<JsonLine> = Vec::new();
    for text in stderr.lines() {
        match serde_json::from_str(text) {
            Ok(line) => lines.push(line),
            Err(error) => panic!("{error} in the line {text}"),
        }
    }
    for line in &lines {
        assert_eq!(line.version, 1);
        assert_eq!(line.run, lines[0].run);
        assert!(line.at >= 0.0, "{line:?}");
    }
    lines
}

/// The error that a run ended with, as `class code message`, and its hint.
#[track_caller]
fn error(outcome: &Outcome) -> (String, Option<String>) {
    let lines = lines(&outcome.stderr);
    let Some(JsonLine {
        event:
            JsonEvent::Error {
                message,
                hint,
                class,
                code,
                ..
            },
        ..
    }) = lines.last()
    else {
        panic!("the last object is no error: {}", outcome.stderr);
    };
    assert_eq!(Some(i32::from(*code)), outcome.code);
    (format!("{class} {code} {message}"), hint.clone())
}

/// The steps of a run in their order, as `number name`.
fn steps(lines: &[JsonLine]) -> Vec<String> {
    let mut steps = Vec::new();
    for line in lines {
        if let Some(step) = &line.step {
            steps.push(format!("{} {}", step.number, step.name));
        }
    }
    steps.dedup();
    steps
}

/// An event in a few words, empty for those that no test looks for.
fn brief(event: &JsonEvent) -> String {
    match event {
        JsonEvent::StageStarted { stage, .. } => format!("{stage:?} started"),
        JsonEvent::StageEnded { stage, .. } => format!("{stage:?} ended"),
        JsonEvent::Span {
            stage, from, to, ..
        } if from < to => format!("{stage:?} worked"),
        JsonEvent::Progress { done, .. } if *done > 0 => "progress".into(),
        JsonEvent::Output { text } => format!("output {text}"),
        _ => String::new(),
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_run_that_succeeds() {
    let body = "printf 'said by a script \\033[31m\\n'";
    let context = TestContext::new([DebBuilder::new("saying", "1").script("postinst", body)]);
    let log = context.path("run.log");
    let options = ["--progress=json", "--include=saying", "--log"];
    let made = context.make(&[&options[..], &[log.to_str().unwrap()]].concat());
    let made = made.ok();
    assert!(made.stdout.is_empty());
    let lines = lines(&made.stderr);
    let happened: BTreeSet<String> = lines.iter().map(|line| brief(&line.event)).collect();
    for expected in [
        "Indexes started",
        "Indexes ended",
        "Unpack started",
        "Unpack ended",
        "Configure started",
        "Configure ended",
        "Decode worked",
        "progress",
        "output said by a script \u{1b}[31m",
    ] {
        assert!(happened.contains(expected), "{expected} in {happened:?}");
    }
    assert_eq!(steps(&lines)[0], "2 apt");
    assert!(steps(&lines).contains(&"4 configure".to_owned()));
    assert_eq!(lines.last().unwrap().step, None);
    let JsonEvent::Summary {
        name,
        packages: Some(packages),
        seconds,
        ..
    } = &lines.last().unwrap().event
    else {
        panic!("{}", made.stderr);
    };
    assert_eq!(name, "fake");
    assert!(*packages > 5 && *seconds > 0.0);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("said by a script \\x1b[31m\n"), "{log}");
}

#[test]
#[ignore = "needs root, dpkg"]
fn a_terminal_gets_no_control_characters_of_a_script() {
    let body = "printf 'red \\033[31m and \\302\\233 in C1\\n'";
    let context = TestContext::new([DebBuilder::new("saying", "1").script("postinst", body)]);
    let made = context.make(&["-vv", "--include=saying"]).ok();
    assert!(
        made.stderr.contains("red \\x1b[31m and \\x9b in C1\n"),
        "{}",
        made.stderr
    );
}

#[test]
fn a_simulated_run() {
    let context = TestContext::new([]);
    let options = [
        "--progress=json",
        "--simulate",
        "--variant=custom",
        "--include=hello",
    ];
    let simulated = context.make(&options).ok();
    let lines = lines(&simulated.stderr);
    let mut plan = None;
    for line in &lines {
        if let JsonEvent::Plan { packages, steps } = &line.event {
            let names: Vec<&str> = steps.iter().map(|step| &step.name[..]).collect();
            assert_eq!(names[0], "base");
            assert!(names.contains(&"configure"), "{names:?}");
            plan = Some(packages);
        }
    }
    let reasons: Vec<(&str, &str)> = plan
        .unwrap()
        .iter()
        .map(|package| (&package.name[..], &package.reason[..]))
        .collect();
    assert!(reasons.contains(&("hello", "requested")), "{reasons:?}");
    assert!(!reasons.iter().any(|(_, reason)| *reason == "essential"));
    let JsonEvent::Summary { packages, .. } = &lines.last().unwrap().event else {
        panic!("{}", simulated.stderr);
    };
    assert_eq!(*packages, Some(reasons.len()));
    let shown = context.make(&options[1..]).ok();
    assert!(shown.stderr.contains("  requested\n"), "{}", shown.stderr);
}

#[test]
fn the_list_of_print_debs() {
    let context = TestContext::new([]);
    let printed = context.make(&["--progress=json", "--print-debs"]).ok();
    assert!(printed.text().contains("\ndpkg="), "{}", printed.text());
    assert!(!lines(&printed.stderr).is_empty());
}

#[test]
#[ignore = "needs root, dpkg"]
fn runs_that_fail() {
    let context = TestContext::new([DebBuilder::new("broken", "1").script("postinst", "exit 3")]);
    let failed = context
        .make(&["--progress=json", "--include=broken"])
        .fails(7);
    let (message, _) = error(&failed);
    assert!(message.starts_with("script 7 "), "{message}");
    assert!(message.contains("broken"), "{message}");
    // The error has the step in which dpkg configures what is left.
    let step = lines(&failed.stderr).pop().unwrap().step.unwrap();
    assert_eq!(step.name, "triggers");
}

#[test]
fn a_plan_that_fails() {
    let context = TestContext::new([]);
    let unknown = context
        .print_debs(&["--progress=json", "--include=no-such-package"])
        .fails(4);
    let (message, _) = error(&unknown);
    assert!(message.starts_with("packages 4 "), "{message}");
    assert!(message.contains("no-such-package"), "{message}");
}

#[test]
fn command_lines_that_are_refused() {
    let context = TestContext::bare();
    let refused = context
        .run(["--progress=json", "fake", "root", "mirror.example"])
        .fails(2);
    let (message, hint) = error(&refused);
    assert!(message.starts_with("usage 2 "), "{message}");
    assert!(hint.is_some());

    // Whatever clap refuses, wherever the option stands.
    let rows: [&[&str]; 4] = [
        &["--progress=json", "--no-such-option", "fake", "root"],
        &["fake", "root", "--variant=fat", "--progress", "json"],
        &["--progress", "json"],
        &["suites", "--bogus", "--progress=json"],
    ];
    for arguments in rows {
        let refused = context.run(arguments).fails(2);
        let (message, _) = error(&refused);
        assert!(message.starts_with("usage 2 "), "{message}");
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    }
    let mut command = context.command();
    command.env("RBOOTSTRAP_PROGRESS", "json").arg("--bogus");
    let refused = outcome(&mut command).fails(2);
    let (message, _) = error(&refused);
    assert!(message.contains("--bogus"), "{message}");

    // A log that cannot be made is an object too.
    let mut command = context.program();
    command.args(["--progress=json", "--log=no/such/directory/log", "suites"]);
    let refused = outcome(&mut command).fails(6);
    let (message, _) = error(&refused);
    assert!(message.starts_with("target 6 "), "{message}");

    let mut command = context.program();
    let misspelled = outcome(command.args(["--progress=jsn", "suites"])).fails(2);
    assert!(
        misspelled.stderr.starts_with("error: "),
        "{}",
        misspelled.stderr
    );
}

#[test]
fn a_run_that_is_interrupted() {
    let context = TestContext::new([]);
    context.mirror.fault("/InRelease", MirrorFault::Stall);
    let url = context.mirror.url();
    let mut child = context
        .command()
        .args(["--progress=json", "--simulate", "fake", "root", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    context.mirror.wait_for("/InRelease");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    let interrupted = Outcome {
        code: child.wait().unwrap().code(),
        stdout: Vec::new(),
        stderr: text,
    };
    let (message, _) = error(&interrupted.fails(130));
    assert!(message.starts_with("interrupted 130 "), "{message}");
}
