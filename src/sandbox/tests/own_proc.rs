//! What commands see of /proc where nothing can be mounted.

use std::os::unix::fs::MetadataExt;

use super::*;

/// What a container without CAP_SYS_ADMIN refuses.
const NO_MOUNTS: u32 = refused::USER | refused::PID | refused::MOUNT;

fn tree() -> Tree {
    let tree = Tree::new();
    tree.copy_program("readlink");
    tree.copy_program("mountpoint");
    std::fs::write(tree.path().join("tmp/file"), "text\n").unwrap();
    // A shell's daemons read from it.
    std::fs::write(tree.path().join("dev/null"), "").unwrap();
    tree
}

fn open(tree: &Tree, without: u32) -> Sandbox {
    let options = Options::default();
    Sandbox::open_without(&tree.root(), &options, &Report::silent(), without).unwrap()
}

#[test]
#[ignore = "needs root, seccomp"]
fn commands_see_themselves_and_the_kernel() {
    let tree = tree();
    let sandbox = open(&tree, NO_MOUNTS);
    assert_eq!(
        sandbox.refused() & (refused::MOUNT | refused::PROC),
        refused::MOUNT
    );
    let table = [
        ("cat /proc/self/comm", "cat\n"),
        ("cat /proc/thread-self/comm", "cat\n"),
        ("cat </proc/$$/comm", "sh\n"),
        ("readlink /proc/self/exe", "/bin/readlink\n"),
        ("cat </tmp/file /proc/self/fd/0", "text\n"),
        ("exec 7</tmp/file; cat /dev/fd/7", "text\n"),
        ("cat </tmp/file /dev/stdin", "text\n"),
        ("echo said >/proc/self/fd/1", "said\n"),
        ("echo said >>/dev/stdout", "said\n"),
        ("stat -f -c %T /proc /proc/self", "proc\nproc\n"),
        (
            "stat -c %F /proc /proc/self/status",
            "directory\nregular empty file\n",
        ),
        ("exec 7</tmp/file; stat -L -c %s /proc/self/fd/7", "5\n"),
        (
            "exec 7</tmp/file; stat -c %N /proc/self/fd/7",
            "'/proc/self/fd/7' -> '/tmp/file'\n",
        ),
        (
            "[ -d /proc/self ] && [ -r /proc/mounts ] && echo yes",
            "yes\n",
        ),
        (
            "cat /proc/filesystems >/tmp/kernel && [ -s /tmp/kernel ] && echo yes",
            "yes\n",
        ),
        ("cat /proc/sys/kernel/ostype", "Linux\n"),
        (
            "ls /proc/self/root",
            "bin\ndev\nlib\nlib64\nproc\nsys\ntmp\n",
        ),
        ("cd /tmp; readlink /proc/self/cwd", "/tmp\n"),
        ("mountpoint /proc", "/proc is a mountpoint\n"),
        (
            "mountpoint /tmp || echo other",
            "/tmp is not a mountpoint\nother\n",
        ),
    ];
    for (script, expected) in table {
        // The libraries' directories differ from host to host.
        let said = said(&sandbox, script);
        match script {
            "ls /proc/self/root" => assert!(said.starts_with("bin\ndev\n"), "{said}"),
            _ => assert_eq!(said, expected, "{script}"),
        }
    }
    println!("{} cases", table.len());
}

#[test]
#[ignore = "needs root, seccomp"]
fn changes_through_a_descriptor_reach_its_file() {
    let tree = tree();
    let sandbox = open(&tree, NO_MOUNTS);
    let script = "exec 7</tmp/file; chmod 640 /proc/self/fd/7; chown 5:6 /proc/self/fd/7
        echo more >>/proc/self/fd/7; cat /tmp/file";
    assert_eq!(said(&sandbox, script), "text\nmore\n");
    let found = std::fs::metadata(tree.path().join("tmp/file")).unwrap();
    assert_eq!(
        (found.mode() & 0o7777, found.uid(), found.gid()),
        (0o640, 5, 6)
    );
}

#[test]
#[ignore = "needs root, seccomp"]
fn nothing_of_the_host_is_seen_or_changed() {
    let tree = tree();
    let sandbox = open(&tree, NO_MOUNTS);
    let own = std::process::id();
    let probes = format!(
        "for pid in 1 {own} $PPID; do
            for file in '' /root /cwd /exe /environ /status /fd /fd/0 /task; do
                [ -e /proc/$pid$file ] && echo \"$pid$file\"
                [ -L /proc/$pid$file ] && echo \"$pid$file\"
            done
            cat /proc/$pid/status /proc/self/../$pid/status /proc/self/root/proc/$pid/status
            cat /proc/self/task/$pid/status /proc/self/cwd/../proc/$pid/status
        done 2>/dev/null
        ls /proc
        ls /proc/self/fd /proc/self/task /proc/sys 2>/dev/null
        for file in kallsyms keys kcore; do
            cat /proc/$file >/dev/null 2>&1 && echo $file
        done
        for file in sys/kernel/hostname self/oom_score_adj self/comm self/mem; do
            (: >/proc/$file) 2>/dev/null && echo $file
            chmod 777 /proc/$file 2>/dev/null && echo $file
        done
        cd /proc/self 2>/dev/null && echo entered
        echo done"
    );
    assert_eq!(said(&sandbox, &probes), "done\n");
}

/// What each command started is answered, also after another command and after one that could not
/// be started.
#[test]
#[ignore = "needs root, seccomp"]
fn every_command_is_answered() {
    let tree = tree();
    let sandbox = open(&tree, NO_MOUNTS);
    for _ in 0..3 {
        assert!(sandbox.run(&command(&["missing"])).is_err());
        let script = "sh -c 'cat /proc/self/comm'; sleep 98765 | cat & echo end";
        assert_eq!(said(&sandbox, script), "cat\nend\n");
        assert_eq!(running(tree.path()), 1);
    }
}

#[test]
#[ignore = "needs root"]
fn without_a_filter_there_is_no_proc() {
    let tree = tree();
    let sandbox = open(&tree, NO_MOUNTS | refused::FILTER);
    assert_ne!(sandbox.refused() & refused::PROC, 0);
    let script = "[ -e /proc/self ] || echo none";
    assert_eq!(said(&sandbox, script), "none\n");
}
