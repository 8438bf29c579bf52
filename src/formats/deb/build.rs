//! Packages made of bytes, for tests: sound ones, and such as no tool would write.

use crate::formats::compress::{self, Compression};
use std::io::Write;

/// An entry of a tar archive, as raw as its header.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: Vec<u8>,
    pub(crate) letter: u8,
    pub(crate) mode: u32,
    pub(crate) owner: (&'static str, &'static str),
    pub(crate) content: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// What the header says of the content's length, where that is to be a lie.
    pub(crate) size: Option<u64>,
    pub(crate) device: (u32, u32),
    /// Seconds since the epoch.
    pub(crate) modified: u32,
}

/// A directory, root's, 0755.
pub(crate) fn directory(path: &str) -> Item {
    entry(path, b'5', 0o755)
}

/// A file, root's, 0644.
pub(crate) fn file(path: &str, content: &str) -> Item {
    Item {
        content: content.into(),
        ..entry(path, b'0', 0o644)
    }
}

/// A symlink.
pub(crate) fn symlink(path: &str, target: &str) -> Item {
    Item {
        target: target.into(),
        ..entry(path, b'2', 0o777)
    }
}

/// A hard link.
pub(crate) fn hard_link(path: &str, target: &str) -> Item {
    Item {
        target: target.into(),
        ..entry(path, b'1', 0o644)
    }
}

/// Any entry.
pub(crate) fn entry(path: &str, letter: u8, mode: u32) -> Item {
    let (content, target) = (Vec::new(), Vec::new());
    Item {
        path: path.into(),
        letter,
        mode,
        owner: ("root", "root"),
        content,
        target,
        size: None,
        device: (0, 0),
        modified: 1_600_000_000,
    }
}

impl Item {
    pub(crate) fn mode(self, mode: u32) -> Item {
        Item { mode, ..self }
    }

    pub(crate) fn modified(self, modified: u32) -> Item {
        Item { modified, ..self }
    }

    pub(crate) fn owner(self, user: &'static str, group: &'static str) -> Item {
        Item {
            owner: (user, group),
            ..self
        }
    }

    fn write(&self, archive: &mut Vec<u8>) {
        for (letter, text) in [(b'L', &self.path), (b'K', &self.target)] {
            if text.len() > 100 {
                let content = [&text[..], b"\0"].concat();
                Item {
                    path: "././@LongLink".into(),
                    letter,
                    content,
                    target: Vec::new(),
                    size: None,
                    ..self.clone()
                }
                .write(archive);
            }
        }
        let mut header = [0; 512];
        let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
        put(0, &self.path[..self.path.len().min(100)]);
        put(
            100,
            format!("{:07o}\0{:07o}\0{:07o}\0", self.mode, 1234, 1234).as_bytes(),
        );
        put(
            124,
            format!(
                "{:011o}\0{:011o}\0",
                self.size.unwrap_or(self.content.len() as u64),
                self.modified
            )
            .as_bytes(),
        );
        put(156, &[self.letter]);
        put(157, &self.target[..self.target.len().min(100)]);
        put(257, b"ustar  \0");
        put(265, self.owner.0.as_bytes());
        put(297, self.owner.1.as_bytes());
        put(
            329,
            format!("{:07o}\0{:07o}\0", self.device.0, self.device.1).as_bytes(),
        );
        put(148, b"        ");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(&self.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
}

/// A tar archive with its end.
pub(crate) fn tar(items: &[Item]) -> Vec<u8> {
    let mut archive = Vec::new();
    items.iter().for_each(|item| item.write(&mut archive));
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// The archive of control members; the control file comes first.
pub(crate) fn control_tar(control: &str, members: &[(&str, &str)]) -> Vec<u8> {
    let executable =
        |name: &str| matches!(name, "preinst" | "postinst" | "prerm" | "postrm" | "config");
    let member = |(name, content): &(&str, &str)| {
        file(&format!("./{name}"), content).mode(if executable(name) { 0o755 } else { 0o644 })
    };
    let mut items = vec![directory("./"), file("./control", control)];
    items.extend(members.iter().map(member));
    tar(&items)
}

/// A stream.
pub(crate) fn compressed(compression: Compression, content: &[u8]) -> Vec<u8> {
    let mut encoder = compress::encoder(compression, Vec::new(), 1).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// An ar archive.
pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in members {
        archive.extend_from_slice(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100_644,
                content.len()
            )
            .as_bytes(),
        );
        archive.extend_from_slice(content);
        if content.len() % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}

/// A whole package, as dpkg-deb makes them.
pub(crate) fn deb(control: &str, members: &[(&str, &str)], data: &[Item]) -> Vec<u8> {
    let control = compressed(Compression::Gzip, &control_tar(control, members));
    let data = compressed(Compression::Gzip, &tar(data));
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control),
        ("data.tar.gz", &data),
    ])
}

/// The bytes as a file.
pub(crate) fn on_disk(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}
