//! Where groups are made, and which are removed.

use std::time::SystemTime;

use super::*;

const V2: &str = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                  32 25 0:28 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";

#[test]
fn groups_of_runs_that_ended_are_removed() {
    let parent = tempfile::tempdir().unwrap();
    let long_ago = SystemTime::now() - 2 * FILLED;
    let own = process::id();
    let table = [
        ("rbootstrap-1-0", false, true),
        ("rbootstrap-1-1", true, false),
        (&format!("rbootstrap-{own}-0"), true, false),
        // Larger than the kernel's largest process ID.
        ("rbootstrap-4194305-0", true, true),
        ("rbootstrap-0-0", false, false),
        ("rbootstrap-x", false, false),
        ("other", false, false),
    ];
    for (name, is_new, _) in table {
        let directory = parent.path().join(name);
        rustix::fs::mkdir(&directory, rustix::fs::Mode::RWXU).unwrap();
        if !is_new {
            let directory = fs::File::open(directory).unwrap();
            directory.set_modified(long_ago).unwrap();
        }
    }
    remove_stale(parent.path());
    for (name, _, is_removed) in table {
        assert_eq!(parent.path().join(name).exists(), !is_removed, "{name}");
    }
}

#[test]
fn groups_are_made_beside_or_below_our_own() {
    let table = [
        (
            V2,
            "0::/system.slice/nightly.service\n",
            "pids",
            Some(("/sys/fs/cgroup/system.slice", true)),
        ),
        (V2, "0::/\n", "memory", Some(("/sys/fs/cgroup/", true))),
        (
            V1,
            "2:cpu,pids:/a\n1:memory:/docker/1/b\n0::/\n",
            "pids",
            Some(("/sys/fs/cgroup/pids/a", false)),
        ),
        (
            V1,
            "2:pids:/\n1:memory:/docker/1/b\n",
            "memory",
            Some(("/sys/fs/cgroup/memory/b", false)),
        ),
        (V1, "1:memory:/elsewhere\n", "memory", None),
        ("", "0::/\n", "pids", None),
        (V2, "", "pids", None),
    ];
    for (mounts, own, controller, expected) in table {
        let expected = expected.map(|(directory, is_v2)| Parent {
            directory: directory.into(),
            is_v2,
        });
        assert_eq!(
            parent(own, mounts, controller),
            expected,
            "{own} {controller}"
        );
    }
}

/// The limits of a group, as the kernel has them.
fn limits(directory: &Path, files: &[&str]) -> Vec<String> {
    let read = |file: &&str| fs::read_to_string(directory.join(file)).ok();
    let texts = files.iter().filter_map(read);
    texts.map(|text| text.trim().to_owned()).collect()
}

#[test]
#[ignore = "needs root, cgroups"]
fn swap_is_limited_and_nothing_stays() {
    let mut child = process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut wanted = ScriptLimits {
        memory: Some(64 << 20),
        ..ScriptLimits::default()
    };
    let groups = ControlGroups::around(pid, wanted);
    assert_eq!(groups.missing(), [""; 0]);
    let pids = groups.pids.clone().unwrap();
    let memory = groups.memory.clone().unwrap();
    assert_eq!(limits(&pids, &["pids.max"]), ["8192"]);
    let bytes = "67108864";
    if groups.is_v2 {
        assert_eq!(limits(&memory, &["memory.max"]), [bytes]);
        let swap = limits(&memory, &["memory.swap.max"]);
        assert!(swap.iter().all(|most| most == "0"), "{swap:?}");
    } else {
        assert_eq!(limits(&memory, &["memory.limit_in_bytes"]), [bytes]);
        let swap = limits(&memory, &["memory.memsw.limit_in_bytes"]);
        assert!(swap.iter().all(|most| most == bytes), "{swap:?}");
    }
    let members = fs::read_to_string(memory.join("cgroup.procs")).unwrap();
    assert_eq!(members.trim(), pid.to_string());
    wanted.memory = Some(0);
    let unlimited = ControlGroups::around(pid, wanted);
    assert!(unlimited.memory.is_none() && unlimited.missing().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    drop((groups, unlimited));
    assert!(!pids.exists() && !memory.exists());
}
