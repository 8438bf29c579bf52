//! A .deb: read as it is, and made of two tar archives whose checksums are mended.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::formats::compress::Integrity;
use crate::formats::deb::{CopyWriter, Deb, DebLimits, Kind};
use crate::interrupt::Interrupt;
use crate::testing::deb::on_disk;
use crate::testing::tar::ar;

const BLOCK: usize = 512;

/// The longest a path or a target can be: a pax header gives it.
const LONGEST: usize = 1 << 20;

/// Bytes that begin with `!` are a .deb as they are. Otherwise the first byte is the number of
/// blocks of the control archive, and both archives follow; mutations seldom make a valid checksum,
/// so every header gets its own.
pub(crate) fn deb(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    if first == b'!' {
        check(data, None);
        return;
    }
    let middle = rest.len().min(usize::from(first) * BLOCK);
    let control = mended(&rest[..middle]);
    let content = mended(&rest[middle..]);
    let package = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar", &content),
    ]);
    check(&package, Some(content.len()));
}

/// The archive with a good checksum in each header.
pub(crate) fn mended(archive: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    let length = archive.len();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        at += BLOCK;
        if header.iter().all(|byte| *byte == 0) {
            continue;
        }
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().copied().map(u64::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = String::from_utf8_lossy(&header[124..136]);
        let digits = digits.trim_matches(['\0', ' ']);
        let size = usize::from_str_radix(digits, 8).unwrap_or(0);
        at += size.min(length).next_multiple_of(BLOCK);
    }
    archive
}

/// Everything that a package has, as text.
#[derive(Debug, PartialEq, Eq)]
struct FuzzedContent {
    control: String,
    entries: Vec<String>,
    /// Bytes in all entries.
    bytes: usize,
}

/// Reads a package, and the decoded copy that reading it makes. `limit` is the size of its data
/// archive, if that is not compressed.
fn check(package: &[u8], limit: Option<usize>) {
    let copy = SharedCopy::default();
    let limits = || DebLimits::new(package.len() as u64, 0, Interrupt::default());
    let Ok(deb) = Deb::open(
        on_disk(package),
        Integrity::Known,
        limits(),
        Some(Box::new(copy.clone())),
    ) else {
        return;
    };
    let Some(content) = content(&deb) else {
        return;
    };
    assert!(limit.is_none_or(|limit| content.bytes <= limit));
    deb.keep_copy();
    let copied = copy.kept();
    let again = Deb::open_copy(on_disk(&copied), copied.len() as u64, limits()).unwrap();
    assert_eq!(self::content(&again), Some(content));
}

/// `None` if something in it is refused.
fn content(deb: &Deb) -> Option<FuzzedContent> {
    let mut archive = deb.data().ok()?;
    let mut content = FuzzedContent {
        control: format!("{} {:?}", deb.stanza, deb.members),
        entries: Vec::new(),
        bytes: 0,
    };
    for member in &deb.members {
        let is_name = !member.name.contains('/') && !["", ".", ".."].contains(&&*member.name);
        assert!(is_name, "{:?}", member.name);
        assert!(deb.member(&member.name).is_some());
    }
    while let Some(entry) = archive.next_entry().ok()? {
        assert!(entry.path.len() <= LONGEST && entry.target.len() <= LONGEST);
        assert!(entry.mode <= 0o7777, "{:o}", entry.mode);
        assert!(entry.kind == Kind::File || entry.size == 0);
        let mut length = 0;
        loop {
            let chunk = archive.chunk().ok()?;
            if chunk.is_empty() {
                break;
            }
            length += chunk.len();
        }
        assert_eq!(length as u64, entry.size);
        content.bytes += length;
        content.entries.push(format!("{entry:?}"));
    }
    Some(content)
}

/// A decoded copy in memory.
#[derive(Clone, Debug, Default)]
struct SharedCopy(Arc<Mutex<Copied>>);

#[derive(Debug, Default)]
struct Copied {
    bytes: Vec<u8>,
    is_kept: bool,
}

impl SharedCopy {
    fn kept(&self) -> Vec<u8> {
        let copied = self.0.lock().unwrap();
        assert!(copied.is_kept);
        copied.bytes.clone()
    }
}

impl Write for SharedCopy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CopyWriter for SharedCopy {
    fn keep(self: Box<Self>) -> io::Result<()> {
        self.0.lock().unwrap().is_kept = true;
        Ok(())
    }
}
