//! Where hooks run: in the caller's root directory, at the caller's terminal, until an interrupt.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tree::names;
use rustix::process::Signal;

use super::helpers::runs_tar;
use crate::context::{TestContext, outcome, processes_below};
use crate::interrupt::{interrupted, start, within_a_minute};

/// Mounts what programs need below `place`, in a mount namespace of its own, and changes the root to
/// it. `$1` is the program's directory.
const IN_CHROOT: &str = "
    set -e; at=$PWD; programs=$1; new=$PWD/place; shift
    FIRST
    mkdir -p $new/usr $new/dev $new/proc $new/etc $new/tmp $new$at $new$programs
    cp -a /bin /sbin /lib* $new/
    mount --bind /usr $new/usr; mount --bind $at $new$at; mount --bind $programs $new$programs
    mount --rbind /dev $new/dev; mount --rbind /proc $new/proc
    echo chroot >$new/etc/place
    exec chroot $new sh -c 'cd \"$0\" && exec \"$@\"' $at \"$@\"
";

#[test]
#[ignore = "needs root, dpkg"]
fn hooks_run_in_the_root_directory_of_the_caller() {
    let rows = [
        ("a chroot", "mkdir $new"),
        (
            "a chroot that is a mount",
            "mkdir $new; mount -t tmpfs tmpfs $new",
        ),
    ];
    for (name, first) in &rows {
        let context = TestContext::new([]);
        let program = context.command();
        let directory = std::path::Path::new(program.get_program())
            .parent()
            .unwrap();
        let mut command = Command::new("unshare");
        command.env_clear().current_dir(context.directory.path());
        for (variable, value) in program.get_envs() {
            command.env(variable, value.unwrap_or_default());
        }
        command.args([
            "--mount",
            "sh",
            "-c",
            &IN_CHROOT.replace("FIRST", first),
            "sh",
        ]);
        command.arg(directory).arg(program.get_program());
        command.args(program.get_args());
        command.args(["--variant=minbase", "--mode=root", "--hook"]);
        let hook = "customize=cat /etc/place >\"$1/etc/place\"; pwd >\"$1/etc/pwd\"; \
                    test -e \"$1/proc/self\"; test -c \"$1/dev/null\"";
        command.arg(hook).arg("fake").arg(context.root());
        let made = outcome(command.arg(context.mirror.url()));
        assert_eq!(made.code, Some(0), "{name}: {}", made.stderr);
        assert_eq!(context.read("etc/place"), "chroot\n", "{name}");
        let here = format!("{}\n", context.directory.path().display());
        assert_eq!(context.read("etc/pwd"), here, "{name}");
        assert_eq!(names(&context.root().join("proc")), Vec::<String>::new());
    }
    println!("{} cases", rows.len());
}

#[test]
#[ignore = "needs root, dpkg"]
fn directories_and_programs_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let context = TestContext::new([]);
    let odd = std::ffi::OsStr::from_bytes(b"pl\xffce");
    let directory = context.path("place").join(odd);
    fs::create_dir_all(&directory).unwrap();
    let script = directory.join("customize");
    fs::write(&script, "#!/bin/sh\necho here >seen; pwd >\"$1/etc/pwd\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = context.command();
    command.current_dir(&directory);
    command
        .arg("--variant=minbase")
        .arg("--hook-dir")
        .arg(&directory);
    command
        .arg("fake")
        .arg(context.root())
        .arg(context.mirror.url());
    outcome(&mut command).ok();
    assert_eq!(
        fs::read_to_string(directory.join("seen")).unwrap(),
        "here\n"
    );
}

/// What runs in the middle of a hook, and whether it does.
#[test]
#[ignore = "needs root, dpkg"]
fn an_interrupt_ends_hooks_with_their_children() {
    let signed = |context: &TestContext| context.root().join("sign").exists();
    type Sign = fn(&TestContext) -> bool;
    let rows: [(&str, &str, Sign); 5] = [
        ("a child of sh", "touch $1/sign; sleep 600; true", signed),
        (
            "a job in the background",
            "sleep 600 & touch $1/sign; wait",
            signed,
        ),
        (
            "one that ignores the signal",
            "trap '' TERM INT; touch $1/sign; sleep 600; sleep 600",
            signed,
        ),
        (
            "a helper out of the tree",
            "tar-out /large /dev/null",
            runs_tar,
        ),
        (
            "a helper into the tree",
            "copy-in place/large /dev",
            runs_tar,
        ),
    ];
    for (name, hook, sign) in &rows {
        for signal in [Signal::TERM, Signal::INT] {
            let context = TestContext::new([DebBuilder::new("service", "1")]);
            let place = context.path("place");
            fs::create_dir(&place).unwrap();
            let large = fs::File::create(place.join("large")).unwrap();
            large.set_len(1 << 40).unwrap();
            let mut command = context.command();
            command.args(["--variant=minbase", "--hook"]);
            command.arg("customize=truncate -s 1T $1/large; rm -rf $1/dev; mkdir $1/dev; ln -s null $1/dev/large");
            command.args(["--hook", &format!("customize={hook}"), "fake"]);
            command.arg(context.root()).arg(context.mirror.url());
            let child = start(&mut command);
            assert!(within_a_minute(|| sign(&context)), "{name}");
            interrupted(child, signal);
            context.assert_nothing_left();
        }
    }
    println!("{} cases", rows.len() * 2);
}

