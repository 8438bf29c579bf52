//! Guards the list of the Perl scripts that may have zygotes (docs/zygotes.md): what they do while
//! they are compiled is known, in every suite.
//!
//! A script that reads another file or variable then, or starts a program, needs a new look. And a
//! tree that is made with zygotes is the same as one that is made without.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rbootstrap::testing::tree::{self, Times};

use crate::context::{Outcome, outcome};

const SCRIPTS: [&str; 2] = ["/usr/share/debconf/frontend", "/usr/bin/deb-systemd-helper"];

/// What the zygotes compare before each run, or what decides nothing.
const FILES: [&str; 7] = [
    "/",
    "/bin/pwd",
    "/dev/null",
    "/etc/ld.so.preload",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/var/run/nscd/socket",
];

/// Parts of paths of perl's modules, and of the C library's objects and locales. All that is loaded
/// of them is compared before each run.
const LIBRARIES: [&str; 5] = [
    ".so",
    "/ld.so.",
    "/usr/lib/locale/",
    "/usr/share/locale/",
    "gconv",
];

/// The variables that a run must have as its zygote has them.
const VARIABLES: [&str; 6] = [
    "DEBCONF_SYSTEMRC",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PERL_RL",
    "POSIXLY_CORRECT",
];

/// The packages with what the scripts load.
const PACKAGES: &str = "base-files,perl-base,debconf,init-system-helpers,libc-bin,dash,coreutils";

/// The program with the cache that live tests keep from run to run.
fn program() -> Command {
    let mut program = Command::new(assert_cmd::cargo::cargo_bin!("rbootstrap"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-cache");
    program.env_remove("RBOOTSTRAP_NO_ZYGOTES");
    program.arg("--cache-dir").arg(cache);
    program
}

/// Unpacks the packages of a suite.
fn unpack(suite: &str, tree: &Path) {
    let mut program = program();
    program.args([
        "--variant=extract",
        "--no-check-valid-until",
        "--include",
        PACKAGES,
    ]);
    program.arg(suite).arg(tree);
    outcome(&mut program).ok();
    let module = include_str!("zygotes/TieEnv.pm");
    fs::create_dir(tree.join("tie")).unwrap();
    fs::write(tree.join("tie/TieEnv.pm"), module).unwrap();
}

/// A command in the tree, with the environment of maintainer scripts and `more`.
fn in_tree(tree: &Path, before: &[&str], more: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut command = match before {
        [] => Command::new("chroot"),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg("chroot");
            command
        }
    };
    command.arg(tree).args(arguments).env_clear();
    command.envs([
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("LANGUAGE", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]);
    outcome(command.envs(more.iter().copied())).ok().text()
}

/// The paths and programs that a script asks for while it is compiled and that are not known.
fn unknown_files(tree: &Path, script: &str) -> BTreeSet<String> {
    let inc = in_tree(
        tree,
        &[],
        &[],
        &["perl", "-e", "print map { \"$_\\n\" } @INC"],
    );
    let log = tree.join("strace");
    let strace = [
        "strace",
        "-f",
        "-s",
        "300",
        "-e",
        "trace=%file,connect",
        "-o",
        log.to_str().unwrap(),
    ];
    in_tree(tree, &strace, &[], &["perl", "-c", script]);
    let log = fs::read_to_string(log).unwrap();
    let opened = format!("openat(AT_FDCWD, \"{script}\"");
    let (_, log) = log
        .split_once(&opened)
        .unwrap_or_else(|| panic!("{script} is not in\n{log}"));
    let mut unknown = BTreeSet::new();
    for line in log.lines().skip(1) {
        let Some(path) = line.split('"').nth(1) else {
            continue;
        };
        let is_module = inc.lines().any(|directory| path.starts_with(directory));
        let is_library = LIBRARIES.iter().any(|part| path.contains(part));
        let is_program = line.contains("execve(");
        if is_program || !is_module && !is_library && !path.is_empty() && !FILES.contains(&path) {
            unknown.insert(line.to_owned());
        }
    }
    unknown
}

/// The variables that a script reads or sets while it is compiled.
fn variables(tree: &Path, script: &str) -> BTreeSet<String> {
    let tied = [("PERL5OPT", "-I/tie -MTieEnv")];
    let output = in_tree(tree, &[], &tied, &["perl", "-c", script]);
    let mut names = BTreeSet::new();
    for line in output.lines() {
        names.extend(line.strip_prefix("read ").map(str::to_owned));
    }
    assert!(!names.is_empty(), "{script}: not even PATH:\n{output}");
    names
}

fn check(suites: &[&str]) {
    for suite in suites {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        unpack(suite, &tree);
        for script in SCRIPTS {
            let unknown = unknown_files(&tree, script);
            assert!(unknown.is_empty(), "{suite}, {script}: {unknown:#?}");
            for name in variables(&tree, script) {
                assert!(VARIABLES.contains(&&*name), "{suite}, {script}: {name}");
            }
        }
        println!("{suite}: {} scripts", SCRIPTS.len());
    }
    println!("{} suites", suites.len());
}

#[test]
#[ignore = "needs root, network, strace"]
fn what_the_scripts_do_while_they_are_compiled_is_known_in_debian() {
    check(&["bullseye", "bookworm", "trixie", "forky", "sid"]);
}

#[test]
#[ignore = "needs root, ubuntu, strace"]
fn what_the_scripts_do_while_they_are_compiled_is_known_in_ubuntu() {
    check(&["jammy", "noble"]);
}

#[test]
#[ignore = "needs root, network"]
fn a_tree_made_with_zygotes_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, variable: Option<&str>| -> (Outcome, Vec<String>) {
        let tree = directory.path().join(name);
        let mut program = program();
        program
            .args(["-v", "--variant=minbase", "--snapshots=none", "trixie"])
            .arg(&tree);
        program.envs(variable.map(|variable| (variable, "1")));
        let made = outcome(&mut program).ok();
        (made, tree::dump(&tree, Times::Shown))
    };
    let (with, first) = make("with", None);
    let (without, second) = make("without", Some("RBOOTSTRAP_NO_ZYGOTES"));
    let line = "2 Perl scripts share their compilation";
    assert!(with.stderr.contains(line), "{}", with.stderr);
    assert!(!without.stderr.contains(line), "{}", without.stderr);
    let difference = tree::difference(&first, &second);
    assert!(difference.is_empty(), "{difference}");
    println!("{} paths", first.len());
}
