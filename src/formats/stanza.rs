//! Scans deb822 text: package indexes, Release files, control files, `.sources` files.
//!
//! This is the crate's only deb822 scanner. It copies nothing: stanzas and fields are slices of the
//! text. It knows the layout only; `package` and the readers of the other files know which fields
//! exist and what they mean.

use std::ops::Range;

use memchr::{memchr, memmem};

/// Iterates over the stanzas of a text: runs of lines between empty lines. A stanza keeps the
/// newline of its last line.
pub fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    Ranges::new(text.as_bytes()).map(|range| &text[range])
}

/// Iterates over the fields of one stanza as name and value.
///
/// Values are trimmed at both ends; continuation lines keep their newlines. Comments and lines
/// without a colon are skipped.
pub fn fields(stanza: &str) -> FieldIter<'_> {
    FieldIter {
        text: stanza,
        scanner: Scanner::new(stanza.as_bytes()),
    }
}

/// The iterator that [`fields`] returns.
pub struct FieldIter<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

impl<'a> Iterator for FieldIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        while self.scanner.next_stanza().is_some() {
            while let Some(range) = self.scanner.next_field() {
                let field = &self.text[range];
                let Some((name, value)) = field.split_once(':') else {
                    continue;
                };
                if !name.starts_with([' ', '\t', '#']) && !name.contains('\n') {
                    return Some((name, value.trim_ascii()));
                }
            }
        }
        None
    }
}

/// Appends the stanzas of `text` to `kept` without the fields that are not wanted.
///
/// `is_wanted` is called with each field as written, from its name to its last newline. Empty lines
/// are kept.
pub(crate) fn keep_fields(text: &[u8], is_wanted: impl Fn(&[u8]) -> bool, kept: &mut Vec<u8>) {
    let mut scanner = Scanner::new(text);
    // Wanted fields that follow each other are copied together.
    let mut run = 0;
    while scanner.next_stanza().is_some() {
        while let Some(field) = scanner.next_field() {
            if !is_wanted(&text[field.clone()]) {
                kept.extend_from_slice(&text[run..field.start]);
                run = field.end;
            }
        }
    }
    kept.extend_from_slice(&text[run..]);
}

/// Iterates over the stanzas of a text as byte ranges. Finds only their ends, which is several
/// times faster than a [`Scanner`].
pub(crate) struct Ranges<'a> {
    text: &'a [u8],
    at: usize,
    empty_line: memmem::Finder<'static>,
    /// The next carriage return, which hardly any text has.
    carriage_return: Option<usize>,
}

impl<'a> Ranges<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Ranges<'a> {
        Ranges {
            text,
            at: 0,
            empty_line: memmem::Finder::new(b"\n\n"),
            carriage_return: memchr(b'\r', text),
        }
    }

    /// The first line before `end` that is empty but for carriage returns, which the search for
    /// empty lines has not found.
    fn blank_line(&mut self, start: usize, end: usize) -> Option<usize> {
        while let Some(at) = self.carriage_return.filter(|at| *at < end) {
            let begins_line = at > start && self.text[at - 1] == b'\n';
            if begins_line && blank_line_end(self.text, at).is_some() {
                return Some(at);
            }
            let next = memchr(b'\r', &self.text[at + 1..]);
            self.carriage_return = next.map(|next| at + 1 + next);
        }
        None
    }
}

impl Iterator for Ranges<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = skip_empty_lines(self.text, self.at);
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        self.at = match self.empty_line.find(rest) {
            Some(newline) => start + newline + 1,
            None => self.text.len(),
        };
        if let Some(blank) = self.blank_line(start, self.at) {
            self.at = blank;
        }
        Some(start..self.at)
    }
}

/// Walks through a text in one pass, stanza by stanza and field by field.
///
/// An index has a million lines, so a line costs one search for its end; the caller decides with
/// one look at the field's name whether it needs the rest.
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// Moves to the next stanza and returns its start, `None` at the end of the text.
    #[inline]
    pub(crate) fn next_stanza(&mut self) -> Option<usize> {
        self.at = skip_empty_lines(self.text, self.at);
        (self.at < self.text.len()).then_some(self.at)
    }

    /// Moves past the next field of this stanza and returns where it is, its continuation lines
    /// included. `None` at the stanza's end.
    #[inline]
    pub(crate) fn next_field(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if start == self.text.len() || blank_line_end(self.text, start).is_some() {
            return None;
        }
        let mut end = line_end(self.text, start);
        while let Some(b' ' | b'\t') = self.text.get(end) {
            end = line_end(self.text, end);
        }
        self.at = end;
        Some(start..end)
    }

    /// The position in the text.
    pub(crate) fn position(&self) -> usize {
        self.at
    }
}

