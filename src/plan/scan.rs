//! Scans a listing in one fast pass: the stanzas with the fields that the resolver needs.
//!
//! An index has tens of megabytes, of which a plan needs a thousandth. So a line costs one search
//! for its end and one look at its first letter, nothing is copied, and relation fields are left
//! as text. Text that the scan does not understand is skipped; a chosen stanza is read again,
//! strictly, by `Package::parse`.

use memchr::{memchr, memchr2};

/// The fields that are scanned. The relation fields come first, in the order in which apt reads
/// them and numbers the names in them (debListParser::NewVersion).
const FIELDS: [&str; 17] = [
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Priority",
    "Essential",
    "Protected",
    "Important",
    "Provides",
];

/// The relation fields.
pub(super) const RELATIONS: [&str; 8] = *FIELDS.first_chunk().expect("FIELDS is longer");

/// The fields of a stanza; an absent field is empty.
#[derive(Debug)]
pub(super) struct Stanza<'a> {
    /// The whole stanza.
    pub(crate) text: &'a str,
    values: [&'a str; FIELDS.len()],
}

impl<'a> Stanza<'a> {
    /// A field of [`RELATIONS`], by its position there.
    pub(super) fn relations(&self, position: usize) -> &'a str {
        self.values[position]
    }

    pub(super) fn package(&self) -> &'a str {
        self.values[8]
    }

    pub(super) fn version(&self) -> &'a str {
        self.values[9]
    }

    pub(super) fn architecture(&self) -> &'a str {
        self.values[10]
    }

    pub(super) fn multi_arch(&self) -> &'a str {
        self.values[11]
    }

    pub(super) fn priority(&self) -> Option<&'a str> {
        Some(self.values[12]).filter(|priority| !priority.is_empty())
    }

    pub(super) fn essential(&self) -> Option<bool> {
        flag(self.values[13])
    }

    /// Protected, or Important, which is its former name.
    pub(super) fn protected(&self) -> Option<bool> {
        flag(self.values[14]).or(flag(self.values[15]))
    }

    pub(super) fn provides(&self) -> &'a str {
        self.values[16]
    }
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The stanzas of a listing, in order.
pub(super) fn stanzas(text: &str) -> Stanzas<'_> {
    Stanzas { text, at: 0 }
}

/// Iterates over the stanzas of a listing.
pub(super) struct Stanzas<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Stanza<'a>;

    fn next(&mut self) -> Option<Stanza<'a>> {
        while self.text[self.at..].starts_with(['\n', '\r']) {
            self.at += 1;
        }
        (self.at < self.text.len()).then(|| self.stanza())
    }
}

impl<'a> Stanzas<'a> {
    /// Reads the stanza at the current position, and moves behind it.
    fn stanza(&mut self) -> Stanza<'a> {
        let text = self.text;
        let start = self.at;
        let mut values = [""; FIELDS.len()];
        // The field to which a continuation line belongs.
        let mut open: Option<OpenField> = None;
        while self.at < text.len() {
            let line_start = self.at;
            let end = match memchr(b'\n', &text.as_bytes()[line_start..]) {
                Some(length) => line_start + length,
                None => text.len(),
            };
            let line = &text.as_bytes()[line_start..end];
            match line.first() {
                None | Some(b'\r') => break,
                Some(b' ' | b'\t') => {}
                Some(_) => open = OpenField::of(line, line_start),
            }
            if let Some(field) = open {
                values[field.number] = text[field.value_start..end].trim_ascii();
            }
            self.at = (end + 1).min(text.len());
        }
        Stanza {
            text: &text[start..self.at],
            values,
        }
    }
}

/// A field of [`FIELDS`] whose value is being read.
#[derive(Clone, Copy, Debug)]
struct OpenField {
    number: usize,
    /// Where its value starts in the listing.
    value_start: usize,
}

impl OpenField {
    /// The field that a line starts.
    fn of(line: &[u8], line_start: usize) -> Option<OpenField> {
        let number = field(line)?;
        Some(OpenField {
            number,
            value_start: line_start + FIELDS[number].len() + 1,
        })
    }
}

/// The field that a line starts, if it is one of [`FIELDS`]. For most lines the first letter tells
/// that it is not.
fn field(line: &[u8]) -> Option<usize> {
    let candidates: &[usize] = match line[0].to_ascii_lowercase() {
        b'p' => &[8, 12, 16, 0, 14],
        b'v' => &[9],
        b'a' => &[10],
        b'm' => &[11],
        b'd' => &[1],
        b'c' => &[2],
        b'b' => &[3],
        b'r' => &[4, 6],
        b's' => &[5],
        b'e' => &[7, 13],
        b'i' => &[15],
        _ => &[],
    };
    for number in candidates {
        let name = FIELDS[*number].as_bytes();
        if line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name) {
            return Some(*number);
        }
    }
    None
}

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
    /// The version that an entry of Provides gives.
    pub(super) fn provided_version(&self) -> Option<&'a str> {
        let (_, version) = self.rest.split_once('(')?;
        let version = version.trim_start_matches(['=', ' ']);
        Some(version.trim_end_matches([')', ' ', '\n', '\t']))
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
    fn stanzas_give_their_fields() {
        let text = "\nPackage: a\nVersion: 1\nArchitecture: all\nEssential: yes\nDescription: x\n Depends: no\nDepends: b,\n c | d:any (>= 2)\n\
            pre-depends: e\n\n\nPackage: b\nImportant: yes\nProvides: x (= 1)";
        let all: Vec<_> = stanzas(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(
            (
                all[0].package(),
                all[0].version(),
                all[0].essential(),
                all[0].protected()
            ),
            ("a", "1", Some(true), None)
        );
        assert_eq!(
            (all[0].relations(0), all[0].relations(1)),
            ("e", "b,\n c | d:any (>= 2)")
        );
        assert!(all[0].text.starts_with("Package: a") && all[0].text.ends_with("pre-depends: e\n"));
        assert_eq!(
            (
                all[1].package(),
                all[1].protected(),
                all[1].provides(),
                all[1].priority()
            ),
            ("b", Some(true), "x (= 1)", None)
        );
    }

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
    fn every_field_is_known_by_its_first_letter() {
        for (place, name) in FIELDS.iter().enumerate() {
            assert_eq!(field(format!("{name}: x").as_bytes()), Some(place));
            assert_eq!(
                field(format!("{}:", name.to_lowercase()).as_bytes()),
                Some(place)
            );
        }
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in [
            "",
            "\n\n",
            ":",
            " x",
            "Package",
            "Package:\nVersion\r\n\r\nä: ö",
            "Depends: ((((:::",
            "Depends: :any, ,|",
        ] {
            for stanza in stanzas(text) {
                (0..RELATIONS.len()).for_each(|place| {
                    mentions(stanza.relations(place)).count();
                });
            }
        }
    }
}
