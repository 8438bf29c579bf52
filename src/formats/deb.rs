//! The .deb format (deb(5)): an ar archive with a version, a tar of control members and a tar of
//! data.
//!
//! Reads the control member whole (it is small, and limited) and the data member as a stream.
//! `outer` finds both, `tar` reads them, `copy` keeps them decoded. `dpkg` knows what the control
//! members mean and where the entries go.

mod copy;
mod outer;
mod tar;

pub(crate) use copy::CopyWriter;
pub(crate) use tar::{Archive, Entry, Kind, TarError};

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::compress::{self, Compression, Integrity};
use super::control::{self, BadControl};
use super::stanza::stanzas;
use copy::{Copying, Part, sections_of_copy};
use outer::sections;

/// The largest size of all control members together, in bytes. The largest real ones have 5 MiB of
/// triggers and digests.
const CONTROL_LIMIT: u64 = 64 << 20;
/// The buffer for compressed members, in bytes.
const READ_BUFFER: u64 = 256 << 10;

/// A .deb whose control member was read.
#[derive(Debug)]
pub(crate) struct Deb {
    /// The control file's stanza with its last newline.
    pub(crate) stanza: String,
    /// The other control members, in the archive's order.
    pub(crate) members: Vec<Member>,
    file: File,
    data: Section,
    integrity: Integrity,
    copying: Copying,
}

/// A control member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The name without a directory.
    pub(crate) name: String,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Seconds since the epoch.
    pub(crate) modified: i64,
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
    /// Its control file is one that dpkg refuses.
    #[error("its control file")]
    ControlFile(#[from] BadControl),
    /// A control member that is neither a file nor a link to one, or not in the top directory.
    #[error("its control member `{name}` is not a file")]
    Control {
        /// The member's name.
        name: String,
    },
}

/// A range of the file, and how it is compressed.
#[derive(Clone, Copy, Debug)]
struct Section {
    at: u64,
    length: u64,
    compression: Compression,
}

/// Where both members of a package are.
#[derive(Clone, Copy, Debug)]
struct Sections {
    control: Section,
    data: Section,
}

impl Deb {
    /// Reads a .deb whose digest was verified, up to its data. `copy` gets a decoded copy, see
    /// [`Deb::keep_copy`].
    pub(crate) fn open(file: File, copy: Option<Box<dyn CopyWriter>>) -> Result<Deb, Error> {
        let sections = sections(&file)?;
        Deb::from_sections(file, sections, Integrity::Known, copy)
    }

    /// Reads a decoded copy of `size` bytes whose seal was verified.
    pub(crate) fn open_copy(file: File, size: u64) -> Result<Deb, Error> {
        let sections = sections_of_copy(&file, size)?;
        Deb::from_sections(file, sections, Integrity::Known, None)
    }

    /// Reads a .deb that nothing vouches for.
    #[cfg(test)]
    pub(crate) fn read(file: File) -> Result<Deb, Error> {
        let sections = sections(&file)?;
        Deb::from_sections(file, sections, Integrity::Unknown, None)
    }

    fn from_sections(
        file: File,
        sections: Sections,
        integrity: Integrity,
        copy: Option<Box<dyn CopyWriter>>,
    ) -> Result<Deb, Error> {
        let copying = Copying::new(copy);
        let control = Input {
            file: &file,
            section: sections.control,
            integrity,
            part: Part::Control,
        };
        let mut members = control_members(control, &copying)?;
        let Some(place) = members.iter().position(|member| member.name == "control") else {
            return Err(Error::Missing {
                expected: "control",
            });
        };
        let control = text(members.remove(place).content);
        control::check(&control)?;
        let Some(stanza) = stanzas(&control).next() else {
            return Err(Error::Missing {
                expected: "control",
            });
        };
        Ok(Deb {
            stanza: stanza.to_owned(),
            members,
            file,
            data: sections.data,
            integrity,
            copying,
        })
    }

    /// The control member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// The data, which must be read to its end: a damaged stream shows only there. Wrap its errors
    /// with
    /// [`Error::data`].
    pub(crate) fn data(&self) -> Result<Archive<Box<dyn Read + '_>>, Error> {
        let data = Input {
            file: &self.file,
            section: self.data,
            integrity: self.integrity,
            part: Part::Data,
        };
        archive(data, &self.copying).map_err(Error::data)
    }

    /// Keeps the decoded copy. The data must have been read to its end.
    pub(crate) fn keep_copy(&self) {
        self.copying.keep();
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

/// One member of a package, to be read.
#[derive(Clone, Copy)]
struct Input<'a> {
    file: &'a File,
    section: Section,
    integrity: Integrity,
    part: Part,
}

