//! Finds the login for a repository: reads the files of docker and podman and asks their helpers.
//!
//! Called only after a registry has asked for a login.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::error::RequestError;
use super::login::{self, LoginFile, RegistryLogin, RepositoryName};
use crate::bounded;
use crate::failure::one_line;
use crate::interrupt::Interrupt;
use crate::interrupt::child::Running;
use crate::report::Report;
use crate::store;

/// The largest credentials file, in bytes.
const FILE_LIMIT: u64 = 4 << 20;
/// The longest answer of a helper, in bytes.
const ANSWER_LIMIT: u64 = 256 << 10;
/// How long a helper may take. Some ask a server.
const HELPER_TIME: Duration = Duration::from_secs(60);
/// How long a helper's output may stay open after the helper ends, if a child process holds it.
const PIPE_TIME: Duration = Duration::from_secs(5);
/// Printed by a helper that has no login for the server.
const NOT_FOUND: &str = "credentials not found";

/// A file that may have logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginPath {
    pub(crate) path: PathBuf,
    /// Whether the user named the file, so that it must exist.
    pub(crate) is_named: bool,
}

/// A login and its origin, for messages.
#[derive(Clone, Debug)]
pub(super) struct FoundLogin {
    pub(super) login: RegistryLogin,
    pub(super) from: String,
}

/// Finds the first login for the target. In each file, helpers take precedence.
pub(super) fn login(
    paths: &[LoginPath],
    target: &RepositoryName,
    interrupt: &Interrupt,
    report: &Report,
) -> Result<Option<FoundLogin>, RequestError> {
    for LoginPath { path, is_named } in paths {
        let Some(text) = read(path, *is_named, report)? else {
            continue;
        };
        let bad = |problem: String| RequestError::LoginFile {
            path: path.clone(),
            problem,
        };
        let file = LoginFile::parse(&text).map_err(|error| bad(place_of(&error)))?;
        if let Some(name) = file.helper(target) {
            let helper = CredentialHelper { name, path };
            report.detail(format!("{} get < {}", helper.program(), target.server()));
            if let Some(login) = helper.ask(target.server(), interrupt)? {
                let from = format!("{}, which {} names", helper.program(), path.display());
                return Ok(Some(FoundLogin { login, from }));
            }
        }
        let own = file.login(target);
        if let Some(login) = own.map_err(|error| bad(error.to_string()))? {
            let from = path.display().to_string();
            return Ok(Some(FoundLogin { login, from }));
        }
    }
    Ok(None)
}

/// The position of a JSON syntax error. The error's own text may contain part of a secret.
fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// The text of a file; `None` if it is absent and need not be there.
fn read(path: &Path, is_named: bool, report: &Report) -> Result<Option<String>, RequestError> {
    let unreadable = |source: io::Error| RequestError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if !is_named && is_skipped(path, &error, report) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let text = bounded::read_text(file, FILE_LIMIT).map_err(unreadable)?;
    let text = text.ok_or_else(|| RequestError::LoginFile {
        path: path.to_owned(),
        problem: format!("it has more than {FILE_LIMIT} bytes"),
    })?;
    Ok(Some(text))
}

/// Whether a file does not exist, or may not: an inherited environment can name a directory of
/// another user, which this user cannot enter.
fn is_skipped(path: &Path, error: &io::Error, report: &Report) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        io::ErrorKind::PermissionDenied if path.symlink_metadata().is_err() => {
            let path = path.display();
            report.warning(format!("{path} is not searched for a login: {error}"));
            true
        }
        _ => false,
    }
}

/// A program that keeps logins (docker-credential-helpers' protocol), and the file that names it.
struct CredentialHelper<'a> {
    name: &'a str,
    path: &'a Path,
}

impl CredentialHelper<'_> {
    fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }

    /// Asks for the login of a server. The helper gets the caller's environment, which has its
    /// settings and the session with its keys.
    fn ask(
        &self,
        server: &str,
        interrupt: &Interrupt,
    ) -> Result<Option<RegistryLogin>, RequestError> {
        if self.name.contains('/') {
            return Err(self.failed("is not a program name".to_owned()));
        }
        let mut command = Command::new(self.program());
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let started = Running::start(&mut command, interrupt);
        let mut running = started.map_err(|error| match interrupt.cause() {
            Some(_) => store::Error::Cancelled.into(),
            None => self.failed(format!("cannot be run: {error}")),
        })?;
        if let Some(mut input) = running.take_stdin() {
            // A helper may end without reading it.
            let _ = input.write_all(server.as_bytes());
        }
        let output = running.take_stdout();
        let (read, to_read) = mpsc::channel();
        thread::spawn(move || drop(read.send(answer(output))));
        let waited = running.wait_at_most(HELPER_TIME);
        let status = waited.map_err(|error| match (interrupt.cause(), error.kind()) {
            (Some(_), _) => store::Error::Cancelled.into(),
            (None, io::ErrorKind::TimedOut) => {
                self.failed(format!("took longer than {} s", HELPER_TIME.as_secs()))
            }
            (None, _) => self.failed(format!("cannot be waited for: {error}")),
        })?;
        let answer = match to_read.recv_timeout(PIPE_TIME) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.failed(format!("cannot be read: {error}"))),
            Err(_) => return Err(self.failed("has left its output open".to_owned())),
        };
        if status.success() {
            let login = login::of_helper(&answer);
            let login = login.ok_or_else(|| self.failed("gives no login".to_owned()))?;
            return Ok(Some(login));
        }
        let said = String::from_utf8_lossy(&answer);
        match said.contains(NOT_FOUND) {
            true => Ok(None),
            false => Err(self.failed(format!("failed with {status}: {}", first_line(&said)))),
        }
    }

    fn failed(&self, problem: String) -> RequestError {
        RequestError::Helper {
            program: self.program(),
            path: self.path.to_owned(),
            problem,
        }
    }
}

/// What a helper prints.
fn answer(output: Option<impl Read>) -> io::Result<Vec<u8>> {
    let Some(output) = output else {
        return Ok(Vec::new());
    };
    let answer = bounded::read(output, ANSWER_LIMIT)?;
    Ok(answer.ok_or(io::ErrorKind::FileTooLarge)?)
}

/// The beginning of an error's text.
fn first_line(text: &str) -> String {
    store::hidden(&one_line(text.lines().next().unwrap_or_default(), 200))
}
