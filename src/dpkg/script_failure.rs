//! A maintainer script that failed, whether we ran it (preinst, postrm) or the tree's dpkg did
//! (postinst, prerm).

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::sandbox::Exceeded;

/// How many lines of output an error shows.
pub(crate) const LINES_SHOWN: usize = 20;

/// A maintainer script failed.
#[derive(Debug, thiserror::Error)]
#[error("the {script} script of {package} {ended}")]
pub(crate) struct ScriptFailure {
    /// The package as dpkg names it: `NAME` or `NAME:ARCHITECTURE`.
    pub(crate) package: String,
    /// `preinst`, `postinst`, …
    pub(crate) script: &'static str,
    pub(crate) ended: Ended,
    #[source]
    pub(crate) output: Option<LastLines>,
}

/// How a script failed.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With this status: `exit status 1`, `signal (Killed)`.
    With(String),
    /// It was killed because of this limit.
    Exceeding(Exceeded),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::With(status) => write!(f, "failed with {status}"),
            Ended::Exceeding(limit) => limit.fmt(f),
        }
    }
}

impl ScriptFailure {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self.ended {
            Ended::With(_) => None,
            Ended::Exceeding(limit) => Some(limit.hint().to_owned()),
        }
    }

    /// A failure of a script that was run here; `output` is what it wrote.
    pub(crate) fn new(
        package: &str,
        script: &'static str,
        status: ExitStatus,
        output: &[u8],
    ) -> ScriptFailure {
        let ended = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal ({})", signal_name(signal)),
            (None, None) => status.to_string(),
        };
        ScriptFailure {
            package: package.to_owned(),
            script,
            ended: Ended::With(ended),
            output: LastLines::of_output(output),
        }
    }
}

/// The signal's name as dpkg's `strsignal` has it for the usual ones, its number otherwise.
fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(nix::sys::signal::Signal::SIGKILL) => "Killed".to_owned(),
        Ok(nix::sys::signal::Signal::SIGTERM) => "Terminated".to_owned(),
        Ok(nix::sys::signal::Signal::SIGSEGV) => "Segmentation fault".to_owned(),
        Ok(nix::sys::signal::Signal::SIGABRT) => "Aborted".to_owned(),
        _ => signal.to_string(),
    }
}

/// The last lines of a failed command's output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LastLines(Vec<String>);

impl LastLines {
    /// The last [`LINES_SHOWN`] of these lines; none where there are none.
    pub(crate) fn of(mut lines: Vec<String>) -> Option<LastLines> {
        let superfluous = lines.len().saturating_sub(LINES_SHOWN);
        lines.drain(..superfluous);
        (!lines.is_empty()).then_some(LastLines(lines))
    }

    /// The last lines of what a command wrote.
    pub(crate) fn of_output(output: &[u8]) -> Option<LastLines> {
        let output = String::from_utf8_lossy(output);
        LastLines::of(output.lines().map(str::to_owned).collect())
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for LastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its output ended with")?;
        for line in &self.0 {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LastLines {}
