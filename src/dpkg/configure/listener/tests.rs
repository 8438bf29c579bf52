//! Tests of what is read of dpkg's output, and of scripts that imitate it.

use super::*;

use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};

fn error(output: &str) -> Error {
    let report = Report::silent();
    let mut listener = Listener::new(&report, &[]);
    for line in output.lines() {
        listener.read_line(line);
    }
    listener.failure(ExitStatus::from_raw(256))
}

#[test]
fn the_script_that_failed_is_named_and_not_what_follows() {
    let error = error(
        "Setting up a (1) ...\nfine\nSetting up b:amd64 (2-1) ...\nI try\nI fail\n\
         dpkg: error processing package b:amd64 (--configure):\n \
         installed b:amd64 package post-installation script subprocess returned error exit \
         status 3\n\
         dpkg: dependency problems prevent configuration of c:\n c depends on b.\n\n\
         dpkg: error processing package c (--configure):\n \
         dependency problems - leaving unconfigured\n\
         Errors were encountered while processing:\n b:amd64\n c\n",
    );
    assert_eq!(
        error.to_string(),
        "the postinst script of b:amd64 failed with exit status 3"
    );
    let Error::Script(ScriptFailure { output, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        output.unwrap().lines(),
        ["Setting up b:amd64 (2-1) ...", "I try", "I fail"]
    );
}

#[test]
fn every_wording_is_understood() {
    let table = [
        (
            "subprocess installed post-installation script returned error exit status 10",
            "the postinst script of p failed with exit status 10",
        ),
        (
            "installed p package post-installation script subprocess was killed by signal \
             (Killed), core dumped",
            "the postinst script of p failed with signal (Killed), core dumped",
        ),
        (
            "dependency problems - leaving unconfigured",
            "dpkg could not configure p: dependency problems - leaving unconfigured",
        ),
        (
            "package p is not ready for configuration\n\
             cannot configure (current status 'not-installed')",
            "dpkg could not configure p: package p is not ready for configuration",
        ),
    ];
    for (reason, expected) in table {
        assert_eq!(
            error(&format!(
                "dpkg: error processing package p (--configure):\n {reason}\n"
            ))
            .to_string(),
            expected
        );
    }
    let dpkg = error(
        "dpkg: error: parsing file '/var/lib/dpkg/status' near line 3:\n\
         \x20missing 'package' field\n",
    );
    let Error::Dpkg {
        output: Some(output),
        ..
    } = &dpkg
    else {
        panic!("{dpkg:?}");
    };
    assert_eq!(output.lines().len(), 2);
}

/// The events that a listener sends for these lines.
fn events<'t>(names: &[&str], lines: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let report = Report::new(move |event| {
        heard.lock().unwrap().push(match event {
            Event::Working { item, .. } => format!("at {item}"),
            Event::Advanced { by, .. } => format!("+{by}"),
            Event::Span { item, .. } => format!("did {item}"),
            other => format!("{other:?}"),
        })
    });
    let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
    let mut listener = Listener::new(&report, &names);
    for line in lines {
        listener.read_line(line);
    }
    listener.finish();
    drop(report);
    Arc::into_inner(events).unwrap().into_inner().unwrap()
}

#[test]
fn packages_count_once_and_triggers_never() {
    let lines = [
        "Setting up a (1) ...",
        "Setting up the loudspeaker (x)",
        "Setting up x",
        "Removing /etc/x",
        "Processing triggers for a (1) ...",
        "Removing c (1) ...",
        "Setting up b (2) ...",
        "Setting up a (1) ...",
        "Setting up d (1) ...",
    ];
    assert_eq!(
        events(&["a", "b:amd64", "b-doc"], lines),
        [
            "at a", "did a", "+1", "at a", "did a", "+0", "at c", "did c", "+0", "at b", "did b",
            "+1", "at a", "did a", "+0", "at d", "did d", "+0"
        ]
    );
}

#[test]
fn names_that_no_package_has_are_no_turns() {
    let long = format!("Setting up {} (1) ...", "x".repeat(NAME_LIMIT + 1));
    assert_eq!(events(&[], [&*long, "Setting up  (1) ..."]), [""; 0]);
}

#[test]
fn a_flood_of_turns_is_not_reported() {
    let flood = vec!["Setting up you (1) ..."; 3 * TURNS_REPORTED];
    let events = events(&["you"], flood);
    assert_eq!(events.len(), 3 * TURNS_REPORTED);
    let counted = events.iter().filter(|event| *event == "+1").count();
    assert_eq!(counted, 1);
}

#[test]
fn a_flood_does_not_restart_the_clock() {
    let report = Report::silent();
    let mut listener = Listener::new(&report, &[]);
    for _ in 0..TURNS_REPORTED {
        assert_eq!(listener.read_line("Setting up x (1) ..."), Clock::Restarts);
    }
    assert_eq!(listener.read_line("Setting up y (1) ..."), Clock::Continues);
}

#[test]
fn a_limit_names_the_script_or_dpkg() {
    let second = std::time::Duration::from_secs(1);
    let of = |lines: &str, limit| {
        let report = Report::silent();
        let mut listener = Listener::new(&report, &[]);
        for line in lines.lines() {
            listener.read_line(line);
        }
        listener.exceeded(limit).to_string()
    };
    let script = of("Setting up x (1) ...", Exceeded::Time(second));
    assert_eq!(script, "the postinst script of x did not end within 1 s");
    let total = of("Setting up x (1) ...", Exceeded::TotalTime(24 * second));
    assert_eq!(total, "the tree's dpkg did not end within 24 s");
    let none = of("(Reading database ...", Exceeded::Time(second));
    assert_eq!(none, "the tree's dpkg did not end within 1 s");
}
