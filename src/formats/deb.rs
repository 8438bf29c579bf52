//! The .deb format, deb(5): an ar archive of a version, a tar of control members and a tar of data.
//!
//! Reads the control member whole (it is small, and bounded) and lends the data member as a stream. The format before dpkg 0.93
//! (deb-old(5)) is read too. Where the entries go is known to `unpack`, what the control members mean to `dpkg`.

mod copy;
mod tar;

pub(crate) use tar::{Archive, Entry, Kind, TarError};

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use crate::formats::compress::{self, Compression, Integrity};
use crate::formats::stanza::stanzas;
use crate::store::{DerivedWriter, Encoding, Verified};
use copy::{Copying, Part, sections_of_copy};

/// The most that the control members may come to. The largest real ones are some 5 MiB of triggers and digests.
const CONTROL_LIMIT: u64 = 64 << 20;
/// The most ar members that are looked at.
const MEMBER_LIMIT: usize = 64;
/// What is read from the file at a time.
const READ_AHEAD: u64 = 256 << 10;

/// A .deb, its control member read.
#[derive(Debug)]
pub(crate) struct Deb {
    /// The control file's stanza, its last newline kept.
    pub(crate) stanza: String,
    /// All other control members, in the archive's order.
    pub(crate) members: Vec<Member>,
    file: File,
    data: Section,
    integrity: Integrity,
    copy: Copying,
}

/// A control member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its name, without a directory.
    pub(crate) name: String,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Seconds since the epoch.
    pub(crate) modified: i64,
    /// All of it.
    pub(crate) content: Vec<u8>,
}

/// A .deb that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file itself cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// It does not begin as a .deb does.
    #[error("it is not a Debian package")]
    Format,
    /// A version of the format that is not known.
    #[error("it has version `{found}` of the format, not 2")]
    Version {
        /// The version, cut at 20 characters.
        found: String,
    },
    /// An ar header that cannot be read, or a member that is longer than the file.
    #[error("its member at byte {at} is damaged")]
    Member {
        /// Where.
        at: u64,
    },
    /// A member where another has to be.
    #[error("its member `{found}` is not the `{expected}` that has to be there")]
    Unexpected {
        /// The member's name.
        found: String,
        /// What has to be there.
        expected: &'static str,
    },
    /// The file ends before a member that it must have.
    #[error("it has no member `{expected}`")]
    Missing {
        /// The member.
        expected: &'static str,
    },
    /// The control or data member is no tar archive.
    #[error("its member `{member}`")]
    Tar {
        /// `control.tar` or `data.tar`.
        member: &'static str,
        /// What is wrong with it.
        #[source]
        source: TarError,
    },
    /// A control member that is no plain file, or not in the top directory.
    #[error("its control member `{name}` is not a file")]
    Control {
        /// The member's name.
        name: String,
    },
}

/// A run of bytes of the file, and how they are compressed.
#[derive(Clone, Copy, Debug)]
struct Section {
    at: u64,
    length: u64,
    compression: Compression,
}

impl Deb {
    /// Reads a verified .deb up to its data, from a decoded copy where it is one. `draft` gets such a copy, see [`Deb::keep_copy`].
    pub(crate) fn open(file: &Verified, draft: Option<DerivedWriter>) -> Result<Deb, Error> {
        let opened = file.open().map_err(Error::Read)?;
        match file.encoding() {
            Encoding::Original => {
                let sections = sections(&opened)?;
                Deb::of(opened, sections, Integrity::Known, draft)
            }
            Encoding::Decoded => {
                let sections = sections_of_copy(&opened, file.size())?;
                Deb::of(opened, sections, Integrity::Known, None)
            }
        }
    }

    /// Reads any .deb up to its data.
    pub(crate) fn read(file: File) -> Result<Deb, Error> {
        let sections = sections(&file)?;
        Deb::of(file, sections, Integrity::Unknown, None)
    }

