//! .debs built in code: sound ones as dpkg-deb makes them, and damaged ones.
//!
//! A [`DebBuilder`] is a control stanza, control members and entries. It adds the directories that
//! lead to an entry, unless the package is [bare](DebBuilder::bare). [`deb`] builds a package of
//! raw parts.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;

use super::tar::{self, SHIPPED, TarEntry, ar, ar_at, compress, ending, file};
use crate::formats::compress::Compression;
use crate::formats::digest::Md5Hasher;

/// A package to build.
#[derive(Clone, Debug)]
pub struct DebBuilder {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// Further fields of the control file, in order.
    pub fields: Vec<(String, String)>,
    /// Control members besides `control`, `md5sums` and `conffiles`.
    pub members: Vec<TarEntry>,
    pub conffiles: Vec<String>,
    pub entries: Vec<TarEntry>,
    pub md5sums: bool,
    /// When it was built, in seconds since the epoch: the time in the ar headers.
    pub built: u64,
    /// Whether to add the directories above each entry.
    pub parents: bool,
    pub control_compression: Compression,
    pub data_compression: Compression,
    pub damage: Damage,
}

/// What is wrong with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    None,
    /// The file ends in the middle of its data member, whose header declares all of it.
    Truncated,
    /// The compressed stream of the data member ends early; the member is as long as its header
    /// says.
    StreamCut,
    /// A byte follows the compressed stream inside the data member.
    Trailing,
    /// The data member is missing.
    NoData,
    /// The file is not an ar archive.
    Junk,
}

impl DebBuilder {
    /// An empty package of architecture `all`.
    pub fn new(name: &str, version: &str) -> DebBuilder {
        DebBuilder {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "all".to_owned(),
            fields: Vec::new(),
            members: Vec::new(),
            conffiles: Vec::new(),
            entries: Vec::new(),
            md5sums: true,
            built: SHIPPED,
            parents: true,
            control_compression: Compression::Gzip,
            data_compression: Compression::Gzip,
            damage: Damage::None,
        }
    }

    pub fn architecture(mut self, architecture: &str) -> DebBuilder {
        self.architecture = architecture.to_owned();
        self
    }

