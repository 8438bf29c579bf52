//! `--simulate`: each package with the reason for it.

use rbootstrap::testing::DebBuilder;

use crate::context::TestContext;

/// The line of a package, or of the totals.
#[track_caller]
fn line<'a>(shown: &'a str, start: &str) -> &'a str {
    let found = shown.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no line of {start} in:\n{shown}"))
}

#[test]
fn without_a_base_a_demanded_package_is_requested() {
    let context = TestContext::new([DebBuilder::new("alone", "1")]);
    let shown = context
        .make(&["--simulate", "--variant=custom", "--include=alone"])
        .ok()
        .stderr;
    assert!(line(&shown, "alone ").ends_with(" requested"), "{shown}");
    assert!(!shown.contains("essential"), "{shown}");
    line(&shown, "1 package, ");
}

#[test]
fn reasons_are_told_apart() {
    let context = TestContext::new([]);
    let shown = context
        .make(&["--simulate", "--variant=apt", "--include=hello"])
        .ok()
        .stderr;
    assert!(line(&shown, "dpkg ").ends_with(" essential"), "{shown}");
    assert!(line(&shown, "apt ").ends_with(" variant"), "{shown}");
    assert!(line(&shown, "hello ").ends_with(" requested"), "{shown}");
    assert!(
        line(&shown, "libhello1 ").ends_with(" dependency"),
        "{shown}"
    );
}

#[test]
fn the_steps_follow_the_packages() {
    let context = TestContext::new([]);
    let options = ["--simulate", "--variant=apt", "--include=hello", "-v"];
    let shown = context.make(&options).ok().stderr;
    line(&shown, "step  1: base ");
    let unpack = line(&shown, "step  3: unpack together ");
    assert!(unpack.contains(" dpkg"), "{unpack}");
    let configure = line(&shown, "step  4: configure with --force-depends ");
    assert_eq!(
        unpack.split(" together ").nth(1),
        configure.split(" --force-depends ").nth(1)
    );
    assert!(shown.contains(": triggers\n"), "{shown}");
    // With -v, the key of each step.
    let keys = |shown: &str| -> Vec<String> {
        let lines = shown.lines().filter(|line| line.starts_with("step "));
        let keys = lines.filter(|line| line.find(": ") == Some("step 0123456789ab".len()));
        keys.map(str::to_owned).collect()
    };
    let first = keys(&shown);
    assert_eq!(
        first.first().map(|line| line.ends_with(": base")),
        Some(true),
        "{shown}"
    );
    assert_eq!(first, keys(&context.make(&options).ok().stderr));
}
