//! Decodes an index to the fields that are read, and reports its stanzas as soon as they are
//! decoded.
//!
//! More than half of an index is descriptions, tags and addresses, which decide nothing. They are
//! dropped while the text is decoded, so that they cost neither memory nor another pass.

use std::io::{self, BufReader, Read};

use crate::formats::compress::{Compression, Integrity, decoder};
use crate::formats::fields::Field;
use crate::formats::stanza::{self, Wanted};
use crate::store::{self, Stop, Verified};

/// How much is decoded at a time, in bytes.
const BLOCK: usize = 256 << 10;

/// The largest stanza of an index, in bytes. Debian's largest has 76 KB.
const STANZA_LIMIT: usize = 1 << 20;
/// The most stanzas of an index. Debian's largest has 69,000.
const STANZAS_LIMIT: u64 = 1 << 20;

/// Why an index cannot be decoded.
#[derive(Debug)]
pub(in crate::archive) enum DecodeError {
    /// It has more than any real index.
    Limit {
        /// `more bytes`, …
        what: &'static str,
        limit: u64,
    },
    /// A stanza does not name its package, and apt reads nothing of such an index.
    Unnamed,
    /// Another source has failed, or the run is interrupted.
    Stopped(store::Error),
    /// Reading or decoding the file failed.
    Io(io::Error),
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> DecodeError {
        DecodeError::Io(error)
    }
}

/// How to decode an index.
#[derive(Clone, Copy)]
pub(in crate::archive) struct DecodeOptions<'a> {
    pub(in crate::archive) compression: Compression,
    /// The size that the release gives, in bytes; 0 where it gives none.
    pub(in crate::archive) expected: u64,
    /// How long the text may be, in bytes.
    pub(in crate::archive) limit: u64,
    /// Ends decoding.
    pub(in crate::archive) stop: &'a Stop,
    /// Keeps the fields that only patterns and tasks ask for.
    pub(in crate::archive) for_patterns: bool,
    /// Called with each stanza in order, while the rest is not yet decoded.
    pub(in crate::archive) observe: &'a dyn Fn(&str),
}

/// Returns the fields of an index's stanzas that are read. Bytes that are not UTF-8 become
/// replacement characters: they occur in old descriptions, never in names.
pub(super) fn decode(
    verified: &Verified,
    options: DecodeOptions<'_>,
) -> Result<String, DecodeError> {
    decode_stream(verified.open()?, options)
}

pub(in crate::archive) fn decode_stream(
    file: impl Read + Send,
    options: DecodeOptions<'_>,
) -> Result<String, DecodeError> {
    let reader = BufReader::with_capacity(BLOCK, file);
    let mut stream = decoder(options.compression, reader, Integrity::Known)?;
    // The fields that are read make up about three fifths of an index.
    let expected = usize::try_from(options.expected.min(256 << 20)).unwrap_or(0);
    let mut text = String::with_capacity(expected / 8 * 5);
    let mut block = Vec::with_capacity(2 * BLOCK);
    let mut kept = Vec::with_capacity(2 * BLOCK);
    let mut count = Count::default();
    let what = match options.for_patterns {
        true => what_for_patterns,
        false => what,
    };
    // The first bytes of the block that have no whole stanza.
    let mut searched = 0;
    loop {
        options.stop.check().map_err(DecodeError::Stopped)?;
        let read = (&mut stream).take(BLOCK as u64).read_to_end(&mut block)?;
        if count.bytes == 0 && stanza::begins_empty(&block) {
            return Err(DecodeError::Unnamed);
        }
        count.add_bytes(read, options.limit)?;
        let end = match read {
            0 => block.len(),
            _ => whole_stanzas(&block, searched),
        };
        kept.clear();
        let whole = stanza::keep_fields(&block[..end], what, &mut kept);
        let whole = whole.map_err(|stanza::Unnamed| DecodeError::Unnamed)?;
        if block.len() - whole > STANZA_LIMIT {
            let limit = STANZA_LIMIT as u64;
            let what = "a stanza of more bytes";
            return Err(DecodeError::Limit { what, limit });
        }
        let from = text.len();
        match str::from_utf8(&kept) {
            Ok(kept) => text.push_str(kept),
            // Many times slower, so only where it is needed.
            Err(_) => text.push_str(&String::from_utf8_lossy(&kept)),
        }
        for stanza in stanza::stanzas(&text[from..]) {
            count.add_stanza()?;
            (options.observe)(stanza);
        }
        if read == 0 {
            // Of an index whose only stanza has no colon, an empty line may be left.
            if stanza::begins_empty(text.as_bytes()) {
                text.clear();
            }
            return Ok(text);
        }
        block.drain(..whole);
        searched = block.len();
    }
}

