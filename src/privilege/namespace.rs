//! Enters a user namespace without starting this process anew, so that its terminal, signals, locks
//! and exit code are those of the process that the caller started.
//!
//! Only a process outside can map more ids than one. So a child is forked first, which stays in the
//! old namespace until it has mapped them.
#![expect(
    unsafe_code,
    reason = "fork and unshare need a process with one thread"
)]

use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::process::Command;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::helper::{self, Helpers};
use super::subordinate::{self, Maps};
use super::{Caller, Error, IdMap, PrivilegeKind, refusal};

/// How the ids are mapped.
enum Mapper {
    /// By newuidmap and newgidmap.
    Helpers(Helpers),
    /// By the child itself, which is root.
    Root,
}

/// Becomes root of a namespace with the caller's subordinate ids.
pub(super) fn enter_as_user(caller: &Caller) -> Result<PrivilegeKind, Error> {
    let uid = rustix::process::geteuid().as_raw();
    let maps = subordinate::maps()?;
    let mapper = Mapper::Helpers(helper::find(caller)?);
    let subordinate = maps.users.count() - 1;
    enter(&maps, &mapper)?;
    Ok(PrivilegeKind::UserNamespace { uid, subordinate })
}

/// Becomes root of a namespace with all ids that root has.
pub(super) fn enter_as_root() -> Result<PrivilegeKind, Error> {
    let own = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let map = IdMap::parse(&text).ok_or_else(|| Error::Read {
            path: path.into(),
            reason: "it has no ids".into(),
        });
        Ok(map?.identity())
    };
    let maps = Maps {
        users: own("/proc/self/uid_map")?,
        groups: own("/proc/self/gid_map")?,
    };
    let subordinate = maps.users.count() - 1;
    enter(&maps, &Mapper::Root)?;
    let uid = 0;
    Ok(PrivilegeKind::UserNamespace { uid, subordinate })
}

fn enter(maps: &Maps, mapper: &Mapper) -> Result<(), Error> {
    let child = NamespaceChild::fork(maps, mapper).map_err(|error| Error::Start {
        reason: error.to_string(),
    })?;
    // SAFETY: this process has one thread, and the namespace does not concern its descriptors.
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
    if let Err(errno) = unshared {
        child.give_up();
        return Err(refusal::of_namespace(errno));
    }
    child.map()?;
    has_rights()
}

/// Whether this process is really root inside: AppArmor lets a user make a namespace and then denies
/// what root may do there.
fn has_rights() -> Result<(), Error> {
    match rustix::process::chroot(c"/") {
        Ok(()) => Ok(()),
        Err(errno) => Err(refusal::of_rights(errno)),
    }
}

/// The child outside.
struct NamespaceChild {
    pid: Pid,
    /// Written to when the namespace exists.
    go: PipeWriter,
    /// What went wrong, or nothing.
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
        let _ = waitpid(self.pid, None);
        let unheard = read.err().map(|error| error.to_string());
        match unheard.unwrap_or(text) {
            reason if reason.is_empty() => Ok(()),
            reason => Err(Error::Map { reason }),
        }
    }

    /// Ends the child.
    fn give_up(self) {
        drop(self.go);
        let _ = waitpid(self.pid, None);
    }
}

/// Waits until the namespace exists, and tells what went wrong then. The parent may end before.
fn serve(mut wait: PipeReader, mut tell: PipeWriter, map: impl FnOnce() -> Result<(), String>) {
    if wait.read_exact(&mut [0]).is_err() {
        return;
    }
    if let Err(reason) = map() {
        let _ = tell.write_all(reason.as_bytes());
    }
}

impl Mapper {
    /// Maps the ids of a process; in words what went wrong.
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

/// An error number as the kernel gave it.
pub(super) fn words(errno: Errno) -> String {
    io::Error::from(errno).to_string()
}