    pub fn field(mut self, name: &str, value: &str) -> DebBuilder {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn depends(self, relations: &str) -> DebBuilder {
        self.field("Depends", relations)
    }

    /// Adds a maintainer script: `#!/bin/sh`, `set -e` and `body`.
    pub fn script(self, name: &str, body: &str) -> DebBuilder {
        self.member(name, 0o755, format!("#!/bin/sh\nset -e\n{body}\n"))
    }

    pub fn member(mut self, name: &str, mode: u32, content: impl AsRef<[u8]>) -> DebBuilder {
        let member = file(format!("./{name}"), content).mode(mode);
        self.members.push(member);
        self
    }

    pub fn triggers(self, lines: &str) -> DebBuilder {
        self.member("triggers", 0o644, format!("{lines}\n"))
    }

    pub fn entry(mut self, entry: TarEntry) -> DebBuilder {
        self.entries.push(entry);
        self
    }

    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> DebBuilder {
        self.entry(file(path, content))
    }

    pub fn program(self, path: &str, content: impl AsRef<[u8]>) -> DebBuilder {
        self.entry(file(path, content).mode(0o755))
    }

    pub fn directory(self, path: &str) -> DebBuilder {
        self.entry(tar::directory(path))
    }

    pub fn symlink(self, path: &str, target: &str) -> DebBuilder {
        self.entry(tar::symlink(path, target))
    }

    /// Adds a hard link to a path of the package.
    pub fn hard_link(self, path: &str, target: &str) -> DebBuilder {
        self.entry(tar::hard_link(path, &format!("./{target}")))
    }

    pub fn conffile(mut self, path: &str, content: &str) -> DebBuilder {
        self.conffiles.push(format!("/{path}"));
        self.file(path, content)
    }

    pub fn compressed(mut self, control: Compression, data: Compression) -> DebBuilder {
        self.control_compression = control;
        self.data_compression = data;
        self
    }

    /// Writes the entries exactly as given: no directories added, no `./` before a path.
    pub fn bare(mut self) -> DebBuilder {
        self.parents = false;
        self
    }

    /// Sets the time of building, in seconds since the epoch. The files' own times stay.
    pub fn built(mut self, seconds: u64) -> DebBuilder {
        self.built = seconds;
        self
    }

    pub fn damaged(mut self, damage: Damage) -> DebBuilder {
        self.damage = damage;
        self
    }

    /// `name_version_arch.deb`, without the version's epoch.
    pub fn file_name(&self) -> String {
        let version = match self.version.split_once(':') {
            Some((_, without_epoch)) => without_epoch,
            None => &self.version,
        };
        format!("{}_{}_{}.deb", self.name, version, self.architecture)
    }

    /// The text of the control file.
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

    /// The bytes of the .deb.
    pub fn build(&self) -> Vec<u8> {
        if self.damage == Damage::Junk {
            return b"<html>404 but friendly</html>".to_vec();
        }
        let entries = if self.parents {
            with_parents(&self.entries)
        } else {
            self.entries.clone()
        };
        let mut data = compress(self.data_compression, &tar::tar(&entries));
        match self.damage {
            Damage::StreamCut => data.truncate(data.len() * 2 / 3),
            Damage::Trailing => data.push(b'!'),
            _ => {}
        }
        let control_name = format!("control.tar{}", ending(self.control_compression));
        let control = compress(self.control_compression, &self.control());
        let data_name = format!("data.tar{}", ending(self.data_compression));
        let mut members: Vec<(&str, &[u8])> = vec![
            ("debian-binary", b"2.0\n"),
            (&control_name, &control),
            (&data_name, &data),
        ];
        if self.damage == Damage::NoData {
            members.pop();
        }
        let mut bytes = ar_at(self.built, &members);
        if self.damage == Damage::Truncated {
            bytes.truncate(bytes.len() - 40);
        }
        bytes
    }

    fn control(&self) -> Vec<u8> {
        let mut entries = vec![tar::directory("./"), file("./control", self.stanza())];
        if !self.conffiles.is_empty() {
            let lines = format!("{}\n", self.conffiles.join("\n"));
            entries.push(file("./conffiles", lines));
        }
        if self.md5sums {
            entries.push(file("./md5sums", self.md5sums_member()));
        }
        entries.extend(self.members.iter().cloned());
        tar::tar(&entries)
    }

    fn md5sums_member(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for entry in &self.entries {
            if !entry.is_file() {
                continue;
            }
            let mut hasher = Md5Hasher::default();
            hasher.update(&entry.content);
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

/// The entries in their order, each after the directories above it that no entry before it has
/// made.
fn with_parents(entries: &[TarEntry]) -> Vec<TarEntry> {
    let mut all = vec![tar::directory("./")];
    let mut made = BTreeSet::new();
    for entry in entries {
        let mut entry = entry.clone();
        entry.path = dotted(&entry.path);
        if entry.is_directory() && !entry.path.ends_with(b"/") {
            entry.path.push(b'/');
        }
        // The last byte never ends a directory above the entry.
        for at in 2..entry.path.len() - 1 {
            let above = &entry.path[..at];
            if entry.path[at] == b'/' && made.insert(above.to_vec()) {
                all.push(tar::directory(&entry.path[..=at]));
            }
        }
        if entry.is_directory() {
            made.insert(entry.path[..entry.path.len() - 1].to_vec());
        }
        all.push(entry);
    }
    all
}

/// The control archive: the control file first, then these members, scripts with mode 0755.
pub fn control_tar(control: &str, members: &[(&str, &str)]) -> Vec<u8> {
    let mut entries = vec![tar::directory("./"), file("./control", control)];
    for (name, content) in members {
        let is_script = ["preinst", "postinst", "prerm", "postrm", "config"].contains(name);
        let mode = if is_script { 0o755 } else { 0o644 };
        entries.push(file(format!("./{name}"), content).mode(mode));
    }
    tar::tar(&entries)
}

/// A package of a control file, control members and data entries, each written as given.
pub fn deb(control: &str, members: &[(&str, &str)], data: &[TarEntry]) -> Vec<u8> {
    let control = compress(Compression::Gzip, &control_tar(control, members));
    let data = compress(Compression::Gzip, &tar::tar(data));
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control),
        ("data.tar.gz", &data),
    ])
}

/// The bytes in an unnamed file.
pub fn on_disk(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}
