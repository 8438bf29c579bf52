//! Commands inside the tree, in namespaces of their own: the box. (contract; body to come)
use crate::{report::Report, rootfs::Rootfs};
use std::ffi::OsString;

/// The box around a tree. One process (PID 1 of a PID namespace) holds the namespaces as long as this lives; dropping it ends
/// all that still runs in it and, with the mount namespace, all mounts.
#[derive(Debug)]
pub struct Chroot;
#[derive(Clone, Debug)]
pub struct Command {
    pub argv: Vec<OsString>,
    /// the whole environment; nothing is inherited
    pub env: Vec<(OsString, OsString)>,
}
#[derive(Clone, Debug)]
pub struct Finished {
    /// exit status as waitpid gives it: Exited(code) or Signalled(n)
    pub status: std::process::ExitStatus,
    /// the last 64 KiB of what it wrote to stdout and stderr, as it came
    pub output: Vec<u8>,
}
#[derive(Debug, thiserror::Error)]
#[error("chroot")]
pub struct Error;
impl Chroot {
    pub fn open(_root: &Rootfs, _report: &Report) -> Result<Chroot, Error> {
        unimplemented!()
    }
    /// Runs a command with / as its directory, stdin /dev/null, and waits for it. Whole lines of its output go to report as Event::Output.
    pub fn run(&self, _command: &Command) -> Result<Finished, Error> {
        unimplemented!()
    }
}
