//! pax headers, which say what the old tar header has no room for (POSIX.1-2024, pax, "pax
//! Interchange Format").
//!
//! Extended attributes are written as star, GNU tar and Docker do: `SCHILY.xattr.NAME`.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::chunks::Chunks;
use super::entry::BLOCK;

/// The name in the header of every pax header. Readers ignore it.
const PAX_NAME: &[u8] = b"././@PaxHeader";

/// The longest name or link target in the old header, in bytes.
const NAME_LENGTH: usize = 100;

/// The records of one pax header.
#[derive(Default)]
pub(super) struct Pax(Vec<u8>);

impl Pax {
    /// Adds the record `LENGTH KEYWORD=VALUE\n`, where LENGTH counts itself too.
    pub(super) fn add(&mut self, keyword: &str, value: &[u8]) {
        self.add_record(keyword.as_bytes(), value);
    }

    fn add_record(&mut self, keyword: &[u8], value: &[u8]) {
        let rest = keyword.len() + value.len() + 3;
        let mut length = rest + rest.to_string().len();
        if rest + length.to_string().len() > length {
            length += 1;
        }
        self.0.extend_from_slice(length.to_string().as_bytes());
        self.0
            .extend_from_slice(&[b" ", keyword, b"=", value, b"\n"].concat());
    }

    /// Writes a name into its field of the old header, as much of it as fits.
    ///
    /// Adds a record for a name that is too long or not ASCII, because pax names are UTF-8 by
    /// definition. A name that is not UTF-8 gets one only if it is too long: bsdtar then needs
    /// `hdrcharset`, about which GNU tar warns.
    pub(super) fn set_name(&mut self, keyword: &str, name: &[u8], field: &mut [u8; NAME_LENGTH]) {
        let length = name.len().min(NAME_LENGTH);
        field[..length].copy_from_slice(&name[..length]);
        let is_utf8 = std::str::from_utf8(name).is_ok();
        let is_long = name.len() > NAME_LENGTH;
        if is_long && !is_utf8 {
            self.add("hdrcharset", b"BINARY");
        }
        if is_long || is_utf8 && !name.is_ascii() {
            self.add(keyword, name);
        }
    }

    /// Adds an extended attribute. `=` ends a keyword, so GNU tar writes it, and its own escape, as
    /// `%3D` and `%25`.
    pub(super) fn add_attribute(&mut self, name: &[u8], value: &[u8]) {
        let mut keyword = b"SCHILY.xattr.".to_vec();
        for &byte in name {
            match byte {
                b'%' => keyword.extend_from_slice(b"%25"),
                b'=' => keyword.extend_from_slice(b"%3D"),
                _ => keyword.push(byte),
            }
        }
        self.add_record(&keyword, value);
    }

    /// Writes the header, unless it has no records.
    pub(super) fn write(&self, output: &mut Chunks) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..PAX_NAME.len()].copy_from_slice(PAX_NAME);
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(self.0.len() as u64);
        header.set_cksum();
        output.write_all(header.as_bytes())?;
        output.write_all(&self.0)?;
        output.pad(BLOCK)
    }

    #[cfg(test)]
    pub(super) fn records(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, record) in [
            ("", "8 path=\n"),
            ("1", "9 path=1\n"),
            ("12", "11 path=12\n"),
        ] {
            let mut pax = Pax::default();
            pax.add("path", value.as_bytes());
            assert_eq!(pax.records(), record);
        }
        for length in 0..2000 {
            let mut pax = Pax::default();
            pax.add("path", &vec![b'x'; length]);
            let (counted, _) = pax.records().split_once(' ').unwrap();
            assert_eq!(counted, pax.records().len().to_string());
        }
    }
}
