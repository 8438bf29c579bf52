//! The fields of a package's stanza that rbootstrap reads, found in one pass.
//!
//! An index holds tens of megabytes and a plan needs a thousandth of them, so a field costs one
//! look at the start of its line and nothing is copied. Values are as written: `package` parses
//! those of the packages that are installed.

use super::package::{MultiArch, Priority};
use super::stanza::Scanner;

/// A field of a package's stanza (Policy 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
    Replaces,
    Enhances,
    Provides,
    Package,
    Version,
    Architecture,
    MultiArch,
    Priority,
    Essential,
    Protected,
    Important,
    Filename,
    Size,
    Sha256,
    Sha512,
    InstalledSize,
}

impl Field {
    /// Every field. The first ones hold relations, in the order in which apt reads them: apt
    /// numbers package names in the order in which it meets them (debListParser::NewVersion).
    const ALL: [(Field, &'static str); 22] = [
        (Field::PreDepends, "Pre-Depends"),
        (Field::Depends, "Depends"),
        (Field::Conflicts, "Conflicts"),
        (Field::Breaks, "Breaks"),
        (Field::Recommends, "Recommends"),
        (Field::Suggests, "Suggests"),
        (Field::Replaces, "Replaces"),
        (Field::Enhances, "Enhances"),
        (Field::Provides, "Provides"),
        (Field::Package, "Package"),
        (Field::Version, "Version"),
        (Field::Architecture, "Architecture"),
        (Field::MultiArch, "Multi-Arch"),
        (Field::Priority, "Priority"),
        (Field::Essential, "Essential"),
        (Field::Protected, "Protected"),
        (Field::Important, "Important"),
        (Field::Filename, "Filename"),
        (Field::Size, "Size"),
        (Field::Sha256, "SHA256"),
        (Field::Sha512, "SHA512"),
        (Field::InstalledSize, "Installed-Size"),
    ];

    /// The fields whose relations apt reads before Provides, in its order.
    pub(crate) const RELATIONS: [Field; 8] = [
        Field::PreDepends,
        Field::Depends,
        Field::Conflicts,
        Field::Breaks,
        Field::Recommends,
        Field::Suggests,
        Field::Replaces,
        Field::Enhances,
    ];

    /// The field's name as Policy spells it.
    pub(crate) const fn name(self) -> &'static str {
        Field::ALL[self as usize].1
    }

    /// The field that begins with this line. `None` for fields that rbootstrap does not read.
    #[inline]
    pub(crate) fn of_line(line: &[u8]) -> Option<Field> {
        for field in Field::with_first_letter(*line.first()?) {
            let name = field.name().as_bytes();
            let is_followed_by_colon = match line.get(name.len()) {
                Some(b':') => true,
                Some(b' ' | b'\t') => line[name.len()..].trim_ascii_start().starts_with(b":"),
                _ => false,
            };
            if is_followed_by_colon && line[..name.len()].eq_ignore_ascii_case(name) {
                return Some(*field);
            }
        }
        None
    }

    /// Most lines of an index are rejected by their first letter.
    #[inline]
    fn with_first_letter(letter: u8) -> &'static [Field] {
        match letter.to_ascii_lowercase() {
            b'a' => &[Field::Architecture],
            b'b' => &[Field::Breaks],
            b'c' => &[Field::Conflicts],
            b'd' => &[Field::Depends],
            b'e' => &[Field::Essential, Field::Enhances],
            b'f' => &[Field::Filename],
            b'i' => &[Field::InstalledSize, Field::Important],
            b'm' => &[Field::MultiArch],
            b'p' => &[
                Field::Package,
                Field::Priority,
                Field::Provides,
                Field::PreDepends,
                Field::Protected,
            ],
            b'r' => &[Field::Recommends, Field::Replaces],
            b's' => &[Field::Size, Field::Sha256, Field::Sha512, Field::Suggests],
            b'v' => &[Field::Version],
            _ => &[],
        }
    }
}

/// One package's stanza and the values of its fields.
#[derive(Clone, Debug)]
pub(crate) struct PackageFields<'a> {
    text: &'a str,
    values: [&'a str; Field::ALL.len()],
}

