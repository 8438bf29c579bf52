//! pax headers, which extend the header of the next entry or of all that follow.
//!
//! Of their records only those are read that can change a control member: dpkg refuses pax headers
//! among the data.

use std::str::FromStr;

use super::TarError;

/// What extra headers say about the next entry.
#[derive(Clone, Default)]
pub(super) struct ExtraFields {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// In seconds since the epoch.
    pub(super) modified: Option<i64>,
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
            match &record[..equals] {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(parse(value).ok_or_else(bad)?),
                b"mtime" => self.modified = Some(whole_number(value).ok_or_else(bad)?),
                // The content would be a map and pieces, not the file.
                key if key.starts_with(b"GNU.sparse.") => return Err(bad()),
                _ => {}
            }
            text = &text[length..];
        }
        Ok(())
    }

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
