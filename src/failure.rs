//! The classes of failure that exit codes tell apart.
//!
//! Each module's error names its class, and a hint where there is one, in exhaustive matches beside
//! its variants: a new variant does not compile without both. `cli` turns a class into an exit
//! code.

use std::error::Error;

/// What kind of failure an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Anything that is not in another class.
    Other,
    /// The command line, or a file that it names, is wrong.
    Usage,
    /// A bad signature, digest or date, or an index or a package that is malformed, that is not
    /// what was promised, or that exceeds a limit.
    Trust,
    /// The requested packages cannot be installed together.
    Packages,
    /// The network or the mirror failed.
    Network,
    /// The target or the disk is unusable, or the host denies a permission.
    Target,
    /// A maintainer script or dpkg failed.
    Script,
    /// A signal stopped the run.
    Interrupted {
        /// The signal's number.
        signal: u8,
    },
}

/// An error and its causes on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// The beginning of a foreign text, on one line and without control characters. `longest` is in
/// characters.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    for c in text.trim().chars().take(longest) {
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}
