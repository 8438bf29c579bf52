//! Runs commands inside the tree, in namespaces of their own.
//!
//! One process, PID 1 of a PID namespace, holds the mount, PID, IPC, UTS and network namespaces for
//! a whole run, because creating them takes longer than most scripts; it starts the commands one
//! after another. Nothing has to be cleaned up: when it ends, the kernel kills every process in the
//! sandbox and drops its mounts. Which commands are run, and what their failure means, is left to
//! the callers.

mod channel;
mod command;
mod control_group;
pub(crate) mod emulator;
mod end;
mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod hooks;
mod ids;
mod init;
mod limits;
mod machine;
mod masks;
mod memory;
mod mounts;
mod output;
mod program;
mod refused;
mod seccomp;
mod start;
mod wire;
mod zygote;

#[cfg(test)]
mod tests;

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::Pid;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::formats::arch::Architecture;
use crate::report::Report;
use crate::tree::rootfs::Rootfs;
use channel::Channel;
use control_group::{ControlGroups, Hits};
use limits::TimeLeft;
use output::{LineReader, drain};
use start::{Started, Starter};
use wire::{Reply, RequestKind};

pub(crate) use channel::Cancel;
pub(crate) use command::{Command, Finished};
pub(crate) use error::{Error, SetupStep};
pub(crate) use hooks::HookMounts;
pub(crate) use limits::{Exceeded, ScriptLimits};
pub(crate) use memory::available_memory;
pub(crate) use output::{Clock, Hearing};
pub(crate) use zygote::PerlScript;

/// The host name that programs in the sandbox see: the same wherever an image is built.
pub(crate) const HOSTNAME: &str = "localhost";

/// Runs PID 1 of a sandbox or the process that executes a hook, if executed as such.
pub(crate) fn own_process() -> Option<ExitCode> {
    init::run(std::env::args_os()).or_else(|| hooks::hook_process(std::env::args_os()))
}

/// What the user permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Runs scripts where the host refuses what keeps them from its processes, network or files.
    pub(crate) allow_weak: bool,
    /// Whether that is so because a container is around them.
    pub(crate) is_contained: bool,
    pub(crate) limits: ScriptLimits,
    /// Whether runs of two Perl scripts share their compilation (see `zygote`).
    pub(crate) shares_perl: bool,
    /// Whether a supervisor records the owners of files (see [`ownership`](crate::ownership)).
    pub(crate) records_owners: bool,
    /// Another architecture, whose programs the host's emulator runs.
    pub(crate) emulated: Option<&'static Architecture>,
}

/// The sandbox around a tree. Dropping it kills every process in it and, with the mount namespace,
/// drops all mounts.
#[derive(Debug)]
pub(crate) struct Sandbox {
    channel: Arc<Channel>,
    /// Held while a command runs: there is one at a time.
    turn: Mutex<()>,
    init: Pid,
    root: Rootfs,
    limits: ScriptLimits,
    shares_perl: bool,
    groups: ControlGroups,
    report: Report,
    /// What the host refused, as bits.
    refused: u32,
    /// The bits of the Perl scripts that can have zygotes.
    covered: AtomicU32,
}

/// How a command ended, or was ended.
enum Waited {
    Replied(Reply),
    /// Its time was over, and it was killed.
    Killed(Exceeded),
}

impl Sandbox {
    /// Opens a sandbox around a tree. /dev, /proc and /sys are mounted if the tree already has
    /// these directories.
    pub(crate) fn open(
        root: &Rootfs,
        options: &Options,
        report: &Report,
    ) -> Result<Sandbox, Error> {
        let sandbox = Sandbox::open_without(root, options, report, 0)?;
        let is_allowed =
            options.allow_weak || options.is_contained && !refused::is_open(sandbox.refused);
        let is_weak = refused::is_weak(sandbox.refused) || refused::is_open(sandbox.refused);
        if !is_allowed && is_weak {
            return Err(Error::Weak {
                missing: refused::refusals(sandbox.refused),
            });
        }
        if sandbox.refused & refused::PID != 0 {
            forbid_tracing();
        }
        refused::tell(sandbox.refused, options.is_contained, report);
        for what in sandbox.groups.missing() {
            let text = format!("in the sandbox: no limit of {what}, for want of a control group");
            report.detail(text);
        }
        Ok(sandbox)
    }

