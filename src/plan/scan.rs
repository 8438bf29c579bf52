//! Scans relation fields for the names that they mention.
//!
//! An index has millions of relations, of which a plan needs a thousandth. So nothing is copied,
//! and versions are left as text. Text that the scan does not understand is skipped; a chosen
//! stanza is read again, strictly, by `Package::parse`.

use memchr::memchr2;

/// A name in a relation field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention<'a> {
    pub(crate) name: &'a str,
    /// The text after the name's colon.
    pub(crate) qualifier: Option<&'a str>,
    /// The text up to the next name: the version in brackets.
    rest: &'a str,
}

impl<'a> Mention<'a> {
    /// Whether an entry of Provides has another operator than `=`. apt passes over it.
    pub(super) fn is_unequal(&self) -> bool {
        let inside = self.rest.split_once('(').map(|(_, inside)| inside);
        inside.is_some_and(|inside| inside.trim_start().starts_with(['<', '>']))
    }

    /// The version that an entry of Provides gives.
    pub(super) fn provided_version(&self) -> Option<&'a str> {
        let (_, version) = self.rest.split_once('(')?;
        let version = version.trim_start_matches(['=', ' ', '\t', '\r', '\n']);
        Some(version.trim_end_matches([')', ' ', '\t', '\r', '\n']))
    }
}

/// The bytes that end a name or an architecture; a table, because millions of bytes are tested.
const ENDS_A_WORD: [bool; 256] = byte_table(b" \t\r\n(:,|[<");

const fn byte_table(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        table[*byte as usize] = true;
        rest = tail;
    }
    table
}

/// The names in a relation field.
pub(super) fn mentions(field: &str) -> Mentions<'_> {
    Mentions { field, at: 0 }
}

/// Iterates over the names in a relation field.
pub(super) struct Mentions<'a> {
    field: &'a str,
    at: usize,
}

impl<'a> Iterator for Mentions<'a> {
    type Item = Mention<'a>;

    fn next(&mut self) -> Option<Mention<'a>> {
        let field = self.field;
        let bytes = field.as_bytes();
        while self.at < bytes.len() {
            let start = skip_separators(bytes, self.at);
            let end = word_end(bytes, start);
            let mut rest = end;
            let mut qualifier = None;
            if bytes.get(end) == Some(&b':') {
                rest = word_end(bytes, end + 1);
                qualifier = Some(&field[end + 1..rest]);
            }
            self.at = match memchr2(b',', b'|', &bytes[rest..]) {
                Some(length) => rest + length,
                None => bytes.len(),
            };
            if start < end {
                return Some(Mention {
                    name: &field[start..end],
                    qualifier,
                    rest: &field[rest..self.at],
                });
            }
        }
        None
    }
}

/// The position of the first byte that does not separate relations.
fn skip_separators(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() && matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n' | b',' | b'|') {
        at += 1;
    }
    at
}

/// The position of the first byte that ends a word.
fn word_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() && !ENDS_A_WORD[usize::from(bytes[at])] {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_names_and_qualifiers() {
        let all: Vec<_> = mentions("b,\n c | d:any (>= 2)|e(=1), f:i386,")
            .map(|m| (m.name, m.qualifier))
            .collect();
        assert_eq!(
            all,
            [
                ("b", None),
                ("c", None),
                ("d", Some("any")),
                ("e", None),
                ("f", Some("i386"))
            ]
        );
        let all: Vec<_> = mentions("a, b (= 1:2~) , c:any(=3)")
            .map(|m| m.provided_version())
            .collect();
        assert_eq!(all, [None, Some("1:2~"), Some("3")]);
        assert_eq!(mentions(" , ").count(), 0);
    }

    #[test]
    fn text_that_is_no_relation_is_skipped() {
        for (text, names) in [("", 0), ("((((:::", 0), (":any, ,|", 0), (":any, b", 1)] {
            assert_eq!(mentions(text).count(), names, "{text}");
        }
    }
}
