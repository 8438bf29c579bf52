//! Control groups that bound the processes and the memory of a sandbox, where the host lets us make
//! them: cgroup v2 or v1, beside or below our own group.
//!
//! Root is exempt from RLIMIT_NPROC, so nothing else bounds how many processes scripts start. A
//! group is removed with the sandbox; one of a run that was killed is removed by the next run.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::ScriptLimits;

/// The names of groups begin so; the process that made it and a number follow.
const NAME: &str = "rbootstrap-";

/// How often the removal of a group is tried, a millisecond apart: its processes are gone, but the
/// kernel may still count them.
const TRIES: u32 = 200;

/// After this time a group without processes is one that a run has left.
const FILLED: Duration = Duration::from_secs(60);

/// The groups of one sandbox: one of cgroup v2, or one for each controller of v1.
#[derive(Debug, Default)]
pub(super) struct ControlGroups {
    pids: Option<PathBuf>,
    memory: Option<PathBuf>,
    /// Whether the group for memory is one of cgroup v2.
    is_v2: bool,
    /// What the host did not let us limit.
    missing: Vec<&'static str>,
}

/// How often a limit was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hits {
    /// Processes that could not be started.
    pub(super) pids: u64,
    /// Processes that the kernel killed.
    pub(super) memory: u64,
}

/// Where a group can be made.
#[derive(Debug, PartialEq, Eq)]
struct Parent {
    directory: PathBuf,
    is_v2: bool,
}

impl ControlGroups {
    /// Makes groups with these limits and moves a process into them, before it has children and a
    /// cgroup namespace, whose root they become. Limits that the host does not let us set are
    /// missing.
    pub(super) fn around(pid: Pid, limits: ScriptLimits) -> ControlGroups {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let name = next_name();
        let make = |limit: Limit| {
            let parent = parent(&own, &mounts, limit.controller)?;
            remove_stale(&parent.directory);
            let directory = parent.directory.join(&name);
            if set_up(&parent, &directory, limit, pid).is_err() {
                let _ = rustix::fs::rmdir(&directory);
                return None;
            }
            Some((directory, parent.is_v2))
        };
        let mut groups = ControlGroups::default();
        let processes = Limit {
            controller: "pids",
            most: limits.processes.into(),
        };
        match make(processes) {
            Some((directory, _)) => groups.pids = Some(directory),
            None => groups.missing.push("processes"),
        }
        let memory = Limit {
            controller: "memory",
            most: limits.memory_bytes(),
        };
        if memory.most > 0 {
            match make(memory) {
                Some((directory, is_v2)) => groups.limit_swap(directory, is_v2, memory.most),
                None => groups.missing.push("memory"),
            }
        }
        groups
    }

    /// Has the limit of the memory's group count swap, too. Kernels without accounting of swap lack
    /// the file.
    fn limit_swap(&mut self, directory: PathBuf, is_v2: bool, most: u64) {
        let limited = match is_v2 {
            true => write(&directory.join("memory.swap.max"), "0"),
            // Of memory and swap together.
            false => {
                let file = directory.join("memory.memsw.limit_in_bytes");
                write(&file, &most.to_string())
            }
        };
        if limited.is_err() && rustix::system::sysinfo().totalswap > 0 {
            self.missing.push("swap");
        }
        self.memory = Some(directory);
        self.is_v2 = is_v2;
    }

    /// What the host did not let us limit.
    pub(super) fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// How often the limits were met so far.
    pub(super) fn hits(&self) -> Hits {
        let of_memory = match self.is_v2 {
            true => "memory.events",
            false => "memory.oom_control",
        };
        Hits {
            pids: count(self.pids.as_deref(), "pids.events", "max"),
            memory: count(self.memory.as_deref(), of_memory, "oom_kill"),
        }
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        for directory in [&self.pids, &self.memory].into_iter().flatten() {
            for _ in 0..TRIES {
                match rustix::fs::rmdir(directory) {
                    Err(rustix::io::Errno::BUSY) => std::thread::sleep(Duration::from_millis(1)),
                    _ => break,
                }
            }
        }
    }
}

