//! Commands inside the tree, in namespaces of their own: the box.
//!
//! One process holds the mount, PID, IPC, UTS and network namespaces for a whole run, because making them costs more than most
//! scripts take; it starts the commands one after another. Nothing has to be cleaned up: when that process ends, the kernel ends all that
//! it started and drops its mounts. Which commands are run, and what their failing means, is for others to know.

use std::ffi::OsString;
use std::io::{self, IoSlice, PipeReader, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;

use crate::failure::Class;
use crate::report::Report;
use crate::tree::rootfs::Rootfs;
use inside::Inside;
use output::Output;
use wire::{ANSWER, Answer};

mod filter;
mod inside;
mod machine;
mod mounts;
mod output;
mod wire;

#[cfg(test)]
mod tests;

/// The host's name, as programs in the box see it: the same wherever an image is made.
pub(crate) const HOSTNAME: &str = "localhost";

/// The box around a tree. One process (PID 1 of a PID namespace) holds the namespaces as long as this lives; dropping it ends
/// all that still runs in it and, with the mount namespace, all mounts.
#[derive(Debug)]
pub(crate) struct Sandbox {
    line: Arc<Line>,
    /// one command at a time
    turn: Mutex<()>,
    process: Pid,
    root: Rootfs,
    report: Report,
}

/// Our end of the socket, and whether someone hung up.
#[derive(Debug)]
struct Line {
    socket: UnixStream,
    cancelled: AtomicBool,
}

/// Ends a box from another thread, as a signal handler's: whatever runs in it is killed, and `run` returns [`Error::Cancelled`].
#[derive(Clone, Debug)]
pub(crate) struct Cancel(Arc<Line>);

impl Cancel {
    /// Ends the box now. May be called at any time, and more than once.
    pub(crate) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        let _ = self.0.socket.shutdown(Shutdown::Both);
    }
}

/// A command to run inside the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The program, looked for in the environment's PATH when it has no slash, and its arguments.
    pub(crate) argv: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl Command {
    fn program(&self) -> String {
        self.argv
            .first()
            .map(|program| program.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

/// A command that was run.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// Exit status or signal, as `waitpid` gives it.
    pub(crate) status: ExitStatus,
    /// The last 64 KiB of what it wrote to stdout and stderr, as it came.
    pub(crate) output: Vec<u8>,
}

/// Why a command could not be run. That it ran and failed is no such error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not root, or a root without CAP_SYS_CHROOT.
    #[error("cannot change the root directory: this needs root, with CAP_SYS_CHROOT")]
    Permission,
    /// A step on the way into the box failed.
    #[error("cannot run commands in the tree: {step} failed")]
    Setup {
        /// Which.
        step: Step,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A process, a pipe or a socket could not be made.
    #[error("cannot start a process for the tree")]
    Start(#[source] io::Error),
    /// There is no such program in the tree.
    #[error("the tree has no {program}")]
    NotFound {
        /// Its name or path.
        program: String,
    },
    /// A program for another machine, and nothing on the host that runs it.
    #[error("the host cannot run {architecture} programs such as the tree's {program}")]
    Foreign {
        /// Its name or path.
        program: String,
        /// Debian's name of the machine that it is for.
        architecture: &'static str,
    },
    /// The kernel does not execute it.
    #[error("cannot run the tree's {program}")]
    Exec {
        /// Its name or path.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More arguments than a command can have, or none.
    #[error("the arguments of {program} do not fit: {bytes} bytes")]
    TooLong {
        /// Its name.
        program: String,
        /// What they and the environment come to.
        bytes: usize,
    },
    /// An argument or a variable with a NUL byte.
    #[error("`{argument}` contains a NUL byte")]
    Nul {
        /// It.
        argument: String,
    },
    /// [`Cancel`] was used.
    #[error("interrupted")]
    Cancelled,
    /// The process that holds the box was killed by someone else.
    #[error("the process that runs the tree's commands ended")]
    Died,
}

impl Error {
    /// The class that decides the exit code. A program that the packages did not bring, or that lacks its
    /// interpreter, is a failure of the packages; the rest is what the host permits.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::NotFound { .. } | Error::Exec { .. } => Class::Script,
            Error::Permission
            | Error::Setup { .. }
            | Error::Start(_)
            | Error::Foreign { .. }
            | Error::TooLong { .. }
            | Error::Nul { .. }
            | Error::Died => Class::Target,
            Error::Cancelled => Class::Other,
        }
    }
}

/// A step on the way into the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Going to the tree.
    Tree = 1,
    /// Making it the root.
    Sandbox,
    /// Leaving the host's root.
    Pivot,
    /// Hearing of children that end.
    Signals,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Step::Tree => "entering it",
            Step::Sandbox => "making it the root directory",
            Step::Pivot => "leaving the host's root directory",
            Step::Signals => "listening for the end of processes",
        })
    }
}

