//! Compressed streams: gzip, bzip2, xz, lzma and zstd behind one pair of functions.
//!
//! Decoders take what apt and dpkg take: all members of a gzip file, all frames of a zstd file, and
//! of the other formats the first stream; what follows is ignored, but for zstd. A stream that ends
//! early is an error. Callers know what is inside, and whether it is trusted.

mod gunzip;
mod gzip;
mod xz;

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::ops::RangeInclusive;

use crate::interrupt::Interrupt;
use gunzip::GunzipDecoder;
use gzip::GzipEncoder;
use xz::XzEncoder;

/// The compression of a member, an index or an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    None,
    /// RFC 1952.
    Gzip,
    /// In old packages and indexes.
    Bzip2,
    /// The .xz format.
    Xz,
    /// The predecessor of xz, in old packages.
    Lzma,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The compression that a file's last extension names (`gz`, `tgz`, `xz`, …),
    /// [`Compression::None`] for an empty one.
    pub(crate) fn from_extension(extension: &str) -> Option<Compression> {
        Some(match extension {
            "" => Compression::None,
            "gz" | "tgz" => Compression::Gzip,
            "bz2" => Compression::Bzip2,
            "xz" | "txz" => Compression::Xz,
            "lzma" => Compression::Lzma,
            "zst" | "tzst" => Compression::Zstd,
            _ => return None,
        })
    }

    /// The compression of a stream that begins so, [`Compression::None`] for any other.
    pub(crate) fn from_start(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x5d, 0, 0, ..] => Compression::Lzma,
            // A frame, and one to skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// The extension that a file of this compression has, empty for none.
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => "gz",
            Compression::Bzip2 => "bz2",
            Compression::Xz => "xz",
            Compression::Lzma => "lzma",
            Compression::Zstd => "zst",
        }
    }
}

/// A compression that is written, and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    compression: Compression,
    /// In the range of [`Compression::levels`]. 0 for [`Compression::None`].
    level: u8,
}

/// A level that a compression does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLevel {
    #[error("{name} has the levels {} to {}, not {found}", levels.start(), levels.end())]
    OutOfRange {
        /// `gz`, `xz`, `zst`.
        name: &'static str,
        levels: RangeInclusive<u8>,
        found: u8,
    },
    #[error("uncompressed output has no level")]
    NotCompressed,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compression {
            Compression::None => f.write_str("not compressed"),
            compression => write!(f, "{} at level {}", compression.extension(), self.level),
        }
    }
}

impl Encoding {
    /// This compression at `level`, or at its default level.
    pub(crate) fn new(compression: Compression, level: Option<u8>) -> Result<Encoding, BadLevel> {
        let Some((levels, default)) = compression.levels() else {
            return match level {
                Some(_) => Err(BadLevel::NotCompressed),
                None => Ok(Encoding {
                    compression,
                    level: 0,
                }),
            };
        };
        let level = level.unwrap_or(default);
        if !levels.contains(&level) {
            return Err(BadLevel::OutOfRange {
                name: compression.extension(),
                levels,
                found: level,
            });
        }
        Ok(Encoding { compression, level })
    }

    pub(crate) fn compression(self) -> Compression {
        self.compression
    }
}

impl Compression {
    /// The levels that an encoder of this compression has, and its default. `None` for what is not
    /// compressed or only read. The levels of zstd end where a decoder would need a larger window
    /// than zstd(1) accepts by default.
    fn levels(self) -> Option<(RangeInclusive<u8>, u8)> {
        match self {
            Compression::Gzip => Some((1..=9, 6)),
            Compression::Xz => Some((0..=9, 6)),
            Compression::Zstd => Some((1..=19, 9)),
            Compression::None | Compression::Bzip2 | Compression::Lzma => None,
        }
    }
}

/// Whether the check inside a stream is needed; that of xz takes a twentieth of the decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// The bytes were not verified.
    Unknown,
    /// The bytes match a trusted digest.
    Known,
}

/// The most that a decoder may allocate for its window, in bytes: more than `xz -9` and
/// `zstd --ultra -22 --long=27` need.
const WINDOW_LIMIT: u64 = 256 << 20;

/// Decodes `input` to its end. The reader must be read to its own end, where truncated streams and
/// wrong checks become errors.
pub fn decoder<'a>(
    compression: Compression,
    input: impl BufRead + Send + 'a,
    integrity: Integrity,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(GunzipDecoder::new(input)),
        Compression::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(input)),
        Compression::Xz => {
            let flags = match integrity {
                Integrity::Unknown => 0,
                Integrity::Known => liblzma::stream::IGNORE_CHECK,
            };
            let stream = liblzma::stream::Stream::new_stream_decoder(WINDOW_LIMIT, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Compression::Lzma => {
            let stream = liblzma::stream::Stream::new_lzma_decoder(WINDOW_LIMIT)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(27)?;
            Box::new(decoder)
        }
    })
}

/// Encodes a stream, which is truncated until [`Encoder::finish`].
pub enum Encoder<W: Write> {
    /// Unchanged bytes.
    None(W),
    /// gzip without a name and a time in its header, on several threads.
    Gzip(GzipEncoder<W>),
    /// xz in blocks, on several threads.
    Xz(XzEncoder<W>),
    /// zstd in jobs, on several threads.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

/// Encodes to `output` on up to `threads` threads, on which the bytes do not depend.
///
/// Fails with [`io::ErrorKind::Unsupported`] for bzip2 and lzma, which are only read.
#[cfg(any(test, feature = "testing"))]
pub fn encoder<W: Write>(
    compression: Compression,
    output: W,
    threads: u32,
) -> io::Result<Encoder<W>> {
    let encoding = Encoding::new(compression, None).map_err(io::Error::other)?;
    encoder_until(encoding, output, threads, &Interrupt::default())
}

/// As `encoder`, and fails soon after an interrupt even where a write takes long.
pub(crate) fn encoder_until<W: Write>(
    encoding: Encoding,
    output: W,
    threads: u32,
    interrupt: &Interrupt,
) -> io::Result<Encoder<W>> {
    let level = encoding.level;
    Ok(match encoding.compression {
        Compression::None => Encoder::None(output),
        Compression::Gzip => {
            let level = flate2::Compression::new(level.into());
            Encoder::Gzip(GzipEncoder::new(output, level, threads)?)
        }
        Compression::Xz => {
            let stream = xz::stream(level, threads)?;
            Encoder::Xz(XzEncoder::new(output, stream, interrupt.clone()))
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(output, level.into())?;
            encoder.include_checksum(true)?;
            // One worker and many give the same bytes; without workers the bytes differ.
            encoder.multithread(threads.max(1))?;
            Encoder::Zstd(encoder)
        }
        Compression::Bzip2 | Compression::Lzma => return Err(io::ErrorKind::Unsupported.into()),
    })
}

impl<W: Write> Encoder<W> {
    /// Ends the stream and returns the output.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Encoder::None(output) => Ok(output),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Xz(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(output) => output.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Xz(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::None(output) => output.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Xz(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests;