    /// What the host refused, as bits. Scripts may behave differently without it.
    pub(crate) fn refused(&self) -> u32 {
        self.refused
    }

    /// Opens a sandbox as if the host refused the features in `without`. Where a container permits
    /// a user namespace and in it less than outside, the sandbox does without.
    fn open_without(
        root: &Rootfs,
        options: &Options,
        report: &Report,
        without: u32,
    ) -> Result<Sandbox, Error> {
        let first = Sandbox::start(root, options, report, without);
        let costs = costs(&first, without);
        if costs == 0 || without & refused::USER != 0 {
            return first;
        }
        let second = Sandbox::start(root, options, report, without | refused::USER);
        if self::costs(&second, without) < costs {
            return second;
        }
        first
    }

    fn start(
        root: &Rootfs,
        options: &Options,
        report: &Report,
        without: u32,
    ) -> Result<Sandbox, Error> {
        let root = root.try_clone().map_err(Error::Start)?;
        let starter = Starter {
            tree: root.as_fd(),
            limits: options.limits,
            without,
            shares_perl: options.shares_perl,
            records_owners: options.records_owners,
            emulated: options.emulated,
        };
        let Started {
            socket,
            pid,
            groups,
        } = starter.start().map_err(Error::Start)?;
        let mut sandbox = Sandbox {
            channel: Arc::new(Channel::new(socket)),
            turn: Mutex::new(()),
            init: pid,
            root,
            limits: options.limits,
            shares_perl: options.shares_perl,
            groups,
            report: report.clone(),
            refused: 0,
            covered: AtomicU32::new(0),
        };
        match sandbox.channel.receive()? {
            Reply::Ready(refused) => sandbox.refused = refused,
            Reply::Refused(step, error) => return Err(setup_error(step, error)),
            Reply::NotStarted(_) | Reply::Ended { .. } | Reply::Covered { .. } => {
                return Err(Error::Died);
            }
        }
        Ok(sandbox)
    }

    /// A handle that ends this sandbox from another thread.
    pub(crate) fn cancel(&self) -> Cancel {
        Cancel::new(self.channel.clone())
    }

    /// Runs a command in / with /dev/null as stdin, and waits for it. Whole lines of its output are
    /// reported as [`Event::Output`](crate::report::Event::Output). Processes that it leaves
    /// running are killed before this returns: nothing but PID 1 runs between two commands.
    pub(crate) fn run(&self, command: &Command) -> Result<Finished, Error> {
        let hearing = Hearing {
            on_line: &mut |_| Clock::Continues,
            beginnings: &[],
        };
        self.watch(command, hearing)
    }

    /// Like [`run`](Sandbox::run), and has its output heard.
    pub(crate) fn watch(&self, command: &Command, hearing: Hearing<'_>) -> Result<Finished, Error> {
        let request = wire::encode(RequestKind::Run, command)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (output, write_end) = io::pipe().map_err(Error::Start)?;
        self.channel.send(&request, write_end.as_raw_fd())?;
        drop(write_end);
        let mut lines = LineReader::new(&self.report, hearing);
        let before = self.groups.hits();
        let waited = self.wait(output, &mut lines);
        let output = lines.finish();
        let has_hit_memory = self.tell_hits(before);
        let exceeded = |limit| Error::Exceeded {
            program: command.program(),
            limit,
            output: output.clone(),
        };
        let reply = match waited {
            Ok(Waited::Replied(reply)) => reply,
            Ok(Waited::Killed(limit)) => return Err(exceeded(limit)),
            // The kernel ended PID 1 as well: what is in /dev/shm goes with nothing less.
            Err(Error::Died) if has_hit_memory => {
                return Err(exceeded(Exceeded::Memory(self.limits.memory_bytes())));
            }
            Err(error) => return Err(error),
        };
        match reply {
            Reply::Ended { status, left } => {
                if left > 0 {
                    let program = command.program();
                    self.report.detail(format!(
                        "{program} left processes running: {left} ended with it"
                    ));
                }
                Ok(Finished {
                    status: ExitStatus::from_raw(status),
                    output,
                })
            }
            Reply::NotStarted(error) => Err(self.not_started(command.program(), error)),
            Reply::Ready(_) | Reply::Refused(..) | Reply::Covered { .. } => Err(Error::Died),
        }
    }