/// Bits for what the host did not let us have.
mod refused {
    pub(super) const MOUNT: u32 = 1;
    pub(super) const PID: u32 = 2;
    pub(super) const IPC: u32 = 4;
    pub(super) const UTS: u32 = 8;
    pub(super) const NET: u32 = 16;
    pub(super) const FILTER: u32 = 32;
    pub(super) const DEV: u32 = 64;
    pub(super) const PROC: u32 = 128;
    pub(super) const SYS: u32 = 256;
    pub(super) const LISTENER: u32 = 512;
}

impl Sandbox {
    /// Builds the box around a tree. /dev, /proc and /sys are mounted where the tree has these directories already.
    pub(crate) fn open(root: &Rootfs, report: &Report) -> Result<Sandbox, Error> {
        Sandbox::open_without(root, report, 0)
    }

    /// As [`open`](Sandbox::open), as if the host refused what is in `without`.
    fn open_without(root: &Rootfs, report: &Report, without: u32) -> Result<Sandbox, Error> {
        let (socket, theirs) = UnixStream::pair().map_err(Error::Start)?;
        let root = root.try_clone().map_err(Error::Start)?;
        let null = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(Error::Start)?;
        let inside = Inside::new(theirs.as_fd(), root.as_fd(), null.as_fd(), without);
        let process = inside.start().map_err(|e| Error::Start(e.into()))?;
        let line = Arc::new(Line {
            socket,
            cancelled: AtomicBool::new(false),
        });
        let chroot = Sandbox {
            line,
            turn: Mutex::new(()),
            process,
            root,
            report: report.clone(),
        };
        drop(theirs); // or we would never see the other side's end
        match chroot.answer()? {
            Answer::Ready(refused) => chroot.tell(refused),
            Answer::Refused(step, libc::EPERM) if step == Step::Sandbox as u32 => {
                return Err(Error::Permission);
            }
            Answer::Refused(step, error) => {
                let steps = [Step::Tree, Step::Sandbox, Step::Pivot, Step::Signals];
                let step = steps
                    .into_iter()
                    .find(|&known| known as u32 == step)
                    .unwrap_or(Step::Tree);
                return Err(Error::Setup {
                    step,
                    source: io::Error::from_raw_os_error(error),
                });
            }
            Answer::NotStarted(_) | Answer::Ended(_) => return Err(Error::Died),
        }
        Ok(chroot)
    }

    /// What ends this box from another thread.
    pub(crate) fn cancel(&self) -> Cancel {
        Cancel(self.line.clone())
    }

    /// Runs a command with / as its directory and stdin /dev/null, and waits for it. Whole lines of its output go to the
    /// report as [`Event::Output`](crate::report::Event::Output). What it left running goes on until the box is dropped.
    pub(crate) fn run(&self, command: &Command) -> Result<Finished, Error> {
        self.watch(command, &mut |_| ())
    }

    /// As [`run`](Sandbox::run), and `hear` hears each line of output as well.
    pub(crate) fn watch(
        &self,
        command: &Command,
        hear: &mut dyn FnMut(&str),
    ) -> Result<Finished, Error> {
        let request = wire::encode(command)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (output, write_end) = io::pipe().map_err(Error::Start)?;
        self.ask(&request, &write_end)?;
        drop(write_end);
        let mut heard = Output::new(&self.report, hear);
        let answer = self.attend(output, &mut heard)?;
        let output = heard.finish();
        match answer {
            Answer::Ended(status) => Ok(Finished {
                status: ExitStatus::from_raw(status),
                output,
            }),
            Answer::NotStarted(error) => Err(self.not_started(command.program(), error)),
            Answer::Ready(_) | Answer::Refused(..) => Err(Error::Died),
        }
    }

