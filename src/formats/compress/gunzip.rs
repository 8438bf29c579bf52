//! gzip read as zlib's gzread does, by which apt reads indexes and dpkg the members of packages.
//!
//! A member may follow another one. Whatever else follows a member is ignored: some archives pad
//! their indexes. A file that does not begin as gzip is taken as it is.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// The two bytes that every member begins with (RFC 1952, 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes the members of a gzip file.
pub(super) struct GunzipDecoder<R: BufRead>(MemberState<R>);

enum MemberState<R: BufRead> {
    Start(Ahead<R>),
    Member {
        decoder: Box<GzDecoder<Ahead<R>>>,
        /// Whether it follows another one and has given nothing yet. zlib ignores it if the file
        /// ends so.
        may_be_cut: bool,
    },
    Plain(Ahead<R>),
    End,
}

impl<R: BufRead> GunzipDecoder<R> {
    pub(super) fn new(input: R) -> GunzipDecoder<R> {
        GunzipDecoder(MemberState::Start(Ahead { held: None, input }))
    }
}

impl<R: BufRead> Read for GunzipDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.0 {
                MemberState::Member {
                    decoder,
                    may_be_cut,
                } => match decoder.read(buffer) {
                    Ok(read) if read > 0 || buffer.is_empty() => {
                        *may_be_cut &= read == 0;
                        return Ok(read);
                    }
                    Ok(_) => {}
                    Err(error) if *may_be_cut && error.kind() == ErrorKind::UnexpectedEof => {
                        self.0 = MemberState::End;
                        return Ok(0);
                    }
                    Err(error) => return Err(error),
                },
                MemberState::Plain(input) => return input.read(buffer),
                MemberState::Start(_) => {}
                MemberState::End => return Ok(0),
            }
            self.0 = match std::mem::replace(&mut self.0, MemberState::End) {
                MemberState::Start(input) => next_state(input, false, MemberState::Plain)?,
                MemberState::Member { decoder, .. } => {
                    next_state(decoder.into_inner(), true, |_| MemberState::End)?
                }
                other => other,
            };
        }
    }
}

/// A member where one begins, and what `otherwise` gives where none does.
fn next_state<R: BufRead>(
    mut input: Ahead<R>,
    may_be_cut: bool,
    otherwise: impl FnOnce(Ahead<R>) -> MemberState<R>,
) -> io::Result<MemberState<R>> {
    Ok(match input.begins_with_magic()? {
        true => MemberState::Member {
            decoder: Box::new(GzDecoder::new(input)),
            may_be_cut,
        },
        false => otherwise(input),
    })
}

/// A reader that can look one byte ahead.
struct Ahead<R> {
    held: Option<u8>,
    input: R,
}

impl<R: BufRead> Ahead<R> {
    /// Whether the next two bytes are those that a member begins with. They stay unread.
    fn begins_with_magic(&mut self) -> io::Result<bool> {
        let there = self.input.fill_buf()?;
        if there.len() >= MAGIC.len() {
            return Ok(there.starts_with(&MAGIC));
        }
        let [first] = there else {
            return Ok(false);
        };
        let first = *first;
        self.input.consume(1);
        self.held = Some(first);
        let second = self.input.fill_buf()?.first();
        Ok(first == MAGIC[0] && second == Some(&MAGIC[1]))
    }
}

impl<R: BufRead> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &self.held {
            Some(byte) => Ok(std::slice::from_ref(byte)),
            None => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        if amount > 0 && self.held.take().is_none() {
            self.input.consume(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// With a buffer of every size, so that the two bytes of the magic fall apart.
    fn unpacked(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut results = Vec::new();
        for capacity in [1, 2, 3, 64, 4096] {
            let mut text = Vec::new();
            let input = BufReader::with_capacity(capacity, file);
            let result = GunzipDecoder::new(input).read_to_end(&mut text);
            results.push(result.map(|_| text).map_err(|e| e.kind()));
        }
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "{results:?}"
        );
        results.remove(0).map_err(io::Error::from)
    }

    #[test]
    fn what_follows_a_member_is_read_as_by_zlib() {
        let one = packed(b"one");
        let two = packed(b"two");
        let cases: [(&str, &[u8], &[u8]); 10] = [
            ("nothing", b"", b"one"),
            ("a NUL", b"\0", b"one"),
            ("17 NULs", &[0; 17], b"one"),
            ("text", b"garbage", b"one"),
            ("the first byte of the magic", &MAGIC[..1], b"one"),
            ("the magic", &MAGIC, b"one"),
            ("a cut header", &two[..9], b"one"),
            ("a member", &two, b"onetwo"),
            ("a member and text", &[&two[..], b"x"].concat(), b"onetwo"),
            ("NULs and a member", &[&[0; 4], &two[..]].concat(), b"one"),
        ];
        for (name, rest, expected) in cases {
            let text = unpacked(&[&one[..], rest].concat()).unwrap();
            assert_eq!(text, expected, "{name}");
        }
        let long = packed(&b"two ".repeat(50_000));
        let cut = &long[..long.len() - 9];
        for (name, file) in [
            ("a cut member after another", [&one[..], cut].concat()),
            ("a first member that is cut", one[..9].to_vec()),
        ] {
            let error = unpacked(&file).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_not_compressed_is_taken_as_it_is() {
        for text in [&b""[..], b"x", b"\x1f", b"Package: a\n"] {
            assert_eq!(unpacked(text).unwrap(), text);
        }
    }
}
