//! What must hold for the protocol between the host and PID 1 (see `testing::fuzz`).

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::Command;
use super::init::fuzz::read_request;
use super::wire::{REPLY, Reply, RequestKind, encode};

/// The longest input: a request names every program with each directory of PATH.
const LONGEST: usize = 1 << 10;

/// Strings, split at line ends: a command with them reaches PID 1 as it is. The same bytes as a
/// reply, and as a request that no host has made.
pub(crate) fn wire(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let mut argv = Vec::new();
    let mut env = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        let string = OsString::from_vec(line.to_vec());
        match line.iter().position(|byte| *byte == b'=') {
            Some(at) => env.push((
                OsString::from_vec(line[..at].to_vec()),
                OsString::from_vec(line[at + 1..].to_vec()),
            )),
            None => argv.push(string),
        }
    }
    let command = Command { argv, env };
    if let Ok(request) = encode(RequestKind::Run, &command) {
        let read = read_request(&request).unwrap();
        let argv: Vec<OsString> = read.argv.into_iter().map(OsString::from_vec).collect();
        assert_eq!(argv, command.argv);
        let mut env = Vec::new();
        for (name, value) in &command.env {
            env.push([name.as_encoded_bytes(), value.as_encoded_bytes()].join(&b'='));
        }
        assert_eq!(read.env, env);
        for program in &read.programs {
            assert!(program.contains(&b'/'), "{program:?}");
        }
    } else {
        let has_nul = data.contains(&0);
        assert!(has_nul || command.argv.is_empty());
    }
    if let Some(reply) = data.first_chunk::<REPLY>()
        && let Some(reply) = Reply::decode(reply)
    {
        assert_eq!(Reply::decode(&reply.encode()), Some(reply));
    }
    // What no host has made is refused, or has strings.
    let _ = read_request(data);
}
