//! A tree as text, one line a path, for comparing and for showing: `type mode uid:gid what path`.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rbootstrap::testing::{Algorithm, digest};

/// Whether times are part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Shown,
    Left,
}

/// The lines of everything below `root`, sorted by path. Nothing on another file system is entered.
pub fn dump(root: &Path, times: Times) -> Vec<String> {
    let mut lines = Vec::new();
    let device = fs::symlink_metadata(root).unwrap().dev();
    walk(root, &mut |path, metadata| {
        if metadata.dev() == device {
            lines.push(line(root, path, metadata, times));
        }
    });
    lines
}

/// One path's line.
pub fn line_of(root: &Path, path: &str) -> String {
    let full = root.join(path);
    match fs::symlink_metadata(&full) {
        Ok(metadata) => line(root, &full, &metadata, Times::Left),
        Err(error) => format!("{} /{path}", error.kind()),
    }
}

/// Everything below `root` that is no directory being `root` itself, sorted.
pub fn walk(root: &Path, seen: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let device = fs::symlink_metadata(root).unwrap().dev();
    let mut paths: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        seen(&path, &metadata);
        if metadata.is_dir() && metadata.dev() == device {
            walk(&path, seen);
        }
    }
}

fn line(root: &Path, path: &Path, metadata: &fs::Metadata, times: Times) -> String {
    let (kind, what) = kind(path, metadata);
    let mut line = format!(
        "{kind} {:04o} {}:{}",
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid()
    );
    if times == Times::Shown {
        write!(line, " {}", metadata.mtime()).unwrap();
    }
    if metadata.is_file() && metadata.nlink() > 1 {
        write!(line, " links={}", metadata.nlink()).unwrap();
    }
    for (name, value) in xattrs(path) {
        write!(
            line,
            " {name}={}",
            digest(Algorithm::Sha256, &value)
                .hexadecimal()
                .get(..8)
                .unwrap()
        )
        .unwrap();
    }
    let name = path
        .strip_prefix(root)
        .unwrap()
        .as_os_str()
        .as_bytes()
        .escape_ascii();
    if what.is_empty() {
        format!("{line} /{name}")
    } else {
        format!("{line} {what} /{name}")
    }
}

fn kind(path: &Path, metadata: &fs::Metadata) -> (char, String) {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        (
            'l',
            format!(
                "->{}",
                fs::read_link(path)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .escape_ascii()
            ),
        )
    } else if kind.is_dir() {
        ('d', String::new())
    } else if kind.is_file() {
        let content = fs::read(path).unwrap();
        (
            'f',
            format!(
                "{}:{}",
                content.len(),
                &digest(Algorithm::Sha256, &content).hexadecimal()[..12]
            ),
        )
    } else if kind.is_char_device() || kind.is_block_device() {
        let device = metadata.rdev();
        (
            if kind.is_char_device() { 'c' } else { 'b' },
            format!(
                "{}:{}",
                rustix::fs::major(device),
                rustix::fs::minor(device)
            ),
        )
    } else {
        (if kind.is_fifo() { 'p' } else { 's' }, String::new())
    }
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for name in names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; 65_536];
        if let Ok(length) = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value) {
            value.truncate(length);
            all.push((String::from_utf8_lossy(name).into_owned(), value));
        }
    }
    all.sort();
    all
}

/// What two lists of lines do not share: `-` only in the first, `+` only in the second.
pub fn difference(first: &[String], second: &[String]) -> String {
    let mut text = String::new();
    for line in first.iter().filter(|line| !second.contains(line)) {
        writeln!(text, "- {line}").unwrap();
    }
    for line in second.iter().filter(|line| !first.contains(line)) {
        writeln!(text, "+ {line}").unwrap();
    }
    text
}
