//! Reads the tar archives inside a .deb from front to back.
//!
//! dpkg reads the data member itself, and refuses what it does not know; it has GNU tar read the
//! control member. A [`Dialect`] is what either of them takes, or what hooks copy into a tree. The
//! content of an entry is lent out of one buffer, so no member is in memory as a whole and no byte
//! is copied twice. `header` parses headers, `pax` the headers that extend them. Callers decide
//! where an entry goes, and whether it may.

mod header;
mod pax;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::limits::DebLimits;
use crate::failure::Class;
use header::{Header, until_nul};
use pax::ExtraFields;

const BLOCK: usize = 512;
/// The size of the buffer, in bytes; a multiple of [`BLOCK`].
const BUFFER: usize = 256 << 10;
/// The longest name or link target, in bytes; the kernel's limit is 4096.
const NAME_LIMIT: u64 = 64 << 10;
/// The largest pax header, in bytes.
const PAX_LIMIT: u64 = 1 << 20;

/// Whose rules decide what an archive may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// dpkg's (lib/dpkg/tarfn.c): v7, ustar and GNU headers, and GNU's long names.
    Dpkg,
    /// GNU tar's, which also reads pax headers, and files of any unknown type.
    GnuTar,
    /// Those of pax archives with GNU's long names, with owners by number and extended attributes.
    /// Unknown types, and types without content that have some, are errors.
    Pax,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file, whose content follows.
    File,
    /// Another name of an earlier entry.
    HardLink,
    Symlink,
    Character,
    Block,
    Directory,
    Fifo,
}

/// One entry, without its content.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The path as written.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    /// The owner's name, empty if the header has none.
    pub(crate) user: Box<str>,
    pub(crate) gid: u32,
    /// The group's name, empty if the header has none.
    pub(crate) group: Box<str>,
    /// The size of the content in bytes; 0 except for files.
    pub(crate) size: u64,
    /// Seconds since the epoch.
    pub(crate) modified: i64,
    /// The nanoseconds that are added to `modified`.
    pub(crate) nanoseconds: u32,
    /// The target of a link as written; empty except for links.
    pub(crate) target: Vec<u8>,
    /// Major and minor number; 0 except for devices.
    pub(crate) device: (u32, u32),
    /// pax records of access control lists and labels, which are not read.
    pub(crate) ignored: BTreeSet<&'static str>,
    /// Extended attributes, of pax archives only.
    pub(crate) attributes: Vec<ExtendedAttribute>,
}

/// An extended attribute (xattr(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtendedAttribute {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl ExtendedAttribute {
    fn list(values: BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<ExtendedAttribute> {
        let mut list = Vec::new();
        for (name, value) in values {
            list.push(ExtendedAttribute { name, value });
        }
        list
    }
}

/// A tar archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// The stream cannot be decoded, or the file cannot be read.
    #[error("the stream cannot be decoded")]
    Stream(#[from] io::Error),
    /// The stream ends within an entry.
    #[error("the archive ends within an entry")]
    Truncated,
    /// A header with a wrong checksum.
    #[error("the header at byte {at} is damaged")]
    Checksum {
        /// The position in the decoded archive.
        at: u64,
    },
    /// A header field that cannot be read.
    #[error("the header at byte {at} has no valid {field}")]
    Field {
        /// The position in the decoded archive.
        at: u64,
        field: &'static str,
    },
    /// A type of entry that the dialect does not unpack.
    #[error(
        "the entry at byte {at} is of the type `{}`{}, which cannot be unpacked",
        char::from(*kind).escape_default(),
        header::meaning(*kind)
    )]
    Kind {
        /// The position in the decoded archive.
        at: u64,
        /// The type's letter.
        kind: u8,
    },
    /// More than any real package has.
    #[error("it has {what} than {limit}")]
    Limit {
        /// `more entries`, …
        what: &'static str,
        limit: u64,
    },
    /// It decodes to far more than Installed-Size and the size of the .deb let expect.
    #[error(
        "it is larger than {limit} bytes, far more than its Installed-Size and its .deb's size promise"
    )]
    TooLarge {
        /// In bytes, decoded.
        limit: u64,
    },
    /// A signal stopped the run.
    #[error("interrupted")]
    Interrupted,
}

impl TarError {
    /// The class that decides the exit code. A stream fails with an error of the system only if the
    /// file cannot be read.
    pub(crate) fn class(&self) -> Class {
        match self {
            TarError::Stream(error) if error.raw_os_error().is_some() => Class::Target,
            TarError::Stream(_)
            | TarError::Truncated
            | TarError::Checksum { .. }
            | TarError::Field { .. }
            | TarError::Kind { .. }
            | TarError::Limit { .. }
            | TarError::TooLarge { .. } => Class::Trust,
            TarError::Interrupted => Class::Other,
        }
    }
}

/// Reads an archive.
pub(crate) struct Archive<R> {
    input: R,
    buffer: Box<[u8]>,
    /// The part of the buffer that was read and not yet returned.
    from: usize,
    to: usize,
    /// Decoded bytes returned so far.
    at: u64,
    /// What is left of the current entry's content, and of its padding.
    content: u64,
    padding: u64,
    dialect: Dialect,
    limits: DebLimits,
    /// Headers, bytes of names, and decoded bytes so far.
    entries: u64,
    names: u64,
    decoded: u64,
    global: ExtraFields,
    ended: bool,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(input: R, dialect: Dialect, limits: DebLimits) -> Archive<R> {
        Archive {
            input,
            buffer: vec![0; BUFFER].into(),
            from: 0,
            to: 0,
            at: 0,
            content: 0,
            padding: 0,
            dialect,
            limits,
            entries: 0,
            names: 0,
            decoded: 0,
            global: ExtraFields::default(),
            ended: false,
        }
    }

