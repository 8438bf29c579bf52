//! The deb822 text that indexes and control files are written in, scanned without copying.

/// The stanzas of an index: runs of lines between blank ones, in order. A stanza keeps its last line's newline.
pub fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\n', '\r']);
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memmem::find(rest.as_bytes(), b"\n\n").map_or(rest.len(), |at| at + 1);
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

/// The fields of one stanza, to be looked up by name in any case. A stanza has few enough that a list serves.
#[derive(Clone, Debug, Default)]
pub struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// Adds a field behind the others.
    pub fn insert(&mut self, name: &'a str, value: &'a str) {
        self.0.push((name, value));
    }

    /// The first field of that name, unless it is empty.
    pub fn one(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value).filter(|v| !v.is_empty())
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
        assert_eq!(stanzas("\n\nA: 1\nB: 2\n\n\nA: 3").collect::<Vec<_>>(), ["A: 1\nB: 2\n", "A: 3"]);
        assert_eq!(stanzas("").count() + stanzas("\n\n").count(), 0);
    }

    #[test]
    fn fields_keep_continuations() {
        let all: Vec<_> = fields("A: 1\nB:\n x\n .\n y\nnonsense\nC:z\n").collect();
        assert_eq!(all, [("A", "1"), ("B", "x\n .\n y"), ("C", "z")]);
        let all: Fields<'_> = fields("A: 1\nB:\n").collect();
        assert_eq!((all.one("a"), all.one("B"), all.one("C")), (Some("1"), None, None));
    }
}
