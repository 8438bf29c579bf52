//! The headers of a tar archive: blocks of 512 bytes.

use std::ops::Range;

use super::pax::ExtraFields;
use super::{BLOCK, Dialect, Entry, ExtendedAttribute, Kind, TarError};

/// Where a header has its checksum, which counts as spaces when it is computed.
const CHECKSUM: Range<usize> = 148..156;

/// A header block with the right checksum.
pub(super) struct Header {
    bytes: [u8; BLOCK],
    at: u64,
    dialect: Dialect,
}

impl Header {
    /// Reads a header block at a position of the archive. `None` if it ends the archive: to dpkg,
    /// one without a name that is not sound otherwise.
    pub(super) fn read(
        bytes: [u8; BLOCK],
        at: u64,
        dialect: Dialect,
    ) -> Result<Option<Header>, TarError> {
        let header = Header { bytes, at, dialect };
        let is_sound = header.check();
        if dialect == Dialect::Dpkg && header.path().is_empty() {
            let is_sound = is_sound.and_then(|()| header.check_fields());
            return Ok(is_sound.is_ok().then_some(header));
        }
        is_sound.map(|()| Some(header))
    }

    /// The letter of the type.
    pub(super) fn letter(&self) -> u8 {
        self.bytes[156]
    }

    fn check(&self) -> Result<(), TarError> {
        let stated = self.octal(CHECKSUM, "check sum")?;
        let mut unsigned = 0;
        // Some old writers summed signed characters, which dpkg does not take.
        let mut signed = 0;
        for (place, byte) in self.bytes.iter().enumerate() {
            let byte = if CHECKSUM.contains(&place) {
                b' '
            } else {
                *byte
            };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        if stated == unsigned || stated == signed && self.dialect != Dialect::Dpkg {
            return Ok(());
        }
        Err(TarError::Checksum { at: self.at })
    }

    /// Reads the fields that dpkg reads of every header.
    fn check_fields(&self) -> Result<(), TarError> {
        self.size()?;
        self.number(136..148, "time")?;
        self.id(108..116, "owner")?;
        self.id(116..124, "group")?;
        Ok(())
    }

    /// Fails if the header has no name of its own, which dpkg refuses.
    pub(super) fn require_name(&self) -> Result<(), TarError> {
        match self.path().is_empty() && self.dialect == Dialect::Dpkg {
            true => Err(self.bad("name")),
            false => Ok(()),
        }
    }

    /// The size of what follows, in bytes.
    pub(super) fn size(&self) -> Result<u64, TarError> {
        let size = self.number(124..136, "size")?;
        u64::try_from(size).map_err(|_| self.bad("size"))
    }

    pub(super) fn entry(&self, attributes: ExtraFields, size: u64) -> Result<Entry, TarError> {
        let path = attributes.path.unwrap_or_else(|| self.path());
        let kind = self.kind(&path)?;
        let is_link = matches!(kind, Kind::HardLink | Kind::Symlink);
        let is_device = matches!(kind, Kind::Character | Kind::Block);
        let size = attributes.size.unwrap_or(size);
        if self.dialect == Dialect::Pax && kind != Kind::File && size != 0 {
            return Err(self.bad("size"));
        }
        // Neither a mode nor a device number that cannot be read is an error to dpkg.
        let part = |range| self.number(range, "device").map_or(0, |part| part as u32);
        let mode = match (self.number(100..108, "mode"), self.dialect) {
            (Ok(mode), _) => mode,
            (Err(_), Dialect::Dpkg) => 0,
            (Err(error), Dialect::GnuTar | Dialect::Pax) => return Err(error),
        };
        let time = match attributes.modified {
            Some(time) => time,
            None => self.number(136..148, "time")?,
        };
        Ok(Entry {
            kind,
            mode: (mode & 0o7777) as u32,
            uid: match attributes.uid {
                Some(uid) if self.dialect == Dialect::Pax => uid,
                _ => self.id(108..116, "owner")?,
            },
            gid: match attributes.gid {
                Some(gid) if self.dialect == Dialect::Pax => gid,
                _ => self.id(116..124, "group")?,
            },
            user: lossy(until_nul(&self.bytes[265..297])),
            group: lossy(until_nul(&self.bytes[297..329])),
            size: if kind == Kind::File { size } else { 0 },
            modified: time,
            nanoseconds: attributes.nanoseconds,
            ignored: attributes.ignored,
            attributes: ExtendedAttribute::list(attributes.extended),
            target: match attributes.target {
                _ if !is_link => Vec::new(),
                Some(target) => target,
                None => until_nul(&self.bytes[157..257]).to_vec(),
            },
            device: match is_device {
                true => (part(329..337), part(337..345)),
                false => (0, 0),
            },
            path,
        })
    }

    /// The type of the entry of that path. v7 has no letter for directories: GNU tar knows them by
    /// the slash at the end of their names, which to dpkg has no meaning.
    fn kind(&self, path: &[u8]) -> Result<Kind, TarError> {
        let is_gnu = self.dialect == Dialect::GnuTar;
        let is_pax = self.dialect == Dialect::Pax;
        let ends_with_slash = path.ends_with(b"/");
        let kind = match self.letter() {
            0 | b'0' | b'7' if (is_gnu || is_pax) && ends_with_slash => Kind::Directory,
            0 | b'0' => Kind::File,
            b'7' if is_pax => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Character,
            b'4' => Kind::Block,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'D' if is_gnu => Kind::Directory,
            letter if is_gnu && !matches!(letter, b'M' | b'S') => Kind::File,
            kind => return Err(TarError::Kind { at: self.at, kind }),
        };
        if self.dialect == Dialect::Dpkg {
            let name = match kind {
                Kind::File => path.strip_suffix(b"/").unwrap_or(path),
                Kind::Directory if path.is_empty() => path,
                Kind::Directory => return Ok(kind),
                Kind::HardLink | Kind::Symlink | Kind::Character | Kind::Block | Kind::Fifo => path,
            };
            if name.is_empty() || name.ends_with(b"/") {
                return Err(self.bad("name"));
            }
        }
        Ok(kind)
    }

    /// The number of the owner or group; 0 for a control member, whose owners dpkg ignores.
    fn id(&self, range: Range<usize>, field: &'static str) -> Result<u32, TarError> {
        if self.dialect == Dialect::GnuTar {
            return Ok(0);
        }
        let id = u32::try_from(self.number(range, field)?).map_err(|_| self.bad(field))?;
        // chown(2) takes the highest number for 'unchanged', and the file was created by root.
        Ok(if id == u32::MAX { 0 } else { id })
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

    /// Reads a number: octal, or base 256 (GNU) if the top bit of the first byte is set.
    fn number(&self, range: Range<usize>, field: &'static str) -> Result<i64, TarError> {
        let bytes = &self.bytes[range.clone()];
        let start = match bytes[0] {
            0x80 => 0,
            0xff => -1,
            first if first & 0x80 != 0 => return Err(self.bad(field)),
            _ => return self.octal(range, field),
        };
        let mut number: i64 = start;
        for byte in &bytes[1..] {
            let shifted = number.checked_mul(256);
            let sum = shifted.and_then(|shifted| shifted.checked_add(i64::from(*byte)));
            number = sum.ok_or_else(|| self.bad(field))?;
        }
        Ok(number)
    }

    /// Reads an octal number: spaces, digits, then nothing but spaces and NULs. GNU tar also skips
    /// other blanks, and stops at the first one that follows.
    fn octal(&self, range: Range<usize>, field: &'static str) -> Result<i64, TarError> {
        let is_gnu = self.dialect != Dialect::Dpkg;
        let bytes = &self.bytes[range];
        let is_blank = |byte: &u8| *byte == b' ' || is_gnu && byte.is_ascii_whitespace();
        let blanks = bytes.iter().take_while(|byte| is_blank(byte)).count();
        let mut rest = bytes[blanks..].iter();
        let mut number: i64 = 0;
        // At most twelve digits: no number is too large.
        while let Some(byte) = rest.as_slice().first()
            && !matches!(byte, b' ' | 0)
        {
            match byte {
                b'0'..=b'7' => number = number * 8 + i64::from(byte - b'0'),
                _ => return Err(self.bad(field)),
            }
            rest.next();
        }
        let is_filled = rest.all(|byte| matches!(byte, b' ' | 0));
        if blanks == bytes.len() || !is_filled && !is_gnu {
            return Err(self.bad(field));
        }
        Ok(number)
    }

    fn bad(&self, field: &'static str) -> TarError {
        TarError::Field { at: self.at, field }
    }
}

/// What a letter stands for that dpkg does not unpack, in brackets.
pub(super) fn meaning(letter: u8) -> &'static str {
    match letter {
        b'x' => " (a pax header)",
        b'g' => " (a pax header for all entries)",
        b'7' => " (a contiguous file)",
        b'A' | b'X' => " (an extension of Solaris)",
        b'D' => " (a GNU directory with its names)",
        b'M' => " (the rest of a file of another volume)",
        b'S' => " (a GNU sparse file)",
        b'V' => " (the name of a volume)",
        _ => "",
    }
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

fn lossy(name: &[u8]) -> Box<str> {
    String::from_utf8_lossy(name).into()
}
