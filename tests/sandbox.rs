//! Maintainer scripts that try to leave the sandbox, and hosts that refuse to give one.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rbootstrap::testing::DebBuilder;
use rbootstrap::testing::tar::device;

use crate::context::{Outcome, TestContext};

/// Each way out: its name, and shell code that succeeds or writes something if it is open. `CANARY`
/// is a directory of the host.
const WAYS: [(&str, &str); 17] = [
    (
        "descriptors of PID 1",
        "for n in 0 1 2 3 4 5 6 7 8 9; do d=/proc/1/fd/$n/../../../../../../../..$CANARY; \
         cat $d/secret; echo x >$d/written; done",
    ),
    ("root of PID 1", "cat /proc/1/root$CANARY/secret"),
    (
        "directory of PID 1",
        "cat /proc/1/cwd/../../../..$CANARY/secret",
    ),
    ("program of PID 1", "chmod 6777 /proc/1/exe && echo open"),
    ("its content", "cat /proc/1/exe >/dev/null && echo open"),
    (
        "environment of PID 1",
        "tr '\\0' '\\n' </proc/1/environ | grep .; true",
    ),
    ("memory map of PID 1", "cat /proc/1/maps && echo open"),
    ("memory of PID 1", "(: </proc/1/mem) && echo open"),
    (
        "environment of every process",
        "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep SECRET",
    ),
    ("block device", "mknod /root/disk b 7 0 && echo open"),
    ("character device", "mknod /root/null c 1 3 && echo open"),
    (
        "device of the package",
        "head -c 1 /usr/share/zero && echo open",
    ),
    (
        "mode of the host's device",
        "[ -e $CANARY ] || chmod 600 /dev/null; true",
    ),
    (
        "kernel settings",
        "echo x >/proc/sys/kernel/core_pattern && echo open",
    ),
    ("the clock", "date -s 2001-01-01 >/dev/null && echo open"),
    (
        "kernel symbols",
        "grep . /proc/kallsyms /proc/kcore /proc/keys",
    ),
    (
        "the processes of the host",
        "kill -0 $HOST_PID && echo open",
    ),
];

#[test]
#[ignore = "needs root, dpkg"]
fn scripts_do_not_get_out() {
    let canary = tempfile::tempdir().unwrap();
    fs::write(canary.path().join("secret"), "secret-of-the-host\n").unwrap();
    let mut body = format!(
        "CANARY={}\nHOST_PID={}\n",
        canary.path().display(),
        std::process::id()
    );
    for (name, code) in WAYS {
        let found = format!("out=$({{ {code}; }} 2>/dev/null) || true");
        body.push_str(&format!(
            "{found}\n[ -z \"$out\" ] || echo \"{name}: $out\" >>/root/found\n"
        ));
        body.push_str(&format!("echo \"{name}\" >>/root/tried\n"));
    }
    let deb = DebBuilder::new("hostile", "1")
        .script("postinst", &body)
        .entry(device("usr/share/zero", 1, 5).mode(0o666));
    let context = TestContext::new([deb]);
    let program = assert_cmd::cargo::cargo_bin!("rbootstrap");
    let before = fs::metadata(program).unwrap().mode();
    let null = fs::metadata("/dev/null").unwrap().mode();
    let mut command = context.command();
    command.env("CI_SECRET", "SECRET-of-the-caller");
    command.args(["--variant=essential", "--include=hostile", "fake"]);
    command.arg(context.root()).arg(context.mirror.url());
    crate::context::outcome(&mut command).ok();
    let tried = context.read("root/tried");
    assert_eq!(tried.lines().count(), WAYS.len(), "{tried}");
    println!("{} ways out", WAYS.len());
    let found = fs::read_to_string(context.root().join("root/found")).unwrap_or_default();
    assert_eq!(found, "");
    assert_eq!(fs::read_dir(canary.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(program).unwrap().mode(), before);
    assert_eq!(fs::metadata("/dev/null").unwrap().mode(), null);
}

/// A host for the program, made of a user namespace in which more can be refused.
struct Host {
    name: &'static str,
    /// A PID namespace, as a container has it.
    is_container: bool,
    /// What the host's root lacks, for setpriv.
    dropped: &'static str,
    /// The map of its ids.
    ids: &'static str,
    user_namespaces: bool,
    options: &'static [&'static str],
    code: i32,
    said: &'static [&'static str],
    unsaid: &'static [&'static str],
}

const ALL_IDS: &str = "0 0 4294967295\n";

