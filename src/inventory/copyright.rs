//! Licenses by the machine-readable copyright file of a package (copyright-format 1.0, "DEP-5").
//!
//! All licenses of all files count: the package has files of each. Which file has which license,
//! and who holds the copyright, is not read.

use std::collections::{BTreeMap, BTreeSet};

use super::license::{Translator, joined};
use crate::formats::stanza::{Fields, stanzas};

/// The longest name of a license, in bytes. What is longer is the license itself.
pub(super) const NAME_LIMIT: usize = 80;

/// The licenses of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Licenses {
    /// An SPDX license expression.
    pub(crate) expression: String,
    /// The licenses in it that SPDX does not list, by their identifiers.
    pub(crate) others: BTreeMap<String, OtherLicense>,
}

/// A license that SPDX does not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherLicense {
    /// As the copyright file names it.
    pub(crate) name: String,
    pub(crate) text: Option<String>,
}

/// A License field.
struct LicenseField {
    /// Longer than [`NAME_LIMIT`] for a text without a name.
    name: String,
    text: String,
}

/// Reads a copyright file; `None` if it is not machine-readable or names no license.
pub(crate) fn parse(text: &str) -> Option<Licenses> {
    // apt's indexes, which are read in the same way, have no comments.
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut paragraphs = stanzas(&text);
    let header = Fields::read(paragraphs.next()?);
    header
        .one("Format")
        .or(header.one("Format-Specification"))?;
    let mut names = BTreeSet::new();
    let mut texts = BTreeMap::new();
    let mut note = |field: Option<LicenseField>, is_of_files: bool| {
        let Some(LicenseField { name, text }) = field else {
            return;
        };
        if !text.is_empty() {
            texts.entry(name.clone()).or_insert(text);
        }
        if is_of_files {
            names.insert(name);
        }
    };
    note(license_field(&header), true);
    for paragraph in paragraphs {
        let fields = Fields::read(paragraph);
        note(license_field(&fields), fields.one("Files").is_some());
    }
    let mut translator = Translator {
        texts: &texts,
        others: BTreeMap::new(),
    };
    let mut all = BTreeSet::new();
    for name in &names {
        all.extend(translator.conjuncts(name));
    }
    Some(Licenses {
        expression: Some(joined(&all, " AND ")).filter(|text| !text.is_empty())?,
        others: translator.others,
    })
}

fn license_field(fields: &Fields<'_>) -> Option<LicenseField> {
    let value = fields.one("License")?;
    let (name, text) = value.split_once('\n').unwrap_or((value, ""));
    let name = name.trim();
    if name.len() > NAME_LIMIT {
        return Some(LicenseField {
            name: unfolded(value),
            text: String::new(),
        });
    }
    Some(LicenseField {
        name: name.to_owned(),
        text: unfolded(text),
    })
}

/// A text of several lines without what deb822 adds: a blank before each line, and a dot for an
/// empty one.
fn unfolded(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.strip_prefix([' ', '\t']).unwrap_or(line).trim_end();
        lines.push(if line == "." { "" } else { line });
    }
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str =
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

    #[test]
    fn all_licenses_of_files_count() {
        let long = "x ".repeat(60);
        let rows = [
            (
                "Files: *\nLicense: GPL-2+\n text\n",
                Some("GPL-2.0-or-later"),
            ),
            (
                "# a\nFiles: *\nLicense: GPL-2+\n\nFiles: debian/*\nLicense: Expat\n\n\
                 License: GPL-2+\n text\n\nLicense: ISC\n of no file\n",
                Some("GPL-2.0-or-later AND MIT"),
            ),
            ("License: Zlib\n", None),
            ("Files: *\nLicense:\n BSD-2-clause\n", Some("BSD-2-Clause")),
            ("Files: *\nLicense: own\n", Some("LicenseRef-own")),
            ("Files: *\nLicense:\n", None),
            ("Files: *\nCopyright: me\n", None),
        ];
        for (paragraphs, expected) in rows {
            let found = parse(&format!("{FORMAT}\n{paragraphs}"));
            let found = found.map(|found| found.expression);
            assert_eq!(found.as_deref(), expected, "{paragraphs}");
        }
        let of_header = parse(&format!(
            "{FORMAT}License: ISC\n\nFiles: *\nLicense: Zlib\n"
        ));
        assert_eq!(of_header.unwrap().expression, "ISC AND Zlib");
        let unnamed = parse(&format!("{FORMAT}\nFiles: *\nLicense: {long}\n"));
        let unnamed = unnamed.unwrap();
        assert!(unnamed.expression.starts_with("LicenseRef-unnamed-"));
        let other = long.replace('x', "y");
        let two = parse(&format!(
            "{FORMAT}\nFiles: *\nLicense: {long}\n\nFiles: y\nLicense: {other}\n more\n"
        ));
        let mut texts = Vec::new();
        for license in two.unwrap().others.into_values() {
            assert_eq!(license.name, "unnamed");
            texts.push(license.text.unwrap());
        }
        texts.sort();
        assert_eq!(texts, [long.trim(), &format!("{}\nmore", other.trim())]);
        for other in [
            "This package was debianized by me.\n\nLicense: GPL-2+\n",
            "",
            "\n\n",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_license_of_its_own_has_its_text() {
        let text = format!(
            "{FORMAT}\nFiles: *\nLicense: own\n\nLicense: own\n First line.\n .\n  Indented.\n"
        );
        let found = parse(&text).unwrap();
        let [(id, other)] = &found.others.iter().collect::<Vec<_>>()[..] else {
            panic!("{found:?}");
        };
        assert_eq!(**id, found.expression);
        assert_eq!(other.name, "own");
        assert_eq!(other.text.as_deref(), Some("First line.\n\n Indented."));
    }
}
