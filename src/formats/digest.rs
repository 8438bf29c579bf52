//! Digests: computes them while bytes are read, and parses those of indexes.
//!
//! SHA-256 and SHA-512 decide whether a file is trusted. dpkg records conffiles and `md5sums` by
//! MD5, which decides nothing, so it is a type of its own and not an [`Algorithm`].

use std::fmt;
use std::io::{self, Write};

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// The algorithms that are trusted, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Algorithm {
    pub(crate) const STRONGEST_FIRST: [Algorithm; 2] = [Algorithm::Sha512, Algorithm::Sha256];

    /// Its field in Release and Packages files, and its directory in `by-hash/`.
    pub fn field(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }
}

/// A digest from an index or from a [`Hasher`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// Parses a hexadecimal digest in lower case; apt accepts no file by any other.
    pub(crate) fn parse(algorithm: Algorithm, hexadecimal: &str) -> Result<Digest, BadDigest> {
        match bytes_of(hexadecimal) {
            Some(bytes) if bytes.len() == algorithm.bytes() => Ok(Digest { algorithm, bytes }),
            Some(_) | None => Err(BadDigest {
                algorithm,
                found: hexadecimal.chars().take(140).collect(),
            }),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digest in lower-case hexadecimal.
    pub fn hexadecimal(&self) -> String {
        hexadecimal(&self.bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.field(), self.hexadecimal())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a digest.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not a {} digest in lower case", algorithm.field())]
pub struct BadDigest {
    pub(crate) algorithm: Algorithm,
    /// The text, cut at 140 characters.
    pub(crate) found: String,
}

/// Hashes what is written to it.
#[derive(Clone, Debug)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(h) => h.update(bytes),
            Hasher::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub(crate) fn finish(self) -> Digest {
        match self {
            Hasher::Sha256(h) => Digest {
                algorithm: Algorithm::Sha256,
                bytes: h.finalize().to_vec(),
            },
            Hasher::Sha512(h) => Digest {
                algorithm: Algorithm::Sha512,
                bytes: h.finalize().to_vec(),
            },
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest of bytes in memory.
pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Computes an MD5 for dpkg's records of conffiles and contents.
#[derive(Clone, Default)]
pub struct Md5Hasher(Md5);

impl Md5Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The MD5 of all bytes in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

/// Bytes as hexadecimal digits in lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(b"0123456789abcdef"[usize::from(n)]))
        .collect()
}

/// The bytes of hexadecimal digits in lower case; `None` for anything else.
pub(crate) fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    for [high, low] in pairs {
        bytes.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    rest.is_empty().then_some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(Algorithm::Sha256, b"abc").hexadecimal(), sha256);
        assert_eq!(
            digest(Algorithm::Sha512, b"abc").hexadecimal()[..16],
            *"ddaf35a193617aba"
        );
        let mut md5 = Md5Hasher::default();
        md5.update(b"abc");
        assert_eq!(md5.finish(), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn texts_that_are_no_digests_are_refused() {
        let good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::parse(Algorithm::Sha256, good).unwrap();
        assert_eq!(digest.hexadecimal(), good);
        for bad in [
            "",
            &good.to_uppercase(),
            "ab",
            &good[1..],
            &good.replace('b', "x"),
            &"ä".repeat(32),
        ] {
            let error = Digest::parse(Algorithm::Sha256, bad).unwrap_err();
            assert_eq!(error.found, bad);
        }
        let error = Digest::parse(Algorithm::Sha512, good).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{good}` is not a SHA512 digest in lower case")
        );
    }
}
