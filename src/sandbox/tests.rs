//! Tests of the sandbox with a tree made of the host's own shell.
#![expect(
    clippy::disallowed_methods,
    reason = "builds a tree out of the host's own programs, and traps around it"
)]

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use super::*;
use crate::report::Event;

/// A tree with a shell, a few programs and the libraries that they load.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        for directory in ["dev", "proc", "sys", "tmp", "bin"] {
            std::fs::create_dir(tree.path().join(directory)).unwrap();
        }
        for program in [
            "sh", "sleep", "cat", "stat", "sync", "ls", "uname", "setsid", "nproc", "mknod",
            "mount", "unshare",
        ] {
            tree.copy_program(program);
        }
        tree
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn root(&self) -> Rootfs {
        Rootfs::open(self.path()).unwrap()
    }

    fn copy_program(&self, name: &str) {
        let found = ["/bin", "/usr/bin"]
            .map(|directory| Path::new(directory).join(name))
            .into_iter()
            .find(|path| path.exists())
            .unwrap();
        let libraries = std::process::Command::new("ldd")
            .arg(&found)
            .output()
            .unwrap()
            .stdout;
        let libraries = String::from_utf8(libraries).unwrap();
        for library in libraries
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            self.copy(Path::new(library), library);
        }
        self.copy(&found, &format!("/bin/{name}"));
    }

    fn copy(&self, from: &Path, to: &str) {
        let to: PathBuf = self.path().join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), "/bin:/usr/bin".into())],
    }
}

fn shell(script: &str) -> Command {
    command(&["sh", "-c", script])
}

fn said(sandbox: &Sandbox, script: &str) -> String {
    let finished = sandbox.run(&shell(script)).unwrap();
    assert!(
        finished.status.success(),
        "{script}: {:?} {}",
        finished.status,
        String::from_utf8_lossy(&finished.output)
    );
    String::from_utf8(finished.output).unwrap()
}

#[test]
#[ignore = "needs root"]
fn commands_see_a_machine_of_their_own() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    let table = [
        ("uname -n", "localhost\n"),
        ("cat; echo $?", "0\n"), // stdin is /dev/null
        ("pwd; umask", "/\n0022\n"),
        (
            "echo x > /dev/null; for n in null zero full random urandom tty console; do test -c /dev/$n || echo $n; done",
            "",
        ),
        (
            "test -e /dev/fd/1 && test -e /dev/pts/ptmx && test -d /dev/shm && echo yes",
            "yes\n",
        ),
        (
            "stat -c '%a %t:%T' /dev/null /dev/shm",
            "666 1:3\n1777 0:0\n",
        ),
        (
            "ls /sys >/dev/null && cat /proc/sys/kernel/hostname",
            "localhost\n",
        ),
        (
            "echo 1 > /proc/sys/kernel/domainname || echo refused",
            "sh: 1: cannot create /proc/sys/kernel/domainname: Read-only file system\nrefused\n",
        ),
        (
            "while read line; do echo x; done < /proc/net/route; ls /sys/class/net",
            "x\nlo\n",
        ),
        ("ulimit -n; ulimit -c", "1024\n0\n"),
        ("set; exit 0", "ENV"),
    ];
    for (script, expected) in table {
        let found = said(&sandbox, script);
        match expected {
            "ENV" => assert!(
                !found.contains("HOME=") && !found.contains("CARGO"),
                "{found}"
            ),
            _ => assert_eq!(found, expected, "{script}"),
        }
    }
    drop(sandbox);
    assert_eq!(
        std::fs::read_dir(tree.path().join("dev")).unwrap().count(),
        0,
        "the tree's own /dev is as it was"
    );
}