    /// Warns of limits that a command met. True if memory is one of them.
    fn tell_hits(&self, before: Hits) -> bool {
        let hits = self.groups.hits();
        if hits.memory > before.memory {
            let mebibytes = self.limits.memory_bytes() >> 20;
            self.report.warning(format!(
                "a script used more than {mebibytes} MiB of memory, and the kernel killed a process of it \
                 (--script-memory)"
            ));
        }
        if hits.pids > before.pids {
            let processes = self.limits.processes;
            let text = format!("a script could not start more than {processes} processes");
            self.report.warning(text);
        }
        hits.memory > before.memory
    }

    /// Ends all that runs in the sandbox, for good: a command exceeded a limit.
    fn kill(&self) {
        self.channel.shut_down();
        if self.refused & refused::PID == 0 {
            // Even if it waits for a process that does not end.
            let _ = nix::sys::signal::kill(self.init, nix::sys::signal::Signal::SIGKILL);
        }
    }

    /// Reads the command's output until it has ended, and then what the pipe still contains.
    fn wait(
        &self,
        mut output: PipeReader,
        lines: &mut LineReader<'_, '_>,
    ) -> Result<Waited, Error> {
        let flags = rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&output, flags).map_err(|e| Error::Start(e.into()))?;
        let mut is_open = true;
        let mut time = TimeLeft::new(self.limits.time);
        loop {
            if lines.take_restarted() {
                time.restart();
            }
            if let Some(limit) = time.exceeded() {
                self.kill();
                return Ok(Waited::Killed(limit));
            }
            let replied = {
                let socket = self.channel.as_fd();
                let mut watched = vec![PollFd::new(socket, PollFlags::POLLIN)];
                if is_open {
                    watched.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
                }
                match poll(&mut watched, time.poll_timeout()) {
                    Err(nix::Error::EINTR) => continue,
                    Err(e) => return Err(Error::Start(e.into())),
                    Ok(_) => watched[0].any().unwrap_or(true),
                }
            };
            let reply = match replied {
                true => Some(self.channel.receive()?),
                false => None,
            };
            if is_open {
                is_open = drain(&mut output, lines);
            }
            if let Some(reply) = reply {
                return Ok(Waited::Replied(reply));
            }
        }
    }

    fn not_started(&self, program: String, error: i32) -> Error {
        let foreign = machine::foreign(&self.root, &program);
        match (error, foreign) {
            (libc::ENOEXEC | libc::ENOENT, Some(architecture)) => Error::Foreign {
                program,
                architecture,
            },
            (libc::ENOENT | libc::ENOTDIR, None) if !machine::exists(&self.root, &program) => {
                Error::NotFound { program }
            }
            _ => Error::Exec {
                program,
                source: io::Error::from_raw_os_error(error),
            },
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.channel.shut_down();
        end::await_end(self.init);
    }
}

/// Keeps processes that have all capabilities of this one from tracing it and from reading its
/// memory and environment through /proc (PR_SET_DUMPABLE in prctl(2)).
fn forbid_tracing() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// How many features a sandbox lacks that it may have without a user namespace.
fn costs(sandbox: &Result<Sandbox, Error>, without: u32) -> u32 {
    match sandbox {
        Ok(sandbox) => refused::costs(sandbox.refused & !without),
        Err(_) => u32::MAX,
    }
}

fn setup_error(step: u32, error: i32) -> Error {
    let step = SetupStep::from_number(step);
    if step == SetupStep::ChangeRoot && error == libc::EPERM {
        return Error::Permission;
    }
    let source = io::Error::from_raw_os_error(error);
    match step {
        SetupStep::OpenDevices if error == libc::EACCES => Error::Devices(source),
        _ => Error::Setup { step, source },
    }
}
