//! .debs built in code: well-formed ones as dpkg-deb would make them, and broken ones as nobody should.
//!
//! A [`Deb`] is a control stanza, scripts and a list of entries. Directories that lead to an entry come by themselves, unless the
//! package is to be [`Deb::bare`]. Where it may be fetched from is [`archive`](super::archive)'s.

use std::collections::BTreeSet;
use std::io::Write;

use rbootstrap::testing::Compression;
use rbootstrap::testing::Md5Hasher;

/// The time that shipped files have unless they say otherwise: 2023-11-14T22:13:20Z.
pub const SHIPPED: u64 = 1_700_000_000;

/// A package to be.
#[derive(Clone, Debug)]
pub struct Deb {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// Further control fields, in order.
    pub fields: Vec<(String, String)>,
    /// Control members besides `control`, `md5sums` and `conffiles`: name, mode, content.
    pub members: Vec<(String, u32, Vec<u8>)>,
    pub conffiles: Vec<String>,
    pub entries: Vec<Entry>,
    pub md5sums: bool,
    /// Whether the directories above each entry are added.
    pub parents: bool,
    pub control_compression: Compression,
    pub data_compression: Compression,
    pub damage: Damage,
}

/// What is done to a package after it was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    None,
    /// The file ends in the middle of its data member; the member's header still declares all of it.
    Truncated,
    /// The data member's stream ends early; the member is as long as its header says.
    StreamCut,
    /// A byte behind the end of the data member's stream, inside the member.
    Trailing,
    /// No data member.
    NoData,
    /// Bytes that are no ar archive.
    Junk,
}

/// One member of a package's data, its path as it stands in the tar.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    pub owner: (u64, u64),
    pub names: (String, String),
    pub modified: u64,
}

#[derive(Clone, Debug)]
pub enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
    /// Target as it stands in the tar.
    Hardlink(Vec<u8>),
    /// Character device.
    Device(u32, u32),
    Fifo,
}

impl Entry {
    pub fn new(path: impl AsRef<[u8]>, kind: Kind) -> Entry {
        let mode = match kind {
            Kind::Directory => 0o755,
            Kind::Symlink(_) => 0o777,
            _ => 0o644,
        };
        let names = ("root".to_owned(), "root".to_owned());
        Entry {
            path: path.as_ref().to_vec(),
            kind,
            mode,
            owner: (0, 0),
            names,
            modified: SHIPPED,
        }
    }

    pub fn mode(mut self, mode: u32) -> Entry {
        self.mode = mode;
        self
    }

    pub fn owned(mut self, owner: (u64, &str), group: (u64, &str)) -> Entry {
        self.owner = (owner.0, group.0);
        self.names = (owner.1.to_owned(), group.1.to_owned());
        self
    }

    pub fn modified(mut self, seconds: u64) -> Entry {
        self.modified = seconds;
        self
    }
}

impl Deb {
    /// An empty package of architecture `all`.
    pub fn new(name: &str, version: &str) -> Deb {
        Deb {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "all".to_owned(),
            fields: Vec::new(),
            members: Vec::new(),
            conffiles: Vec::new(),
            entries: Vec::new(),
            md5sums: true,
            parents: true,
            control_compression: Compression::Gzip,
            data_compression: Compression::Gzip,
            damage: Damage::None,
        }
    }

    pub fn architecture(mut self, architecture: &str) -> Deb {
        self.architecture = architecture.to_owned();
        self
    }

