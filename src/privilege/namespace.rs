//! Enters a user namespace in this process, so that its terminal, signals, locks and exit code stay
//! those of the process that the caller started.
//!
//! Only a process outside can map more than one id. So a child is forked first, which stays outside
//! and maps them.
#![expect(
    unsafe_code,
    reason = "fork and unshare need a process with one thread"
)]

use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::process::Command;

use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, fork};
use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::helper::{self, Helpers};
use super::subordinate::{self, Maps};
use super::{Caller, Error, IdMap, PrivilegeKind, refusal};
use crate::kernel::wait;

/// How the ids are mapped.
enum Mapper {
    /// By newuidmap and newgidmap.
    Helpers(Helpers),
    /// By the child itself, which is root.
    Root,
}

/// A namespace that this process has entered and cannot leave. It has no ids there until they are
/// mapped.
pub(super) struct EnteredNamespace {
    child: NamespaceChild,
    kind: PrivilegeKind,
}

impl EnteredNamespace {
    /// Becomes root of the namespace.
    pub(super) fn map(self) -> Result<PrivilegeKind, Error> {
        self.child.map()?;
        has_rights()?;
        Ok(self.kind)
    }
}

/// The ids that a caller may map, with the programs that do it.
pub(super) struct UserIds {
    maps: Maps,
    helpers: Helpers,
}

/// Finds the caller's subordinate ids. Fails if they are not enough for a tree or cannot be mapped.
pub(super) fn user_ids(caller: &Caller) -> Result<UserIds, Error> {
    let maps = subordinate::maps()?;
    let helpers = helper::find(caller)?;
    Ok(UserIds { maps, helpers })
}

impl UserIds {
    /// Enters a namespace for them.
    pub(super) fn enter(self) -> Result<EnteredNamespace, Error> {
        let uid = rustix::process::geteuid().as_raw();
        enter(&self.maps, &Mapper::Helpers(self.helpers), uid)
    }
}

/// Enters a namespace for the caller's subordinate ids.
pub(super) fn enter_as_user(caller: &Caller) -> Result<EnteredNamespace, Error> {
    user_ids(caller)?.enter()
}

/// Whether root of a namespace would have rights there, which a child tries out.
pub(super) fn gives_rights() -> bool {
    // SAFETY: this process has one thread, so its child may use all of its memory.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { child }) => has_succeeded(child),
        Ok(ForkResult::Child) => {
            // SAFETY: as in `enter`.
            let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
            let tried = unshared.and_then(|()| rustix::process::chroot(c"/"));
            // SAFETY: ends this process without what the parent does at its end.
            unsafe { libc::_exit(tried.is_err().into()) }
        }
        Err(_) => false,
    }
}

/// Waits for a child, and tells whether it succeeded.
fn has_succeeded(child: Pid) -> bool {
    wait::reap(child.as_raw()) == Ok(0)
}

/// Enters a namespace for all ids that root has.
pub(super) fn enter_as_root() -> Result<EnteredNamespace, Error> {
    let maps = Maps {
        users: own_ids("/proc/self/uid_map")?,
        groups: own_ids("/proc/self/gid_map")?,
    };
    enter(&maps, &Mapper::Root, 0)
}

/// The ids that this process has, each mapped to itself.
fn own_ids(path: &str) -> Result<IdMap, Error> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match IdMap::parse(&text) {
        Some(map) => Ok(map.identity()),
        None => Err(Error::Read {
            path: path.into(),
            reason: "it has no ids".into(),
        }),
    }
}

fn enter(maps: &Maps, mapper: &Mapper, uid: u32) -> Result<EnteredNamespace, Error> {
    let child = NamespaceChild::fork(maps, mapper).map_err(|error| Error::Start {
        reason: error.to_string(),
    })?;
    // SAFETY: this process has one thread, and the namespace does not concern its descriptors.
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
    if let Err(errno) = unshared {
        child.give_up();
        return Err(refusal::of_namespace(errno));
    }
    let subordinate = maps.users.count() - 1;
    let kind = PrivilegeKind::UserNamespace { uid, subordinate };
    Ok(EnteredNamespace { child, kind })
}

/// Whether this process is really root inside: AppArmor lets a user make a namespace and then
/// denies what root may do there.
pub(super) fn has_rights() -> Result<(), Error> {
    match rustix::process::chroot(c"/") {
        Ok(()) => Ok(()),
        Err(errno) => Err(refusal::of_rights(errno)),
    }
}

/// The child that stays outside and maps the ids.
struct NamespaceChild {
    pid: Pid,
    /// Written to when the namespace exists.
    go: PipeWriter,
    /// Gives the message of a failure, and nothing for a success.
    failure: PipeReader,
}

