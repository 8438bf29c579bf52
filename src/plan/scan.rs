//! The one quick pass over a listing: stanzas with the fields that decide, nothing copied, relations not yet taken apart.
//!
//! An index has tens of megabytes and a plan needs a thousandth of them, so a line costs one search for its end and one look at its
//! name. What the pass does not understand it leaves out; a stanza that is chosen is read again, strictly, by `Package::parse`.

use memchr::{memchr, memchr2};

/// The fields that are wanted. First those of relations in the order in which apt reads them, and so numbers the names that it
/// meets (debListParser::NewVersion).
const NAMES: [&str; 17] = [
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
/// Those of relations.
pub(super) const MENTIONING: [&str; 8] = *NAMES.first_chunk().expect("there are more");

/// The fields of a stanza; an absent one is empty.
#[derive(Debug)]
pub(super) struct Stanza<'a> {
    /// The whole of it.
    pub(crate) text: &'a str,
    values: [&'a str; NAMES.len()],
}

impl<'a> Stanza<'a> {
    /// One of `MENTIONING`, by its place.
    pub(super) fn relations(&self, place: usize) -> &'a str {
        self.values[place]
    }

    pub(super) fn package(&self) -> &'a str {
        self.other(0)
    }

    pub(super) fn version(&self) -> &'a str {
        self.other(1)
    }

    pub(super) fn architecture(&self) -> &'a str {
        self.other(2)
    }

    pub(super) fn multi_arch(&self) -> &'a str {
        self.other(3)
    }

    pub(super) fn priority(&self) -> Option<&'a str> {
        Some(self.other(4)).filter(|p| !p.is_empty())
    }

    pub(super) fn essential(&self) -> Option<bool> {
        flag(self.other(5))
    }

    /// Protected, which was called Important before.
    pub(super) fn protected(&self) -> Option<bool> {
        flag(self.other(6)).or_else(|| flag(self.other(7)))
    }

    pub(super) fn provides(&self) -> &'a str {
        self.other(8)
    }

    fn other(&self, place: usize) -> &'a str {
        self.values[MENTIONING.len() + place]
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
pub(super) fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while text[at..].starts_with(['\n', '\r']) {
            at += 1;
        }
        (at < text.len()).then(|| stanza(text, &mut at))
    })
}

/// Reads the stanza that starts at `at`, and moves `at` to its end.
fn stanza<'a>(text: &'a str, at: &mut usize) -> Stanza<'a> {
    let start = *at;
    let mut values = [""; NAMES.len()];
    // The field that a continuation line would belong to, and where its value starts.
    let mut open: Option<(usize, usize)> = None;
    while *at < text.len() {
        let from = *at;
        let end = memchr(b'\n', &text.as_bytes()[from..]).map_or(text.len(), |n| from + n);
        let line = &text.as_bytes()[from..end];
        match line.first() {
            None | Some(b'\r') => break,
            Some(b' ' | b'\t') => {
                if let Some((field, value)) = open {
                    values[field] = text[value..end].trim_ascii();
                }
            }
            Some(_) => {
                open = field(line).map(|(field, length)| (field, from + length + 1));
                if let Some((field, value)) = open {
                    values[field] = text[value..end].trim_ascii();
                }
            }
        }
        *at = (end + 1).min(text.len());
    }
    Stanza {
        text: &text[start..*at],
        values,
    }
}

/// Which field a line starts, and how long its name is. Most lines are of none that is wanted, and their first letter tells.
fn field(line: &[u8]) -> Option<(usize, usize)> {
    let places: &[usize] = match line[0].to_ascii_lowercase() {
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
    let is = |name: &str| {
        line.get(name.len()) == Some(&b':')
            && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    };
    places
        .iter()
        .map(|place| (*place, NAMES[*place]))
        .find(|(_, name)| is(name))
        .map(|(place, name)| (place, name.len()))
}

/// A name in a relation field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention<'a> {
    pub(crate) name: &'a str,
    /// What stands behind its colon.
    pub(crate) qualifier: Option<&'a str>,
    /// What stands behind that, up to the next name: the version in brackets.
    rest: &'a str,
}

impl<'a> Mention<'a> {
    /// The version that an entry of Provides gives.
    pub(super) fn provided(&self) -> Option<&'a str> {
        Some(
            self.rest
                .split_once('(')?
                .1
                .trim_start_matches(['=', ' '])
                .trim_end_matches([')', ' ', '\n', '\t']),
        )
    }
}

/// What cannot be in a name or an architecture; a table, as each of millions of bytes is asked.
const ENDS_A_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b" \t\r\n(:,|[<";
    while let [byte, tail @ ..] = rest {
        table[*byte as usize] = true;
        rest = tail;
    }
    table
};

/// The names in a relation field.
pub(super) fn mentions(field: &str) -> impl Iterator<Item = Mention<'_>> {
    let bytes = field.as_bytes();
    let mut at = 0;
    let word = |from: usize| {
        bytes[from..]
            .iter()
            .position(|c| ENDS_A_WORD[usize::from(*c)])
            .map_or(bytes.len(), |n| from + n)
    };
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at + bytes[at..].iter().position(|c| !b" \t\r\n,|".contains(c))?;
            let end = word(start);
            let mut rest = end;
            let mut qualifier = None;
            if bytes.get(end) == Some(&b':') {
                rest = word(end + 1);
                qualifier = Some(&field[end + 1..rest]);
            }
            at = memchr2(b',', b'|', &bytes[rest..]).map_or(bytes.len(), |n| rest + n);
            if start < end {
                return Some(Mention {
                    name: &field[start..end],
                    qualifier,
                    rest: &field[rest..at],
                });
            }
        }
        None
    })
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
            .map(|m| m.provided())
            .collect();
        assert_eq!(all, [None, Some("1:2~"), Some("3")]);
        assert_eq!(mentions(" , ").count(), 0);
    }

    #[test]
    fn every_field_is_known_by_its_first_letter() {
        for (place, name) in NAMES.iter().enumerate() {
            assert_eq!(
                field(format!("{name}: x").as_bytes()),
                Some((place, name.len()))
            );
            assert_eq!(
                field(format!("{}:", name.to_lowercase()).as_bytes()),
                Some((place, name.len()))
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
                (0..MENTIONING.len()).for_each(|place| {
                    mentions(stanza.relations(place)).count();
                });
            }
        }
    }
}