/// A limit of one controller: processes or bytes.
#[derive(Clone, Copy)]
struct Limit {
    controller: &'static str,
    most: u64,
}

fn set_up(parent: &Parent, directory: &Path, limit: Limit, pid: Pid) -> io::Result<()> {
    let Limit { controller, most } = limit;
    match rustix::fs::mkdir(directory, rustix::fs::Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let file = match (controller, parent.is_v2) {
        ("memory", true) => "memory.max",
        ("memory", false) => "memory.limit_in_bytes",
        _ => "pids.max",
    };
    // Fails where the group does not have the controller.
    write(&directory.join(file), &most.to_string())?;
    write(&directory.join("cgroup.procs"), &pid.to_string())
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(text.as_bytes())
}

/// A number in a file of lines `name number`; 0 without it.
pub(super) fn count(directory: Option<&Path>, file: &str, name: &str) -> u64 {
    let text = directory.and_then(|directory| fs::read_to_string(directory.join(file)).ok());
    for line in text.unwrap_or_default().lines() {
        if let Some((found, number)) = line.split_once(' ')
            && found == name
        {
            return number.parse().unwrap_or_default();
        }
    }
    0
}

fn next_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("{NAME}{}-{number}", process::id())
}

/// Removes the groups of runs that were killed. The kernel removes none that has processes.
fn remove_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(NAME)) else {
            continue;
        };
        let maker = rest.split('-').next().unwrap_or_default();
        let Ok(maker @ 1..) = maker.parse() else {
            continue;
        };
        let is_gone = kill(Pid::from_raw(maker), None) == Err(nix::Error::ESRCH);
        // Its number may be another process's by now, or be of another PID namespace.
        if is_gone || is_old(&entry) {
            let _ = rustix::fs::rmdir(entry.path());
        }
    }
}

/// Whether a group was made so long ago that its maker, if it lives, has put its process into it.
fn is_old(group: &fs::DirEntry) -> bool {
    let made = group.metadata().and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > FILLED))
}

/// Where a group with this controller can be made: of v1, below our own group; of v2, beside it,
/// because a group with processes of its own gives no controllers to those below it.
fn parent(own: &str, mounts: &str, controller: &str) -> Option<Parent> {
    for is_v2 in [false, true] {
        let Some(path) = own_path(own, controller, is_v2) else {
            continue;
        };
        let Some(own) = directory(mounts, controller, is_v2, path) else {
            continue;
        };
        let directory = match own.parent() {
            Some(parent) if is_v2 && path != "/" => parent.to_owned(),
            _ => own,
        };
        return Some(Parent { directory, is_v2 });
    }
    None
}

/// Our group in /proc/self/cgroup (cgroups(7)): lines `number:controllers:path`.
pub(super) fn own_path<'t>(own: &'t str, controller: &str, is_v2: bool) -> Option<&'t str> {
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let fits = match is_v2 {
            true => controllers.is_empty(),
            false => controllers.split(',').any(|found| found == controller),
        };
        if fits {
            return Some(path);
        }
    }
    None
}

/// The directory of a group, by the mounts in /proc/self/mountinfo (proc_pid_mountinfo(5)).
pub(super) fn directory(
    mounts: &str,
    controller: &str,
    is_v2: bool,
    path: &str,
) -> Option<PathBuf> {
    for line in mounts.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else {
            continue;
        };
        let mut fields = file_system.split(' ');
        let kind = fields.next().unwrap_or_default();
        let options = fields.next_back().unwrap_or_default();
        let fits = match is_v2 {
            true => kind == "cgroup2",
            false => kind == "cgroup" && options.split(',').any(|found| found == controller),
        };
        let mut fields = mount.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else {
            continue;
        };
        let below = path.strip_prefix(root.trim_end_matches('/'));
        let below = below.filter(|below| fits && (below.is_empty() || below.starts_with('/')));
        if let Some(below) = below {
            return Some(Path::new(point).join(below.trim_start_matches('/')));
        }
    }
    None
}

#[cfg(test)]
mod tests;
