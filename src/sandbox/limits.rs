//! The limits of a sandbox's commands: time, memory, processes.
//!
//! Only the time is measured here; `control_group` has the kernel enforce the others. The values
//! come from the command line.

use std::fmt;
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

use super::memory;

/// How long a script may run by default. The slowest of 363 packages of bookworm took 9 s; an
/// emulator of another architecture may take some twenty times as long.
const TIME: Duration = Duration::from_secs(60 * 60);

/// How many processes there may be. Builds of kernel modules on hosts with hundreds of processors
/// have some thousand.
const PROCESSES: u32 = 8192;

/// A command may run this many times the limit of one script. A call of dpkg runs the scripts of
/// hundreds of packages; the output tells when the next begins, and a script may imitate that.
const SCRIPTS: u32 = 24;

/// What the commands of a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptLimits {
    /// How long a maintainer script may run, or a command that runs none; `None` for any time.
    pub(crate) time: Option<Duration>,
    /// Bytes of memory of all processes together; `None` for three quarters of what this process may
    /// use, 0 for any.
    pub(crate) memory: Option<u64>,
    /// How many processes and threads there may be at a time.
    pub(crate) processes: u32,
}

/// A limit that a command exceeded, so that it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The time of one script.
    Time(Duration),
    /// The time of a command, whatever number of scripts it ran.
    TotalTime(Duration),
    /// Bytes.
    Memory(u64),
}

impl Exceeded {
    /// The option that sets the limit.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Exceeded::Time(_) => "--script-timeout sets how long a script may run",
            Exceeded::TotalTime(_) => {
                "--script-timeout sets how long a script may run, and all scripts of one call of \
                 dpkg may run 24 times as long"
            }
            Exceeded::Memory(_) => "--script-memory sets how much memory scripts may use",
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exceeded::Time(limit) | Exceeded::TotalTime(limit) => {
                write!(f, "did not end within {}", Rounded(*limit))
            }
            Exceeded::Memory(limit) => write!(f, "used more than {} MiB of memory", limit >> 20),
        }
    }
}

/// A time in the largest unit that gives a whole number, or in seconds.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_nanos() != 0 {
            return write!(f, "{} s", self.0.as_secs_f64());
        }
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            1.. if seconds.is_multiple_of(3600) => (seconds / 3600, "h"),
            1.. if seconds.is_multiple_of(60) => (seconds / 60, "min"),
            _ => (seconds, "s"),
        };
        write!(f, "{number} {unit}")
    }
}

impl Default for ScriptLimits {
    fn default() -> ScriptLimits {
        ScriptLimits {
            time: Some(TIME),
            memory: None,
            processes: PROCESSES,
        }
    }
}

impl ScriptLimits {
    /// The limits of each of several sandboxes that run at once. The memory that the user names
    /// is for each.
    pub(crate) fn shared_by(self, sandboxes: usize) -> ScriptLimits {
        if self.memory.is_some() {
            return self;
        }
        let sandboxes = u64::try_from(sandboxes).unwrap_or(u64::MAX).max(1);
        ScriptLimits {
            memory: Some(self.memory_bytes() / sandboxes),
            ..self
        }
    }

    /// The limit of memory in bytes; 0 for none.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or_else(|| memory::total() / 4 * 3)
    }
}

/// The time that a command has left.
pub(super) struct TimeLeft {
    limit: Option<Duration>,
    /// When the command started.
    started: Instant,
    /// When the current script began.
    began: Instant,
}

impl TimeLeft {
    pub(super) fn new(limit: Option<Duration>) -> TimeLeft {
        let now = Instant::now();
        TimeLeft {
            limit,
            started: now,
            began: now,
        }
    }

    /// The command turned to another script.
    pub(super) fn restart(&mut self) {
        self.began = Instant::now();
    }

    fn left(&self) -> Option<Duration> {
        let limit = self.limit?;
        let of_script = limit.saturating_sub(self.began.elapsed());
        let of_command = limit.saturating_mul(SCRIPTS);
        Some(of_script.min(of_command.saturating_sub(self.started.elapsed())))
    }

    /// The limit that the command has exceeded.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        let limit = self.limit?;
        let total = limit.saturating_mul(SCRIPTS);
        if self.began.elapsed() >= limit {
            Some(Exceeded::Time(limit))
        } else if self.started.elapsed() >= total {
            Some(Exceeded::TotalTime(total))
        } else {
            None
        }
    }

    /// At most this long may a poll wait.
    pub(super) fn poll_timeout(&self) -> PollTimeout {
        match self.left() {
            Some(left) => PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_named_as_they_were_given() {
        for (milliseconds, expected) in [
            (0, "0 s"),
            (250, "0.25 s"),
            (1500, "1.5 s"),
            (90_000, "90 s"),
            (120_000, "2 min"),
            (86_400_000, "24 h"),
            (60_500, "60.5 s"),
        ] {
            let limit = Exceeded::Time(Duration::from_millis(milliseconds));
            assert_eq!(limit.to_string(), format!("did not end within {expected}"));
        }
    }

    #[test]
    fn a_command_that_runs_many_scripts_has_a_limit_too() {
        let limit = Duration::from_secs(2);
        let total = limit * SCRIPTS;
        let since = |elapsed: Duration| Instant::now().checked_sub(elapsed).unwrap();
        let time = |started, began| TimeLeft {
            limit: Some(limit),
            started: since(started),
            began: since(began),
        };
        let second = Duration::from_secs(1);
        assert_eq!(time(second, second).exceeded(), None);
        assert_eq!(time(total, limit).exceeded(), Some(Exceeded::Time(limit)));
        let late = time(total, second);
        assert_eq!(late.exceeded(), Some(Exceeded::TotalTime(total)));
        assert_eq!(late.left(), Some(Duration::ZERO));
        assert_eq!(TimeLeft::new(None).exceeded(), None);
    }
}
