//! A command that runs in a sandbox, and its result.
//!
//! How it gets to PID 1 is in `wire`, how it is started in `init`.

use std::ffi::OsString;
use std::process::ExitStatus;

/// A command to run inside the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The program and its arguments. A program without a slash is searched for in the PATH of
    /// `env`.
    pub(crate) argv: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl Command {
    pub(super) fn program(&self) -> String {
        match self.argv.first() {
            Some(program) => program.to_string_lossy().into_owned(),
            None => String::new(),
        }
    }
}

/// The result of a command.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// The last 64 KiB of its stdout and stderr, interleaved.
    pub(crate) output: Vec<u8>,
}
