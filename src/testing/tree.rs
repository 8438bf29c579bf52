//! A tree as text, one line a path, to compare and to show: `type mode uid:gid what path`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::formats::digest::{Algorithm, digest};
#[cfg(test)]
use crate::tree::rootfs::Rootfs;

/// How the text shows modification times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Shown,
    /// Later times are shown as this one.
    Until(i64),
    Left,
}

/// A directory with these files: paths and contents.
pub fn with_files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

/// As [`with_files`], opened.
#[cfg(test)]
pub(crate) fn rootfs_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Rootfs) {
    let directory = with_files(files);
    let root = Rootfs::open(directory.path()).unwrap();
    (directory, root)
}

/// A line for everything below `root`, sorted by path. Does not enter other file systems.
///
/// The line of a hard link names the first path of the same file.
pub fn dump(root: &Path, times: Times) -> Vec<String> {
    let device = fs::symlink_metadata(root).unwrap().dev();
    let mut lines = Vec::new();
    let mut first_paths: HashMap<u64, PathBuf> = HashMap::new();
    walk(root, &mut |path, metadata| {
        if metadata.dev() != device {
            return;
        }
        let mut text = line(root, path, metadata, times);
        if is_hard_link(metadata) {
            let first = first_paths.entry(metadata.ino()).or_insert(path.to_owned());
            write!(text, " = {}", name(root, first)).unwrap();
        }
        lines.push(text);
    });
    lines
}

/// The line of one path.
pub fn line_of(root: &Path, path: &str) -> String {
    let full = root.join(path);
    match fs::symlink_metadata(&full) {
        Ok(metadata) => line(root, &full, &metadata, Times::Left),
        Err(error) => format!("{} /{path}", error.kind()),
    }
}

/// Calls `seen` for everything below `root`, sorted by path. Does not enter other file systems.
pub fn walk(root: &Path, seen: &mut dyn FnMut(&Path, &Metadata)) {
    let device = fs::symlink_metadata(root).unwrap().dev();
    let mut paths = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        paths.push(entry.unwrap().path());
    }
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

/// The files below `root`, sorted.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(root, &mut |path, metadata| {
        if metadata.is_file() {
            found.push(path.to_owned());
        }
    });
    found
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    names
}

/// The lines that only one of two lists has: `-` the first, `+` the second.
pub fn difference(first: &[String], second: &[String]) -> String {
    let mut text = String::new();
    for line in first {
        if !second.contains(line) {
            writeln!(text, "- {line}").unwrap();
        }
    }
    for line in second {
        if !first.contains(line) {
            writeln!(text, "+ {line}").unwrap();
        }
    }
    text
}

fn is_hard_link(metadata: &Metadata) -> bool {
    !metadata.is_dir() && metadata.nlink() > 1
}

fn name(root: &Path, path: &Path) -> String {
    let name = path.strip_prefix(root).unwrap().as_os_str();
    format!("/{}", name.as_bytes().escape_ascii())
}

fn line(root: &Path, path: &Path, metadata: &Metadata, times: Times) -> String {
    let mode = metadata.mode() & 0o7777;
    let letter = letter(metadata);
    let mut line = format!("{letter} {mode:04o} {}:{}", metadata.uid(), metadata.gid());
    match times {
        Times::Shown => write!(line, " {}", metadata.mtime()).unwrap(),
        Times::Until(end) => write!(line, " {}", metadata.mtime().min(end)).unwrap(),
        Times::Left => {}
    }
    if is_hard_link(metadata) {
        write!(line, " links={}", metadata.nlink()).unwrap();
    }
    for (name, value) in xattrs(path) {
        let sum = digest(Algorithm::Sha256, &value).hexadecimal();
        write!(line, " {name}={}", &sum[..8]).unwrap();
    }
    let content = content(path, metadata);
    if !content.is_empty() {
        write!(line, " {content}").unwrap();
    }
    format!("{line} {}", name(root, path))
}

fn letter(metadata: &Metadata) -> char {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        'l'
    } else if kind.is_dir() {
        'd'
    } else if kind.is_file() {
        'f'
    } else if kind.is_char_device() {
        'c'
    } else if kind.is_block_device() {
        'b'
    } else if kind.is_fifo() {
        'p'
    } else {
        's'
    }
}

/// The size and digest of a file, the target of a symlink, the numbers of a device; else nothing.
fn content(path: &Path, metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(path).unwrap();
        format!("->{}", target.as_os_str().as_bytes().escape_ascii())
    } else if kind.is_file() {
        let content = fs::read(path).unwrap();
        let sum = digest(Algorithm::Sha256, &content).hexadecimal();
        format!("{}:{}", content.len(), &sum[..12])
    } else if kind.is_char_device() || kind.is_block_device() {
        let device = metadata.rdev();
        let major = rustix::fs::major(device);
        let minor = rustix::fs::minor(device);
        format!("{major}:{minor}")
    } else {
        String::new()
    }
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for name in names[..length].split(|&byte| byte == 0) {
        if name.is_empty() {
            continue;
        }
        let mut value = vec![0; 65_536];
        if let Ok(length) = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value) {
            value.truncate(length);
            all.push((String::from_utf8_lossy(name).into_owned(), value));
        }
    }
    all.sort();
    all
}
