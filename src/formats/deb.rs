//! The .deb format (deb(5)): an ar archive with a version, a tar of control members and a tar of
//! data.
//!
//! Reads the control member whole (it is small, and limited) and the data member as a stream.
//! `outer` finds both, `tar` reads them, `copy` keeps them decoded. `dpkg` knows what the control
//! members mean and where the entries go.

mod copy;
mod limits;
mod members;
mod outer;
mod tar;

pub(crate) use copy::{CopyWriter, data_of_copy};
pub(crate) use limits::DebLimits;
pub(crate) use tar::{Archive, Dialect, Entry, ExtendedAttribute, Kind, TarError};

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::compress::{self, Compression, Integrity};
use super::control::{self, BadControl};
use super::stanza::stanzas;
use crate::failure::Class;
use copy::{Copying, Part, sections_of_copy};
use members::{control_members, text};
use outer::sections;

/// The buffer for compressed members, in bytes.
const READ_BUFFER: u64 = 256 << 10;

/// A .deb whose control member was read.
#[derive(Debug)]
pub(crate) struct Deb {
    /// The control file's stanza with its last newline.
    pub(crate) stanza: String,
    /// The other control members, in the archive's order.
    pub(crate) members: Vec<Member>,
    /// When it was built, in seconds since the epoch: the newest time in its ar headers, which
    /// dpkg-deb takes from SOURCE_DATE_EPOCH, the changelog's date. 0 if they have none.
    pub(crate) built: i64,
    file: File,
    data: Section,
    integrity: Integrity,
    copying: Copying,
    limits: DebLimits,
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

/// Where both members of a package are, and when it was built.
#[derive(Clone, Copy, Debug)]
struct Sections {
    control: Section,
    data: Section,
    /// In seconds since the epoch; 0 if that is not known.
    built: i64,
}

impl Deb {
    /// Reads a .deb up to its data. `integrity` says whether an index vouches for it. `copy` gets a
    /// decoded copy, see [`Deb::keep_copy`].
    pub(crate) fn open(
        file: File,
        integrity: Integrity,
        limits: DebLimits,
        copy: Option<Box<dyn CopyWriter>>,
    ) -> Result<Deb, Error> {
        let input = WholeInput {
            sections: sections(&file)?,
            file,
            integrity,
            limits,
        };
        Deb::from_input(input, copy)
    }

    /// Reads a decoded copy of `size` bytes whose seal was verified.
    pub(crate) fn open_copy(file: File, size: u64, limits: DebLimits) -> Result<Deb, Error> {
        let input = WholeInput {
            sections: sections_of_copy(&file, size)?,
            file,
            integrity: Integrity::Known,
            limits,
        };
        Deb::from_input(input, None)
    }

    /// Reads a .deb that nothing vouches for.
    #[cfg(test)]
    pub(crate) fn read(file: File) -> Result<Deb, Error> {
        let limits = DebLimits::new(0, 0, crate::interrupt::Interrupt::default());
        Deb::open(file, Integrity::Unknown, limits, None)
    }

    fn from_input(input: WholeInput, copy: Option<Box<dyn CopyWriter>>) -> Result<Deb, Error> {
        let WholeInput {
            file,
            sections,
            integrity,
            limits,
        } = input;
        let copying = Copying::new(copy, sections.built);
        let control = Input {
            file: &file,
            section: sections.control,
            integrity,
            part: Part::Control,
            limits: limits.of_control(),
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
            built: sections.built,
            file,
            data: sections.data,
            integrity,
            copying,
            limits,
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
            limits: self.limits.clone(),
        };
        archive(data, &self.copying).map_err(Error::data)
    }

    /// Keeps the decoded copy. The data must have been read to its end.
    pub(crate) fn keep_copy(&self) {
        self.copying.keep();
    }
}

impl Error {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            Error::Read(_) => Class::Target,
            Error::Tar { source, .. } => source.class(),
            Error::Format
            | Error::Version { .. }
            | Error::Member { .. }
            | Error::Unexpected { .. }
            | Error::Missing { .. }
            | Error::Control { .. }
            | Error::ControlFile(_) => Class::Trust,
        }
    }

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

/// A package, to be read.
struct WholeInput {
    file: File,
    sections: Sections,
    integrity: Integrity,
    limits: DebLimits,
}

/// One member of a package, to be read.
struct Input<'a> {
    file: &'a File,
    section: Section,
    integrity: Integrity,
    part: Part,
    limits: DebLimits,
}

/// Decodes a member as it is read.
fn archive<'a>(
    input: Input<'a>,
    copying: &'a Copying,
) -> Result<Archive<Box<dyn Read + 'a>>, TarError> {
    let section = input.section;
    let dialect = match input.part {
        Part::Control => Dialect::GnuTar,
        Part::Data => Dialect::Dpkg,
    };
    let reader = SectionReader {
        file: input.file,
        at: section.at,
        end: section.at + section.length,
    };
    if section.compression == Compression::None {
        // Archive has a buffer of its own.
        let reader = Box::new(copying.tee(reader, input.part));
        return Ok(Archive::new(reader, dialect, input.limits));
    }
    let buffer = section.length.clamp(512, READ_BUFFER) as usize;
    let reader = BufReader::with_capacity(buffer, reader);
    let decoder = compress::decoder(section.compression, reader, input.integrity)?;
    let reader = Box::new(copying.tee(decoder, input.part));
    Ok(Archive::new(reader, dialect, input.limits))
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

#[cfg(test)]
mod tests;
