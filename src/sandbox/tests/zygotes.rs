//! Runs of Perl scripts as forks of a zygote: no difference to ordinary runs, and nothing of them
//! that stays.
//!
//! The host's own perl runs scripts of the tests at the paths of the two scripts. Every suite of
//! cases runs in a sandbox without zygotes and in one with them, and prints the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command as HostCommand;

use super::*;

/// A script, the cases that run it, and how many runs at least a zygote has to serve.
struct Suite {
    name: &'static str,
    script: &'static str,
    cases: &'static str,
    served: usize,
}

macro_rules! suite {
    ($name:literal, $served:literal) => {
        Suite {
            name: $name,
            script: include_str!(concat!("perl/", $name, ".pl")),
            cases: include_str!(concat!("perl/", $name, ".sh")),
            served: $served,
        }
    };
}

/// What all suites begin with: `run NAME COMMAND…` prints what a case prints, and how it ends. Cases
/// may be preceded by what is done before the zygotes start, and a line `---`.
const PRELUDE: &str = r#"exec 2>&1
run() { echo "== $1"; shift; "$@"; echo "-> $?"; }
for d in usr/lib/locale var/opt etc m; do mkdir -p /$d; done
cd /tmp; [ ! -e /dev/.rb ] || [ -e /dev/.rb/log ] || { : >/dev/.rb/log; chmod 666 /dev/.rb/log; }
S=/usr/bin/deb-systemd-helper
"#;

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

/// A sandbox in which zygotes of these scripts can be started.
fn covering(tree: &Tree) -> Sandbox {
    let sandbox = Sandbox::open(&tree.root(), &sharing(), &Report::silent()).unwrap();
    sandbox.cover_perl_scripts().unwrap();
    sandbox
}

fn start_zygotes(sandbox: &Sandbox) {
    let env = shell("").env;
    sandbox.start_zygotes(&PerlScript::ALL, &env).unwrap();
    // A run that comes first finds no socket.
    std::thread::sleep(std::time::Duration::from_millis(300));
}

/// The output of a suite's cases without and with zygotes, and the zygotes' log.
fn outputs(template: &Tree, script: &str, cases: &str) -> [String; 3] {
    let (before, cases) = cases.split_once("---\n").unwrap_or(("", cases));
    let mut outputs = [const { String::new() }; 3];
    for has_zygotes in [false, true] {
        let tree = copy_of(template);
        write_script(&tree, script);
        let sandbox = match has_zygotes {
            true => covering(&tree),
            false => Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap(),
        };
        let text = |part: &str| format!("{PRELUDE}{part}\n");
        assert_eq!(said(&sandbox, &text(before)), "");
        if has_zygotes {
            start_zygotes(&sandbox);
        }
        let end = "[ ! -e /dev/.rb/log ] || cp /dev/.rb/log /log";
        let finished = sandbox.run(&shell(&text(&[cases, end].concat()))).unwrap();
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

/// How many runs the zygotes say that they served.
fn served(log: &str) -> usize {
    log.lines()
        .filter(|line| line.starts_with("served"))
        .count()
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
    let served = served(&log);
    assert!(
        served >= suite.served,
        "{name}: only {served} runs served:\n{log}"
    );
    println!(
        "{name}: {} cases, {served} runs served by zygotes",
        without.len()
    );
}

macro_rules! suites {
    ($($test:ident: $name:literal, $served:literal;)*) => { $(
        #[test]
        #[ignore = "needs root, perl"]
        fn $test() {
            check(&suite!($name, $served));
        }
    )* };
}

suites! {
    a_script_sees_the_same: "facts", 5;
    a_script_with_warnings_sees_the_same: "warns", 2;
    a_script_ends_in_the_same_way: "die", 60;
    descriptors_are_the_callers: "descriptors", 7;
    signals_reach_the_run: "signals", 10;
    modules_that_change_are_noticed: "modules", 15;
    runs_that_differ_go_the_ordinary_way: "others", 4;
    random_numbers_differ: "random", 8;
    a_script_that_holds_its_file_open_has_no_zygote: "data", 0;
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
        ),
        (
            "prints",
            "BEGIN { $| = 1; print qq(early\\n) } print qq(main\\n)",
        ),
        (
            "changes the directory",
            "BEGIN { chdir '/usr' } exec 'sh', '-c', 'pwd'",
        ),
        (
            "ignores a signal",
            "BEGIN { $SIG{TERM} = 'IGNORE' } print $SIG{TERM}",
        ),
        ("sets the umask", "BEGIN { umask 0 } print umask"),
        (
            "starts a timer",
            "BEGIN { alarm 100 } print alarm(0) > 50 ? 'alarm' : 'none'",
        ),
        (
            "sets what may differ",
            "BEGIN { $ENV{PWD} = 'x' } print $ENV{PWD}",
        ),
        (
            "is nicer",
            "BEGIN { setpriority 0, 0, 17 } print getpriority 0, 0",
        ),
        ("has arguments", "BEGIN { @ARGV = 'own' } print @ARGV"),
        ("does not compile", "BEGIN { die qq(no\\n) }"),
        ("executes", "BEGIN { exec 'sh', '-c', 'echo executed' }"),
        ("ends", "BEGIN { exit 3 }"),
    ];
    let template = perl_tree();
    for (name, lines) in table {
        let [without, with, log] =
            outputs(&template, &script(lines), "run once $S; run again $S a\n");
        assert_eq!(without, with, "{name}");
        assert_eq!(without.matches("== ").count(), 2, "{name}: {without}");
        assert_eq!(served(&log), 0, "{name}: {log}");
    }
    println!("{} cases", table.len());
}