/// A program at a terminal, and what is typed there.
struct Typed {
    name: &'static str,
    hook: &'static str,
    /// A text of sh in which PROGRAM is the program.
    caller: &'static str,
    typed: &'static str,
    code: i32,
}

const ASKING: &str = "touch ./home/asked; read answer; echo \"$answer\" >./home/answer";

/// A hook may ask the user, who may interrupt it by a key. The terminal stays the caller's.
#[test]
#[ignore = "needs root, dpkg"]
fn hooks_read_from_the_terminal() {
    let rows = [
        Typed {
            name: "an answer",
            hook: ASKING,
            caller: "exec PROGRAM",
            typed: "answer\n",
            code: 0,
        },
        Typed {
            name: "the key of SIGINT",
            hook: ASKING,
            caller: "exec PROGRAM",
            typed: "\u{3}",
            code: 130,
        },
        Typed {
            name: "the key of SIGINT for a hook with a trap",
            hook: "trap 'exit 130' INT; touch ./home/asked; read answer",
            caller: "exec PROGRAM",
            typed: "\u{3}",
            code: 130,
        },
        Typed {
            name: "the key of SIGINT for the caller's script",
            hook: ASKING,
            caller: "trap 'exit 5' INT; PROGRAM",
            typed: "\u{3}",
            code: 5,
        },
        Typed {
            name: "the key of SIGTSTP, in the group of no shell",
            hook: ASKING,
            caller: "exec PROGRAM",
            typed: "\u{1a}answer\n",
            code: 0,
        },
        Typed {
            name: "a question of another program in the pipeline",
            hook: "touch ./home/asked; while ! test -e ./home/answer; do sleep 0.1; done",
            caller: "PROGRAM | { read answer </dev/tty; echo \"$answer\" >./home/answer; cat; }",
            typed: "answer\n",
            code: 0,
        },
    ];
    for row in &rows {
        let name = row.name;
        let context = TestContext::new([]);
        let mut child = at_terminal(&context, row);
        let asked = within_a_minute(|| context.path("home/asked").exists());
        assert!(asked, "{name}: the hook does not run");
        std::thread::sleep(std::time::Duration::from_millis(300));
        let mut input = child.stdin.take().unwrap();
        input.write_all(row.typed.as_bytes()).unwrap();
        let has_ended = within_a_minute(|| child.try_wait().unwrap().is_some());
        drop(input);
        if !has_ended {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(has_ended, "{name} does not end: {said}");
        assert_eq!(output.status.code(), Some(row.code), "{name}: {said}");
        if row.code == 0 {
            let answer = fs::read_to_string(context.path("home/answer")).unwrap();
            assert_eq!(answer, "answer\n", "{name}");
        }
    }
    println!("{} cases", rows.len());
}

fn at_terminal(context: &TestContext, row: &Typed) -> Child {
    let mut made = context.command();
    made.args(["--variant=minbase", "--hook"]);
    made.arg(format!("customize={}", row.hook));
    made.arg("fake")
        .arg(context.root())
        .arg(context.mirror.url());
    let mut words = Vec::new();
    for word in std::iter::once(made.get_program()).chain(made.get_args()) {
        let word = word.to_str().unwrap().replace('\'', "'\\''");
        words.push(format!("'{word}'"));
    }
    let command = row.caller.replace("PROGRAM", &words.join(" "));
    // The test itself may run with signals ignored, for which sh sets no trap.
    let mut terminal = Command::new("env");
    terminal.args(["--default-signal", "script"]);
    terminal.env_clear().current_dir(context.directory.path());
    for (variable, value) in made.get_envs() {
        terminal.env(variable, value.unwrap_or_default());
    }
    terminal.args(["-qec", &command, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    terminal.spawn().unwrap()
}

/// A hook that kept running would write into the tree of the next run.
#[test]
#[ignore = "needs root, dpkg"]
fn a_hook_ends_with_a_run_that_is_killed() {
    let context = TestContext::new([]);
    let mut command = context.command();
    command.args(["--variant=minbase", "--hook"]);
    command.arg("customize=touch $1/sign; while :; do sleep 0.1; done");
    command.arg("fake").arg(context.root());
    let mut child = start(command.arg(context.mirror.url()));
    let runs = within_a_minute(|| context.root().join("sign").exists());
    assert!(runs, "the hook does not run");
    child.kill().unwrap();
    child.wait().unwrap();
    let left = || processes_below(context.directory.path());
    assert!(within_a_minute(|| left().is_empty()), "{:?}", left());
}
