//! The encoding of a snapshot, without the content of files.
//!
//! Numbers have seven bits in each byte, the lowest first; a byte with its highest bit set is
//! followed by another. Bytes come after their length, lists after the number of their items.
//! Nothing here looks at a tree.

use crate::dpkg::StagedOrigin;
use crate::dpkg::configure::SavedStandIn;
use crate::dpkg::staging::StagedContent;
use crate::formats::deb::ExtendedAttribute;
use crate::formats::package_key::PackageKey;
use crate::formats::version::Version;
use crate::tree::rootfs::RootPath;

use super::{SavedEntry, SavedKind, SavedTime, SnapshotHeader};

/// The bytes so far.
#[derive(Default)]
struct SnapshotWriter(Vec<u8>);

/// What is still to be read. Its methods return None if it ends early or is malformed.
struct SnapshotReader<'b>(&'b [u8]);

/// Encodes everything but the content of files.
pub(super) fn encode(header: &SnapshotHeader, entries: &[SavedEntry]) -> Vec<u8> {
    let mut writer = SnapshotWriter::default();
    writer.number(header.packages.len() as u64);
    for package in &header.packages {
        writer.bytes(package.name().as_bytes());
        writer.bytes(package.architecture().as_bytes());
        writer.bytes(package.version().as_str().as_bytes());
    }
    writer.optional(header.script_epoch);
    writer.number(u64::from(header.stand_ins.is_some()));
    let stand_ins = header.stand_ins.as_deref().unwrap_or_default();
    writer.number(stand_ins.len() as u64);
    for stand_in in stand_ins {
        writer.bytes(stand_in.path.as_bytes());
        writer.number(u64::from(stand_in.has_original));
    }
    writer.signed(header.newest);
    writer.signed(header.made_from);
    writer.signed(header.made_until);
    writer.number(entries.len() as u64);
    for entry in entries {
        writer.entry(entry);
    }
    writer.0
}

/// Decodes everything but the content of files.
pub(super) fn decode(bytes: &[u8]) -> Option<(SnapshotHeader, Vec<SavedEntry>)> {
    let mut reader = SnapshotReader(bytes);
    let mut packages = Vec::new();
    for _ in 0..reader.number()? {
        let name = reader.text()?;
        let architecture = reader.text()?;
        let version = Version::parse(&reader.text()?).ok()?;
        packages.push(PackageKey::new(&name, &architecture, &version));
    }
    let script_epoch = reader.optional()?;
    let has_stand_ins = reader.flag()?;
    let mut stand_ins = Vec::new();
    for _ in 0..reader.number()? {
        stand_ins.push(SavedStandIn {
            path: reader.path()?,
            has_original: reader.flag()?,
        });
    }
    let header = SnapshotHeader {
        packages,
        script_epoch,
        stand_ins: has_stand_ins.then_some(stand_ins),
        newest: reader.signed()?,
        made_from: reader.signed()?,
        made_until: reader.signed()?,
    };
    let mut entries = Vec::new();
    for _ in 0..reader.number()? {
        entries.push(reader.entry()?);
    }
    reader.0.is_empty().then_some((header, entries))
}

impl SnapshotWriter {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// The lowest bit is the sign.
    fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    fn optional(&mut self, number: Option<i64>) {
        self.number(u64::from(number.is_some()));
        self.signed(number.unwrap_or_default());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn entry(&mut self, entry: &SavedEntry) {
        self.bytes(entry.path.as_bytes());
        self.kind(&entry.kind);
        for number in [entry.uid, entry.gid, entry.mode] {
            self.number(number.into());
        }
        let SavedTime {
            seconds,
            nanoseconds,
            is_made,
        } = entry.modified;
        self.signed(seconds);
        self.number(nanoseconds.into());
        self.number(is_made.into());
        self.number(entry.attributes.len() as u64);
        for attribute in &entry.attributes {
            self.bytes(&attribute.name);
            self.bytes(&attribute.value);
        }
    }

    fn kind(&mut self, kind: &SavedKind) {
        match kind {
            SavedKind::Directory => self.number(0),
            SavedKind::Placed(origin) => {
                self.number(1);
                self.number(origin.package.into());
                let StagedContent { number, at, size } = origin.content;
                self.number(number.into());
                self.number(at);
                self.number(size);
            }
            SavedKind::Stored { at, size } => {
                self.number(2);
                self.number(*at);
                self.number(*size);
            }
            SavedKind::Symlink { target } => {
                self.number(3);
                self.bytes(target);
            }
            SavedKind::Link { to } => {
                self.number(4);
                self.number(*to as u64);
            }
            SavedKind::Node {
                format,
                major,
                minor,
            } => {
                self.number(5);
                for number in [format, major, minor] {
                    self.number((*number).into());
                }
            }
        }
    }
}

impl SnapshotReader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn optional(&mut self) -> Option<Option<i64>> {
        let is_some = self.flag()?;
        let number = self.signed()?;
        Some(is_some.then_some(number))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn path(&mut self) -> Option<RootPath> {
        RootPath::parse(self.bytes()?).ok()
    }

