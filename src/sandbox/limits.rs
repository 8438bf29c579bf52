//! The limits of a sandbox's commands: how long one may run.

use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

/// How long a command may run by default. The slowest scripts of Debian take a minute, and some
/// twenty times that where an emulator runs another architecture's programs.
const TIME: Duration = Duration::from_secs(60 * 60);

/// A command may run this many times the limit of one script. A call of dpkg runs the scripts of
/// hundreds of packages; the output tells when the next begins, and a script may imitate that.
const SCRIPTS: u32 = 24;

/// What the commands of a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptLimits {
    /// How long a maintainer script may run, or a command that runs none; `None` for any time.
    pub(crate) time: Option<Duration>,
}

impl Default for ScriptLimits {
    fn default() -> ScriptLimits {
        ScriptLimits { time: Some(TIME) }
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

    pub(super) fn is_over(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// At most this long may a poll wait.
    pub(super) fn poll_timeout(&self) -> PollTimeout {
        match self.left() {
            Some(left) => PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        }
    }
}