#[inline]
fn skip_empty_lines(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(end) = blank_line_end(text, at) {
        at = end;
    }
    at
}

/// The end of the line at `from` if it is empty but for carriage returns; apt skips these, too.
#[inline]
fn blank_line_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match text.get(at) {
            Some(b'\n') => return Some(at + 1),
            Some(b'\r') => at += 1,
            None if at > from => return Some(at),
            _ => return None,
        }
    }
}

#[inline]
fn line_end(text: &[u8], from: usize) -> usize {
    match memchr(b'\n', &text[from..]) {
        Some(newline) => from + newline + 1,
        None => text.len(),
    }
}

/// The fields of one stanza, looked up by name without regard to case.
///
/// Stanzas have few fields, so a list is searched. [`PackageFields`] is
/// faster for packages.
///
/// [`PackageFields`]: super::fields::PackageFields
#[derive(Clone, Debug, Default)]
pub struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads the fields of a stanza.
    pub fn read(stanza: &'a str) -> Fields<'a> {
        Fields(fields(stanza).collect())
    }

    /// The value of the first field with this name, unless it is empty.
    pub fn one(&self, name: &str) -> Option<&'a str> {
        for (found, value) in &self.0 {
            if found.eq_ignore_ascii_case(name) {
                return Some(*value).filter(|value| !value.is_empty());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_split_at_empty_lines() {
        let all: Vec<&str> = stanzas("\n\nA: 1\nB: 2\n\n\nA: 3").collect();
        assert_eq!(all, ["A: 1\nB: 2\n", "A: 3"]);
        let all: Vec<&str> = stanzas("A: 1\n\r\nB: 2\n").collect();
        assert_eq!(all, ["A: 1\n", "B: 2\n"]);
        for empty in ["", "\n\n", "\r\n\n"] {
            assert_eq!(stanzas(empty).next(), None);
        }
    }

    #[test]
    fn the_scanner_finds_the_same_stanzas() {
        for text in [
            "",
            "\n\n",
            "A: 1\nB: 2\n\n\nA: 3",
            "\nA:\n x\n\ty\nB",
            "A\n\n",
            "A: 1\r\nB: 2\r\n\r\nA: 3\r\n",
            "A\n\r\nB\n\r\r\n\nC\n\r",
            "A\n\rB\n\n\r\n\rC\n",
        ] {
            let mut scanned = Vec::new();
            let mut scanner = Scanner::new(text.as_bytes());
            while let Some(start) = scanner.next_stanza() {
                while scanner.next_field().is_some() {}
                scanned.push(start..scanner.position());
            }
            let found: Vec<Range<usize>> = Ranges::new(text.as_bytes()).collect();
            assert_eq!(scanned, found, "{text:?}");
        }
    }

    #[test]
    fn unwanted_fields_go_with_their_continuation_lines() {
        let text = b"B: 1\nA: 1\nB: 2\n b\n\tb\nA: 3\n a\nnonsense\n\n\nA:4\nB:";
        for (wanted, expected) in [
            ("A:", "A: 1\nA: 3\n a\n\n\nA:4\n"),
            ("B:", "B: 1\nB: 2\n b\n\tb\n\n\nB:"),
            ("C:", "\n\n"),
        ] {
            let mut kept = b"x".to_vec();
            keep_fields(
                text,
                |field| field.starts_with(wanted.as_bytes()),
                &mut kept,
            );
            assert_eq!(String::from_utf8(kept).unwrap(), format!("x{expected}"));
        }
    }

    #[test]
    fn fields_keep_continuation_lines() {
        let stanza = "A: 1\nB:\n x\n .\n y\nnonsense\n#D: 1\n e: f\nC:z\n";
        let all: Vec<(&str, &str)> = fields(stanza).collect();
        assert_eq!(all, [("A", "1"), ("B", "x\n .\n y"), ("C", "z")]);
    }

    #[test]
    fn fields_are_found_without_regard_to_case() {
        let all = Fields::read("A: 1\nB:\n");
        assert_eq!(all.one("a"), Some("1"));
        assert_eq!(all.one("B"), None);
        assert_eq!(all.one("C"), None);
    }
}
