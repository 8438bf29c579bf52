//! What the two sides of the box say to each other over their socket.
//!
//! A request is a header and NUL-terminated strings, with the pipe for the command's output as a passed descriptor; an answer
//! has a fixed size. The side inside must not allocate, so everything is encoded and checked on the outside.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{Command, Error};

/// Bytes of a request's header: the number of programs, of arguments, of variables, and of bytes that follow.
pub(super) const HEADER: usize = 16;
/// Most bytes of strings in one request. The kernel's own limit for one exec is 2 MiB with the usual stack.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Most strings in one request: apt gives dpkg at most 1024 names at a time.
pub(super) const MOST_STRINGS: usize = 1 << 15;
/// Bytes of an answer: kind, two numbers.
pub(super) const ANSWER: usize = 12;

/// What the inside says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The box stands; the bits say what was refused.
    Ready(u32),
    /// The box could not be set up: which step, and the error number.
    Refused(u32, i32),
    /// The command could not be started: the error number.
    NotStarted(i32),
    /// The command ended with this wait status.
    Ended(i32),
}

impl Answer {
    pub(super) fn encode(self) -> [u8; ANSWER] {
        let (kind, first, second) = match self {
            Answer::Ready(refused) => (0, refused, 0),
            Answer::Refused(step, error) => (1, step, error),
            Answer::NotStarted(error) => (2, 0, error),
            Answer::Ended(status) => (3, 0, status),
        };
        let mut bytes = [0; ANSWER];
        bytes[..4].copy_from_slice(&u32::to_ne_bytes(kind));
        bytes[4..8].copy_from_slice(&first.to_ne_bytes());
        bytes[8..].copy_from_slice(&second.to_ne_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; ANSWER]) -> Option<Answer> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        let first = u32::from_ne_bytes([e, f, g, h]);
        let second = i32::from_ne_bytes([i, j, k, l]);
        match u32::from_ne_bytes([a, b, c, d]) {
            0 => Some(Answer::Ready(first)),
            1 => Some(Answer::Refused(first, second)),
            2 => Some(Answer::NotStarted(second)),
            3 => Some(Answer::Ended(second)),
            _ => None,
        }
    }
}

/// A request for this command. The programs are the paths to try in turn, as `execvp` would.
pub(super) fn encode(command: &Command) -> Result<Vec<u8>, Error> {
    let programs = programs(command);
    let mut strings = Vec::new();
    let variables = command
        .env
        .iter()
        .map(|(name, value)| [name.as_bytes(), value.as_bytes()].join(&b'='));
    let arguments = command
        .argv
        .iter()
        .map(|argument| argument.as_bytes().to_vec());
    for string in programs.iter().cloned().chain(arguments).chain(variables) {
        if string.contains(&0) {
            return Err(Error::Nul {
                argument: String::from_utf8_lossy(&string).into_owned(),
            });
        }
        strings.extend_from_slice(&string);
        strings.push(0);
    }
    let counts = [
        programs.len(),
        command.argv.len(),
        command.env.len(),
        strings.len(),
    ];
    if command.argv.is_empty()
        || strings.len() > MOST_BYTES
        || counts[..3].iter().sum::<usize>() + 3 > MOST_STRINGS
    {
        return Err(Error::TooLong {
            program: command.program(),
            bytes: strings.len(),
        });
    }
    let mut request: Vec<u8> = counts
        .iter()
        .flat_map(|&count| (count as u32).to_ne_bytes())
        .collect();
    request.append(&mut strings);
    Ok(request)
}

fn programs(command: &Command) -> Vec<Vec<u8>> {
    let name = command
        .argv
        .first()
        .map(|name| name.as_bytes())
        .unwrap_or_default();
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let path = command
        .env
        .iter()
        .find(|(variable, _)| variable == "PATH")
        .map(|(_, value)| value.as_os_str());
    let path = path
        .unwrap_or(OsStr::new("/usr/sbin:/usr/bin:/sbin:/bin"))
        .as_bytes();
    path.split(|&b| b == b':')
        .filter(|directory| directory.starts_with(b"/"))
        .map(|directory| [directory, b"/", name].concat())
        .collect()
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
    fn requests_name_every_program_to_try() {
        let request = encode(&command(
            &["dpkg", "-l"],
            &[("PATH", "/a:relative:/b"), ("X", "")],
        ))
        .unwrap();
        let strings = b"/a/dpkg\0/b/dpkg\0dpkg\0-l\0PATH=/a:relative:/b\0X=\0";
        let mut expected: Vec<u8> = [2, 2, 2, strings.len() as u32]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        expected.extend_from_slice(strings);
        assert_eq!(request, expected);
        assert!(
            encode(&command(&["/bin/true"], &[])).unwrap()[HEADER..]
                .starts_with(b"/bin/true\0/bin/true\0")
        );
    }

    #[test]
    fn what_exec_cannot_take_is_refused() {
        assert!(matches!(
            encode(&command(&["a\0b"], &[])),
            Err(Error::Nul { .. })
        ));
        assert!(matches!(
            encode(&command(&[], &[])),
            Err(Error::TooLong { .. })
        ));
        assert!(matches!(
            encode(&command(&["x", &"y".repeat(MOST_BYTES)], &[])),
            Err(Error::TooLong { .. })
        ));
        assert!(matches!(
            encode(&command(&vec!["x"; MOST_STRINGS], &[])),
            Err(Error::TooLong { .. })
        ));
    }

    #[test]
    fn answers_come_back_as_they_went() {
        for answer in [
            Answer::Ready(5),
            Answer::Refused(3, 1),
            Answer::NotStarted(8),
            Answer::Ended(-1),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(Answer::decode(&[9; ANSWER]), None);
    }
}
