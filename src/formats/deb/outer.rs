//! The outer archive of a .deb: finds the control and the data member without reading them.
//!
//! `ar` parses the header of each member. It trusts headers: ar 0.9 allocates what a name table
//! claims, panics on a name that is not in the table, and reads a member that ends past the file
//! as complete. So each header is checked first and handed to it alone.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{Error, Section, Sections};
use crate::formats::compress::Compression;

/// The most ar members that are looked at.
const MEMBER_LIMIT: usize = 64;

const AR_MAGIC: &[u8; 8] = b"!<arch>\n";
/// The first line of the format before dpkg 0.93 (deb-old(5)) without its newline.
const OLD_MAGIC: &[u8; 8] = b"0.939000";

const HEADER: usize = 60;

/// Finds the control and the data member.
pub(super) fn sections(file: &File) -> Result<Sections, Error> {
    let size = file.metadata().map_err(Error::Read)?.len();
    let mut magic = [0; 8];
    if size < 8 {
        return Err(Error::Format);
    }
    file.read_exact_at(&mut magic, 0).map_err(Error::Read)?;
    match &magic {
        AR_MAGIC => in_ar(file, size),
        OLD_MAGIC => in_old_format(file, size),
        _ => Err(Error::Format),
    }
}

fn in_ar(file: &File, size: u64) -> Result<Sections, Error> {
    let mut members = Members {
        file,
        size,
        at: AR_MAGIC.len() as u64,
        count: 0,
        newest: 0,
    };
    check_version(file, &members.expect("debian-binary")?)?;
    let control = members.expect("control.tar")?;
    let data = members.expect("data.tar")?;
    Ok(Sections {
        control,
        data,
        built: members.newest,
    })
}

/// The members of an ar archive, one after the other.
struct Members<'a> {
    file: &'a File,
    size: u64,
    /// Where the next header is.
    at: u64,
    count: usize,
    /// The newest time of an expected member so far, in seconds since the epoch.
    newest: i64,
}

/// The name and the time of an ar member, and where its content is.
struct MemberHeader {
    name: String,
    modified: i64,
    section: Section,
}

impl Members<'_> {
    /// Finds the next member, which must have the name `expected` or, for a tar archive, that name
    /// with the extension of a compression. Skips members that a reader has to ignore.
    fn expect(&mut self, expected: &'static str) -> Result<Section, Error> {
        while self.at < self.size && self.count < MEMBER_LIMIT {
            self.count += 1;
            let is_first = self.at == AR_MAGIC.len() as u64;
            let MemberHeader {
                name,
                modified,
                section,
            } = self.next()?;
            if let Some(compression) = compression(&name, expected) {
                self.newest = self.newest.max(modified);
                return Ok(Section {
                    compression,
                    ..section
                });
            }
            // deb(5): names with a leading underscore are reserved, and ignored; `_gpgorigin` is
            // one.
            if is_first || !name.starts_with('_') {
                return Err(Error::Unexpected {
                    found: name,
                    expected,
                });
            }
        }
        Err(Error::Missing { expected })
    }

    fn next(&mut self) -> Result<MemberHeader, Error> {
        let bad = Error::Member { at: self.at };
        let content_at = self.at + HEADER as u64;
        if content_at > self.size {
            return Err(bad);
        }
        let mut archive = [0; AR_MAGIC.len() + HEADER];
        let (magic, header) = archive.split_at_mut(AR_MAGIC.len());
        magic.copy_from_slice(AR_MAGIC);
        self.file
            .read_exact_at(header, self.at)
            .map_err(Error::Read)?;
        let is_special = header.starts_with(b"/") || header.starts_with(b"#1/");
        if is_special || !header.ends_with(b"`\n") {
            return Err(bad);
        }
        let modified = seconds(&header[16..28]);
        // dpkg ignores the time, the owner and the mode; ar refuses what is not a number.
        header[16..48].fill(b' ');
        for field in [16, 28, 34, 40] {
            header[field] = b'0';
        }
        let mut archive = ar::Archive::new(&archive[..]);
        let Some(Ok(member)) = archive.next_entry() else {
            return Err(bad);
        };
        let length = member.header().size();
        let Ok(name) = String::from_utf8(member.header().identifier().to_vec()) else {
            return Err(bad);
        };
        if length > self.size - content_at {
            return Err(bad);
        }
        // A member of odd length is padded, except that the padding of the last one may be missing.
        self.at = content_at + length + length % 2;
        let section = Section {
            at: content_at,
            length,
            compression: Compression::None,
        };
        Ok(MemberHeader {
            name,
            modified,
            section,
        })
    }
}

/// The time in an ar header; 0 where it is not a number.
fn seconds(field: &[u8]) -> i64 {
    let text = str::from_utf8(field).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The compression that a member's name gives, `None` if it is not the expected member.
fn compression(name: &str, expected: &str) -> Option<Compression> {
    match name.strip_prefix(expected)? {
        "" => Some(Compression::None),
        _ if expected == "debian-binary" => None,
        extension => Compression::from_extension(extension.strip_prefix('.')?),
    }
}

fn check_version(file: &File, section: &Section) -> Result<(), Error> {
    let mut version = vec![0; section.length.min(20) as usize];
    file.read_exact_at(&mut version, section.at)
        .map_err(Error::Read)?;
    if version.starts_with(b"2.") && version.contains(&b'\n') {
        return Ok(());
    }
    Err(Error::Version {
        found: String::from_utf8_lossy(&version).trim_end().into(),
    })
}

/// deb-old(5): a line with the version, a line with the length of the control member, then both
/// members, compressed with gzip.
fn in_old_format(file: &File, size: u64) -> Result<Sections, Error> {
    let bad = Error::Member { at: 9 };
    let mut start = vec![0; size.min(40) as usize];
    file.read_exact_at(&mut start, 0).map_err(Error::Read)?;
    let mut lines = start.splitn(3, |byte| *byte == b'\n');
    let (Some(version), Some(length), Some(_)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(bad);
    };
    let at = (version.len() + length.len() + 2) as u64;
    let length = String::from_utf8_lossy(length);
    let Ok(length) = length.trim().parse::<u64>() else {
        return Err(bad);
    };
    if length > size - at {
        return Err(bad);
    }
    Ok(Sections {
        control: Section {
            at,
            length,
            compression: Compression::Gzip,
        },
        data: Section {
            at: at + length,
            length: size - at - length,
            compression: Compression::Gzip,
        },
        built: 0, // the format has no times
    })
}
