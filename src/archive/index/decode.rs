//! An index's text, decoded to what is read of it, and its stanzas told as soon as they are there.
//!
//! More than half of an index is descriptions, tags and addresses that decide nothing. They go while the text is decoded, so that they cost
//! neither memory nor a second look.

use std::io::{self, BufReader, Read};

use crate::formats::compress::{Compression, Integrity, decoder};
use crate::formats::fields::Field;
use crate::formats::stanza;
use crate::store::Verified;

/// What is decoded at a time, in bytes.
const BLOCK: usize = 256 << 10;

/// Why an index has no text.
#[derive(Debug)]
pub(super) enum Undecoded {
    /// It is longer than the limit.
    TooLarge,
    /// The file cannot be read, or not decoded.
    Io(io::Error),
}

/// How an index is to be decoded.
#[derive(Clone, Copy)]
pub(super) struct Decoding<'a> {
    pub(super) compression: Compression,
    /// The size that the release gives, in bytes; 0 where it gives none.
    pub(super) expected: u64,
    /// How long the text may be, in bytes.
    pub(super) limit: u64,
    /// Hears of each stanza, in order, while the rest is not yet decoded.
    pub(super) seen: &'a dyn Fn(&str),
}

/// The fields that are read of an index's stanzas. Bytes that are no UTF-8 become replacement characters: they occur in old descriptions,
/// never in names.
pub(super) fn decode(verified: &Verified, decoding: Decoding<'_>) -> Result<String, Undecoded> {
    decode_stream(verified.open().map_err(Undecoded::Io)?, decoding)
}

pub(super) fn decode_stream(
    file: impl Read + Send,
    decoding: Decoding<'_>,
) -> Result<String, Undecoded> {
    let Decoding {
        compression,
        expected,
        limit,
        seen,
    } = decoding;
    let mut stream = decoder(
        compression,
        BufReader::with_capacity(BLOCK, file),
        Integrity::Known,
    )
    .map_err(Undecoded::Io)?;
    // What is read of an index comes to some three fifths of it.
    let mut text =
        String::with_capacity(usize::try_from(expected.min(256 << 20)).unwrap_or(0) / 8 * 5);
    let (mut block, mut kept, mut total) = (
        Vec::with_capacity(2 * BLOCK),
        Vec::with_capacity(2 * BLOCK),
        0,
    );
    loop {
        let read = (&mut stream)
            .take(BLOCK as u64)
            .read_to_end(&mut block)
            .map_err(Undecoded::Io)?;
        total += read as u64;
        if total > limit {
            return Err(Undecoded::TooLarge);
        }
        let whole = if read == 0 {
            block.len()
        } else {
            end_of_last_stanza(&block)
        };
        let from = text.len();
        kept.clear();
        stanza::keep_fields(&block[..whole], is_read, &mut kept);
        match str::from_utf8(&kept) {
            Ok(kept) => text.push_str(kept),
            Err(_) => text.push_str(&String::from_utf8_lossy(&kept)), // many times slower, so only where it is needed
        }
        stanza::stanzas(&text[from..]).for_each(seen);
        if read == 0 {
            return Ok(text);
        }
        block.drain(..whole);
    }
}

fn is_read(field: &[u8]) -> bool {
    Field::of_line(field).is_some()
}

/// How many bytes are whole stanzas with the blank line behind them.
fn end_of_last_stanza(block: &[u8]) -> usize {
    memchr::memmem::rfind(block, b"\n\n").map_or(0, |at| at + 2)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::archive::reading::tests::{compress, packages};

    fn decoded(
        packed: &[u8],
        compression: Compression,
        expected: u64,
        limit: u64,
    ) -> Result<String, Undecoded> {
        decode_stream(
            packed,
            Decoding {
                compression,
                expected,
                limit,
                seen: &|_| {},
            },
        )
    }

    #[test]
    fn decoding_has_its_limits() {
        let text = packages(&["a"; 100]);
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Xz,
            Compression::Zstd,
        ] {
            let packed = compress(compression, &text);
            for expected in [0, 10, text.len() as u64, u64::MAX] {
                assert_eq!(
                    decoded(&packed, compression, expected, 1 << 20).unwrap(),
                    text
                );
            }
            let limit = text.len() as u64;
            assert!(decoded(&packed, compression, 0, limit).is_ok());
            assert!(matches!(
                decoded(&packed, compression, 0, limit - 1),
                Err(Undecoded::TooLarge)
            ));
            if compression != Compression::None {
                assert!(matches!(
                    decoded(&packed[..packed.len() - 3], compression, 0, limit),
                    Err(Undecoded::Io(_))
                ));
            }
        }
        assert_eq!(
            decoded(b"Package: a\nFilename: \xff\n", Compression::None, 0, 100).unwrap(),
            "Package: a\nFilename: \u{fffd}\n"
        );
    }

    #[test]
    fn every_stanza_is_told_whole_and_once() {
        // Longer than several blocks, with stanzas across their ends, and one that is longer than a block itself.
        let long = format!(
            "Package: long\nDepends: {}\nDescription: x\n y\n",
            "b, ".repeat(BLOCK / 2)
        );
        let stanza = |n: usize| format!("Package: p{n}\nDescription: d\n more: d\nTag: t\n");
        let stanzas: Vec<String> = (0..20_000)
            .map(|n| if n == 7_000 { long.clone() } else { stanza(n) })
            .collect();
        let seen = RefCell::new(Vec::new());
        let each = |stanza: &str| seen.borrow_mut().push(stanza.to_owned());
        let decoding = Decoding {
            compression: Compression::Gzip,
            expected: 0,
            limit: 1 << 30,
            seen: &each,
        };
        let text = decode_stream(
            &compress(Compression::Gzip, &stanzas.join("\n"))[..],
            decoding,
        )
        .unwrap();
        let expected: Vec<String> = stanzas
            .iter()
            .map(|s| s[..s.find("Description").unwrap()].to_owned())
            .collect();
        assert!(*seen.borrow() == expected);
        assert_eq!(text, expected.join("\n"));
    }
}