    fn ask(&self, request: &[u8], output: &impl AsRawFd) -> Result<(), Error> {
        let (header, strings) = request.split_at(wire::HEADER);
        let passed = [output.as_raw_fd()];
        let socket = self.line.socket.as_raw_fd();
        let sent = sendmsg::<()>(
            socket,
            &[IoSlice::new(header)],
            &[ControlMessage::ScmRights(&passed)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        sent.map_err(|_| self.gone())?;
        let mut rest = strings;
        while !rest.is_empty() {
            match nix::sys::socket::send(socket, rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => rest = &rest[sent..],
                Err(nix::Error::EINTR) => {}
                Err(_) => return Err(self.gone()),
            }
        }
        Ok(())
    }

    /// Reads the command's output until it has ended. A daemon that it left may hold the pipe open for ever: what is in it at that
    /// moment is all that is read.
    fn attend(&self, mut output: PipeReader, heard: &mut Output<'_>) -> Result<Answer, Error> {
        let flags = rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&output, flags).map_err(|e| Error::Start(e.into()))?;
        let mut open = true;
        loop {
            let mut watched = vec![PollFd::new(self.line.socket.as_fd(), PollFlags::POLLIN)];
            if open {
                watched.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut watched, PollTimeout::NONE) {
                Err(nix::Error::EINTR) => continue,
                Err(e) => return Err(Error::Start(e.into())),
                Ok(_) => {}
            }
            let answered = watched[0]
                .revents()
                .is_some_and(|events| !events.is_empty());
            let answer = answered.then(|| self.answer()).transpose()?;
            if open {
                open = drain(&mut output, heard);
            }
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    fn answer(&self) -> Result<Answer, Error> {
        let mut bytes = [0; ANSWER];
        (&self.line.socket)
            .read_exact(&mut bytes)
            .map_err(|_| self.gone())?;
        Answer::decode(&bytes).ok_or(Error::Died)
    }

    fn gone(&self) -> Error {
        if self.line.cancelled.load(Ordering::SeqCst) {
            Error::Cancelled
        } else {
            Error::Died
        }
    }

    fn not_started(&self, program: String, error: i32) -> Error {
        let foreign = machine::foreign(&self.root, &program);
        match (error, foreign) {
            (libc::ENOEXEC | libc::ENOENT, Some(architecture)) => Error::Foreign {
                program,
                architecture,
            },
            (libc::ENOENT | libc::ENOTDIR, None) if !machine::is_there(&self.root, &program) => {
                Error::NotFound { program }
            }
            _ => Error::Exec {
                program,
                source: io::Error::from_raw_os_error(error),
            },
        }
    }

    /// Says what the host did not let us have, and what that means.
    fn tell(&self, refused: u32) {
        let warnings = [
            (
                refused::MOUNT,
                "no mount namespace: scripts see the tree's own /dev, no /proc and no /sys",
            ),
            (
                refused::PID,
                "no PID namespace: scripts see the host's processes",
            ),
            (
                refused::NET,
                "no network namespace: scripts can reach the network",
            ),
        ];
        for (_, warning) in warnings.iter().filter(|(bit, _)| refused & bit != 0) {
            self.report.warning(format!("the host allows {warning}"));
        }
        let details = [
            (refused::IPC, "no IPC namespace"),
            (
                refused::UTS,
                "no UTS namespace: scripts see the host's name",
            ),
            (refused::FILTER, "no seccomp filter: fsync reaches the disk"),
            (refused::LISTENER, "commands are not kept on one processor"),
            (refused::DEV, "no /dev of the box's own"),
            (refused::PROC, "no /proc"),
            (refused::SYS, "no /sys"),
        ];
        for (_, detail) in details.iter().filter(|(bit, _)| refused & bit != 0) {
            self.report.detail(format!("in the tree: {detail}"));
        }
    }
}

/// Reads what is there. False once the other end is closed.
fn drain(output: &mut PipeReader, heard: &mut Output<'_>) -> bool {
    let mut buffer = [0; 16 * 1024];
    // A process that writes for ever must not keep us from its end: at most a full pipe at a time.
    for _ in 0..64 {
        match output.read(&mut buffer) {
            Ok(0) => return false,
            Ok(read) => heard.take(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.line.socket.shutdown(Shutdown::Both);
        while nix::sys::wait::waitpid(self.process, None) == Err(nix::Error::EINTR) {}
    }
}
