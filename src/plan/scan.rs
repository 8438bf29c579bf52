//! The one quick pass over a listing: stanzas with the fields that decide, nothing copied, relations not yet taken apart.
//!
//! An index has tens of megabytes and a plan needs a thousandth of them, so a line costs one search for its end and one look at its
//! name. What the pass does not understand it leaves out; a stanza that is chosen is read again, strictly, by `Package::parse`.

use memchr::{memchr, memchr2};

/// The relation fields in the order in which apt reads them, and so numbers the names that it meets (debListParser::NewVersion).
pub(super) const MENTIONING: [&str; 8] =
    ["Pre-Depends", "Depends", "Conflicts", "Breaks", "Recommends", "Suggests", "Replaces", "Enhances"];
/// The other fields that are wanted.
const OTHERS: [&str; 9] =
    ["Package", "Version", "Architecture", "Multi-Arch", "Priority", "Essential", "Protected", "Important", "Provides"];
const COUNT: usize = MENTIONING.len() + OTHERS.len();

/// The fields of a stanza; an absent one is empty.
#[derive(Debug)]
pub(super) struct Stanza<'a> {
    /// The whole of it.
    pub text: &'a str,
    values: [&'a str; COUNT],
}

impl<'a> Stanza<'a> {
    /// The relation fields in apt's order.
    pub(super) fn mentioning(&self) -> &[&'a str] {
        &self.values[..MENTIONING.len()]
    }

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
    let mut values = [""; COUNT];
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
            Some(first) => {
                open = None;
                if b"PDCBRSEVAMIpdcbrsevami".contains(first)
                    && let Some(colon) = memchr(b':', &line[..line.len().min(16)])
                    && let Some(field) = field(&line[..colon])
                {
                    values[field] = text[from + colon + 1..end].trim_ascii();
                    open = Some((field, from + colon + 1));
                }
            }
        }
        *at = (end + 1).min(text.len());
    }
    Stanza { text: &text[start..*at], values }
}

fn field(name: &[u8]) -> Option<usize> {
    let mut all = MENTIONING.iter().chain(&OTHERS);
    all.position(|f| f.len() == name.len() && f.as_bytes().eq_ignore_ascii_case(name))
}

/// The names in a relation field, each with what stands behind its colon.
pub(super) fn mentions(field: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = field;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', '\n', ',', '|']);
        if rest.is_empty() {
            return None;
        }
        let word = |text: &str| text.bytes().position(|c| b" \t\n(:,|[<".contains(&c)).unwrap_or(text.len());
        let (name, tail) = rest.split_at(word(rest));
        let qualifier = tail.strip_prefix(':').map_or("", |q| &q[..word(q)]);
        rest = memchr2(b',', b'|', tail.as_bytes()).map_or("", |n| &tail[n..]);
        Some((name, qualifier))
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
        assert_eq!((all[0].package(), all[0].version(), all[0].essential(), all[0].protected()), ("a", "1", Some(true), None));
        assert_eq!((all[0].relations(0), all[0].relations(1)), ("e", "b,\n c | d:any (>= 2)"));
        assert!(all[0].text.starts_with("Package: a") && all[0].text.ends_with("pre-depends: e\n"));
        assert_eq!((all[1].package(), all[1].protected(), all[1].provides(), all[1].priority()), ("b", Some(true), "x (= 1)", None));
    }

    #[test]
    fn mentions_are_names_and_qualifiers() {
        let all: Vec<_> = mentions("b,\n c | d:any (>= 2)|e(=1), f:i386,").collect();
        assert_eq!(all, [("b", ""), ("c", ""), ("d", "any"), ("e", ""), ("f", "i386")]);
        assert_eq!(mentions(" , ").count(), 0);
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in ["", "\n\n", ":", " x", "Package", "Package:\nVersion\r\n\r\nä: ö", "Depends: ((((:::", "Depends: :any, ,|"] {
            for stanza in stanzas(text) {
                stanza.mentioning().iter().for_each(|field| drop(mentions(field).count()));
            }
        }
    }
}
