//! The architecture that a program of the tree is built for, to say more than "Exec format error".

use std::fs::File;
use std::io::Read;

use crate::tree::rootfs::{RootPath, Rootfs};

/// ELF machines (elf.h) by Debian's names.
const MACHINES: [(u16, &str); 9] = [
    (3, "i386"),
    (8, "mips64el"),
    (21, "ppc64el"),
    (22, "s390x"),
    (40, "armhf"),
    (62, "amd64"),
    (183, "arm64"),
    (243, "riscv64"),
    (258, "loong64"),
];

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
    let theirs = machine(&head)?;
    let ours = read_head(File::open("/proc/self/exe").ok()?)?;
    (machine(&ours) != Some(theirs)).then_some(theirs)
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

fn machine(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let number: [u8; 2] = head.get(18..20)?.try_into().ok()?;
    let is_big_endian = head.get(5) == Some(&2);
    let number = if is_big_endian {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    };
    let known = MACHINES.iter().find(|(known, _)| *known == number);
    known.map(|(_, name)| *name)
}