impl NamespaceChild {
    fn fork(maps: &Maps, mapper: &Mapper) -> io::Result<NamespaceChild> {
        let (wait, go) = io::pipe()?;
        let (failure, tell) = io::pipe()?;
        let parent = rustix::process::getpid().as_raw_nonzero().get();
        // SAFETY: this process has one thread, so its child may use all of its memory.
        match unsafe { fork() }? {
            ForkResult::Parent { child: pid } => Ok(NamespaceChild { pid, go, failure }),
            ForkResult::Child => {
                drop((go, failure));
                serve(wait, tell, || mapper.map(parent, maps));
                // SAFETY: ends this process without what the parent does at its end.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Has the ids mapped.
    fn map(mut self) -> Result<(), Error> {
        let mut text = String::new();
        let done = self.go.write_all(&[0]);
        let read = done.and_then(|()| self.failure.read_to_string(&mut text));
        let ended = wait::reap(self.pid.as_raw());
        let unheard = read.err().map(|error| error.to_string());
        match unheard.unwrap_or(text) {
            reason if !reason.is_empty() => Err(Error::Map { reason }),
            _ => match abnormal_end(self.pid, ended) {
                Some(end) => Err(Error::Map {
                    reason: format!("the process that maps them {end}"),
                }),
                None => Ok(()),
            },
        }
    }

    /// Ends the child.
    fn give_up(self) {
        drop(self.go);
        let _ = wait::reap(self.pid.as_raw());
    }
}

/// The child: waits until the namespace exists, maps the ids and sends the message of a failure.
/// The parent may end before.
fn serve(mut wait: PipeReader, mut tell: PipeWriter, map: impl FnOnce() -> Result<(), String>) {
    if wait.read_exact(&mut [0]).is_err() {
        return;
    }
    if let Err(reason) = map() {
        let _ = tell.write_all(reason.as_bytes());
    }
}

impl Mapper {
    /// Maps the ids of a process. The error is a message.
    fn map(&self, process: i32, maps: &Maps) -> Result<(), String> {
        match self {
            Mapper::Helpers(helpers) => {
                run(&helpers.users, process, &maps.users)?;
                run(&helpers.groups, process, &maps.groups)
            }
            Mapper::Root => {
                write(process, "uid_map", &maps.users)?;
                write(process, "gid_map", &maps.groups)
            }
        }
    }
}

fn run(program: &Path, process: i32, map: &IdMap) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg(process.to_string()).args(map.arguments());
    let name = program.display();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name}: {}: {}", output.status, said.trim()))
        }
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn write(process: i32, file: &str, map: &IdMap) -> Result<(), String> {
    let path = format!("/proc/{process}/{file}");
    let opened = OpenOptions::new().write(true).open(&path);
    // The kernel takes a map in one write only.
    let written = opened.and_then(|mut file| file.write_all(map.to_string().as_bytes()));
    written.map_err(|error| format!("{path}: {error}"))
}

/// How a child ended that reported nothing; `None` for a success.
fn abnormal_end(pid: Pid, ended: Result<i32, Errno>) -> Option<String> {
    let status = match ended {
        Ok(status) => WaitStatus::from_raw(pid, status),
        Err(errno) => return Some(format!("cannot be waited for: {}", words(errno))),
    };
    match status {
        Ok(WaitStatus::Exited(_, 0)) => None,
        Ok(WaitStatus::Exited(_, code)) => Some(format!("ended with exit code {code}")),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("was killed by {signal}")),
        Ok(other) => Some(format!("is in an unknown state: {other:?}")),
        Err(errno) => Some(format!("ended in an unknown way: {errno}")),
    }
}

/// The message of an error number.
pub(super) fn words(errno: Errno) -> String {
    io::Error::from(errno).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_ends_before_it_has_mapped_the_ids_is_an_error() {
        let table = [
            ("exit 0", ""),
            ("kill -9 $$", "was killed by SIGKILL"),
            ("exit 1", "ended with exit code 1"),
            ("echo no >&2; exit 0", "no"),
        ];
        for (script, expected) in table {
            let (wait, go) = io::pipe().unwrap();
            let (failure, tell) = io::pipe().unwrap();
            let mut command = Command::new("/bin/sh");
            #[expect(clippy::zombie_processes, reason = "the function under test waits")]
            let child = command.args(["-c", script]).stderr(tell).spawn().unwrap();
            drop(command);
            let pid = Pid::from_raw(child.id().try_into().unwrap());
            let mapped = NamespaceChild { pid, go, failure }.map();
            drop(wait);
            let text = mapped.err().map_or(String::new(), |e| e.to_string());
            assert_eq!(text.is_empty(), expected.is_empty(), "{script}: {text}");
            assert!(text.contains(expected), "{script}: {text}");
        }
    }
}
