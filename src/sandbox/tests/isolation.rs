//! What stays out of the reach of commands, and that nothing of them stays.

use std::os::unix::fs::{FileExt, MetadataExt};

use super::*;

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
        let report = Report::silent();
        let sandbox =
            Sandbox::open_without(&tree.root(), &Options::default(), &report, without).unwrap();
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
    }
}

#[test]
#[ignore = "needs root"]
fn pid_1_holds_nothing_of_the_host() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    let process = PathBuf::from(format!("/proc/{}", sandbox.init));
    assert_eq!(std::fs::read(process.join("environ")).unwrap(), b"");
    let program = std::fs::read_link(process.join("exe")).unwrap();
    assert_eq!(program, Path::new("/memfd:rbootstrap (deleted)"));
    for entry in std::fs::read_dir(process.join("fd")).unwrap() {
        let opened = std::fs::read_link(entry.unwrap().path()).unwrap();
        let opened = opened.to_string_lossy().into_owned();
        let expected = ["/dev/null", "socket:", "anon_inode:"];
        assert!(
            expected.iter().any(|start| opened.starts_with(start)),
            "{opened}"
        );
    }
}

#[test]
#[ignore = "needs root"]
fn the_memory_of_the_program_is_not_in_pid_1() {
    let tree = Tree::new();
    let secret = format!("secret-{}", std::process::id()).repeat(1000);
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
    let memory = |pid: u32| {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let file = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
        let mut found = false;
        for line in maps.lines() {
            let range = line.split(' ').next().unwrap().split_once('-').unwrap();
            let start = u64::from_str_radix(range.0, 16).unwrap();
            let end = u64::from_str_radix(range.1, 16).unwrap();
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            if !line.contains(" ---") && file.read_exact_at(&mut bytes, start).is_ok() {
                found |= memchr::memmem::find(&bytes, &secret.as_bytes()[..2000]).is_some();
            }
        }
        found
    };
    assert!(
        memory(std::process::id()),
        "the search finds it in this process"
    );
    assert!(!memory(sandbox.init.as_raw().cast_unsigned()));
}

#[test]
#[ignore = "needs root"]
fn commands_inherit_three_descriptors() {
    let tree = Tree::new();
    for without in [0, refused::USER, refused::USER | refused::PID] {
        let report = Report::silent();
        let sandbox =
            Sandbox::open_without(&tree.root(), &Options::default(), &report, without).unwrap();
        let script = "n=0; while [ $n -lt 64 ]; do
            [ -h /proc/$$/fd/$n ] && echo $n; n=$((n+1))
            done; echo end";
        assert_eq!(said(&sandbox, script), "0\n1\n2\nend\n", "{without}");
    }
}

#[test]
#[ignore = "needs root"]
fn scripts_cannot_look_into_pid_1() {
    let tree = Tree::new();
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
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
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &Report::silent()).unwrap();
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
    let without = refused::CAPABILITIES | refused::USER;
    let sandbox =
        Sandbox::open_without(&tree.root(), &Options::default(), &report, without).unwrap();
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
    let sandbox = Sandbox::open(&root, &Options::default(), &Report::silent()).unwrap();
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
        let sandbox =
            Sandbox::open_without(&tree.root(), &Options::default(), &report, without).unwrap();
        let probes = "mount -t tmpfs none /tmp 2>/dev/null && echo mount
            unshare -m sh -c : 2>/dev/null && echo unshare
            mknod /tmp/block b 7 0 2>/dev/null && echo block
            mknod /tmp/character c 1 3 2>/dev/null && echo character
            mknod /tmp/fifo p && echo done";
        assert_eq!(said(&sandbox, probes), "done\n", "{without}");
    }
    let sandbox = Sandbox::open(&tree.root(), &Options::default(), &report).unwrap();
    let probe = "unshare -U sh -c : 2>/dev/null && echo user; echo done";
    assert_eq!(said(&sandbox, probe), "done\n");
}

