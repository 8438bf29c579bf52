//! The protocol between the host and PID 1 of the sandbox, over their socket.
//!
//! A request is a header and NUL-terminated strings, with the pipe for the command's output as a
//! passed descriptor; a reply has a fixed size. The host encodes and checks everything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{Command, Error};

/// Size of a request's header: its kind, the number of programs, of arguments, of variables, and of
/// the bytes that follow.
pub(super) const HEADER: usize = 20;

/// The most bytes of strings in one request. The kernel's own limit for one exec is 2 MiB with the
/// usual stack.
pub(super) const BYTES_LIMIT: usize = 1 << 20;

/// The most strings in one request: apt gives dpkg at most 1024 names at a time.
pub(super) const STRINGS_LIMIT: usize = 1 << 15;

/// Size of a reply: its kind and two numbers.
pub(super) const REPLY: usize = 12;

/// What the host asks of PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// Runs a command, and replies when it has ended.
    Run,
    /// Starts the zygote of a Perl script, for the command that is requested next. No reply.
    StartZygote,
    /// Covers the Perl scripts that can have zygotes. The request has no strings.
    CoverScripts,
}

impl RequestKind {
    fn number(self) -> u32 {
        match self {
            RequestKind::Run => 0,
            RequestKind::StartZygote => 1,
            RequestKind::CoverScripts => 2,
        }
    }

    /// The kind with this number, if there is one.
    pub(super) fn from_number(number: u32) -> Option<RequestKind> {
        let kinds = [
            RequestKind::Run,
            RequestKind::StartZygote,
            RequestKind::CoverScripts,
        ];
        kinds.into_iter().find(|kind| kind.number() == number)
    }
}

/// What PID 1 tells the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The sandbox is ready. The bits say what the host refused.
    Ready(u32),
    /// The sandbox could not be set up: the step and the error number.
    Refused(u32, i32),
    /// The command could not be started: the error number.
    NotStarted(i32),
    /// The command ended with this wait status. Then this many processes that it left running were
    /// ended.
    Ended { status: i32, left: u32 },
    /// The bits of the Perl scripts that are covered, or an error number.
    Covered { scripts: u32, error: i32 },
}

impl Reply {
    pub(super) fn encode(self) -> [u8; REPLY] {
        let (kind, first, second) = match self {
            Reply::Ready(refused) => (0, refused, 0),
            Reply::Refused(step, error) => (1, step, error),
            Reply::NotStarted(error) => (2, 0, error),
            Reply::Ended { status, left } => (3, left, status),
            Reply::Covered { scripts, error } => (4, scripts, error),
        };
        let mut bytes = [0; REPLY];
        bytes[..4].copy_from_slice(&u32::to_ne_bytes(kind));
        bytes[4..8].copy_from_slice(&first.to_ne_bytes());
        bytes[8..].copy_from_slice(&second.to_ne_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; REPLY]) -> Option<Reply> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        let first = u32::from_ne_bytes([e, f, g, h]);
        let second = i32::from_ne_bytes([i, j, k, l]);
        match u32::from_ne_bytes([a, b, c, d]) {
            0 => Some(Reply::Ready(first)),
            1 => Some(Reply::Refused(first, second)),
            2 => Some(Reply::NotStarted(second)),
            3 => Some(Reply::Ended {
                status: second,
                left: first,
            }),
            4 => Some(Reply::Covered {
                scripts: first,
                error: second,
            }),
            _ => None,
        }
    }
}

/// The request to cover the Perl scripts.
pub(super) fn cover_request() -> Vec<u8> {
    let mut request = vec![0; HEADER];
    let kind = RequestKind::CoverScripts.number();
    request[..4].copy_from_slice(&kind.to_ne_bytes());
    request
}