#[test]
#[ignore = "needs root"]
fn nothing_of_the_sandbox_stays() {
    let tree = Tree::new();
    let mounted = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts
            .lines()
            .filter(|line| line.contains(tree.path().to_str().unwrap()))
            .count()
    };
    // Without mounts a shell sees the tree's own, from which it lets its daemons read.
    tree.root()
        .write(
            &crate::tree::rootfs::RootPath::known("dev/null"),
            b"",
            0o666,
        )
        .unwrap();
    for without in [
        0,
        refused::PID,
        refused::MOUNT,
        refused::PID | refused::MOUNT | refused::NET | refused::FILTER,
    ] {
        let (sender, receiver) = mpsc::channel();
        let report = Report::new(move |event| drop(sender.send(event)));
        let sandbox = Sandbox::open_without(&tree.root(), &report, without).unwrap();
        // The daemon writes its number as the host knows it, where there is a /proc to read it
        // from; it holds the pipe open.
        let finished = sandbox
            .run(&shell(
                "setsid sh -c 'setsid sleep 98765 & sleep 98765' & echo started",
            ))
            .unwrap();
        assert_eq!(finished.output, b"started\n");
        let alive = (mounted(), running(tree.path()));
        assert_eq!(alive, (0, 1), "PID 1 alone: {without}");
        drop(sandbox);
        assert_eq!((mounted(), running(tree.path())), (0, 0), "{without}");
        drop(report);
        let warnings = receiver
            .iter()
            .filter(|event| matches!(event, Event::Warning(_)))
            .count();
        assert_eq!(
            warnings,
            (without & (refused::MOUNT | refused::PID | refused::NET)).count_ones() as usize
        );
    }
}

/// Processes of the host whose root is this tree.
fn running(tree: &Path) -> usize {
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let inside = std::fs::metadata(tree).unwrap();
    let has_root = |pid: &String| {
        use std::os::unix::fs::MetadataExt;
        let root = std::fs::metadata(format!("/proc/{pid}/root"));
        root.is_ok_and(|root| (root.dev(), root.ino()) == (inside.dev(), inside.ino()))
    };
    processes
        .filter(|name| name.parse::<u32>().is_ok())
        .filter(has_root)
        .count()
}

#[test]
#[ignore = "needs root"]
fn statuses_signals_and_the_end_of_the_output() {
    let tree = Tree::new();
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = Sandbox::open(&tree.root(), &report).unwrap();
    assert_eq!(
        sandbox.run(&shell("exit 7")).unwrap().status.code(),
        Some(7)
    );
    assert_eq!(
        sandbox.run(&shell("kill -9 $$")).unwrap().status.signal(),
        Some(9)
    );
    assert_eq!(
        sandbox
            .run(&shell("kill -9 1; kill -2 1; kill -13 1; echo still here"))
            .unwrap()
            .output,
        b"still here\n"
    );
    assert_eq!(
        sandbox.run(&shell("kill -13 $$")).unwrap().status.signal(),
        Some(13),
        "SIGPIPE is not ignored"
    );
    assert!(
        sandbox
            .run(&shell("kill 0"))
            .unwrap()
            .status
            .signal()
            .is_some()
    );
    let mut heard = Vec::new();
    sandbox
        .watch(
            &shell("echo a; printf 'b\\nc' >&2"),
            Hearing {
                on_line: &mut |line| {
                    heard.push(line.to_owned());
                    Clock::Continues
                },
                beginnings: &[],
            },
        )
        .unwrap();
    assert_eq!(heard, ["a", "b", "c"]);
    let long = sandbox
        .run(&shell(
            "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo end",
        ))
        .unwrap();
    assert!(long.output.len() == 64 * 1024 && long.output.ends_with(b"\nend\n"));
    drop((sandbox, report));
    assert_eq!(
        receiver
            .iter()
            .filter(|event| matches!(event, Event::Output(line) if line == "0123456789"))
            .count(),
        20_000
    );
}

