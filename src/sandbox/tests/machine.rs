//! What commands see: devices, names, processors, and fsync that does not wait.

use super::*;

#[test]
#[ignore = "needs root"]
fn commands_see_a_machine_of_their_own() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
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
fn fsync_is_answered_at_once() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    // fsync on a pipe is EINVAL, unless the filter answers.
    assert_eq!(
        said(&sandbox, "echo x | sync /dev/stdin && sync && echo done"),
        "done\n"
    );
    let open = Sandbox::open_without(
        &tree.root(),
        &Options::default(),
        &Report::silent(),
        refused::FILTER,
    )
    .unwrap();
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
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &report).unwrap();
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
        let sandbox = Sandbox::open_without(
            &tree.root(),
            &Options::default(),
            &Report::silent(),
            without,
        )
        .unwrap();
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
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    assert_eq!(said(&sandbox, "test -e /dev/null || echo none"), "none\n");
    assert_eq!(
        said(&sandbox, "cat; test -p /proc/self/fd/0 && echo pipe"),
        "pipe\n"
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}
