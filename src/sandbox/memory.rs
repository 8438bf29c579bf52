//! The memory that this process may use: the host's, or less if a control group limits it.
//!
//! Containers and systemd units have limits that /proc/meminfo does not show. The limits of parent
//! groups apply as well.

use std::fs;
use std::path::Path;

use super::control_group::{count, directory, own_path};

/// A control group with a limit. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LimitedGroup {
    limit: u64,
    /// Memory in use, without reclaimable caches.
    used: u64,
}

/// The memory that all processes together may use, in bytes.
pub(super) fn total() -> u64 {
    let host = rustix::system::sysinfo();
    let unit = u64::from(host.mem_unit).max(1);
    let mut least = host.totalram as u64 * unit;
    for group in own_groups() {
        least = least.min(group.limit);
    }
    least
}

/// What can be used without swapping, in bytes (proc_meminfo(5), cgroups(7)).
pub(crate) fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes: u64 = line?.trim().strip_suffix(" kB")?.parse().ok()?;
    let mut least = kibibytes << 10;
    for group in own_groups() {
        least = least.min(group.limit.saturating_sub(group.used));
    }
    Some(least)
}

fn own_groups() -> Vec<LimitedGroup> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    groups(&own, &mounts)
}

/// The groups with limits, from /proc/self/cgroup and /proc/self/mountinfo: our own, and those
/// above.
fn groups(own: &str, mounts: &str) -> Vec<LimitedGroup> {
    let mut groups = Vec::new();
    for is_v2 in [false, true] {
        let path = own_path(own, "memory", is_v2);
        let Some(lowest) = path.and_then(|path| directory(mounts, "memory", is_v2, path)) else {
            continue;
        };
        for at in lowest.ancestors() {
            groups.extend(group(at, is_v2));
        }
    }
    groups
}

/// The limit of a group; `None` for none.
fn group(directory: &Path, is_v2: bool) -> Option<LimitedGroup> {
    let number = |file: &str| -> Option<u64> {
        let text = fs::read_to_string(directory.join(file)).ok()?;
        text.trim().parse().ok()
    };
    let limit = number(match is_v2 {
        true => "memory.max",
        false => "memory.limit_in_bytes",
    })?;
    let used = number(match is_v2 {
        true => "memory.current",
        false => "memory.usage_in_bytes",
    });
    let droppable = match is_v2 {
        true => "inactive_file",
        false => "total_inactive_file",
    };
    let droppable = count(Some(directory), "memory.stat", droppable);
    Some(LimitedGroup {
        limit,
        used: used.unwrap_or_default().saturating_sub(droppable),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "the files of a test are in no tree"
    )]
    fn write(directory: &Path, files: &[[&str; 2]]) {
        fs::create_dir_all(directory).unwrap();
        for [name, text] in files {
            fs::write(directory.join(name), text).unwrap();
        }
    }

    #[test]
    fn groups_above_count_as_well() {
        let kept = tempfile::tempdir().unwrap();
        let root = kept.path();
        let group = |limit, used| LimitedGroup { limit, used };
        write(
            &root.join("v2/a"),
            &[
                ["memory.max", "4000\n"],
                ["memory.current", "900\n"],
                ["memory.stat", "anon 1\ninactive_file 200\n"],
            ],
        );
        write(&root.join("v2/a/b"), &[["memory.max", "max\n"]]);
        write(
            &root.join("v2/a/b/c"),
            &[["memory.max", "3000\n"], ["memory.current", "100\n"]],
        );
        write(
            &root.join("v1"),
            &[
                ["memory.limit_in_bytes", "9223372036854771712\n"],
                ["memory.usage_in_bytes", "70\n"],
            ],
        );
        write(
            &root.join("v1/d"),
            &[
                ["memory.limit_in_bytes", "500\n"],
                ["memory.usage_in_bytes", "60\n"],
                ["memory.stat", "total_inactive_file 10\n"],
            ],
        );
        let root = root.display();
        let v2 = format!("30 25 0:26 / {root}/v2 rw - cgroup2 cgroup2 rw\n");
        let v1 = format!("32 25 0:28 / {root}/v1 rw - cgroup cgroup rw,memory\n");
        let rows = [
            (
                "v2",
                &v2,
                "0::/a/b/c\n",
                vec![group(3000, 100), group(4000, 700)],
            ),
            ("v2 without limits", &v2, "0::/\n", vec![]),
            (
                "v1",
                &v1,
                "3:memory:/d\n0::/\n",
                vec![group(500, 50), group(9_223_372_036_854_771_712, 70)],
            ),
            ("no groups", &v1, "", vec![]),
        ];
        for (case, mounts, own, expected) in rows {
            assert_eq!(groups(own, mounts), expected, "{case}");
        }
    }
}