#[test]
#[ignore = "needs root, perl"]
fn a_run_ends_with_its_zygote_and_a_zygote_with_the_command() {
    let tree = perl_tree();
    write_script(
        &tree,
        &script("open F, '>', '/tmp/parent'; print F getppid; close F; sleep shift"),
    );
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = Sandbox::open(&tree.root(), &sharing(), &report).unwrap();
    sandbox.cover_perl_scripts().unwrap();
    assert_eq!(running(tree.path()), 1, "PID 1 alone");
    let killed = "S=/usr/bin/deb-systemd-helper; rm -f /tmp/parent
        perl -e '$SIG{INT} = $SIG{QUIT} = qq(DEFAULT); exec @ARGV' $S 100 & p=$!
        while [ ! -s /tmp/parent ]; do sleep 0.1; done
        read z </tmp/parent; kill -9 $z; wait $p; echo $?";
    for _ in 0..2 {
        start_zygotes(&sandbox);
        assert_eq!(said(&sandbox, killed), "255\n");
        assert_eq!(running(tree.path()), 1, "PID 1 alone");
        assert_eq!(
            said(&sandbox, "ls -A /dev/.rb/z /dev/.rb/l"),
            "/dev/.rb/l:\n\n/dev/.rb/z:\n"
        );
    }
    // A zygote is no process that a script has left; what its child leaves is one.
    start_zygotes(&sandbox);
    said(&sandbox, "/usr/bin/deb-systemd-helper 0");
    drop((sandbox, report));
    let left =
        |event: &Event| matches!(event, Event::Detail(text) if text.contains("left processes"));
    let left: Vec<Event> = receiver.iter().filter(left).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "needs root, perl"]
fn a_run_in_a_zygote_has_the_limits_of_others() {
    let tree = perl_tree();
    write_script(&tree, &script("$| = 1; print qq(begun\\n); sleep 98765"));
    let mut options = sharing();
    options.limits.time = Some(std::time::Duration::from_secs(2));
    let sandbox = Sandbox::open(&tree.root(), &options, &Report::silent()).unwrap();
    sandbox.cover_perl_scripts().unwrap();
    start_zygotes(&sandbox);
    let ended = sandbox.run(&command(&["deb-systemd-helper"]));
    assert!(
        matches!(&ended, Err(Error::Exceeded { output, .. }) if output == b"begun\n"),
        "{ended:?}"
    );
    drop(sandbox);
    assert_eq!(running(tree.path()), 0);
}

#[test]
#[ignore = "needs root, perl"]
fn what_a_sandbox_or_a_tree_lacks_leaves_scripts_uncovered() {
    let covered = |tree: &Tree, options: &Options, without| {
        let report = Report::silent();
        let sandbox = Sandbox::open_without(&tree.root(), options, &report, without).unwrap();
        sandbox.cover_perl_scripts().unwrap();
        start_zygotes(&sandbox);
        let script = "n=0; for s in /usr/share/debconf/frontend /usr/bin/deb-systemd-helper; do
            while read line; do case $line in *BEGIN*) n=$((n+1));; esac; done <$s; done 2>/dev/null; echo $n";
        said(&sandbox, script)
    };
    let all = sharing();
    let tree = perl_tree();
    write_script(&tree, &script("print 1"));
    assert_eq!(covered(&tree, &all, 0), "2\n");
    assert_eq!(covered(&tree, &Options::default(), 0), "0\n", "turned off");
    for without in [refused::PID, refused::MOUNT, refused::PID | refused::MOUNT] {
        assert_eq!(covered(&tree, &all, without), "0\n", "{without}");
    }
    write_script(&tree, "#!/usr/bin/perl\nuse strict;\n");
    assert_eq!(
        covered(&tree, &all, 0),
        "0\n",
        "no comment on the second line"
    );
    write_script(&tree, &script("print 1"));
    std::fs::remove_file(tree.path().join("usr/bin/deb-systemd-helper")).unwrap();
    assert_eq!(covered(&tree, &all, 0), "1\n", "one script is not there");
    let link = tree.path().join("usr/bin/deb-systemd-helper");
    std::os::unix::fs::symlink("/usr/share/debconf/frontend", link).unwrap();
    assert_eq!(covered(&tree, &all, 0), "2\n", "one script, by both names");
    let mut perl = std::fs::read(tree.path().join("usr/bin/perl")).unwrap();
    perl[18] ^= 1;
    std::fs::write(tree.path().join("usr/bin/perl"), perl).unwrap();
    assert_eq!(covered(&tree, &all, 0), "0\n", "perl for another machine");
    std::fs::remove_file(tree.path().join("usr/bin/perl")).unwrap();
    assert_eq!(covered(&tree, &all, 0), "0\n", "no perl");
}

#[test]
#[ignore = "needs root, perl"]
fn nothing_of_the_covers_is_in_the_tree() {
    let tree = perl_tree();
    write_script(&tree, &script("print 1"));
    let path = tree.path().join("usr/bin/deb-systemd-helper");
    let sandbox = covering(&tree);
    start_zygotes(&sandbox);
    assert_eq!(said(&sandbox, "deb-systemd-helper"), "1");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), script("print 1"));
    assert!(!tree.path().join("dev/.rb").exists());
    // The host can replace a covered script, which is then no longer covered.
    std::fs::write(tree.path().join("new"), script("print 2")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(tree.path().join("new"), mode).unwrap();
    std::fs::rename(tree.path().join("new"), &path).unwrap();
    start_zygotes(&sandbox);
    assert_eq!(said(&sandbox, "deb-systemd-helper"), "2");
}