const HOSTS: [Host; 7] = [
    Host {
        name: "a part of the ids",
        is_container: false,
        dropped: "-sys_boot",
        ids: "0 0 40000\n40000 50000 25536\n",
        user_namespaces: true,
        options: &["--variant=essential", "-v"],
        code: 0,
        said: &[],
        unsaid: &["no user namespace", "no /proc", "no private /dev"],
    },
    Host {
        name: "user namespaces for all",
        is_container: false,
        dropped: "-sys_admin",
        ids: ALL_IDS,
        user_namespaces: true,
        options: &["--variant=essential", "-v"],
        code: 0,
        said: &[],
        unsaid: &["no user namespace", "no /proc", "no private /dev"],
    },
    Host {
        name: "no user namespace",
        is_container: false,
        dropped: "-sys_boot",
        ids: ALL_IDS,
        user_namespaces: false,
        options: &["--variant=essential"],
        code: 0,
        said: &["warning: the host allows no user namespace"],
        unsaid: &[],
    },
    Host {
        name: "no namespaces",
        is_container: false,
        dropped: "-sys_admin",
        ids: ALL_IDS,
        user_namespaces: false,
        options: &["--variant=essential"],
        code: 6,
        said: &["user, PID, network, mount", "--allow-weak-sandbox"],
        unsaid: &[],
    },
    Host {
        name: "no namespaces, allowed",
        is_container: false,
        dropped: "-sys_admin",
        ids: ALL_IDS,
        user_namespaces: false,
        options: &["--variant=essential", "--allow-weak-sandbox"],
        code: 0,
        said: &["the host allows no user, PID, network, mount namespace"],
        unsaid: &[],
    },
    Host {
        name: "a container without namespaces",
        is_container: true,
        dropped: "-sys_admin",
        ids: ALL_IDS,
        user_namespaces: false,
        options: &["--variant=essential"],
        code: 0,
        said: &["the container allows no user, PID, network, mount namespace"],
        unsaid: &[],
    },
    Host {
        name: "scripts that do not run",
        is_container: false,
        dropped: "-sys_admin",
        ids: ALL_IDS,
        user_namespaces: false,
        options: &["--variant=extract", "--include=hello"],
        code: 0,
        said: &[],
        unsaid: &[],
    },
];

#[test]
#[ignore = "needs root, dpkg, setpriv"]
fn a_host_without_namespaces_is_refused_and_a_container_is_not() {
    for host in &HOSTS {
        let context = TestContext::new([]);
        let outcome = host.run(&context);
        assert_eq!(
            outcome.code,
            Some(host.code),
            "{}: {}",
            host.name,
            outcome.stderr
        );
        for words in host.said {
            assert!(
                outcome.stderr.contains(words),
                "{}: {}",
                host.name,
                outcome.stderr
            );
        }
        for words in host.unsaid {
            let is_said = outcome.stderr.contains(words);
            assert!(!is_said, "{}: {}", host.name, outcome.stderr);
        }
        if host.code != 0 {
            context.assert_nothing_left();
        }
    }
    println!("{} hosts", HOSTS.len());
}

/// Where something lies over the host's /proc, a user namespace gets none: the sandbox does without
/// the namespace rather than without /proc.
#[test]
#[ignore = "needs root, dpkg"]
fn proc_counts_more_than_a_user_namespace() {
    let deb = DebBuilder::new("reader", "1").script("postinst", "cat /proc/self/comm >/root/comm");
    let context = TestContext::new([deb]);
    let program = context.command();
    let mut command = Command::new("unshare");
    set_environment(&mut command, &program);
    command.args(["--mount", "sh", "-c"]);
    // A /proc that another tree has would do for the user namespace.
    command.arg(
        "while read -r _ _ _ _ at _ _ kind rest; do
             case \"$kind $rest\" in
             *proc\\ proc*) [ \"$at\" = /proc ] || umount -l \"$at\" ;;
             esac
         done </proc/self/mountinfo
         mount --bind /dev/null /proc/cpuinfo && exec \"$0\" \"$@\"",
    );
    command.arg(program.get_program()).args(program.get_args());
    command.args(["--variant=essential", "--include=reader", "fake"]);
    command.arg(context.root()).arg(context.mirror.url());
    command.current_dir(context.directory.path());
    let warning = "warning: the host allows no user namespace";
    crate::context::outcome(&mut command).ok().names(&[warning]);
    assert_eq!(context.read("root/comm"), "cat\n");
}

impl Host {
    /// Makes the suite `fake` with the program on this host.
    fn run(&self, context: &TestContext) -> Outcome {
        let program = context.command();
        let mut command = Command::new("unshare");
        set_environment(&mut command, &program);
        command.arg("--user");
        if self.is_container {
            command.args(["--pid", "--fork"]);
        }
        // The second shell is root of the namespace: before its ids are mapped, an exec loses the
        // capabilities.
        let inner = "[ $1 = true ] || echo 0 >/proc/sys/user/max_user_namespaces
                     dropped=$2; shift 2; exec setpriv --bounding-set=$dropped -- \"$@\"";
        command.args(["sh", "-c", "read go; exec sh -c \"$0\" sh \"$@\"", inner]);
        command.arg(self.user_namespaces.to_string());
        command.arg(self.dropped).arg(program.get_program());
        command.args(program.get_args());
        command.args(self.options);
        command
            .arg("fake")
            .arg(context.root())
            .arg(context.mirror.url());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .current_dir(context.directory.path())
            .spawn()
            .unwrap();
        let process = format!("/proc/{}", child.id());
        wait_for_user_namespace(Path::new(&process));
        for map in ["uid_map", "gid_map"] {
            let mut file = OpenOptions::new()
                .write(true)
                .open(format!("{process}/{map}"))
                .unwrap();
            file.write_all(self.ids.as_bytes()).unwrap();
        }
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Gives a command the environment of another.
fn set_environment(command: &mut Command, other: &Command) {
    command.env_clear();
    for (name, value) in other.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
}

/// Waits until the process has left this process's user namespace.
fn wait_for_user_namespace(process: &Path) {
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    for _ in 0..3000 {
        if fs::read_link(process.join("ns/user")).is_ok_and(|theirs| theirs != own) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("unshare has not made a user namespace");
}
