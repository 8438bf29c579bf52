//! Runs of Perl scripts as forks of a zygote: no difference to ordinary runs, and nothing of them
//! that stays.
//!
//! The host's own perl runs scripts of the tests at the paths of the two scripts. Every suite of
//! cases runs in a sandbox without zygotes and in one with them, and prints the same.

mod covers;
mod processes;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command as HostCommand;

use super::*;

/// A script and the cases that run it.
struct Suite {
    name: &'static str,
    script: &'static str,
    cases: &'static str,
    /// How many runs at least a zygote has to serve.
    served: usize,
    /// What the zygotes' log has to say.
    says: &'static str,
}

macro_rules! suite {
    ($name:literal, $served:literal, $says:literal) => {
        Suite {
            name: $name,
            script: include_str!(concat!("perl/", $name, ".pl")),
            cases: include_str!(concat!("perl/", $name, ".sh")),
            served: $served,
            says: $says,
        }
    };
}

/// What all suites begin with: `run NAME COMMAND…` prints what a case prints, and how it ends.
/// Cases may be preceded by what is done before the zygotes start, and a line `---`.
const PRELUDE: &str = r#"exec 2>&1
run() { echo "== $1"; shift; "$@"; echo "-> $?"; }
for d in usr/lib/locale var/opt etc m; do mkdir -p /$d; done
cd /tmp
S=/usr/bin/deb-systemd-helper
"#;

/// Waits until each of the two zygotes serves, or has ended.
const READY: &str = r#"ready() {
begun=0
while read -r what pid rest; do
[ "$what" = begins ] || continue
begun=$((begun+1)); pid=${pid%:}
grep -q "^serves $pid:" /dev/.rb/log || [ ! -e /dev/.rb/p/$pid ] || return 1
done </dev/.rb/log
[ $begun -ge 2 ]
}
tries=0
until ready; do
tries=$((tries+1)); [ $tries -lt 1000 ] || { echo no zygotes; cat /dev/.rb/log; exit 9; }
sleep 0.02
done
"#;

/// Perl that prints a word in a run of a zygote only.
const PRINT_IF_SERVED: &str =
    "open E, '<', '/proc/self/environ'; print 'served ' if <E> =~ /RBZ_SOCKET/; close E;";

/// A tree with the host's perl, its base modules and small programs.
fn perl_tree() -> Tree {
    let tree = Tree::new();
    for program in [
        "perl", "sed", "sort", "uniq", "head", "env", "nice", "timeout", "wc", "grep", "rm",
        "mkdir", "touch", "taskset", "setarch", "setpriv", "ionice", "chrt", "cmp", "ln", "cp",
        "printf",
    ] {
        tree.copy_program(program);
    }
    std::fs::create_dir_all(tree.path().join("usr/bin")).unwrap();
    std::fs::create_dir_all(tree.path().join("usr/share/debconf")).unwrap();
    let to = tree.path().join("usr/bin/perl");
    std::fs::rename(tree.path().join("bin/perl"), to).unwrap();
    let inc = HostCommand::new("perl")
        .args(["-e", "print join qq(\\n), @INC"])
        .output()
        .unwrap();
    let inc = String::from_utf8(inc.stdout).unwrap();
    let base = inc
        .lines()
        .find(|path| path.ends_with("/perl-base"))
        .unwrap();
    let to = tree.path().join(base.trim_start_matches('/'));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = HostCommand::new("cp")
        .arg("-r")
        .arg(base)
        .arg(&to)
        .status()
        .unwrap();
    assert!(copied.success());
    tree
}

/// A copy of a tree, which runs may change.
fn copy_of(template: &Tree) -> Tree {
    let tree = Tree(tempfile::tempdir().unwrap());
    let everything = template.path().join(".");
    let copied = HostCommand::new("cp")
        .arg("-a")
        .arg(everything)
        .arg(tree.path())
        .status();
    assert!(copied.unwrap().success());
    tree
}