#[test]
#[ignore = "needs root"]
fn scripts_are_root_of_a_user_namespace_with_every_id() {
    let tree = Tree::new();
    let options = Options::default();
    let sandbox = Sandbox::open(&tree.root(), &options, &Report::silent()).unwrap();
    assert_eq!(sandbox.refused() & refused::USER, 0);
    let own = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    assert_eq!(said(&sandbox, "cat /proc/self/uid_map"), own);
    assert_eq!(said(&sandbox, "cat /proc/self/gid_map"), own);
    let owned = "for id in 0 1 65534 4294967294; do
        : >/tmp/$id; chown $id:$id /tmp/$id; chmod 6755 /tmp/$id; stat -c %u:%g:%a /tmp/$id
        done";
    let expected = "0:0:6755\n1:1:6755\n65534:65534:6755\n4294967294:4294967294:6755\n";
    assert_eq!(said(&sandbox, owned), expected);
    let host = std::fs::metadata(tree.path().join("tmp/4294967294")).unwrap();
    assert_eq!(
        (host.uid(), host.gid(), host.mode()),
        (u32::MAX - 1, u32::MAX - 1, 0o106_755)
    );
}

#[test]
#[ignore = "needs root"]
fn file_capabilities_are_plain_for_the_host() {
    let tree = Tree::new();
    tree.copy_program("setcap");
    let options = Options::default();
    let sandbox = Sandbox::open(&tree.root(), &options, &Report::silent()).unwrap();
    let path = tree.path().join("bin/cat");
    assert_eq!(said(&sandbox, "setcap cap_net_raw+ep /bin/cat"), "");
    let mut found = [0; 64];
    let length = rustix::fs::lgetxattr(&path, c"security.capability", &mut found).unwrap();
    // Version 2 with the effective bit, and cap_net_raw, number 13, in the permitted set.
    let mut expected = [0; 20];
    expected[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
    expected[4..8].copy_from_slice(&(1_u32 << 13).to_le_bytes());
    assert_eq!(&found[..length], expected);
}

#[test]
#[ignore = "needs root"]
fn the_devices_of_the_host_keep_their_modes() {
    let tree = Tree::new();
    for without in [0, refused::USER] {
        let report = Report::silent();
        let sandbox =
            Sandbox::open_without(&tree.root(), &Options::default(), &report, without).unwrap();
        let before = std::fs::metadata("/dev/null").unwrap();
        let script = "for node in null zero full random urandom tty console; do
            chmod 600 /dev/$node /dev/stdin; chown 1:1 /dev/$node; echo x >/dev/$node
            done 2>/dev/null; echo done";
        assert_eq!(said(&sandbox, script), "done\n");
        for node in ["null", "zero", "full", "random", "urandom", "tty"] {
            let after = std::fs::metadata(format!("/dev/{node}")).unwrap();
            let found = (after.uid(), after.mode() & 0o7777, after.ctime());
            assert_eq!((found.0, found.1), (0, 0o666), "{node}");
            assert!(node != "null" || found.2 == before.ctime());
        }
    }
}

#[test]
#[ignore = "needs root"]
fn the_tables_of_the_kernel_are_empty() {
    let tree = Tree::new();
    for without in [0, refused::USER] {
        let report = Report::silent();
        let sandbox =
            Sandbox::open_without(&tree.root(), &Options::default(), &report, without).unwrap();
        assert_eq!(sandbox.refused() & refused::MASKS, 0);
        let script = "for file in kcore keys key-users kallsyms kmsg timer_list slabinfo
            do cat /proc/$file 2>/dev/null | { read line && echo $file; }; done
            for directory in /sys/firmware /proc/scsi /proc/acpi; do ls -A $directory; done 2>/dev/null
            ls -d /sys/devices/*/* | { while read path; do case $path in
            /sys/devices/system/* | /sys/devices/virtual/*) ;; *) echo $path;; esac; done; }
            ( echo x >/proc/sys/kernel/core_pattern ) 2>/dev/null || echo read-only";
        assert_eq!(said(&sandbox, script), "read-only\n");
        let groups = said(&sandbox, "cat /proc/self/cgroup");
        assert!(groups.lines().all(|line| line.ends_with(":/")), "{groups}");
    }
}