/// Which fields are read. A Package without a value names nothing.
fn what(field: &[u8]) -> Wanted {
    match Field::of_line(field) {
        Some(Field::Package) => {
            let mut parts = field.splitn(2, |byte| *byte == b':');
            let value = parts.nth(1).unwrap_or_default();
            if value.trim_ascii().is_empty() {
                Wanted::No
            } else {
                Wanted::Name
            }
        }
        Some(_) => Wanted::Yes,
        None => Wanted::No,
    }
}

/// The fields that patterns and tasks ask for, besides those of every plan.
fn what_for_patterns(field: &[u8]) -> Wanted {
    let names: [&[u8]; 3] = [b"section:", b"source:", b"task:"];
    let has_name =
        |name: &&[u8]| field.len() >= name.len() && field[..name.len()].eq_ignore_ascii_case(name);
    match what(field) {
        Wanted::No if names.iter().any(has_name) => Wanted::Yes,
        what => what,
    }
}

/// The length of the whole stanzas in a block, each with the blank line after it. The first
/// `searched` bytes have none.
fn whole_stanzas(block: &[u8], searched: usize) -> usize {
    // The first two bytes of a blank line may be the last ones of these.
    let from = searched.saturating_sub(2);
    for blank in [&b"\n\n"[..], b"\n\r\n"] {
        if let Some(at) = memchr::memmem::rfind(&block[from..], blank) {
            return from + at + blank.len();
        }
    }
    0
}

/// What was decoded so far.
#[derive(Default)]
struct Count {
    bytes: u64,
    stanzas: u64,
}

impl Count {
    fn add_bytes(&mut self, bytes: usize, limit: u64) -> Result<(), DecodeError> {
        self.bytes += bytes as u64;
        if self.bytes <= limit {
            return Ok(());
        }
        let what = "more bytes";
        Err(DecodeError::Limit { what, limit })
    }

    fn add_stanza(&mut self) -> Result<(), DecodeError> {
        self.stanzas += 1;
        if self.stanzas <= STANZAS_LIMIT {
            return Ok(());
        }
        Err(DecodeError::Limit {
            what: "more stanzas",
            limit: STANZAS_LIMIT,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::archive::reader::tests::{compress, packages};

    fn decoded(
        packed: &[u8],
        compression: Compression,
        expected: u64,
        limit: u64,
    ) -> Result<String, DecodeError> {
        decode_stream(
            packed,
            DecodeOptions {
                compression,
                expected,
                limit,
                stop: &Stop::new(),
                for_patterns: false,
                observe: &|_| {},
            },
        )
    }

    #[test]
    fn decoding_is_limited() {
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
            assert_eq!(decoded(&packed, compression, 0, limit).unwrap(), text);
            assert!(matches!(
                decoded(&packed, compression, 0, limit - 1),
                Err(DecodeError::Limit { what: "more bytes", limit: found }) if found == limit - 1
            ));
            if compression != Compression::None {
                assert!(matches!(
                    decoded(&packed[..packed.len() - 3], compression, 0, limit),
                    Err(DecodeError::Io(_))
                ));
            }
        }
        assert_eq!(
            decoded(b"Package: a\nFilename: \xff\n", Compression::None, 0, 100).unwrap(),
            "Package: a\nFilename: \u{fffd}\n"
        );
    }

    #[test]
    #[ignore = "needs time"]
    fn stanzas_are_limited() {
        let limit = 1 << 30;
        let line = |length| format!("Package: {}\n", "a".repeat(length));
        let refused = |text: &str| decoded(text.as_bytes(), Compression::None, 0, limit);
        for (name, text, expected) in [
            (
                "one without an end",
                line(2 * STANZA_LIMIT),
                "a stanza of more bytes",
            ),
            (
                "zeros",
                "\0".repeat(2 * STANZA_LIMIT),
                "a stanza of more bytes",
            ),
            (
                "too many",
                "Package: a\n\n".repeat((1 << 20) + 1),
                "more stanzas",
            ),
        ] {
            let error = refused(&text).unwrap_err();
            let DecodeError::Limit { what, .. } = error else {
                panic!("{name}: {error:?}");
            };
            assert_eq!(what, expected, "{name}");
        }
        let text = format!("{}\n{}", line(STANZA_LIMIT - 20), line(3));
        assert_eq!(refused(&text).unwrap(), text);
    }

    #[test]
    fn a_stop_ends_decoding() {
        let stop = Stop::new();
        stop.stop();
        let options = DecodeOptions {
            compression: Compression::None,
            expected: 0,
            limit: 100,
            stop: &stop,
            for_patterns: false,
            observe: &|_| {},
        };
        let error = decode_stream(&b"Package: a\n"[..], options).unwrap_err();
        assert!(matches!(error, DecodeError::Stopped(_)), "{error:?}");
    }

    #[test]
    fn every_stanza_is_reported_whole_and_once() {
        // Longer than several blocks, with stanzas across their ends, and one that is longer than a
        // block itself.
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
        let decoding = DecodeOptions {
            compression: Compression::Gzip,
            expected: 0,
            limit: 1 << 30,
            stop: &Stop::new(),
            for_patterns: false,
            observe: &each,
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
