//! The headers of a tar archive: the block of 512 bytes, and the pax headers that extend it.

use std::ops::Range;
use std::str::FromStr;

use super::{BLOCK, Entry, Kind, TarError};

/// Where a header has its checksum, which counts as spaces when it is computed.
const CHECKSUM: Range<usize> = 148..156;

/// The longest name of a user or group, in bytes, as of useradd(8) and then some.
const OWNER_LIMIT: usize = 256;

/// What extra headers say about the next entry.
#[derive(Clone, Default)]
pub(super) struct ExtraFields {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    user: Option<Box<str>>,
    group: Option<Box<str>>,
    uid: Option<i64>,
    gid: Option<i64>,
    size: Option<i64>,
    modified: Option<i64>,
}

impl ExtraFields {
    /// Reads pax records: `LENGTH KEY=VALUE\n`. The length counts the whole record in bytes.
    pub(super) fn read(&mut self, mut text: &[u8], at: u64) -> Result<(), TarError> {
        let bad = || TarError::Field {
            at,
            field: "pax record",
        };
        while !text.is_empty() {
            let space = memchr::memchr(b' ', text).ok_or_else(bad)?;
            let length = parse::<usize>(&text[..space]).ok_or_else(bad)?;
            let record = text.get(space + 1..length).ok_or_else(bad)?;
            let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
            let equals = memchr::memchr(b'=', record).ok_or_else(bad)?;
            let value = &record[equals + 1..];
            if matches!(&record[..equals], b"uname" | b"gname") && value.len() > OWNER_LIMIT {
                return Err(bad());
            }
            match &record[..equals] {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"uname" => self.user = Some(lossy(value)),
                b"gname" => self.group = Some(lossy(value)),
                b"uid" => self.uid = Some(whole_number(value).ok_or_else(bad)?),
                b"gid" => self.gid = Some(whole_number(value).ok_or_else(bad)?),
                b"size" => self.size = Some(whole_number(value).ok_or_else(bad)?),
                b"mtime" => self.modified = Some(whole_number(value).ok_or_else(bad)?),
                // The content would be a map and pieces, not the file.
                key if key.starts_with(b"GNU.sparse.") => return Err(bad()),
                _ => {}
            }
            text = &text[length..];
        }
        Ok(())
    }
}

impl ExtraFields {
    /// Fails if a header for all entries gives them one name, target or size.
    pub(super) fn refuse_names(&self, at: u64) -> Result<(), TarError> {
        if self.path.is_none() && self.target.is_none() && self.size.is_none() {
            return Ok(());
        }
        let field = "global pax record";
        Err(TarError::Field { at, field })
    }
}

fn parse<N: FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number without its decimals.
fn whole_number(text: &[u8]) -> Option<i64> {
    parse(text.split(|byte| *byte == b'.').next()?)
}

/// A header block with the right checksum.
pub(super) struct Header {
    bytes: [u8; BLOCK],
    at: u64,
}

impl Header {
    /// The letter of the type.
    pub(super) fn letter(&self) -> u8 {
        self.bytes[156]
    }

    pub(super) fn check(bytes: [u8; BLOCK], at: u64) -> Result<Header, TarError> {
        let header = Header { bytes, at };
        let stated = header.number(CHECKSUM, "check sum")?;
        let mut unsigned = 0;
        // Some old writers summed signed characters.
        let mut signed = 0;
        for (place, byte) in header.bytes.iter().enumerate() {
            let byte = if CHECKSUM.contains(&place) {
                b' '
            } else {
                *byte
            };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        if stated != unsigned && stated != signed {
            return Err(TarError::Checksum { at });
        }
        Ok(header)
    }

    pub(super) fn entry(&self, attributes: ExtraFields, size: u64) -> Result<Entry, TarError> {
        let field = |field| TarError::Field { at: self.at, field };
        let path = attributes.path.unwrap_or_else(|| self.path());
        let kind = match self.letter() {
            // v7 has no letter for directories.
            0 | b'0' if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Character,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            kind => return Err(TarError::Kind { at: self.at, kind }),
        };
        let is_link = matches!(kind, Kind::HardLink | Kind::Symlink);
        let is_device = matches!(kind, Kind::Character | Kind::Block);
        let size = attributes
            .size
            .map_or(Ok(size), u64::try_from)
            .map_err(|_| field("size"))?;
        let id = |given: Option<i64>, range, name| {
            let id = u32::try_from(given.map_or_else(|| self.number(range, name), Ok)?);
            // To chown(2) the highest number means that the owner stays.
            id.ok().filter(|id| *id != u32::MAX).ok_or(field(name))
        };
        let part = |range, name| u32::try_from(self.number(range, name)?).map_err(|_| field(name));
        Ok(Entry {
            kind,
            mode: (self.number(100..108, "mode")? & 0o7777) as u32,
            uid: id(attributes.uid, 108..116, "owner")?,
            gid: id(attributes.gid, 116..124, "group")?,
            user: attributes.user.unwrap_or_else(|| self.name(265..297)),
            group: attributes.group.unwrap_or_else(|| self.name(297..329)),
            size: if kind == Kind::File { size } else { 0 },
            modified: attributes
                .modified
                .map_or_else(|| self.number(136..148, "time"), Ok)?,
            target: match attributes.target {
                _ if !is_link => Vec::new(),
                Some(target) => target,
                None => until_nul(&self.bytes[157..257]).to_vec(),
            },
            device: if is_device {
                (part(329..337, "device")?, part(337..345, "device")?)
            } else {
                (0, 0)
            },
            path,
        })
    }

    fn path(&self) -> Vec<u8> {
        let name = until_nul(&self.bytes[..100]);
        let prefix = until_nul(&self.bytes[345..500]);
        if self.bytes[257..263] == *b"ustar\0" && !prefix.is_empty() {
            [prefix, b"/", name].concat()
        } else {
            name.to_vec()
        }
    }

    fn name(&self, range: Range<usize>) -> Box<str> {
        if self.bytes[257..262] == *b"ustar" {
            lossy(until_nul(&self.bytes[range]))
        } else {
            "".into()
        }
    }

    /// Reads a number: octal, or base 256 (GNU) if the top bit of the first byte is set.
    pub(super) fn number(&self, range: Range<usize>, name: &'static str) -> Result<i64, TarError> {
        let bad = || TarError::Field {
            at: self.at,
            field: name,
        };
        let field = &self.bytes[range];
        if field[0] & 0x80 != 0 {
            let negative = field[0] & 0x40 != 0;
            let start = if negative {
                -1
            } else {
                i64::from(field[0] & 0x3f)
            };
            return field[1..]
                .iter()
                .try_fold(start, |sum, &b| {
                    sum.checked_mul(256)?.checked_add(i64::from(b))
                })
                .ok_or_else(bad);
        }
        let digits = until_nul(field).trim_ascii();
        digits.iter().try_fold(0i64, |sum, &b| {
            let digit = (b as char).to_digit(8).ok_or_else(bad)?;
            sum.checked_mul(8)
                .map(|sum| sum + i64::from(digit))
                .ok_or_else(bad)
        })
    }
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

fn lossy(name: &[u8]) -> Box<str> {
    String::from_utf8_lossy(name).into()
}