    fn of(
        file: File,
        (control, data): (Section, Section),
        integrity: Integrity,
        draft: Option<DerivedWriter>,
    ) -> Result<Deb, Error> {
        let mut stanza = None;
        let mut members = Vec::new();
        let copy = Copying::into(draft);
        for member in control_members(&file, control, integrity, &copy)? {
            match member.name.as_str() {
                "control" => stanza = stanzas(&text(member.content)).next().map(str::to_owned),
                _ => members.push(member),
            }
        }
        Ok(Deb {
            stanza: stanza.ok_or(Error::Missing {
                expected: "control",
            })?,
            members,
            file,
            data,
            integrity,
            copy,
        })
    }

    /// The control member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// The data, to be read to its end: only there is a damaged stream found out. An error of it belongs into [`Error::data`].
    pub(crate) fn data(&self) -> Result<Archive<Box<dyn Read + '_>>, Error> {
        archive(
            &self.file,
            self.data,
            self.integrity,
            (&self.copy, Part::Data),
        )
        .map_err(Error::data)
    }

    /// Keeps the decoded copy, once the data was read to its end.
    pub(crate) fn keep_copy(&self) {
        self.copy.keep();
    }
}

impl Error {
    /// An error about the data member.
    pub(crate) fn data(source: TarError) -> Error {
        Error::Tar {
            member: "data.tar",
            source,
        }
    }

    fn control(source: TarError) -> Error {
        Error::Tar {
            member: "control.tar",
            source,
        }
    }
}

/// Where the control and the data member are.
fn sections(file: &File) -> Result<(Section, Section), Error> {
    let size = file.metadata().map_err(Error::Read)?.len();
    let mut magic = [0; 8];
    if size < 8 {
        return Err(Error::Format);
    }
    file.read_exact_at(&mut magic, 0).map_err(Error::Read)?;
    match &magic {
        b"!<arch>\n" => sections_of_ar(file, size),
        b"0.939000" => sections_of_old(file, size),
        _ => Err(Error::Format),
    }
}

fn sections_of_ar(file: &File, size: u64) -> Result<(Section, Section), Error> {
    let mut at = 8;
    let mut control = None;
    for number in 0..MEMBER_LIMIT {
        let expected = match (number, control) {
            (0, _) => "debian-binary",
            (_, None) => "control.tar",
            _ => "data.tar",
        };
        if at >= size {
            return Err(Error::Missing { expected });
        }
        let (name, section) = ar_member(file, at, size)?;
        // An odd member is padded, except that the last one's padding may be missing.
        at = section.at + section.length + section.length % 2;
        let compression = name.strip_prefix(expected).and_then(|rest| match rest {
            "" => Some(Compression::None),
            _ => Compression::from_extension(rest.strip_prefix('.')?),
        });
        match (number, control, compression) {
            (0, _, Some(Compression::None)) => check_version(file, section)?,
            (0, _, _) => {
                return Err(Error::Unexpected {
                    found: name,
                    expected,
                });
            }
            (_, None, Some(compression)) => {
                control = Some(Section {
                    compression,
                    ..section
                })
            }
            (_, Some(control), Some(compression)) => {
                return Ok((
                    control,
                    Section {
                        compression,
                        ..section
                    },
                ));
            }
            // deb(5): members whose names begin with an underscore are to be passed over; `_gpgorigin` is one.
            _ if name.starts_with('_') => {}
            _ => {
                return Err(Error::Unexpected {
                    found: name,
                    expected,
                });
            }
        }
    }
    Err(Error::Missing {
        expected: "data.tar",
    })
}

/// One member of the ar archive: 16 bytes of name, 32 of things that do not matter, 10 of length, two of magic.
fn ar_member(file: &File, at: u64, size: u64) -> Result<(String, Section), Error> {
    let bad = || Error::Member { at };
    if size - at < 60 {
        return Err(bad());
    }
    let mut header = [0; 60];
    file.read_exact_at(&mut header, at).map_err(Error::Read)?;
    let text = |range: std::ops::Range<usize>| {
        std::str::from_utf8(&header[range])
            .map(str::trim_end)
            .map_err(|_| bad())
    };
    let name = text(0..16)?;
    let length = text(48..58)?.parse::<u64>().map_err(|_| bad())?;
    if header[58..] != *b"`\n" || length > size - at - 60 {
        return Err(bad());
    }
    let name = name.strip_suffix('/').unwrap_or(name);
    Ok((
        name.to_owned(),
        Section {
            at: at + 60,
            length,
            compression: Compression::None,
        },
    ))
}