    pub fn field(mut self, name: &str, value: &str) -> Deb {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn depends(self, relations: &str) -> Deb {
        self.field("Depends", relations)
    }

    /// A maintainer script: `preinst`, `postinst`; its body goes behind `#!/bin/sh` and `set -e`.
    pub fn script(self, name: &str, body: &str) -> Deb {
        self.member(name, 0o755, format!("#!/bin/sh\nset -e\n{body}\n"))
    }

    pub fn member(mut self, name: &str, mode: u32, content: impl Into<Vec<u8>>) -> Deb {
        self.members.push((name.to_owned(), mode, content.into()));
        self
    }

    pub fn triggers(self, lines: &str) -> Deb {
        self.member("triggers", 0o644, format!("{lines}\n"))
    }

    pub fn entry(mut self, entry: Entry) -> Deb {
        self.entries.push(entry);
        self
    }

    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Deb {
        self.entry(Entry::new(path, Kind::File(content.into())))
    }

    pub fn program(self, path: &str, content: impl Into<Vec<u8>>) -> Deb {
        self.entry(Entry::new(path, Kind::File(content.into())).mode(0o755))
    }

    pub fn directory(self, path: &str) -> Deb {
        self.entry(Entry::new(path, Kind::Directory))
    }

    pub fn symlink(self, path: &str, target: &str) -> Deb {
        self.entry(Entry::new(path, Kind::Symlink(target.into())))
    }

    pub fn hardlink(self, path: &str, target: &str) -> Deb {
        self.entry(Entry::new(path, Kind::Hardlink(dotted(target.as_bytes()))))
    }

    pub fn conffile(mut self, path: &str, content: &str) -> Deb {
        self.conffiles.push(format!("/{path}"));
        self.file(path, content)
    }

    pub fn compressed(mut self, control: Compression, data: Compression) -> Deb {
        (self.control_compression, self.data_compression) = (control, data);
        self
    }

    /// Entries exactly as given: no directories added, paths not begun with `./`.
    pub fn bare(mut self) -> Deb {
        self.parents = false;
        self
    }

    pub fn damaged(mut self, damage: Damage) -> Deb {
        self.damage = damage;
        self
    }

    /// `name_version_arch.deb`, without an epoch.
    pub fn file_name(&self) -> String {
        let version = self
            .version
            .split_once(':')
            .map_or(&self.version[..], |(_, rest)| rest);
        format!("{}_{}_{}.deb", self.name, version, self.architecture)
    }

    /// The control file's text.
    pub fn stanza(&self) -> String {
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\n",
            self.name, self.version, self.architecture
        );
        text += "Maintainer: Nobody <nobody@example.org>\n";
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\n");
        }
        text + &format!("Description: {} of the test archive\n", self.name)
    }

    /// The .deb's bytes.
    pub fn build(&self) -> Vec<u8> {
        let control = compress(&self.control(), self.control_compression);
        let entries = if self.parents {
            with_parents(&self.entries)
        } else {
            self.entries.clone()
        };
        let mut data = compress(&tar(&entries), self.data_compression);
        match self.damage {
            Damage::StreamCut => data.truncate(data.len() * 2 / 3),
            Damage::Trailing => data.push(b'!'),
            Damage::Junk => return b"<html>404 but friendly</html>".to_vec(),
            _ => {}
        }
        let mut members = vec![("debian-binary".to_owned(), b"2.0\n".to_vec())];
        members.push((
            format!("control.tar{}", extension(self.control_compression)),
            control,
        ));
        if self.damage != Damage::NoData {
            members.push((
                format!("data.tar{}", extension(self.data_compression)),
                data,
            ));
        }
        let mut bytes = ar(&members);
        if self.damage == Damage::Truncated {
            bytes.truncate(bytes.len() - 40);
        }
        bytes
    }

    fn control(&self) -> Vec<u8> {
        let file = |name: &str, mode, content: &[u8]| {
            Entry::new(format!("./{name}"), Kind::File(content.to_vec())).mode(mode)
        };
        let mut entries = vec![
            Entry::new("./", Kind::Directory),
            file("control", 0o644, self.stanza().as_bytes()),
        ];
        if !self.conffiles.is_empty() {
            entries.push(file(
                "conffiles",
                0o644,
                format!("{}\n", self.conffiles.join("\n")).as_bytes(),
            ));
        }
        if self.md5sums {
            entries.push(file("md5sums", 0o644, &self.md5sums_member()));
        }
        entries.extend(
            self.members
                .iter()
                .map(|(name, mode, content)| file(name, *mode, content)),
        );
        tar(&entries)
    }

    fn md5sums_member(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for entry in &self.entries {
            let Kind::File(content) = &entry.kind else {
                continue;
            };
            let mut hasher = Md5Hasher::default();
            hasher.update(content);
            lines.extend_from_slice(hasher.finish().as_bytes());
            lines.extend_from_slice(b"  ");
            lines.extend_from_slice(&entry.path);
            lines.push(b'\n');
        }
        lines
    }
}

