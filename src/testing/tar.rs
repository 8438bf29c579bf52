//! Tar and ar archives built in code, entry by entry, for tests.
//!
//! A [`TarEntry`] is as raw as its header: it can declare a wrong size or a type that no tool
//! writes. [`tar`] writes entries in GNU format, as dpkg-deb does. What makes a package of them is
//! [`deb`](super::deb).

use crate::formats::compress::Compression;

/// The modification time of an entry that sets none: 2020-09-13T12:26:40Z.
pub const SHIPPED: u64 = 1_600_000_000;

/// An entry of a tar archive.
#[derive(Clone, Debug)]
pub struct TarEntry {
    pub path: Vec<u8>,
    /// The header's type flag: `0` a file, `5` a directory, and so on.
    pub flag: u8,
    pub mode: u32,
    /// User and group as numbers.
    pub ids: (u64, u64),
    /// User and group as names.
    pub names: (String, String),
    pub content: Vec<u8>,
    /// What a symlink or a hard link points to.
    pub target: Vec<u8>,
    /// The size in the header, if it is not the content's.
    pub declared_size: Option<u64>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Seconds since the epoch.
    pub modified: u64,
}

/// Any entry, owned by root.
pub fn entry(path: impl AsRef<[u8]>, flag: u8, mode: u32) -> TarEntry {
    TarEntry {
        path: path.as_ref().to_vec(),
        flag,
        mode,
        ids: (0, 0),
        names: ("root".to_owned(), "root".to_owned()),
        content: Vec::new(),
        target: Vec::new(),
        declared_size: None,
        device: (0, 0),
        modified: SHIPPED,
    }
}

/// A file with mode 0644.
pub fn file(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> TarEntry {
    TarEntry {
        content: content.as_ref().to_vec(),
        ..entry(path, b'0', 0o644)
    }
}

/// A directory with mode 0755.
pub fn directory(path: impl AsRef<[u8]>) -> TarEntry {
    entry(path, b'5', 0o755)
}

/// A symlink.
pub fn symlink(path: impl AsRef<[u8]>, target: &str) -> TarEntry {
    TarEntry {
        target: target.into(),
        ..entry(path, b'2', 0o777)
    }
}

/// A hard link; its target is written as given.
pub fn hard_link(path: impl AsRef<[u8]>, target: &str) -> TarEntry {
    TarEntry {
        target: target.into(),
        ..entry(path, b'1', 0o644)
    }
}

/// A character device with mode 0666.
pub fn device(path: impl AsRef<[u8]>, major: u32, minor: u32) -> TarEntry {
    TarEntry {
        device: (major, minor),
        ..entry(path, b'3', 0o666)
    }
}

/// A named pipe.
pub fn fifo(path: impl AsRef<[u8]>, mode: u32) -> TarEntry {
    entry(path, b'6', mode)
}

impl TarEntry {
    pub fn mode(mut self, mode: u32) -> TarEntry {
        self.mode = mode;
        self
    }

    pub fn modified(mut self, seconds: u64) -> TarEntry {
        self.modified = seconds;
        self
    }

    /// Sets the owner's names. The numbers become 1234, which shows where a name is unknown.
    pub fn owner(self, user: &str, group: &str) -> TarEntry {
        TarEntry {
            names: (user.to_owned(), group.to_owned()),
            ids: (1234, 1234),
            ..self
        }
    }

    /// Sets the owner's numbers.
    pub fn ids(mut self, user: u64, group: u64) -> TarEntry {
        self.ids = (user, group);
        self
    }

    pub fn is_directory(&self) -> bool {
        self.flag == b'5'
    }

    pub fn is_file(&self) -> bool {
        self.flag == b'0'
    }

    pub fn is_symlink(&self) -> bool {
        self.flag == b'2'
    }

    fn write(&self, archive: &mut Vec<u8>) {
        for (flag, text) in [(b'L', &self.path), (b'K', &self.target)] {
            if text.len() > 100 {
                let terminated = [&text[..], b"\0"].concat();
                file("././@LongLink", terminated).flag(flag).write(archive);
            }
        }
        let mut header = tar::Header::new_gnu();
        let path = &self.path[..self.path.len().min(100)];
        let target = &self.target[..self.target.len().min(100)];
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path);
        old.linkname[..target.len()].copy_from_slice(target);
        header.set_entry_type(tar::EntryType::new(self.flag));
        header.set_size(self.declared_size.unwrap_or(self.content.len() as u64));
        header.set_mode(self.mode);
        header.set_uid(self.ids.0);
        header.set_gid(self.ids.1);
        header.set_mtime(self.modified);
        header.set_username(&self.names.0).unwrap();
        header.set_groupname(&self.names.1).unwrap();
        header.set_device_major(self.device.0).unwrap();
        header.set_device_minor(self.device.1).unwrap();
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(&self.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }

    fn flag(mut self, flag: u8) -> TarEntry {
        self.flag = flag;
        self
    }
}

/// A tar archive in GNU format with its two closing blocks.
pub fn tar(entries: &[TarEntry]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        entry.write(&mut archive);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// An ar archive with these members.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    ar_at(SHIPPED, members)
}

/// An ar archive whose members have this time, in seconds since the epoch.
pub fn ar_at(modified: u64, members: &[(&str, &[u8])]) -> Vec<u8> {
    if members.is_empty() {
        // The builder writes the magic with the first member.
        return b"!<arch>\n".to_vec();
    }
    let mut archive = ar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), content.len() as u64);
        header.set_mtime(modified);
        header.set_mode(0o100_644);
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Compresses at the fastest level, with the compression libraries themselves rather than the
/// crate's encoders.
pub fn compress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let copied = match compression {
        Compression::None => return bytes.to_vec(),
        Compression::Zstd => return zstd::encode_all(bytes, 1).unwrap(),
        Compression::Gzip => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::read::GzEncoder::new(bytes, level);
            std::io::copy(&mut encoder, &mut out)
        }
        Compression::Bzip2 => {
            let level = bzip2::Compression::fast();
            let mut encoder = bzip2::read::BzEncoder::new(bytes, level);
            std::io::copy(&mut encoder, &mut out)
        }
        Compression::Xz => {
            let mut encoder = liblzma::read::XzEncoder::new(bytes, 0);
            std::io::copy(&mut encoder, &mut out)
        }
        Compression::Lzma => {
            let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
            let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
            let mut encoder = liblzma::read::XzEncoder::new_stream(bytes, stream);
            std::io::copy(&mut encoder, &mut out)
        }
    };
    copied.unwrap();
    out
}

/// The ending of a compressed file's name with its dot: `.gz`; empty for [`Compression::None`].
pub fn ending(compression: Compression) -> String {
    match compression.extension() {
        "" => String::new(),
        extension => format!(".{extension}"),
    }
}