fn control_members(control: Input<'_>, copying: &Copying) -> Result<Vec<Member>, Error> {
    let mut archive = archive(control, copying).map_err(Error::control)?;
    let mut members: Vec<Member> = Vec::new();
    let mut links: Vec<Link> = Vec::new();
    let mut total = 0;
    while let Some(entry) = archive.next_entry().map_err(Error::control)? {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let name = plain_name(&path);
        if entry.kind == Kind::Directory && matches!(name, "" | ".") {
            continue;
        }
        let is_link = matches!(entry.kind, Kind::HardLink | Kind::Symlink);
        let is_member = is_link || entry.kind == Kind::File;
        if !is_member || name.contains('/') || matches!(name, "" | "." | "..") {
            return Err(Error::Control { name: path });
        }
        total += entry.size + 512;
        if total > CONTROL_LIMIT {
            return Err(Error::control(TarError::Limit {
                what: "more control bytes",
                limit: CONTROL_LIMIT,
            }));
        }
        // As with tar, the last one of a name counts.
        members.retain(|member| member.name != name);
        links.retain(|link| link.name != name);
        if is_link {
            let target = String::from_utf8_lossy(&entry.target);
            links.push(Link {
                name: name.to_owned(),
                target: plain_name(&target).to_owned(),
            });
            continue;
        }
        let content = content(&mut archive).map_err(Error::control)?;
        members.push(Member {
            name: name.to_owned(),
            mode: entry.mode & 0o777,
            modified: entry.modified,
            content,
        });
    }
    follow_links(links, &mut members)?;
    Ok(members)
}

/// A control member that is a link to another one.
struct Link {
    name: String,
    target: String,
}

/// Gives each link the content that it leads to, over any number of other links. One that leads to
/// no member is an error.
fn follow_links(mut links: Vec<Link>, members: &mut Vec<Member>) -> Result<(), Error> {
    while !links.is_empty() {
        let before = links.len();
        let mut left = Vec::new();
        for link in links {
            match members.iter().find(|member| member.name == link.target) {
                Some(target) => {
                    let member = Member {
                        name: link.name,
                        ..target.clone()
                    };
                    members.push(member);
                }
                None => left.push(link),
            }
        }
        if let Some(first) = left.first()
            && left.len() == before
        {
            let name = first.name.clone();
            return Err(Error::Control { name });
        }
        links = left;
    }
    Ok(())
}

/// The path of a control member without a leading `./` or `/`.
fn plain_name(path: &str) -> &str {
    match path.strip_prefix("./") {
        Some(rest) => rest,
        None => path.strip_prefix('/').unwrap_or(path),
    }
}

fn content(archive: &mut Archive<impl Read>) -> Result<Vec<u8>, TarError> {
    let mut content = Vec::new();
    loop {
        let chunk = archive.chunk()?;
        if chunk.is_empty() {
            return Ok(content);
        }
        content.extend_from_slice(chunk);
    }
}

/// Decodes a member as it is read.
fn archive<'a>(
    input: Input<'a>,
    copying: &'a Copying,
) -> Result<Archive<Box<dyn Read + 'a>>, TarError> {
    let section = input.section;
    let reader = SectionReader {
        file: input.file,
        at: section.at,
        end: section.at + section.length,
    };
    if section.compression == Compression::None {
        // Archive has a buffer of its own.
        return Ok(Archive::new(Box::new(copying.tee(reader, input.part))));
    }
    let buffer = section.length.clamp(512, READ_BUFFER) as usize;
    let reader = BufReader::with_capacity(buffer, reader);
    let decoder = compress::decoder(section.compression, reader, input.integrity)?;
    Ok(Archive::new(Box::new(copying.tee(decoder, input.part))))
}

/// Reads a section without moving the file's position, which other readers share.
struct SectionReader<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for SectionReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        if read == 0 && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// Control files are UTF-8 (Policy 5.1); those of old packages may be Latin-1.
fn text(content: Vec<u8>) -> String {
    match String::from_utf8(content) {
        Ok(text) => text,
        Err(e) => e.as_bytes().iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests;
