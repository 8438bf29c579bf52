//! The tar format inside a .deb, read once from front to back.
//!
//! Knows v7, ustar and GNU headers, GNU's long names and pax headers. An entry's content is lent out of the one buffer, so no
//! member is ever whole in memory and no byte is copied twice. Where an entry goes, and whether it may, is for others to know.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// What is read from the decoder at a time; a multiple of [`BLOCK`].
const BUFFER: usize = 256 << 10;
/// The longest name or link target; the kernel takes 4096.
const NAME_LIMIT: u64 = 64 << 10;
/// The largest pax header.
const PAX_LIMIT: u64 = 1 << 20;
/// The most entries of one archive. Debian's largest packages have some 100,000.
const ENTRY_LIMIT: u64 = 4 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file, whose content follows.
    File,
    /// Another name for an entry before it.
    HardLink,
    /// A symlink.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
}

/// One entry, without its content.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The path as it was written.
    pub(crate) path: Vec<u8>,
    /// What it is.
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    /// The owner's number,
    pub(crate) uid: u32,
    /// and name, empty when there is none.
    pub(crate) user: Box<str>,
    /// The group's number,
    pub(crate) gid: u32,
    /// and name.
    pub(crate) group: Box<str>,
    /// Content in bytes; 0 for all but files.
    pub(crate) size: u64,
    /// Seconds since the epoch.
    pub(crate) modified: i64,
    /// Where a link leads, as it was written; empty for all but links.
    pub(crate) target: Vec<u8>,
    /// Major and minor number; 0 for all but devices.
    pub(crate) device: (u32, u32),
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// The stream cannot be decoded, or the file under it not be read.
    #[error("the stream cannot be decoded")]
    Stream(#[from] io::Error),
    /// The stream ends within an entry.
    #[error("the archive ends within an entry")]
    Truncated,
    /// A header whose check sum is wrong.
    #[error("the header at byte {at} is damaged")]
    Checksum {
        /// Where, in the decoded archive.
        at: u64,
    },
    /// A field of a header that cannot be read.
    #[error("the header at byte {at} has no valid {field}")]
    Field {
        /// Where, in the decoded archive.
        at: u64,
        /// The field.
        field: &'static str,
    },
    /// A kind of entry that packages do not have.
    #[error("the entry at byte {at} is of the unknown type `{}`", char::from(*kind).escape_default())]
    Kind {
        /// Where, in the decoded archive.
        at: u64,
        /// The type's letter.
        kind: u8,
    },
    /// More than anything real has.
    #[error("it has {what} than {limit}")]
    Limit {
        /// `more entries`, …
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// An archive under way.
pub(crate) struct Archive<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What of the buffer is read and not yet handed out.
    from: usize,
    to: usize,
    /// Decoded bytes handed out so far.
    at: u64,
    /// What is left of the current entry's content, and of the padding behind it.
    content: u64,
    padding: u64,
    entries: u64,
    global: Attributes,
    ended: bool,
}

impl<R: Read> Archive<R> {
    /// Begins to read.
    pub(crate) fn new(input: R) -> Archive<R> {
        Archive {
            input,
            buffer: vec![0; BUFFER].into(),
            from: 0,
            to: 0,
            at: 0,
            content: 0,
            padding: 0,
            entries: 0,
            global: Attributes::default(),
            ended: false,
        }
    }

    /// The next entry; what is left of the last one's content is passed over. At the end of the archive the rest of the stream is
    /// read too, since only the stream's end shows that it was whole.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut attributes = self.global.clone();
        loop {
            while !self.chunk()?.is_empty() {}
            let at = self.at;
            let Some(header) = self.header()? else {
                return self.drain().map(|()| None);
            };
            self.entries += 1;
            if self.entries > ENTRY_LIMIT {
                return Err(TarError::Limit {
                    what: "more entries",
                    limit: ENTRY_LIMIT,
                });
            }
            let size = header.number(124..136, "size")?;
            let size = u64::try_from(size).map_err(|_| TarError::Field { at, field: "size" })?;
            match header.bytes[156] {
                b'L' => attributes.path = Some(self.text(size)?),
                b'K' => attributes.target = Some(self.text(size)?),
                b'x' => attributes.read(&self.whole(size, PAX_LIMIT)?, at)?,
                b'g' => {
                    let text = self.whole(size, PAX_LIMIT)?;
                    self.global.read(&text, at)?;
                    attributes.read(&text, at)?;
                }
                _ => {
                    let entry = header.entry(attributes, size)?;
                    self.expect(entry.size);
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// The next piece of the current entry's content; empty at its end.
    pub(crate) fn chunk(&mut self) -> Result<&[u8], TarError> {
        if self.content == 0 {
            while self.padding > 0 {
                self.padding -= self.advance(self.padding)?.len() as u64;
            }
            return Ok(&[]);
        }
        let (from, length) = {
            let length = self.advance(self.content)?.len();
            (self.from - length, length)
        };
        self.content -= length as u64;
        Ok(&self.buffer[from..from + length])
    }

    /// The next bytes, at least one and at most `limit`.
    fn advance(&mut self, limit: u64) -> Result<&[u8], TarError> {
        if self.from == self.to && !self.fill()? {
            return Err(TarError::Truncated);
        }
        let length = limit.min((self.to - self.from) as u64) as usize;
        self.from += length;
        self.at += length as u64;
        Ok(&self.buffer[self.from - length..self.from])
    }

    /// Fills the empty buffer; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, TarError> {
        (self.from, self.to) = (0, 0);
        while self.to < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.to..]) {
                Ok(0) => break,
                Ok(n) => self.to += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(self.to > 0)
    }

    /// The next header; none at the end, which is a block of zeros or the end of the stream.
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
        Header::check(bytes, at).map(Some)
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

    /// A small content as a whole.
    fn whole(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, TarError> {
        if size > limit {
            return Err(TarError::Limit {
                what: "a longer name or attribute",
                limit,
            });
        }
        self.expect(size);
        let mut whole = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(whole);
            }
            whole.extend_from_slice(chunk);
        }
    }

    fn text(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut text = self.whole(size, NAME_LIMIT)?;
        text.truncate(until_nul(&text).len());
        Ok(text)
    }
}

/// What headers of their own say about the entry that follows them.
#[derive(Clone, Default)]
struct Attributes {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    user: Option<Box<str>>,
    group: Option<Box<str>>,
    uid: Option<i64>,
    gid: Option<i64>,
    size: Option<i64>,
    modified: Option<i64>,
}

impl Attributes {
    /// Reads pax records: `LENGTH KEY=VALUE` and a newline each, the length in bytes and including itself.
    fn read(&mut self, mut text: &[u8], at: u64) -> Result<(), TarError> {
        let bad = || TarError::Field {
            at,
            field: "pax record",
        };
        while !text.is_empty() {
            let space = memchr::memchr(b' ', text).ok_or_else(bad)?;
            let length = std::str::from_utf8(&text[..space])
                .ok()
                .and_then(|n| n.parse::<usize>().ok())
                .ok_or_else(bad)?;
            let record = text
                .get(space + 1..length)
                .and_then(|r| r.strip_suffix(b"\n"))
                .ok_or_else(bad)?;
            let equals = memchr::memchr(b'=', record).ok_or_else(bad)?;
            let value = &record[equals + 1..];
            let number = || {
                let whole = value.split(|&b| b == b'.').next().unwrap_or_default();
                std::str::from_utf8(whole)
                    .ok()
                    .and_then(|n| n.parse().ok())
                    .map(Some)
                    .ok_or_else(bad)
            };
            match &record[..equals] {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"uname" => self.user = Some(lossy(value)),
                b"gname" => self.group = Some(lossy(value)),
                b"uid" => self.uid = number()?,
                b"gid" => self.gid = number()?,
                b"size" => self.size = number()?,
                b"mtime" => self.modified = number()?,
                _ => {}
            }
            text = &text[length..];
        }
        Ok(())
    }
}

/// One header block whose check sum is right.
struct Header {
    bytes: [u8; BLOCK],
    at: u64,
}

impl Header {
    fn check(bytes: [u8; BLOCK], at: u64) -> Result<Header, TarError> {
        let header = Header { bytes, at };
        let stated = header.number(148..156, "check sum")?;
        let counted = |(i, &b): (usize, &u8)| if (148..156).contains(&i) { b' ' } else { b };
        let unsigned: i64 = header
            .bytes
            .iter()
            .enumerate()
            .map(|x| i64::from(counted(x)))
            .sum();
        // Some old writers summed signed characters.
        let signed: i64 = header
            .bytes
            .iter()
            .enumerate()
            .map(|x| i64::from(counted(x) as i8))
            .sum();
        if stated != unsigned && stated != signed {
            return Err(TarError::Checksum { at });
        }
        Ok(header)
    }

    fn entry(&self, attributes: Attributes, size: u64) -> Result<Entry, TarError> {
        let field = |field| TarError::Field { at: self.at, field };
        let path = attributes.path.unwrap_or_else(|| self.path());
        let kind = match self.bytes[156] {
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
            u32::try_from(given.map_or_else(|| self.number(range, name), Ok)?)
                .map_err(|_| field(name))
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
        let (name, prefix) = (
            until_nul(&self.bytes[..100]),
            until_nul(&self.bytes[345..500]),
        );
        if self.bytes[257..263] == *b"ustar\0" && !prefix.is_empty() {
            [prefix, b"/", name].concat()
        } else {
            name.to_vec()
        }
    }

    fn name(&self, range: std::ops::Range<usize>) -> Box<str> {
        if self.bytes[257..262] == *b"ustar" {
            lossy(until_nul(&self.bytes[range]))
        } else {
            "".into()
        }
    }

    /// A number in octal, or in GNU's base 256, which a first byte with its top bit set announces.
    fn number(&self, range: std::ops::Range<usize>, name: &'static str) -> Result<i64, TarError> {
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

fn until_nul(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

fn lossy(name: &[u8]) -> Box<str> {
    String::from_utf8_lossy(name).into()
}