    /// Reads the next entry and skips what is left of the content of the last one. At the end of
    /// the archive the rest of the stream is read as well, because only its end shows that it is
    /// whole.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut attributes = self.global.clone();
        loop {
            while !self.chunk()?.is_empty() {}
            let at = self.at;
            // Names that no entry follows are ignored.
            let Some(header) = self.header()? else {
                return self.drain().map(|()| None);
            };
            self.count_header()?;
            let size = header.size()?;
            match (header.letter(), self.dialect) {
                (b'L', _) => {
                    header.require_name()?;
                    attributes.path = Some(self.text(size)?);
                }
                (b'K', _) => {
                    header.require_name()?;
                    attributes.target = Some(self.text(size)?);
                }
                // Solaris has another letter for them.
                (b'x' | b'X', Dialect::GnuTar | Dialect::Pax) => {
                    attributes.read(&self.whole(size, PAX_LIMIT)?, at, self.dialect)?
                }
                (b'g', Dialect::GnuTar | Dialect::Pax) => {
                    let text = self.whole(size, PAX_LIMIT)?;
                    self.global.read(&text, at, self.dialect)?;
                    if self.dialect == Dialect::GnuTar {
                        // Nothing reads those of control members.
                        self.global.extended.clear();
                    }
                    self.global.refuse_for_all(at)?;
                    attributes.read(&text, at, self.dialect)?;
                }
                // The name of a volume.
                (b'V', Dialect::GnuTar | Dialect::Pax) => self.expect(size),
                _ => {
                    let entry = header.entry(attributes, size)?;
                    self.count_names(&entry)?;
                    self.expect(entry.size);
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// How many decoded bytes were returned so far: after an entry, where its content begins.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    fn count_header(&mut self) -> Result<(), TarError> {
        self.entries += 1;
        if self.entries <= self.limits.entries {
            return Ok(());
        }
        Err(TarError::Limit {
            what: "more entries",
            limit: self.limits.entries,
        })
    }

    /// Counts the bytes of an entry that the caller may keep.
    fn count_names(&mut self, entry: &Entry) -> Result<(), TarError> {
        let length = entry.path.len() + entry.target.len() + entry.user.len() + entry.group.len();
        self.names += length as u64;
        if self.names <= self.limits.names {
            return Ok(());
        }
        Err(TarError::Limit {
            what: "more bytes of names",
            limit: self.limits.names,
        })
    }

    /// Returns the next piece of the current entry's content, empty at its end.
    pub(crate) fn chunk(&mut self) -> Result<&[u8], TarError> {
        if self.content == 0 {
            while self.padding > 0 {
                self.padding -= self.advance(self.padding)?.len() as u64;
            }
            return Ok(&[]);
        }
        let length = self.advance(self.content)?.len();
        self.content -= length as u64;
        Ok(&self.buffer[self.from - length..self.from])
    }

    /// Returns the content of the current entry as a whole. The caller limits its size.
    pub(crate) fn content(&mut self) -> Result<Vec<u8>, TarError> {
        let mut content = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(content);
            }
            content.extend_from_slice(chunk);
        }
    }

    /// Returns the next bytes, at least one and at most `limit`.
    fn advance(&mut self, limit: u64) -> Result<&[u8], TarError> {
        if self.from == self.to && !self.fill()? {
            return Err(TarError::Truncated);
        }
        let length = limit.min((self.to - self.from) as u64) as usize;
        self.from += length;
        self.at += length as u64;
        Ok(&self.buffer[self.from - length..self.from])
    }

    /// Fills the empty buffer. Returns false at the end of the stream.
    fn fill(&mut self) -> Result<bool, TarError> {
        self.from = 0;
        self.to = 0;
        if self.limits.interrupt.cause().is_some() {
            return Err(TarError::Interrupted);
        }
        while self.to < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.to..]) {
                Ok(0) => break,
                Ok(n) => self.to += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.decoded += self.to as u64;
        let limit = self.limits.bytes;
        if self.decoded > limit {
            return Err(TarError::TooLarge { limit });
        }
        Ok(self.to > 0)
    }

    /// Reads the next header. `None` at the end of the archive or of the stream.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        if self.ended || (self.from == self.to && !self.fill()?) {
            return Ok(None);
        }
        let at = self.at;
        let mut bytes = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let next = self.advance((BLOCK - filled) as u64)?;
            bytes[filled..filled + next.len()].copy_from_slice(next);
            filled += next.len();
        }
        if bytes.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        Header::read(bytes, at, self.dialect)
    }

    fn drain(&mut self) -> Result<(), TarError> {
        self.ended = true;
        while self.fill()? {}
        self.from = self.to;
        Ok(())
    }

    fn expect(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// Reads the content of a header that extends the next one, of at most `limit` bytes.
    fn whole(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, TarError> {
        if size > limit {
            return Err(TarError::Limit {
                what: "a longer name or attribute",
                limit,
            });
        }
        self.expect(size);
        self.content()
    }

    fn text(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut text = self.whole(size, NAME_LIMIT)?;
        text.truncate(until_nul(&text).len());
        Ok(text)
    }
}
