//! The architecture that a program of the tree is built for, to say more than "Exec format error".

use std::fs::File;
use std::io::Read;

use crate::formats::arch;
use crate::tree::rootfs::{RootPath, Rootfs};

/// How often a script's interpreter may be a script itself, as in the kernel.
const INTERPRETER_LIMIT: usize = 4;

/// Bytes at a file's start that tell what it is.
const HEAD: u64 = 256;

/// The architecture of a program, or of a script's interpreter, if it differs from ours.
pub(super) fn foreign(root: &Rootfs, program: &str) -> Option<&'static str> {
    let mut head = find(root, program)?;
    for _ in 0..INTERPRETER_LIMIT {
        let Some(line) = head.strip_prefix(b"#!") else {
            break;
        };
        let mut words = line.trim_ascii_start().split(u8::is_ascii_whitespace);
        let interpreter = RootPath::parse(words.next()?).ok()?;
        head = read_head(root.open_file(&interpreter).ok()??)?;
    }
    let theirs = arch::of_program(&head)?.name;
    let ours = arch::of_program(&read_head(File::open("/proc/self/exe").ok()?)?);
    let is_ours = ours.is_some_and(|ours| ours.name == theirs);
    (!is_ours).then_some(theirs)
}

/// Whether the tree has the program at all.
pub(super) fn exists(root: &Rootfs, program: &str) -> bool {
    find(root, program).is_some()
}

/// The start of a program's file.
fn find(root: &Rootfs, program: &str) -> Option<Vec<u8>> {
    let directories: &[&str] = if program.contains('/') {
        &[""]
    } else {
        &["usr/sbin/", "usr/bin/", "sbin/", "bin/"]
    };
    for directory in directories {
        let path = RootPath::parse(format!("{directory}{program}")).ok()?;
        if let Ok(Some(file)) = root.open_file(&path) {
            return read_head(file);
        }
    }
    None
}

fn read_head(file: File) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}
