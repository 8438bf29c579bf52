//! pax headers, which extend the header of the next entry or of all that follow.
//!
//! Of their records those are read that change what is unpacked. dpkg refuses pax headers among the
//! data of a package, and ignores the owners of its control members.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::{Dialect, PAX_LIMIT, TarError};

/// The beginning of the key of an extended attribute, as star and GNU tar write it.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// Records of what is not unpacked.
const IGNORED: [&str; 3] = [
    "SCHILY.acl.access",
    "SCHILY.acl.default",
    "RHT.security.selinux",
];

/// What extra headers say about the next entry.
#[derive(Clone, Default)]
pub(super) struct ExtraFields {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// In seconds since the epoch.
    pub(super) modified: Option<i64>,
    pub(super) nanoseconds: u32,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// Of [`IGNORED`].
    pub(super) ignored: BTreeSet<&'static str>,
    /// The values of extended attributes by name.
    pub(super) extended: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl ExtraFields {
    /// Reads pax records: `LENGTH KEY=VALUE\n`. The length counts the whole record in bytes.
    pub(super) fn read(
        &mut self,
        mut text: &[u8],
        at: u64,
        dialect: Dialect,
    ) -> Result<(), TarError> {
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
            let key = &record[..equals];
            // The content would be a map and pieces, not the file.
            if key.starts_with(b"GNU.sparse.") {
                return Err(TarError::Kind { at, kind: b'S' });
            }
            // A record without a value removes what was said before.
            let value = Some(&record[equals + 1..]);
            let value = value.filter(|value| dialect != Dialect::Pax || !value.is_empty());
            match key.strip_prefix(ATTRIBUTE) {
                // GNU tar writes attributes that have no value.
                Some(name) => {
                    let value = value.unwrap_or_default().to_vec();
                    self.extended.insert(unescaped(name), value);
                }
                None => self.set(key, value).ok_or_else(bad)?,
            }
            text = &text[length..];
        }
        let bytes = |(name, value): (&Vec<u8>, &Vec<u8>)| name.len() + value.len();
        if self.extended.iter().map(bytes).sum::<usize>() as u64 > PAX_LIMIT {
            return Err(TarError::Limit {
                what: "more bytes of extended attributes in an entry",
                limit: PAX_LIMIT,
            });
        }
        Ok(())
    }

    /// Sets the field of a record. `None` if its value cannot be read.
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Option<()> {
        match key {
            b"path" => self.path = value.map(<[u8]>::to_vec),
            b"linkpath" => self.target = value.map(<[u8]>::to_vec),
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" => {
                self.modified = None;
                self.nanoseconds = 0;
                if let Some(value) = value {
                    let time = Time::parse(value)?;
                    self.modified = Some(time.seconds);
                    self.nanoseconds = time.nanoseconds;
                }
            }
            // Others change nothing that is unpacked.
            key => self
                .ignored
                .extend(IGNORED.iter().filter(|one| one.as_bytes() == key)),
        }
        Some(())
    }

    /// Fails if a header for all entries gives them one name, target or size, or attributes, which
    /// would be kept for each.
    pub(super) fn refuse_for_all(&self, at: u64) -> Result<(), TarError> {
        let has_names = self.path.is_some() || self.target.is_some();
        if !has_names && self.size.is_none() && self.extended.is_empty() {
            return Ok(());
        }
        let field = "global pax record";
        Err(TarError::Field { at, field })
    }
}

/// The number that a record sets, or `None` where it has no value.
fn number<N: FromStr>(value: Option<&[u8]>) -> Option<Option<N>> {
    match value {
        Some(value) => parse(value).map(Some),
        None => Some(None),
    }
}

fn parse<N: FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A point in time, in seconds since the epoch and nanoseconds after that second.
struct Time {
    seconds: i64,
    nanoseconds: u32,
}

impl Time {
    /// Reads a decimal number. More decimals than nanoseconds are cut off.
    fn parse(text: &[u8]) -> Option<Time> {
        let mut parts = text.splitn(2, |byte| *byte == b'.');
        let whole = parts.next()?;
        let seconds: i64 = parse(whole)?;
        let mut decimals = parts.next().unwrap_or_default().to_vec();
        decimals.resize(9, b'0');
        let nanoseconds: u32 = parse(&decimals)?;
        // `-0.5` is half a second before the epoch.
        match whole.starts_with(b"-") && nanoseconds > 0 {
            true => Some(Time {
                seconds: seconds.checked_sub(1)?,
                nanoseconds: 1_000_000_000 - nanoseconds,
            }),
            false => Some(Time {
                seconds,
                nanoseconds,
            }),
        }
    }
}

/// The name of an attribute, in which GNU tar writes `=` as `%3D` and `%` as `%25`.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        let (byte, length) = match rest.get(..3) {
            Some(b"%3D") => (b'=', 3),
            Some(b"%25") => (b'%', 3),
            _ => (*byte, rest.len() - after.len()),
        };
        plain.push(byte);
        rest = &rest[length..];
    }
    plain
}
