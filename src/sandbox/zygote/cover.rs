//! Covers the scripts, in a process of its own.
//!
//! PID 1 can mount nothing once its seccomp filter is installed, and that is before any package is
//! unpacked. So it forks a process before that, which waits for the request. It ends when it has
//! covered the scripts, and before the first command in any case: no script runs beside a process
//! without the filter.
#![expect(unsafe_code, reason = "fork, in a process with one thread")]

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::super::init::SOCKET;
use super::text::{cover, programs};
use super::{DIRECTORY, PerlScript};
use crate::bounded;
use crate::formats::arch;
use crate::kernel::wait;

/// The most bytes of a script.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// Bytes at a program's start that tell its architecture.
const HEAD: u64 = 64;

/// What the process answers: the bits of the scripts that are covered, and an error number.
const ANSWER: usize = 8;

/// The process that waits for the request.
pub(in crate::sandbox) struct Coverer {
    pid: c_int,
    line: UnixStream,
}

impl Coverer {
    /// Forks the process. It must be called before the filter is installed.
    pub(in crate::sandbox) fn fork() -> Option<Coverer> {
        let (line, theirs) = UnixStream::pair().ok()?;
        // SAFETY: this process has one thread, so the child may do whatever this process may.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop(line);
            serve(theirs);
            // SAFETY: ends the child without what PID 1 would do at its end.
            unsafe { libc::_exit(0) }
        }
        (pid > 0).then_some(Coverer { pid, line })
    }

    /// Has the scripts covered, as far as they are there. Returns the bits of those that are.
    pub(in crate::sandbox) fn cover(mut self) -> io::Result<u32> {
        self.line.write_all(&[1])?;
        let mut answer = [0; ANSWER];
        self.line.read_exact(&mut answer)?;
        let [a, b, c, d, e, f, g, h] = answer;
        match i32::from_ne_bytes([e, f, g, h]) {
            0 => Ok(u32::from_ne_bytes([a, b, c, d])),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for Coverer {
    /// Ends the process.
    fn drop(&mut self) {
        let _ = self.line.shutdown(std::net::Shutdown::Both);
        let _ = wait::reap(self.pid);
    }
}

/// Waits for the request, covers the scripts and answers.
fn serve(mut line: UnixStream) {
    // SAFETY: only PID 1 may hold the socket to the host.
    unsafe { libc::close(SOCKET) };
    let mut request = [0];
    if line.read_exact(&mut request).is_err() {
        return;
    }
    let (covered, error) = match cover_scripts() {
        Ok(covered) => (covered, 0),
        Err(error) => (0, error.raw_os_error().unwrap_or(libc::EIO)),
    };
    let mut answer = covered.to_ne_bytes().to_vec();
    answer.extend(error.to_ne_bytes());
    let _ = line.write_all(&answer);
}

/// Covers what can be covered. The root is the tree, and no script runs meanwhile.
fn cover_scripts() -> io::Result<u32> {
    let programs = programs();
    if programs.is_empty() || !is_native("/usr/bin/perl") {
        return Ok(0);
    }
    let directory = DIRECTORY.to_str().map_err(io::Error::other)?;
    // The sockets are for root alone: other users' runs go the ordinary way.
    for (name, mode) in [
        ("", 0o755),
        ("/z", 0o700),
        ("/l", 0o755),
        ("/p", 0o700),
        ("/s", 0o755),
    ] {
        rustix::fs::mkdir(format!("{directory}{name}"), Mode::from_raw_mode(mode))?;
    }
    for (name, text) in programs {
        write(&format!("{directory}/{name}"), text.as_bytes())?;
    }
    let mut covered = 0;
    for script in PerlScript::ALL {
        let copy = format!("{directory}/s/{}", script.name());
        if cover_script(script, &copy)? {
            covered |= script.bit();
        }
    }
    Ok(covered)
}

/// Whether a program of the tree is for the machine that this program is built for.
fn is_native(program: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(program, flags, Mode::empty()) else {
        return false;
    };
    let mut head = Vec::new();
    let read = File::from(file).take(HEAD).read_to_end(&mut head);
    let theirs = arch::of_program(&head).map(|architecture| architecture.name);
    let ours = arch::host().map(|architecture| architecture.name);
    read.is_ok() && theirs.is_some() && theirs == ours
}

/// Mounts a cover on a script. False for a script that is not there or begins in another way.
fn cover_script(script: PerlScript, copy: &str) -> io::Result<bool> {
    let Some((content, found)) = read_script(script.path())? else {
        return Ok(false);
    };
    let Some(content) = cover(&content) else {
        return Ok(false);
    };
    let file = write(copy, &content)?;
    let owner = rustix::fs::Uid::from_raw(found.st_uid);
    let group = rustix::fs::Gid::from_raw(found.st_gid);
    rustix::fs::fchown(&file, Some(owner), Some(group))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(found.st_mode & 0o7777))?;
    rustix::fs::futimens(&file, &times(&found))?;
    drop(file);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, copy, flags)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&mount, c"", CWD, script.path(), flags)?;
    Ok(true)
}

/// Reads a script and its status. `None` if it is not a regular file or is too long.
fn read_script(path: &str) -> io::Result<Option<(Vec<u8>, Stat)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
        return Ok(None);
    };
    let found = rustix::fs::fstat(&file)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let content = bounded::read(File::from(file), SCRIPT_LIMIT)?;
    Ok(content.filter(|_| is_file).map(|content| (content, found)))
}

fn times(found: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: found.st_atime as _,
            tv_nsec: found.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: found.st_mtime as _,
            tv_nsec: found.st_mtime_nsec as _,
        },
    }
}

fn write(path: &str, content: &[u8]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let made = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?;
    let mut file = File::from(made);
    file.write_all(content)?;
    Ok(file)
}
