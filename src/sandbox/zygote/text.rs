//! The Perl of the zygotes, with this architecture's numbers, and the covers of scripts. Pure.

/// A file below `DIRECTORY`, and its text with `@NAME@` where a number belongs.
const PROGRAMS: [(&str, &str); 4] = [
    ("client.pl", include_str!("client.pl")),
    ("server.pl", include_str!("server.pl")),
    ("stamps.pl", include_str!("stamps.pl")),
    ("start.pl", include_str!("start.pl")),
];

/// What is put before the second line of a script. Wherever a copy of the cover may get, it is the
/// script: a file that does not exist is not read.
const COVER: &[u8] = b"BEGIN { local ($!, $@); do '/dev/.rb/client.pl' } ";

/// The first lines that a script may have.
const FIRST_LINES: [&[u8]; 2] = [b"#!/usr/bin/perl\n", b"#!/usr/bin/perl -w\n"];

/// The numbers of this machine's kernel and C library, by their names there.
macro_rules! numbers {
    ($($name:ident)*) => { [$((stringify!($name), libc::$name as i64)),*] };
}

/// The structures that the Perl text packs have 64-bit pointers.
#[cfg(target_pointer_width = "64")]
const NUMBERS: [(&str, i64); 25] = numbers!(
    SYS_clock_gettime SYS_close SYS_close_range SYS_dup3 SYS_exit_group SYS_fchdir SYS_fcntl
    SYS_getitimer SYS_ioprio_get SYS_lseek SYS_memfd_create SYS_pidfd_open SYS_prctl SYS_prlimit64
    SYS_read SYS_recvmsg SYS_sched_setaffinity SYS_sendmsg SYS_sendto SYS_setsid SYS_statx
    SYS_write SOL_SOCKET EADDRINUSE EAGAIN
);

#[cfg(not(target_pointer_width = "64"))]
const NUMBERS: [(&str, i64); 0] = [];

/// The names and contents of the files, or nothing where the Perl text does not fit the machine.
pub(super) fn programs() -> Vec<(&'static str, String)> {
    let mut programs = Vec::new();
    if NUMBERS.is_empty() {
        return programs;
    }
    for (name, text) in PROGRAMS {
        let mut text = text.to_owned();
        for (constant, number) in NUMBERS {
            text = text.replace(&format!("@{constant}@"), &number.to_string());
        }
        programs.push((name, text));
    }
    programs
}

/// The script with the client before everything else of it, and all lines where they were. `None`
/// for a script that begins in another way.
pub(super) fn cover(script: &[u8]) -> Option<Vec<u8>> {
    let first = FIRST_LINES
        .into_iter()
        .find(|line| script.starts_with(line))?;
    let rest = &script[first.len()..];
    match rest.first() {
        Some(b'\n' | b'#') => Some([first, COVER, rest].concat()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_covered_only_if_it_begins_as_expected() {
        let table: [(&str, Option<&str>); 10] = [
            ("#!/usr/bin/perl\n# a\nx", Some("#!/usr/bin/perl\n@# a\nx")),
            ("#!/usr/bin/perl -w\n\nx", Some("#!/usr/bin/perl -w\n@\nx")),
            ("#!/usr/bin/perl\nuse strict;\n", None),
            ("#!/usr/bin/perl\n", None),
            ("#!/usr/bin/perl", None),
            ("#!/usr/bin/perl -T\n# a\n", None),
            ("#! /usr/bin/perl\n# a\n", None),
            ("#!/usr/bin/perl5\n# a\n", None),
            ("#!/bin/sh\n# a\n", None),
            ("", None),
        ];
        for (script, expected) in table {
            let expected = expected.map(|text| {
                let cover = std::str::from_utf8(COVER).unwrap();
                text.replace('@', cover).into_bytes()
            });
            assert_eq!(cover(script.as_bytes()), expected, "{script:?}");
        }
    }

    /// The names between two `@`, none of which Perl has.
    fn placeholders(text: &str) -> Vec<&str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut parts: Vec<&str> = text.split('@').skip(1).collect();
        parts.pop();
        parts.retain(|part| !part.is_empty() && part.chars().all(is_part));
        parts
    }

    #[test]
    fn every_number_is_filled_in() {
        for (name, text) in programs() {
            let left = placeholders(&text);
            assert_eq!(left, [""; 0], "{name}");
        }
        for (constant, _) in NUMBERS {
            let is_used = |(_, text): &(&str, &str)| placeholders(text).contains(&constant);
            assert!(PROGRAMS.iter().any(is_used), "{constant} is not used");
        }
        assert_eq!(
            programs().is_empty(),
            cfg!(not(target_pointer_width = "64"))
        );
    }
}