/// `usr/bin/x` as `./usr/bin/x`.
fn dotted(path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"./") {
        path.to_vec()
    } else {
        [b"./", path].concat()
    }
}

/// The entries in their order, each behind the directories above it that were not there yet.
fn with_parents(entries: &[Entry]) -> Vec<Entry> {
    let mut all = vec![Entry::new("./", Kind::Directory)];
    let mut seen = BTreeSet::new();
    for entry in entries {
        let path = dotted(&entry.path);
        for (at, _) in path
            .iter()
            .enumerate()
            .skip(2)
            .filter(|&(_, &byte)| byte == b'/')
        {
            if at + 1 < path.len() && seen.insert(path[..at].to_vec()) {
                all.push(Entry::new(&path[..=at], Kind::Directory));
            }
        }
        let mut entry = entry.clone();
        entry.path = path;
        if matches!(entry.kind, Kind::Directory) {
            if !entry.path.ends_with(b"/") {
                entry.path.push(b'/');
            }
            seen.insert(entry.path[..entry.path.len() - 1].to_vec());
        }
        all.push(entry);
    }
    all
}

/// A tar in GNU's form, as dpkg-deb writes it: long names in entries of their own.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let (flag, link, content): (u8, &[u8], &[u8]) = match &entry.kind {
            Kind::File(content) => (b'0', b"", content),
            Kind::Hardlink(target) => (b'1', target, b""),
            Kind::Symlink(target) => (b'2', target, b""),
            Kind::Device(..) => (b'3', b"", b""),
            Kind::Directory => (b'5', b"", b""),
            Kind::Fifo => (b'6', b"", b""),
        };
        for (flag, long) in [(b'K', link), (b'L', &entry.path[..])] {
            if long.len() > 100 {
                let terminated = [long, b"\0"].concat();
                member(
                    &mut out,
                    header(b"././@LongLink", b"", flag, terminated.len()),
                    &terminated,
                );
            }
        }
        let mut head = header(&entry.path, link, flag, content.len());
        head.set_mode(entry.mode);
        head.set_uid(entry.owner.0);
        head.set_gid(entry.owner.1);
        head.set_mtime(entry.modified);
        head.set_username(&entry.names.0).unwrap();
        head.set_groupname(&entry.names.1).unwrap();
        if let Kind::Device(major, minor) = entry.kind {
            head.set_device_major(major).unwrap();
            head.set_device_minor(minor).unwrap();
        }
        member(&mut out, head, content);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn header(path: &[u8], link: &[u8], flag: u8, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    let old = header.as_old_mut();
    let (path, link) = (&path[..path.len().min(100)], &link[..link.len().min(100)]);
    old.name[..path.len()].copy_from_slice(path);
    old.linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(tar::EntryType::new(flag));
    header.set_size(size as u64);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn member(out: &mut Vec<u8>, mut header: tar::Header, content: &[u8]) {
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// An ar archive of these members.
pub fn ar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(
            out,
            "{name:<16}{SHIPPED:<12}0     0     100644  {:<10}`",
            content.len()
        )
        .unwrap();
        out.extend_from_slice(content);
        if content.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// Compresses as fast as the format can.
pub fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let mut out = Vec::new();
    let read = match compression {
        Compression::None => return bytes.to_vec(),
        Compression::Gzip => std::io::copy(
            &mut flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()),
            &mut out,
        ),
        Compression::Bzip2 => std::io::copy(
            &mut bzip2::read::BzEncoder::new(bytes, bzip2::Compression::fast()),
            &mut out,
        ),
        Compression::Xz => std::io::copy(&mut liblzma::read::XzEncoder::new(bytes, 0), &mut out),
        Compression::Zstd => return zstd::encode_all(bytes, 1).unwrap(),
        Compression::Lzma => {
            let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
            let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
            std::io::copy(
                &mut liblzma::read::XzEncoder::new_stream(bytes, stream),
                &mut out,
            )
        }
    };
    read.unwrap();
    out
}

/// `.gz` and so on; empty for none.
pub fn extension(compression: Compression) -> String {
    match compression.extension() {
        "" => String::new(),
        extension => format!(".{extension}"),
    }
}
