//! Which machine a program of the tree is for, to say more than "Exec format error".

use std::fs::File;
use std::io::Read;

use rustix::fs::{Mode, OFlags};

use crate::tree::rootfs::{RootPath, Rootfs};

/// Debian's names of ELF machines (elf.h), with their class and byte order where one number serves several.
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
const DEEPEST: usize = 4;

/// The machine that a program is for when it is another than ours; of a script, its interpreter's.
pub(super) fn foreign(root: &Rootfs, program: &str) -> Option<&'static str> {
    let mut start = candidates(program).find_map(|path| start_of(root, &path))?;
    for _ in 0..DEEPEST {
        let Some(line) = start.strip_prefix(b"#!") else {
            break;
        };
        let interpreter = line
            .trim_ascii_start()
            .split(|b| b.is_ascii_whitespace())
            .next()?;
        start = start_of(root, &RootPath::parse(interpreter).ok()?)?;
    }
    let named = machine(&start)?;
    let ours = head(File::open("/proc/self/exe").ok()?)?;
    (machine(&ours) != Some(named)).then_some(named)
}

/// Whether the tree has the program at all.
pub(super) fn is_there(root: &Rootfs, program: &str) -> bool {
    candidates(program).any(|path| start_of(root, &path).is_some())
}

fn candidates(program: &str) -> impl Iterator<Item = RootPath> {
    let directories: &[&str] = if program.contains('/') {
        &[""]
    } else {
        &["usr/sbin/", "usr/bin/", "sbin/", "bin/"]
    };
    directories
        .iter()
        .filter_map(move |directory| RootPath::parse(format!("{directory}{program}")).ok())
}

fn start_of(root: &Rootfs, path: &RootPath) -> Option<Vec<u8>> {
    let file = root
        .open_at(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
        .ok()?;
    head(file.into())
}

fn head(file: File) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    file.take(256).read_to_end(&mut start).ok()?;
    Some(start)
}

fn machine(start: &[u8]) -> Option<&'static str> {
    if !start.starts_with(b"\x7fELF") {
        return None;
    }
    let number: [u8; 2] = start.get(18..20)?.try_into().ok()?;
    let number = if start.get(5) == Some(&2) {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    };
    MACHINES
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, name)| *name)
}
