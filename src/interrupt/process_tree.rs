//! A process and its descendants, found in /proc by their parent PIDs.
//!
//! Every process found is stopped before the next search, so none can fork or be reparented in
//! between. A process is identified by PID and start time, since PIDs are reused.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long to wait for processes after SIGKILL.
const AFTER_KILL: Duration = Duration::from_secs(1);
/// How often to check whether processes are left.
const INTERVAL: Duration = Duration::from_millis(10);

/// A process and all that it has started.
#[derive(Debug)]
pub(super) struct ProcessTree {
    members: Vec<ProcessStatus>,
}

/// A line of proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessStatus {
    id: i32,
    parent: i32,
    /// In clock ticks since the system's start.
    start: u64,
    has_ended: bool,
}

impl ProcessTree {
    /// Of a child of this process that is not reaped.
    pub(super) fn of(process: Pid) -> ProcessTree {
        let mut tree = ProcessTree {
            members: Vec::new(),
        };
        tree.members.extend(ProcessStatus::read(process.as_raw()));
        if tree.members.is_empty() {
            // There is no /proc.
            let _ = kill(process, Signal::SIGKILL);
        }
        tree
    }

    /// Ends all: by SIGTERM, and after the grace by SIGKILL.
    pub(super) fn end(&mut self, grace: Duration) {
        self.stop();
        self.send(Signal::SIGTERM);
        // A stopped process handles SIGTERM only once it is continued.
        self.send(Signal::SIGCONT);
        if !self.has_ended_within(grace) {
            self.kill();
            self.has_ended_within(AFTER_KILL);
        }
    }

    /// Sends SIGKILL to all.
    pub(super) fn kill(&mut self) {
        self.stop();
        self.send(Signal::SIGKILL);
    }

    /// Stops all, and finds those that are new.
    fn stop(&mut self) {
        self.send(Signal::SIGSTOP);
        loop {
            let found = self.new_members();
            if found.is_empty() {
                return;
            }
            for process in found {
                process.send(Signal::SIGSTOP);
                self.members.push(process);
            }
        }
    }

    fn new_members(&self) -> Vec<ProcessStatus> {
        let all = ProcessStatus::all();
        let is_member = |process: &ProcessStatus| self.members.iter().any(|one| one.is(process));
        let parents: Vec<i32> = all
            .iter()
            .filter(|one| is_member(one))
            .map(|one| one.id)
            .collect();
        let mut new = all;
        new.retain(|one| parents.contains(&one.parent) && !parents.contains(&one.id));
        new
    }

    fn send(&self, signal: Signal) {
        for process in &self.members {
            process.send(signal);
        }
    }

    fn has_ended_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while self.members.iter().any(ProcessStatus::is_there) {
            if Instant::now() > until {
                return false;
            }
            thread::sleep(INTERVAL);
        }
        true
    }
}

impl ProcessStatus {
    fn all() -> Vec<ProcessStatus> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            all.extend(id.and_then(ProcessStatus::read));
        }
        all
    }

    fn read(id: i32) -> Option<ProcessStatus> {
        let line = fs::read(format!("/proc/{id}/stat")).ok()?;
        ProcessStatus::parse(id, &String::from_utf8_lossy(&line))
    }

    fn parse(id: i32, line: &str) -> Option<ProcessStatus> {
        // The name before may have any characters.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        Some(ProcessStatus {
            id,
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            has_ended: matches!(*fields.first()?, "Z" | "X"),
        })
    }

    fn is(&self, other: &ProcessStatus) -> bool {
        self.id == other.id && self.start == other.start
    }

    /// Whether the process still runs. Only its own parent reaps it, which may never happen.
    fn is_there(&self) -> bool {
        ProcessStatus::read(self.id).is_some_and(|now| self.is(&now) && !now.has_ended)
    }

    fn send(&self, signal: Signal) {
        if self.is_there() {
            let _ = kill(Pid::from_raw(self.id), signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_read_from_proc() {
        let numbers = "34 3 3 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 9876 1024";
        for (name, line, expected) in [
            ("one that runs", format!("7 (sh) S {numbers}"), Some(false)),
            ("a zombie", format!("7 (sh) Z {numbers}"), Some(true)),
            (
                "an odd name",
                format!("7 (a) Z 1 (b) R {numbers}"),
                Some(false),
            ),
            ("half a line", "7 (sh) S 34 3".to_owned(), None),
        ] {
            let expected = expected.map(|has_ended| ProcessStatus {
                id: 7,
                parent: 34,
                start: 9876,
                has_ended,
            });
            assert_eq!(ProcessStatus::parse(7, &line), expected, "{name}");
        }
        let own = std::process::id().cast_signed();
        assert!(ProcessStatus::all().iter().any(|one| one.id == own));
    }
}
