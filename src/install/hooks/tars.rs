//! Runs the host's tar, and splits a path into the directory that it runs in and the name it packs.
//!
//! Its messages are part of the error if it fails, and warnings otherwise.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use super::Error;
use crate::dpkg::script_failure::LastLines;
use crate::interrupt::Interrupt;
use crate::interrupt::child::{Messages, Running};
use crate::report::Report;

/// A directory and the name in it that is packed.
pub(super) struct Contained {
    pub(super) directory: PathBuf,
    pub(super) name: OsString,
}

impl Contained {
    pub(super) fn all_of(directory: &OsStr) -> Contained {
        Contained {
            directory: directory.into(),
            name: ".".into(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// As dirname(1) and basename(1). What is in `x/.` is all of x, without its name.
pub(super) fn parent_and_name(path: &OsStr) -> Contained {
    let mut trimmed = path.as_bytes();
    while let Some(shorter) = trimmed.strip_suffix(b"/") {
        trimmed = shorter;
    }
    let slash = trimmed.iter().rposition(|byte| *byte == b'/');
    let (directory, name): (&[u8], &[u8]) = match slash {
        Some(0) => (b"/", &trimmed[1..]),
        Some(slash) => (&trimmed[..slash], &trimmed[slash + 1..]),
        None if trimmed.is_empty() && !path.is_empty() => (b"/", b"."),
        None => (b".", trimmed),
    };
    Contained {
        directory: OsString::from_vec(directory.to_vec()).into(),
        name: OsString::from_vec(name.to_vec()),
    }
}

/// A running tar.
pub(super) struct Tar<'a> {
    running: Running,
    messages: Messages,
    helper: &'static str,
    report: &'a Report,
}

impl<'a> Tar<'a> {
    /// Starts tar and drops the command, which closes our ends of its pipes: tar must notice when
    /// its reader has gone.
    pub(super) fn start(
        mut command: Command,
        helper: &'static str,
        interrupt: &Interrupt,
        report: &'a Report,
    ) -> Result<Tar<'a>, Error> {
        let running = Running::start(command.stderr(Stdio::piped()), interrupt);
        let mut running = running.map_err(|source| Error::Start {
            program: "tar".to_owned(),
            source,
        })?;
        Ok(Tar {
            messages: running.hear(),
            running,
            helper,
            report,
        })
    }

    pub(super) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.running.take_stdout()
    }

    /// Waits for a tar that packs, after its reader has ended. If both failed, the error is that of
    /// the packing tar, unless it failed only because its pipe was closed.
    pub(super) fn wait_after(self, read: Result<(), Error>) -> Result<(), Error> {
        match self.wait() {
            Err(error) if !error.is_broken_pipe() => Err(error),
            packed => read.and(packed),
        }
    }

    pub(super) fn wait(mut self) -> Result<(), Error> {
        // Otherwise tar would wait for a reader that has ended early.
        drop(self.take_stdout());
        let status = self.running.wait().map_err(|source| Error::Io {
            helper: self.helper,
            path: "tar".into(),
            source,
        })?;
        let said = self.messages.last();
        if !status.success() {
            return Err(Error::Tar {
                helper: self.helper,
                status,
                output: LastLines::of_output(&said),
            });
        }
        for line in String::from_utf8_lossy(&said).lines() {
            self.report.warning(format!("{}: {line}", self.helper));
        }
        Ok(())
    }
}

/// A tar that writes what is in a directory to its standard output.
pub(super) fn pack(directory: &Path, name: &OsStr) -> Command {
    let mut packing = Command::new("tar");
    packing.args([
        "--numeric-owner",
        "--xattrs",
        "--format=pax",
        "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
    ]);
    packing.arg("--directory").arg(directory);
    packing.args(["--create", "--file", "-", "--"]).arg(name);
    packing.stdin(Stdio::null()).stdout(Stdio::piped());
    packing
}
