//! `--path-exclude` and `--path-include`: in the essential set, in later packages, and in packages
//! that the tree's dpkg installs after the run.

use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::DebBuilder;

use crate::context::{TestContext, outcome, suite};

const RULES: [&str; 3] = [
    "--path-exclude=/usr/share/man/*",
    "--path-include=/usr/share/man/man[0-9]/*",
    "--path-exclude=*/secret.1",
];

/// A package with pages that stay and pages that the rules leave out.
fn pages(name: &str) -> DebBuilder {
    DebBuilder::new(name, "1")
        .file(&format!("usr/share/man/man1/{name}.1"), "kept")
        .file(&format!("usr/share/man/man1/{name}/secret.1"), "left out")
        .file(&format!("usr/share/man/de/man1/{name}.1"), "left out")
        .file(&format!("usr/share/{name}/page"), "kept")
}

/// Asserts that a tree has what the rules leave of [`pages`], and lists all of it.
#[track_caller]
fn assert_pages(root: &Path, name: &str) {
    let list = root.join(format!("var/lib/dpkg/info/{name}.list"));
    let list = fs::read_to_string(list).unwrap();
    let rows = [
        (format!("usr/share/man/man1/{name}.1"), true),
        (format!("usr/share/man/man1/{name}/secret.1"), false),
        (format!("usr/share/man/de/man1/{name}.1"), false),
        (format!("usr/share/{name}/page"), true),
    ];
    for (path, is_kept) in rows {
        assert_eq!(root.join(&path).exists(), is_kept, "{path}");
        assert!(list.contains(&format!("/{path}\n")), "{path}: {list}");
    }
}

#[test]
#[ignore = "needs root, dpkg"]
fn paths_are_left_out_here_and_in_the_tree() {
    let context = TestContext::new([
        pages("first").field("Essential", "yes"),
        pages("second").depends("first"),
    ]);
    let options = ["--variant=essential", "--include=second"];
    context.make(&[&options[..], &RULES].concat()).ok();
    let root = context.root();
    let configuration = context.read("etc/dpkg/dpkg.cfg.d/rbootstrap-paths");
    let expected = RULES.map(|rule| format!("{}\n", rule.trim_start_matches("--")));
    assert_eq!(configuration, expected.concat());
    fs::write(root.join("late.deb"), pages("late").build()).unwrap();
    let mut dpkg = Command::new("chroot");
    dpkg.arg(&root).args(["dpkg", "--install", "/late.deb"]);
    outcome(&mut dpkg).ok();
    for name in ["first", "second", "late"] {
        assert_pages(&root, name);
    }
    // The directories are those that dpkg makes.
    for name in ["first", "late"] {
        let directory = root.join(format!("usr/share/man/man1/{name}"));
        assert!(directory.is_dir(), "{}", directory.display());
    }
    assert!(!root.join("usr/share/man/de").exists());
}

#[test]
#[ignore = "needs root, dpkg"]
fn without_rules_dpkg_is_not_configured() {
    let context = TestContext::of(&suite([]));
    context.make(&["--variant=essential"]).ok();
    assert!(
        !context
            .root()
            .join("etc/dpkg/dpkg.cfg.d/rbootstrap-paths")
            .exists()
    );
}

#[test]
fn a_bad_pattern_is_refused() {
    let context = TestContext::bare();
    let made = context.make(&["--path-exclude=usr/share/man/*"]);
    made.fails(2).names(&["usr/share/man/*", "--path-exclude"]);
}
