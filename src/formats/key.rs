//! Keys under which derived data is kept: a hash over values in an explicit encoding.
//!
//! Each value is preceded by its length, so that different sequences of values never have the same
//! encoding.

use super::digest::{Algorithm, Digest, Hasher};

/// A key under way.
pub(crate) struct KeyHasher(Hasher);

impl KeyHasher {
    /// Starts a key. The `purpose` tells keys of one kind from those of another.
    pub(crate) fn new(purpose: &str) -> KeyHasher {
        let mut key = KeyHasher(Hasher::new(Algorithm::Sha256));
        key.text(purpose);
        key
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.number(u64::from(flag));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }

    pub(crate) fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        self.text(text.unwrap_or_default());
    }

    pub(crate) fn digest(&mut self, digest: &Digest) {
        self.text(digest.algorithm().field());
        self.text(&digest.hexadecimal());
    }

    pub(crate) fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[Option<&str>]) -> Digest {
        let mut key = KeyHasher::new("test");
        for value in values {
            key.optional_text(*value);
        }
        key.finish()
    }

    #[test]
    fn different_values_have_different_keys() {
        let rows: [&[Option<&str>]; 7] = [
            &[],
            &[None],
            &[Some("")],
            &[Some("ab"), Some("c")],
            &[Some("a"), Some("bc")],
            &[Some("abc")],
            &[None, Some("abc")],
        ];
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(key(row), key(row));
            for other in &rows[..at] {
                assert_ne!(key(row), key(other), "{row:?} {other:?}");
            }
        }
        assert_ne!(KeyHasher::new("a").finish(), KeyHasher::new("b").finish());
    }
}