fn write_script(tree: &Tree, text: &str) {
    for script in PerlScript::ALL {
        let path = tree.path().join(script.path().trim_start_matches('/'));
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
}

fn sharing() -> Options {
    Options {
        shares_perl: true,
        ..Options::default()
    }
}

/// A sandbox in which zygotes of both scripts can be started.
fn covering(tree: &Tree, options: &Options, report: &Report) -> Sandbox {
    let sandbox = Sandbox::open(&tree.root(), options, report).unwrap();
    sandbox.cover_perl_scripts().unwrap();
    let covered = sandbox.covered.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(covered.count_ones(), 2, "the scripts are not covered");
    sandbox
}

/// Starts the zygotes of the next command, which can wait for them with [`READY`].
fn start_zygotes(sandbox: &Sandbox) {
    said(sandbox, ": >/dev/.rb/log; chmod 666 /dev/.rb/log");
    let env = shell("").env;
    sandbox.start_zygotes(&PerlScript::ALL, &env).unwrap();
}

/// The output of a suite's cases without and with zygotes, and the zygotes' log.
fn outputs(template: &Tree, script: &str, cases: &str) -> [String; 3] {
    let (before, cases) = cases.split_once("---\n").unwrap_or(("", cases));
    let mut outputs = [const { String::new() }; 3];
    for has_zygotes in [false, true] {
        let tree = copy_of(template);
        write_script(&tree, script);
        let sandbox = match has_zygotes {
            true => covering(&tree, &sharing(), &Report::silent()),
            false => Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap(),
        };
        let text = |part: &str| format!("{PRELUDE}{part}\n");
        assert_eq!(said(&sandbox, &text(before)), "");
        let mut ready = "";
        if has_zygotes {
            start_zygotes(&sandbox);
            ready = READY;
        }
        let end = "[ ! -e /dev/.rb/log ] || cp /dev/.rb/log /log";
        let all = text(&[ready, cases, end].concat());
        let finished = sandbox.run(&shell(&all)).unwrap();
        let output = String::from_utf8_lossy(&finished.output).into_owned();
        outputs[usize::from(has_zygotes)] = output;
        outputs[2] = std::fs::read_to_string(tree.path().join("log")).unwrap_or_default();
    }
    outputs
}

/// The cases of an output by their names.
fn by_case(output: &str) -> BTreeMap<&str, &str> {
    let mut cases = BTreeMap::new();
    for part in output.split("== ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        cases.insert(name, text);
    }
    cases
}

/// How many lines of the zygotes' log begin with a word.
fn said_to(word: &str, log: &str) -> usize {
    log.lines().filter(|line| line.starts_with(word)).count()
}

fn check(suite: &Suite) {
    let [without, with, log] = outputs(&perl_tree(), suite.script, suite.cases);
    let [without, with] = [by_case(&without), by_case(&with)];
    let mut differences = String::new();
    for (name, expected) in &without {
        let found = with.get(name).copied().unwrap_or("is missing");
        if found != *expected {
            let _ = write!(
                differences,
                "-- {name}\nwithout:\n{expected}\nwith:\n{found}\n"
            );
        }
    }
    let name = suite.name;
    assert!(
        differences.is_empty(),
        "{name}:\n{differences}\nlog:\n{log}"
    );
    assert_eq!(without.len(), with.len(), "{name}");
    let served = said_to("served", &log);
    assert!(
        served >= suite.served && (served > 0) == (suite.served > 0),
        "{name}: {served} runs served:\n{log}"
    );
    assert!(said_to(suite.says, &log) >= 2, "{name}:\n{log}");
    println!(
        "{name}: {} cases, {served} runs served by zygotes",
        without.len()
    );
}

macro_rules! suites {
    ($($test:ident: $name:literal, $served:literal, $says:literal;)*) => { $(
        #[test]
        #[ignore = "needs root, perl"]
        fn $test() {
            check(&suite!($name, $served, $says));
        }
    )* };
}

suites! {
    a_script_sees_the_same: "facts", 5, "serves";
    a_script_with_warnings_sees_the_same: "warns", 2, "serves";
    a_script_ends_in_the_same_way: "die", 60, "serves";
    descriptors_are_the_callers: "descriptors", 7, "serves";
    signals_reach_the_run: "signals", 10, "serves";
    modules_that_change_are_noticed: "modules", 15, "serves";
    runs_that_differ_go_the_ordinary_way: "others", 4, "serves";
    random_numbers_differ: "random", 8, "serves";
    others_at_the_socket_change_nothing: "clients", 5, "serves";
    a_script_that_holds_its_file_open_has_no_zygote: "data", 0, "refused, descriptors";
}

/// A script of these lines at its place, after its comment.
fn script(lines: &str) -> String {
    format!("#!/usr/bin/perl\n# For one case.\n{lines}\n")
}

#[test]
#[ignore = "needs root, perl"]
fn a_script_that_does_more_than_compile_has_no_zygote() {
    let table = [
        (
            "opens a file",
            "BEGIN { open OTHER, '<', '/bin/sh' } print fileno OTHER",
            "refused, descriptors",
        ),
        (
            "prints",
            "BEGIN { $| = 1; print qq(early\\n) } print qq(main\\n)",
            "refused, output",
        ),
        (
            "changes the directory",
            "BEGIN { chdir '/usr' } exec 'sh', '-c', 'pwd'",
            "refused, surroundings",
        ),
        (
            "ignores a signal",
            "BEGIN { $SIG{TERM} = 'IGNORE' } print $SIG{TERM}",
            "refused, surroundings",
        ),
        (
            "sets the umask",
            "BEGIN { umask 0 } print umask",
            "refused, surroundings",
        ),
        (
            "starts a timer",
            "BEGIN { alarm 100 } print alarm(0) > 50 ? 'alarm' : 'none'",
            "refused, identity",
        ),
        (
            "sets what may differ",
            "BEGIN { $ENV{PWD} = 'x' } print $ENV{PWD}",
            "refused, environment",
        ),
        (
            "is nicer",
            "BEGIN { setpriority 0, 0, 17 } print getpriority 0, 0",
            "refused, identity",
        ),
        (
            "has arguments",
            "BEGIN { @ARGV = 'own' } print @ARGV",
            "refused, arguments",
        ),
        ("does not compile", "BEGIN { die qq(no\\n) }", "begins"),
        (
            "executes",
            "BEGIN { exec 'sh', '-c', 'echo executed' }",
            "begins",
        ),
        ("ends", "BEGIN { exit 3 }", "begins"),
    ];
    let template = perl_tree();
    for (name, lines, says) in table {
        let [without, with, log] =
            outputs(&template, &script(lines), "run once $S; run again $S a\n");
        assert_eq!(without, with, "{name}");
        assert_eq!(without.matches("== ").count(), 2, "{name}: {without}");
        assert!(said_to(says, &log) >= 2, "{name}: {log}");
        assert_eq!(said_to("serve", &log), 0, "{name}: {log}");
    }
    println!("{} cases", table.len());
}
