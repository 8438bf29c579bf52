//! The deb822 text that indexes and control files are written in, scanned without copying.

/// The stanzas of an index: runs of lines between blank ones, in order. A stanza keeps its last line's newline.
pub fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    let blank = memchr::memmem::Finder::new("\n\n");
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\n', '\r']);
        if rest.is_empty() {
            return None;
        }
        let end = blank.find(rest.as_bytes()).map_or(rest.len(), |at| at + 1);
        let (stanza, tail) = rest.split_at(end);
        rest = tail;
        Some(stanza)
    })
}

/// The fields of one stanza as written: name and value, the value trimmed at both ends, continuation lines kept with their
/// newlines. A line that is neither a field nor a continuation is passed over.
pub fn fields(stanza: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = stanza;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let mut end = line_end(rest);
            while rest[end..].starts_with([' ', '\t']) {
                end += line_end(&rest[end..]);
            }
            let (field, tail) = rest.split_at(end);
            rest = tail;
            if let Some((name, value)) = field.split_once(':')
                && !name.starts_with([' ', '\t', '#'])
                && !name.contains('\n')
            {
                return Some((name, value.trim()));
            }
        }
        None
    })
}

fn line_end(text: &str) -> usize {
    memchr::memchr(b'\n', text.as_bytes()).map_or(text.len(), |at| at + 1)
}

/// Appends to `kept` those lines of `text`, whole stanzas, that belong to fields of which `is_wanted` is true, and the blank lines.
pub fn keep_fields(text: &[u8], is_wanted: impl Fn(&[u8]) -> bool, kept: &mut Vec<u8>) {
    // What is kept is copied in runs of lines.
    let (mut run, mut at, mut wanted) = (0, 0, true);
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n + 1);
        let keeps = match text[at] {
            b' ' | b'\t' => wanted,
            b'\n' | b'\r' => true,
            _ => {
                let name = memchr::memchr(b':', &text[at..end]).unwrap_or(end - at);
                is_wanted(&text[at..at + name])
            }
        };
        if keeps != wanted {
            if wanted {
                kept.extend_from_slice(&text[run..at]);
            }
            run = at;
            wanted = keeps;
        }
        at = end;
    }
    if wanted {
        kept.extend_from_slice(&text[run..]);
    }
}

/// The fields of one stanza, to be looked up by name in any case. A stanza has few enough that a list serves.
#[derive(Clone, Debug, Default)]
pub struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// Adds a field behind the others.
    pub(crate) fn insert(&mut self, name: &'a str, value: &'a str) {
        self.0.push((name, value));
    }

    /// The first field of that name, unless it is empty.
    pub fn one(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
            .filter(|v| !v.is_empty())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Fields<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(all: I) -> Fields<'a> {
        Fields(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_split_at_blank_lines() {
        assert_eq!(
            stanzas("\n\nA: 1\nB: 2\n\n\nA: 3").collect::<Vec<_>>(),
            ["A: 1\nB: 2\n", "A: 3"]
        );
        assert_eq!(stanzas("").count() + stanzas("\n\n").count(), 0);
    }

    #[test]
    fn unwanted_fields_go_with_their_continuations() {
        let text = b"B: 1\nA: 1\nB: 2\n b\n\tb\nA: 3\n a\nnonsense\n\n\nA:4\nB";
        for (wanted, expected) in [
            ("A", "A: 1\nA: 3\n a\n\n\nA:4\n"),
            ("B", "B: 1\nB: 2\n b\n\tb\n\n\nB"),
            ("", "\n\n"),
        ] {
            let mut kept = b"x".to_vec();
            keep_fields(text, |name| name == wanted.as_bytes(), &mut kept);
            assert_eq!(String::from_utf8(kept).unwrap(), format!("x{expected}"));
        }
    }

    #[test]
    fn fields_keep_continuations() {
        let all: Vec<_> = fields("A: 1\nB:\n x\n .\n y\nnonsense\nC:z\n").collect();
        assert_eq!(all, [("A", "1"), ("B", "x\n .\n y"), ("C", "z")]);
        let all: Fields<'_> = fields("A: 1\nB:\n").collect();
        assert_eq!(
            (all.one("a"), all.one("B"), all.one("C")),
            (Some("1"), None, None)
        );
    }
}