/// Encodes a request with this command. Its programs are the paths to try in turn, as `execvp`
/// would.
pub(super) fn encode(kind: RequestKind, command: &Command) -> Result<Vec<u8>, Error> {
    let programs = programs(command);
    let mut strings = Vec::new();
    for program in &programs {
        push_string(&mut strings, program)?;
    }
    for argument in &command.argv {
        push_string(&mut strings, argument.as_bytes())?;
    }
    for (name, value) in &command.env {
        let variable = [name.as_bytes(), value.as_bytes()].join(&b'=');
        push_string(&mut strings, &variable)?;
    }
    // Each of the three lists ends with a NULL pointer.
    let pointers = programs.len() + command.argv.len() + command.env.len() + 3;
    let fits = strings.len() <= BYTES_LIMIT && pointers <= STRINGS_LIMIT;
    if command.argv.is_empty() || !fits {
        return Err(Error::TooLong {
            program: command.program(),
            bytes: strings.len(),
        });
    }
    let mut request = Vec::with_capacity(HEADER + strings.len());
    request.extend_from_slice(&kind.number().to_ne_bytes());
    for count in [
        programs.len(),
        command.argv.len(),
        command.env.len(),
        strings.len(),
    ] {
        request.extend_from_slice(&(count as u32).to_ne_bytes());
    }
    request.append(&mut strings);
    Ok(request)
}

fn push_string(strings: &mut Vec<u8>, string: &[u8]) -> Result<(), Error> {
    if string.contains(&0) {
        return Err(Error::Nul {
            argument: String::from_utf8_lossy(string).into_owned(),
        });
    }
    strings.extend_from_slice(string);
    strings.push(0);
    Ok(())
}

fn programs(command: &Command) -> Vec<Vec<u8>> {
    let Some(name) = command.argv.first() else {
        return Vec::new();
    };
    let name = name.as_bytes();
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let mut path = OsStr::new("/usr/sbin:/usr/bin:/sbin:/bin");
    if let Some((_, value)) = command.env.iter().find(|(variable, _)| variable == "PATH") {
        path = value;
    }
    let mut programs = Vec::new();
    for directory in path.as_bytes().split(|&b| b == b':') {
        if directory.starts_with(b"/") {
            programs.push([directory, b"/", name].concat());
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str], env: &[(&str, &str)]) -> Command {
        Command {
            argv: argv.iter().map(Into::into).collect(),
            env: env.iter().map(|(n, v)| (n.into(), v.into())).collect(),
        }
    }

    #[test]
    fn requests_name_every_candidate_program() {
        let dpkg = command(&["dpkg", "-l"], &[("PATH", "/a:relative:/b"), ("X", "")]);
        let request = encode(RequestKind::Run, &dpkg).unwrap();
        let strings = b"/a/dpkg\0/b/dpkg\0dpkg\0-l\0PATH=/a:relative:/b\0X=\0";
        let mut expected: Vec<u8> = [0, 2, 2, 2, strings.len() as u32]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        expected.extend_from_slice(strings);
        assert_eq!(request, expected);
        assert!(
            encode(RequestKind::Run, &command(&["/bin/true"], &[])).unwrap()[HEADER..]
                .starts_with(b"/bin/true\0/bin/true\0")
        );
    }

    #[test]
    fn what_exec_does_not_accept_is_refused() {
        assert!(matches!(
            encode(RequestKind::Run, &command(&["a\0b"], &[])),
            Err(Error::Nul { .. })
        ));
        assert!(matches!(
            encode(RequestKind::Run, &command(&[], &[])),
            Err(Error::TooLong { .. })
        ));
        assert!(matches!(
            encode(
                RequestKind::Run,
                &command(&["x", &"y".repeat(BYTES_LIMIT)], &[])
            ),
            Err(Error::TooLong { .. })
        ));
        assert!(matches!(
            encode(RequestKind::Run, &command(&vec!["x"; STRINGS_LIMIT], &[])),
            Err(Error::TooLong { .. })
        ));
    }

    #[test]
    fn replies_survive_encoding() {
        for reply in [
            Reply::Ready(5),
            Reply::Refused(3, 1),
            Reply::NotStarted(8),
            Reply::Ended {
                status: -1,
                left: 7,
            },
            Reply::Covered {
                scripts: 3,
                error: 0,
            },
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
        assert_eq!(Reply::decode(&[9; REPLY]), None);
    }
}