#[test]
#[ignore = "needs root"]
fn what_cannot_be_started_is_named() {
    let tree = Tree::new();
    let root = tree.root();
    let path = |text: &str| crate::tree::rootfs::RootPath::parse(text).unwrap();
    let mut arm = b"\x7fELF\x01\x01\x01".to_vec();
    arm.resize(64, 0);
    arm[16..20].copy_from_slice(&[2, 0, 40, 0]);
    root.write(&path("bin/arm"), &arm, 0o755).unwrap();
    root.write(&path("bin/arm-script"), b"#! /bin/arm -x\n", 0o755)
        .unwrap();
    root.write(&path("bin/orphan"), b"#!/no/such\n", 0o755)
        .unwrap();
    root.write(&path("bin/data"), b"", 0o644).unwrap();
    let sandbox = Sandbox::open(&root, &Report::silent()).unwrap();
    for program in ["arm", "/bin/arm", "arm-script"] {
        let error = sandbox.run(&command(&[program])).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Foreign {
                    architecture: "armhf",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert!(
        matches!(sandbox.run(&command(&["nothing"])), Err(Error::NotFound { program }) if program == "nothing")
    );
    assert!(matches!(
        sandbox.run(&command(&["/bin/sh/x"])),
        Err(Error::NotFound { .. })
    ));
    assert!(
        matches!(sandbox.run(&command(&["orphan"])), Err(Error::Exec { source, .. }) if source.kind() == io::ErrorKind::NotFound)
    );
    assert!(
        matches!(sandbox.run(&command(&["data"])), Err(Error::Exec { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied)
    );
    assert_eq!(said(&sandbox, "echo and goes on"), "and goes on\n");
}

#[test]
#[ignore = "needs root"]
fn a_tree_with_nothing_in_it() {
    let empty = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(&Rootfs::open(empty.path()).unwrap(), &Report::silent()).unwrap();
    assert!(
        matches!(sandbox.run(&shell("true")), Err(Error::NotFound { program }) if program == "sh")
    );
    drop(sandbox);
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
#[ignore = "needs root"]
fn a_command_can_be_cancelled_while_it_runs() {
    let tree = Tree::new();
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = Sandbox::open(&tree.root(), &report).unwrap();
    let cancel = sandbox.cancel();
    let canceller = std::thread::spawn(move || {
        let begun = receiver
            .iter()
            .any(|event| matches!(event, Event::Output(line) if line == "begun"));
        assert!(begun);
        cancel.cancel();
    });
    let ended = sandbox.run(&shell("trap '' INT TERM HUP; echo begun; sleep 98765"));
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    canceller.join().unwrap();
    assert!(matches!(sandbox.run(&shell("true")), Err(Error::Cancelled)));
    drop(sandbox);
    assert_eq!(running(tree.path()), 0);
}

#[test]
#[ignore = "needs root"]
fn sandboxes_do_not_hold_one_another_open() {
    let tree = Tree::new();
    let first = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    let second = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    drop(first);
    assert_eq!(said(&second, "echo here"), "here\n");
}

#[test]
#[ignore = "needs root"]
fn fsync_is_answered_at_once() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    // fsync on a pipe is EINVAL, unless the filter answers.
    assert_eq!(
        said(&sandbox, "echo x | sync /dev/stdin && sync && echo done"),
        "done\n"
    );
    let open = Sandbox::open_without(&tree.root(), &Report::silent(), refused::FILTER).unwrap();
    assert!(
        !open
            .run(&shell("echo x | sync /dev/stdin"))
            .unwrap()
            .status
            .success()
    );
}

/// The processors that a process may use, as its status tells.
fn kept_to(status: &str) -> Option<&str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .map(str::trim)
}

#[test]
#[ignore = "needs root, processors, seccomp"]
fn commands_stay_on_one_processor_until_they_could_notice() {
    let tree = Tree::new();
    let host = std::fs::read_to_string("/proc/self/status").unwrap();
    let all = kept_to(&host).unwrap();
    let (sender, receiver) = mpsc::channel();
    let report = Report::new(move |event| drop(sender.send(event)));
    let sandbox = Sandbox::open(&tree.root(), &report).unwrap();
    for event in receiver.try_iter() {
        let is_refused = matches!(&event, Event::Detail(text) if text.contains("one processor"));
        assert!(!is_refused, "{event:?}");
    }
    let at_first = said(&sandbox, "cat /proc/self/status");
    assert!(
        kept_to(&at_first).unwrap().parse::<u32>().is_ok(),
        "{at_first}"
    );
    // A program that asks gets the true number, and may use all of them.
    let nproc = std::process::Command::new("nproc").output().unwrap().stdout;
    assert_eq!(said(&sandbox, "nproc").as_bytes(), nproc);
    // A command that runs long releases every process: its daemon too, and what the shell starts
    // afterwards.
    let released = said(
        &sandbox,
        "sleep 98765 >/dev/null 2>&1 & cat /proc/$!/status; echo long
         for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done; cat /proc/$!/status; cat /proc/self/status",
    );
    let (short, long) = released.split_once("long\n").unwrap();
    assert_ne!(kept_to(short), Some(all), "{short}");
    assert_eq!(
        long.lines()
            .filter(|line| kept_to(line) == Some(all))
            .count(),
        2,
        "{long}"
    );
    assert_ne!(
        kept_to(&said(&sandbox, "cat /proc/self/status")),
        Some(all),
        "the next command stays again"
    );
    // Without a listener, commands use all processors.
    for without in [refused::LISTENER, refused::PID, refused::FILTER] {
        let sandbox = Sandbox::open_without(&tree.root(), &Report::silent(), without).unwrap();
        assert_eq!(
            kept_to(&said(&sandbox, "cat /proc/self/status")),
            Some(all),
            "{without}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn links_in_the_tree_do_not_lead_the_mounts_out() {
    let tree = Tree::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::remove_dir(tree.path().join("dev")).unwrap();
    std::os::unix::fs::symlink(outside.path(), tree.path().join("dev")).unwrap();
    let sandbox = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    assert_eq!(said(&sandbox, "test -e /dev/null || echo none"), "none\n");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// The number in a line of /proc/self/status, in hexadecimal.
fn status_field(status: &str, name: &str) -> Option<u64> {
    for line in status.lines() {
        if let Some(value) = line.strip_prefix(name) {
            return u64::from_str_radix(value.trim_start_matches(':').trim(), 16).ok();
        }
    }
    None
}

#[test]
#[ignore = "needs root"]
fn pid_1_holds_nothing_of_the_host() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    let process = PathBuf::from(format!("/proc/{}", sandbox.init));
    for region in ["environ", "cmdline"] {
        let found = std::fs::read(process.join(region)).unwrap();
        assert!(found.iter().all(|&byte| byte == 0), "{region}");
    }
    for entry in std::fs::read_dir(process.join("fd")).unwrap() {
        let opened = std::fs::read_link(entry.unwrap().path()).unwrap();
        let opened = opened.to_string_lossy().into_owned();
        let expected = ["/dev/null", "socket:", "anon_inode:"];
        assert!(
            expected.iter().any(|start| opened.starts_with(start)),
            "{opened}"
        );
    }
    let host = std::fs::metadata("/dev/null").unwrap();
    let host = {
        use std::os::unix::fs::MetadataExt;
        format!("{}:{}\n", host.dev(), host.ino())
    };
    assert_ne!(said(&sandbox, "stat -L -c %d:%i /dev/stdin"), host);
}

#[test]
#[ignore = "needs root"]
fn scripts_cannot_look_into_pid_1() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    let probes =
        "for fd in 0 1 2 3 4 5 6; do stat -L /proc/1/fd/$fd >/dev/null 2>&1 && echo fd; done
        cat /proc/1/environ >/dev/null 2>&1 && echo environ
        cat /proc/1/maps >/dev/null 2>&1 && echo maps
        cat /proc/1/mem 2>&1 | { read line; case $line in *Permission*) ;; *) echo mem;; esac; }
        stat -L /proc/1/exe >/dev/null 2>&1 && echo exe
        ls /proc/1/root/ >/dev/null 2>&1 && echo root
        echo done";
    assert_eq!(said(&sandbox, probes), "done\n");
}

#[test]
#[ignore = "needs root"]
fn scripts_have_few_capabilities_and_may_still_use_setuid() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Report::silent()).unwrap();
    let status = said(&sandbox, "cat /proc/self/status");
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setfcap; sys_chroot where the
        // root could be pivoted into
        let found = status_field(&status, set).unwrap();
        assert_eq!(found | 0x4_0000, 0x8004_00fb, "{set} {found:x}");
    }
    for set in ["CapInh", "CapAmb", "NoNewPrivs"] {
        assert_eq!(status_field(&status, set), Some(0), "{set}");
    }
    let report = Report::silent();
    let without = refused::CAPABILITIES;
    let sandbox = Sandbox::open_without(&tree.root(), &report, without).unwrap();
    let status = said(&sandbox, "cat /proc/self/status");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(
        status_field(&status, "CapEff"),
        status_field(&own, "CapEff")
    );
}