    fn entry(&mut self) -> Option<SavedEntry> {
        let path = self.path()?;
        let kind = self.kind()?;
        let uid = self.small()?;
        let gid = self.small()?;
        let mode = self.small()?;
        let modified = SavedTime {
            seconds: self.signed()?,
            nanoseconds: self.small()?,
            is_made: self.flag()?,
        };
        let mut attributes = Vec::new();
        for _ in 0..self.number()? {
            attributes.push(ExtendedAttribute {
                name: self.bytes()?,
                value: self.bytes()?,
            });
        }
        Some(SavedEntry {
            path,
            kind,
            uid,
            gid,
            mode,
            modified,
            attributes,
        })
    }

    fn kind(&mut self) -> Option<SavedKind> {
        Some(match self.number()? {
            0 => SavedKind::Directory,
            1 => SavedKind::Placed(StagedOrigin {
                package: self.small()?,
                content: StagedContent {
                    number: self.small()?,
                    at: self.number()?,
                    size: self.number()?,
                },
            }),
            2 => SavedKind::Stored {
                at: self.number()?,
                size: self.number()?,
            },
            3 => SavedKind::Symlink {
                target: self.bytes()?,
            },
            4 => SavedKind::Link {
                to: usize::try_from(self.number()?).ok()?,
            },
            5 => SavedKind::Node {
                format: self.small()?,
                major: self.small()?,
                minor: self.small()?,
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: SavedKind) -> SavedEntry {
        SavedEntry {
            path: RootPath::parse(path).unwrap(),
            kind,
            uid: 0,
            gid: u32::MAX,
            mode: 0o4755,
            modified: SavedTime {
                seconds: -1,
                nanoseconds: 999_999_999,
                is_made: true,
            },
            attributes: vec![ExtendedAttribute {
                name: b"user.a".to_vec(),
                value: vec![0, 255],
            }],
        }
    }

    fn example() -> (SnapshotHeader, Vec<SavedEntry>) {
        let version = Version::parse("1:2~rc-3").unwrap();
        let header = SnapshotHeader {
            packages: vec![PackageKey::new("a", "amd64", &version)],
            script_epoch: Some(-5),
            stand_ins: Some(vec![SavedStandIn {
                path: RootPath::known("etc/resolv.conf"),
                has_original: true,
            }]),
            newest: 1_600_000_000,
            made_from: 1_700_000_000_123_456_789,
            made_until: i64::MAX,
        };
        let entries = vec![
            entry("", SavedKind::Directory),
            entry(
                "a",
                SavedKind::Placed(StagedOrigin {
                    package: 0,
                    content: StagedContent {
                        number: 300,
                        at: 1 << 40,
                        size: 7,
                    },
                }),
            ),
            entry(
                "b\n",
                SavedKind::Stored {
                    at: u64::MAX,
                    size: 1 << 40,
                },
            ),
            entry(
                "c",
                SavedKind::Symlink {
                    target: b"../x\xff".to_vec(),
                },
            ),
            entry("d", SavedKind::Link { to: 2 }),
            entry(
                "e",
                SavedKind::Node {
                    format: 0o20_000,
                    major: 1,
                    minor: 3,
                },
            ),
        ];
        (header, entries)
    }

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_shorter_is() {
        let (header, entries) = example();
        let bytes = encode(&header, &entries);
        assert_eq!(decode(&bytes), Some((header, entries)));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
    }
}