fn check_version(file: &File, section: Section) -> Result<(), Error> {
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

/// deb-old(5): a line with the version, one with the control member's length, then the two members, both gzip.
fn sections_of_old(file: &File, size: u64) -> Result<(Section, Section), Error> {
    let mut start = vec![0; size.min(40) as usize];
    file.read_exact_at(&mut start, 0).map_err(Error::Read)?;
    let mut lines = start.split(|&b| b == b'\n');
    let (version, length) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let at = (version.len() + length.len() + 2) as u64;
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|n| n.trim().parse::<u64>().ok());
    let length = length
        .filter(|&n| lines.next().is_some() && n <= size - at)
        .ok_or(Error::Member { at: 9 })?;
    let section = |at, length| Section {
        at,
        length,
        compression: Compression::Gzip,
    };
    Ok((
        section(at, length),
        section(at + length, size - at - length),
    ))
}

fn control_members(
    file: &File,
    section: Section,
    integrity: Integrity,
    copy: &Copying,
) -> Result<Vec<Member>, Error> {
    let mut archive =
        archive(file, section, integrity, (copy, Part::Control)).map_err(Error::control)?;
    let mut members: Vec<Member> = Vec::new();
    let mut total = 0;
    while let Some(entry) = archive.next_entry().map_err(Error::control)? {
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        let plain = name
            .strip_prefix("./")
            .or_else(|| name.strip_prefix('/'))
            .unwrap_or(&name);
        if entry.kind == Kind::Directory && matches!(plain, "" | ".") {
            continue;
        }
        if entry.kind != Kind::File || plain.contains('/') || matches!(plain, "" | "." | "..") {
            return Err(Error::Control { name });
        }
        total += entry.size + 512;
        if total > CONTROL_LIMIT {
            return Err(Error::control(TarError::Limit {
                what: "more control bytes",
                limit: CONTROL_LIMIT,
            }));
        }
        let mut content = Vec::new();
        loop {
            let chunk = archive.chunk().map_err(Error::control)?;
            if chunk.is_empty() {
                break;
            }
            content.extend_from_slice(chunk);
        }
        members.retain(|m| m.name != plain);
        members.push(Member {
            name: plain.to_owned(),
            mode: entry.mode & 0o777,
            modified: entry.modified,
            content,
        });
    }
    Ok(members)
}

/// Reads a member; what is read goes into `copy` too, as the part that it is.
fn archive<'a>(
    file: &'a File,
    section: Section,
    integrity: Integrity,
    (copy, part): (&'a Copying, Part),
) -> Result<Archive<Box<dyn Read + 'a>>, TarError> {
    let input = SectionReader {
        file,
        at: section.at,
        end: section.at + section.length,
    };
    if section.compression == Compression::None {
        // The archive reads ahead by itself.
        return Ok(Archive::new(Box::new(copy.tee(input, part))));
    }
    let input = BufReader::with_capacity(section.length.clamp(512, READ_AHEAD) as usize, input);
    let input = compress::decoder(section.compression, input, integrity)?;
    Ok(Archive::new(Box::new(copy.tee(input, part))))
}

/// Reads a section without moving the file's own position, so that two readers do not disturb each other.
struct SectionReader<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for SectionReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer
            .len()
            .min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// Control files are UTF-8 (Policy 5.1); those of old packages may be Latin-1.
fn text(content: Vec<u8>) -> String {
    String::from_utf8(content)
        .unwrap_or_else(|e| e.as_bytes().iter().copied().map(char::from).collect())
}

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;
