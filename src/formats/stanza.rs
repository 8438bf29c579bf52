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

/// Iterates over the fields of the first stanza of a text as name and value, as apt's
/// `pkgTagSection` finds them: a name ends at the next colon, even if that is in another line.
///
/// Values are trimmed at both ends; continuation lines keep their newlines.
pub fn fields(text: &str) -> FieldIter<'_> {
    let mut scanner = Scanner::new(text.as_bytes());
    // A stanza may begin with one empty line; two are a stanza without fields.
    if let Some(end) = blank_line_end(text.as_bytes(), 0) {
        scanner.at = end;
    }
    FieldIter { text, scanner }
}

/// The iterator that [`fields`] returns.
pub struct FieldIter<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

impl<'a> Iterator for FieldIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        while let Some(mut range) = self.scanner.next_field() {
            if !self.scanner.complete(&mut range) {
                return None;
            }
            let Some((name, value)) = self.text[range].split_once(':') else {
                continue;
            };
            if !name.starts_with(is_blank) {
                return Some((name.trim_end_matches(is_blank), value.trim_ascii()));
            }
        }
        None
    }
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

/// What a field is to the caller of [`keep_fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    No,
    Yes,
    /// It names the package, which every stanza must do.
    Name,
}

/// A stanza that does not name its package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unnamed;

/// Appends the stanzas of `text` to `kept` without the fields that are not wanted, and returns how
/// much of the text that was. A last field that has no colon, which may be further on, is left,
/// with its stanza.
///
/// `what` is called with each field as written, from its name to its last newline. Empty lines are
/// kept.
pub(crate) fn keep_fields(
    text: &[u8],
    what: impl Fn(&[u8]) -> Wanted,
    kept: &mut Vec<u8>,
) -> Result<usize, Unnamed> {
    let mut scanner = Scanner::new(text);
    // Wanted fields that follow each other are copied together.
    let mut run = 0;
    while let Some(start) = scanner.next_stanza() {
        let before = (kept.len(), run);
        let mut is_named = false;
        while let Some(mut field) = scanner.next_field() {
            match what(&text[field.clone()]) {
                Wanted::Name => is_named = true,
                Wanted::Yes => {}
                Wanted::No if scanner.complete(&mut field) => {
                    kept.extend_from_slice(&text[run..field.start]);
                    run = field.end;
                }
                Wanted::No => {
                    kept.truncate(before.0);
                    kept.extend_from_slice(&text[before.1..start]);
                    return Ok(start);
                }
            }
        }
        if !is_named {
            return Err(Unnamed);
        }
    }
    kept.extend_from_slice(&text[run..]);
    Ok(text.len())
}

/// Whether a text begins with an empty stanza: two empty lines, or one that is all.
pub(crate) fn begins_empty(text: &[u8]) -> bool {
    match blank_line_end(text, 0) {
        Some(end) => end == text.len() || blank_line_end(text, end).is_some(),
        None => false,
    }
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
        self.at = self.field_end(start);
        Some(start..self.at)
    }

    /// The rest of a field that [`next_field`](Scanner::next_field) has returned. As for apt, a
    /// line without a colon belongs to the name of the field that has the next one, even over empty
    /// lines. False if the text has no more colons.
    #[inline]
    fn complete(&mut self, field: &mut Range<usize>) -> bool {
        let text = &self.text[field.clone()];
        if memchr(b':', text).is_some() || is_continuation(text[0]) {
            return true;
        }
        let Some(colon) = memchr(b':', &self.text[field.end..]) else {
            return false;
        };
        field.end = self.field_end(field.end + colon);
        self.at = field.end;
        true
    }

    /// The end of the line at `from` and of its continuation lines.
    #[inline]
    fn field_end(&self, from: usize) -> usize {
        let mut end = line_end(self.text, from);
        while self
            .text
            .get(end)
            .is_some_and(|first| is_continuation(*first))
        {
            end = line_end(self.text, end);
        }
        end
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

/// Whether a line that begins so continues the field before it.
#[inline]
fn is_continuation(first: u8) -> bool {
    matches!(first, b' ' | b'\t' | 0x0b | 0x0c)
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

    /// The value of the last field with this name, unless it is empty: for apt, the last one
    /// counts.
    pub fn one(&self, name: &str) -> Option<&'a str> {
        for (found, value) in self.0.iter().rev() {
            if found.eq_ignore_ascii_case(name) {
                return Some(*value).filter(|value| !value.is_empty());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