impl<'a> PackageFields<'a> {
    /// Reads the first stanza of a text.
    pub(crate) fn read(text: &'a str) -> Option<PackageFields<'a>> {
        PackageFields::all(text).next()
    }

    /// Reads the stanzas of an index one after the other.
    pub(crate) fn all(text: &'a str) -> PackageFieldsIter<'a> {
        PackageFieldsIter {
            text,
            scanner: Scanner::new(text.as_bytes()),
        }
    }

    /// The whole stanza.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The trimmed value of a field, empty if the field is absent.
    #[inline]
    pub(crate) fn get(&self, field: Field) -> &'a str {
        self.values[field as usize]
    }

    pub(crate) fn multi_arch(&self) -> MultiArch {
        match self.get(Field::MultiArch) {
            "same" => MultiArch::Same,
            "foreign" => MultiArch::Foreign,
            "allowed" => MultiArch::Allowed,
            _ => MultiArch::No,
        }
    }

    pub(crate) fn priority(&self) -> Option<Priority> {
        match self.get(Field::Priority) {
            "" => None,
            word => Some(Priority::parse(word)),
        }
    }

    pub(crate) fn essential(&self) -> Option<bool> {
        flag(self.get(Field::Essential))
    }

    /// Protected, or Important, as this field was called before.
    pub(crate) fn protected(&self) -> Option<bool> {
        flag(self.get(Field::Protected)).or_else(|| flag(self.get(Field::Important)))
    }
}

/// A value that says yes or no, in any of the words that apt knows (`StringToBool`).
pub(crate) fn flag(value: &str) -> Option<bool> {
    const YES: [&str; 6] = ["yes", "true", "with", "on", "enable", "1"];
    const NO: [&str; 6] = ["no", "false", "without", "off", "disable", "0"];
    let is_one_of = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    match value {
        "" => None,
        _ if is_one_of(&YES) => Some(true),
        _ if is_one_of(&NO) => Some(false),
        _ => None,
    }
}

/// The iterator that [`PackageFields::all`] returns.
pub(crate) struct PackageFieldsIter<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

impl<'a> Iterator for PackageFieldsIter<'a> {
    type Item = PackageFields<'a>;

    #[inline]
    fn next(&mut self) -> Option<PackageFields<'a>> {
        let start = self.scanner.next_stanza()?;
        let mut values = [""; Field::ALL.len()];
        while let Some(range) = self.scanner.next_field() {
            let line = &self.text[range];
            if let Some(field) = Field::of_line(line.as_bytes()) {
                let (_, value) = line.split_once(':').unwrap_or_default();
                values[field as usize] = value.trim_ascii();
            }
        }
        let text = &self.text[start..self.scanner.position()];
        Some(PackageFields { text, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_first_letter() {
        for (place, (field, name)) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place);
            assert_eq!(Field::of_line(format!("{name}: x").as_bytes()), Some(field));
            let lowercase = format!("{}:", name.to_lowercase());
            assert_eq!(Field::of_line(lowercase.as_bytes()), Some(field));
        }
        for other in [
            "",
            ":",
            " Package: a",
            "Package",
            "Packages: a",
            "Maintainer: a",
        ] {
            assert_eq!(Field::of_line(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn relations_come_first_and_in_order() {
        for (place, field) in Field::RELATIONS.into_iter().enumerate() {
            assert_eq!(field as usize, place);
        }
    }

    #[test]
    fn stanzas_give_their_fields() {
        let text = "\nPackage: a\nVersion: 1\nArchitecture: all\nEssential: yes\nDescription: x\n \
                    Depends: no\nDepends: b,\n c | d:any (>= 2)\npre-depends: e\n\n\nPackage: b\n\
                    Important: yes\nProvides: x (= 1)";
        let all: Vec<PackageFields<'_>> = PackageFields::all(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get(Field::Package), "a");
        assert_eq!(all[0].get(Field::Version), "1");
        assert_eq!(all[0].get(Field::PreDepends), "e");
        assert_eq!(all[0].get(Field::Depends), "b,\n c | d:any (>= 2)");
        assert_eq!(all[0].essential(), Some(true));
        assert_eq!(all[0].protected(), None);
        assert_eq!(all[0].text(), &text[1..text.find("\n\n\n").unwrap() + 1]);
        assert_eq!(all[1].get(Field::Package), "b");
        assert_eq!(all[1].get(Field::Provides), "x (= 1)");
        assert_eq!(all[1].protected(), Some(true));
        assert_eq!(all[1].priority(), None);
    }

    #[test]
    fn flags_have_several_words() {
        for (value, expected) in [
            ("yes", Some(true)),
            ("Yes", Some(true)),
            ("TRUE", Some(true)),
            ("1", Some(true)),
            ("Off", Some(false)),
            ("0", Some(false)),
            ("", None),
            ("maybe", None),
            ("yes, please", None),
        ] {
            assert_eq!(flag(value), expected, "{value}");
        }
    }

    #[test]
    fn text_that_is_no_stanza_gives_no_fields() {
        for text in [":", " x", "Package", "Package:\nVersion\r\n\r\nä: ö"] {
            for stanza in PackageFields::all(text) {
                for (field, _) in Field::ALL {
                    assert_eq!(stanza.get(field), "", "{text:?}");
                }
            }
        }
    }
}