#[test]
#[ignore = "needs root"]
fn device_nodes_of_packages_do_not_open() {
    let tree = Tree::new();
    let root = tree.root();
    let node = crate::tree::rootfs::RootPath::known("node");
    let zero = rustix::fs::makedev(1, 5);
    root.make_node(&node, rustix::fs::FileType::CharacterDevice, 0o666, zero)
        .unwrap();
    let sandbox = Sandbox::open(&root, &Report::silent()).unwrap();
    let probe = "sh -c ': </node' 2>/dev/null && echo opened; : </dev/zero; echo done";
    assert_eq!(said(&sandbox, probe), "done\n");
}

#[test]
#[ignore = "needs root"]
fn calls_that_reach_beyond_the_tree_are_refused() {
    let tree = Tree::new();
    let report = Report::silent();
    // Each of the two, capabilities and filter, is enough for most of them.
    for without in [0, refused::CAPABILITIES, refused::FILTER] {
        let _ = std::fs::remove_file(tree.path().join("tmp/fifo"));
        let sandbox = Sandbox::open_without(&tree.root(), &report, without).unwrap();
        let probes = "mount -t tmpfs none /tmp 2>/dev/null && echo mount
            unshare -m sh -c : 2>/dev/null && echo unshare
            mknod /tmp/block b 7 0 2>/dev/null && echo block
            mknod /tmp/character c 1 3 2>/dev/null && echo character
            mknod /tmp/fifo p && echo done";
        assert_eq!(said(&sandbox, probes), "done\n", "{without}");
    }
    let sandbox = Sandbox::open(&tree.root(), &report).unwrap();
    let probe = "unshare -U sh -c : 2>/dev/null && echo user; echo done";
    assert_eq!(said(&sandbox, probe), "done\n");
}

#[test]
#[ignore = "needs root"]
fn a_command_that_runs_too_long_is_killed_with_all_that_it_started() {
    let tree = Tree::new();
    let deaf = "trap '' INT TERM HUP; setsid sleep 98765 & echo begun; sleep 98765";
    for without in [0, refused::PID] {
        let report = Report::silent();
        let sandbox = Sandbox::open_without(&tree.root(), &report, without).unwrap();
        let sandbox = sandbox.with_limits(ScriptLimits {
            time: Some(std::time::Duration::from_millis(500)),
        });
        assert_eq!(said(&sandbox, "echo quick"), "quick\n");
        match sandbox.run(&shell(deaf)) {
            Err(Error::TimedOut { output, .. }) => assert_eq!(output, b"begun\n"),
            other => panic!("{without}: {other:?}"),
        }
        drop(sandbox);
        assert_eq!(running(tree.path()), 0, "{without}");
    }
}
