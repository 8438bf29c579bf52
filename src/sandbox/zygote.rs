//! Runs two Perl scripts as forks of a process that has compiled them: a zygote.
//!
//! Maintainer scripts run debconf's frontend and deb-systemd-helper over and over, and nearly all
//! of their time is perl compiling the same modules. In the sandbox's mount namespace each of the
//! two is covered by a copy whose second line reads `client.pl` first. That hands the run to the
//! script's zygote, if there is one in the same circumstances, and does nothing otherwise.
//! docs/zygotes.md has the rules. `cover` puts the copies in place, `text` makes them, PID 1 starts
//! zygotes on request, and they end with the command.

mod cover;
mod text;

use std::ffi::{CStr, OsString, c_int};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::wire::{self, Reply, RequestKind};
use super::{Command, Error, Sandbox};

pub(super) use cover::Coverer;

/// Where everything of the zygotes is, on the sandbox's own /dev.
const DIRECTORY: &CStr = c"/dev/.rb";

/// A script that can have a zygote. Another is added only after a look at all that it does while it
/// is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerlScript {
    Frontend,
    DebSystemdHelper,
}

impl PerlScript {
    pub(crate) const ALL: [PerlScript; 2] = [PerlScript::Frontend, PerlScript::DebSystemdHelper];

    /// Its absolute path in the tree.
    pub(crate) fn path(self) -> &'static str {
        match self {
            PerlScript::Frontend => "/usr/share/debconf/frontend",
            PerlScript::DebSystemdHelper => "/usr/bin/deb-systemd-helper",
        }
    }

    /// The package that ships it.
    pub(crate) fn package(self) -> &'static str {
        match self {
            PerlScript::Frontend => "debconf",
            PerlScript::DebSystemdHelper => "init-system-helpers",
        }
    }

    /// Its bit among the scripts that are covered.
    pub(super) fn bit(self) -> u32 {
        match self {
            PerlScript::Frontend => 1,
            PerlScript::DebSystemdHelper => 2,
        }
    }

    /// The name of its cover, which is also its socket's after `0` or, with `-w`, `1`.
    fn name(self) -> String {
        self.path().replace('/', "!")
    }
}

impl Sandbox {
    /// Has the Perl scripts that can have zygotes covered, as far as the tree has them. It must be
    /// called before the first command. Where that is not possible, they run as ever.
    pub(crate) fn cover_perl_scripts(&self) -> Result<(), Error> {
        if !self.shares_perl {
            return Ok(());
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.request(&wire::cover_request())?;
        let Reply::Covered { scripts, error } = self.channel.receive()? else {
            return Err(Error::Died);
        };
        self.covered.store(scripts, Ordering::Relaxed);
        let mut text = match scripts.count_ones() {
            0 => "in the sandbox: no Perl script shares its compilation".to_owned(),
            1 => "in the sandbox: 1 Perl script shares its compilation".to_owned(),
            number => format!("in the sandbox: {number} Perl scripts share their compilation"),
        };
        if error != 0 {
            let error = io::Error::from_raw_os_error(error);
            text.push_str(&format!(" ({error})"));
        }
        self.report.detail(text);
        Ok(())
    }

    /// Starts the zygotes of these scripts, as far as they are covered, for the next command, which
    /// must have this environment.
    pub(crate) fn start_zygotes(
        &self,
        scripts: &[PerlScript],
        env: &[(OsString, OsString)],
    ) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let covered = self.covered.load(Ordering::Relaxed);
        for script in scripts {
            if covered & script.bit() == 0 {
                continue;
            }
            let mut env = env.to_vec();
            env.push(("RBZ_START".into(), "1".into()));
            let argv = vec![script.path().into()];
            self.request(&wire::encode(
                RequestKind::StartZygote,
                &Command { argv, env },
            )?)?;
        }
        Ok(())
    }

    /// Sends a request whose command has no output.
    fn request(&self, request: &[u8]) -> Result<(), Error> {
        let (_, write_end) = io::pipe().map_err(Error::Start)?;
        self.channel.send(request, write_end.as_raw_fd())
    }
}

/// PID 1's view of the zygotes of a command.
pub(super) struct Zygotes {
    /// `DIRECTORY`, opened before any script ran.
    directory: OwnedFd,
    are_started: bool,
    /// The sessions of the processes that were to start zygotes. A zygote leaves them once it is
    /// marked as one.
    starting: Vec<c_int>,
}

impl Zygotes {
    /// Opens the directory of the zygotes, once the scripts are covered.
    pub(super) fn open() -> Option<Zygotes> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, DIRECTORY, flags, Mode::empty()).ok()?;
        Some(Zygotes {
            directory,
            are_started: false,
            starting: Vec::new(),
        })
    }

    /// Whether the cover of the script at this path is still there: the host may have replaced the
    /// script, which would then be executed itself.
    pub(super) fn has_cover(&self, path: &CStr) -> bool {
        let script = PerlScript::ALL
            .into_iter()
            .find(|script| script.path().as_bytes() == path.to_bytes());
        let Some(script) = script else {
            return false;
        };
        let copy = format!("s/{}", script.name());
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let copy = rustix::fs::statat(&self.directory, copy, flags);
        let found = rustix::fs::statat(CWD, path, flags);
        match (copy, found) {
            (Ok(copy), Ok(found)) => (copy.st_dev, copy.st_ino) == (found.st_dev, found.st_ino),
            _ => false,
        }
    }

    /// Notes the process that is to start a zygote, which leads a session.
    pub(super) fn started(&mut self, starter: c_int) {
        self.are_started = true;
        self.starting.push(starter);
    }

    /// Takes the mark of a process that has ended. True if it was a zygote, or was to start one.
    pub(super) fn unmark(&self, pid: c_int, session: c_int) -> bool {
        if !self.are_started {
            return false;
        }
        let mark = format!("p/{pid}");
        let was_marked = rustix::fs::unlinkat(&self.directory, mark, AtFlags::empty()).is_ok();
        was_marked || self.starting.contains(&session)
    }

    /// Removes what the zygotes of a command leave when they are killed with it.
    pub(super) fn forget(&mut self) {
        if !std::mem::take(&mut self.are_started) {
            return;
        }
        self.starting.clear();
        for script in PerlScript::ALL {
            for warns in ["0", "1"] {
                let name = [warns, &script.name()].concat();
                for directory in ["z/", "l/"] {
                    let path = [directory, &name].concat();
                    let _ = rustix::fs::unlinkat(&self.directory, path, AtFlags::empty());
                }
            }
        }
    }
}
