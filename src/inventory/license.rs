//! License names of Debian's copyright files as SPDX license expressions (SPDX 2.3, annex D).
//!
//! Only names that certainly mean the same are translated; any other becomes a `LicenseRef-`.
//! `license/spdx.txt` has the identifiers of the SPDX license list 3.28.0 that are not deprecated.

use std::collections::{BTreeMap, BTreeSet};

use super::copyright::{NAME_LIMIT, OtherLicense};
use crate::formats::digest::{Algorithm, digest};

const IDS: &str = include_str!("license/spdx.txt");

/// Names with another spelling than the SPDX identifier, in lower case.
const NAMES: [(&str, &str); 14] = [
    ("apache-2", "Apache-2.0"),
    // Debian's /usr/share/common-licenses/Artistic is Perl's.
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("boost-1.0", "BSL-1.0"),
    ("bsd-2", "BSD-2-Clause"),
    ("bsd-3", "BSD-3-Clause"),
    ("bsd-4", "BSD-4-Clause"),
    ("cc0", "CC0-1.0"),
    ("expat", "MIT"),
    ("mpl-2", "MPL-2.0"),
    ("openldap-2.8", "OLDAP-2.8"),
    ("psf-2", "PSF-2.0"),
    ("sil-1.1", "OFL-1.1"),
];

/// The name of a license that has only a text.
const UNNAMED: &str = "unnamed";

/// Perl's own terms.
const PERL: &str = "Artistic-1.0-Perl OR GPL-1.0-or-later";

/// Exceptions after `with`, in lower case and without the word `exception`.
const EXCEPTIONS: [(&str, &str); 10] = [
    ("autoconf-2.0", "Autoconf-exception-2.0"),
    ("autoconf-macro", "Autoconf-exception-macro"),
    ("bison-2.2", "Bison-exception-2.2"),
    ("classpath-2.0", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("gcc-3.1", "GCC-exception-3.1"),
    ("libtool", "Libtool-exception"),
    ("linux-syscall-note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"),
    ("texinfo", "Texinfo-exception"),
];

/// The families whose names have a version and a `+`.
const FAMILIES: [(&str, &str); 5] = [
    ("agpl", ""),
    ("lgpl", ""),
    ("gpl", ""),
    ("gfdl-niv", "-no-invariants"),
    ("gfdl", ""),
];

/// Translates the License fields of one copyright file.
pub(super) struct Translator<'a> {
    /// The texts of licenses, by the field's first line.
    pub(super) texts: &'a BTreeMap<String, String>,
    /// The licenses that SPDX does not list, by their identifiers.
    pub(super) others: BTreeMap<String, OtherLicense>,
}

/// What joins two parts of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LicenseOperator {
    And,
    Or,
}

impl Translator<'_> {
    /// The first line of a field as parts of an expression that all apply.
    ///
    /// `and` binds stronger than `or`, and a comma before either separates groups
    /// (copyright-format 1.0, section 7.2).
    pub(super) fn conjuncts(&mut self, synopsis: &str) -> BTreeSet<String> {
        if synopsis.len() > NAME_LIMIT {
            return BTreeSet::from([self.other(UNNAMED, Some(synopsis.to_owned()))]);
        }
        if synopsis.contains(['(', ')']) {
            return BTreeSet::from([self.term(synopsis)]);
        }
        let mut all = BTreeSet::new();
        for (number, group) in synopsis.split(", ").enumerate() {
            let (operator, group) = match group.split_once(' ') {
                Some(("or", rest)) => (LicenseOperator::Or, rest),
                Some(("and", rest)) => (LicenseOperator::And, rest),
                Some(_) | None => (LicenseOperator::And, group),
            };
            let group = self.group(group);
            match operator {
                LicenseOperator::Or if number > 0 && !all.is_empty() && !group.is_empty() => {
                    let alternatives = [joined(&all, " AND "), joined(&group, " AND ")];
                    all = BTreeSet::from([alternatives.join(" OR ")]);
                }
                LicenseOperator::Or | LicenseOperator::And => all.extend(group),
            }
        }
        all
    }

    /// A field, or a part of one between commas.
    fn group(&mut self, group: &str) -> BTreeSet<String> {
        let mut alternatives = Vec::new();
        for alternative in split(group, "or") {
            let mut terms = BTreeSet::new();
            for term in split(&alternative, "and") {
                terms.insert(self.term(&term));
            }
            if !terms.is_empty() {
                alternatives.push(terms);
            }
        }
        if let [only] = &alternatives[..] {
            return only.clone();
        }
        let mut texts = BTreeSet::new();
        for terms in &alternatives {
            texts.insert(joined(terms, " AND "));
        }
        match texts.is_empty() {
            true => texts,
            false => {
                let texts: Vec<String> = texts.into_iter().collect();
                BTreeSet::from([texts.join(" OR ")])
            }
        }
    }

    /// A license, perhaps with an exception.
    fn term(&mut self, name: &str) -> String {
        let with = name.split_once(" with ").or(name.split_once(" WITH "));
        let known = match with {
            Some((license, exception)) => with_exception(license.trim(), exception.trim()),
            None if name.eq_ignore_ascii_case("perl") => Some(PERL.to_owned()),
            None => listed(name),
        };
        match known {
            Some(known) => known,
            None => self.other(name, self.texts.get(name).cloned()),
        }
    }

    /// A license that SPDX does not list. Different texts have different identifiers.
    fn other(&mut self, name: &str, text: Option<String>) -> String {
        let mut id = "LicenseRef-".to_owned();
        for character in name.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => id.push(character),
                _ => id.push('-'),
            }
        }
        if let Some(text) = &text {
            let digest = digest(Algorithm::Sha256, text.as_bytes());
            id.push_str(&format!("-{}", &digest.hexadecimal()[..8]));
        }
        let other = OtherLicense {
            name: name.to_owned(),
            text,
        };
        self.others.insert(id.clone(), other);
        id
    }
}

/// The parts of an expression that all apply. An alternative gets parentheses beside others.
pub(super) fn joined(parts: &BTreeSet<String>, separator: &str) -> String {
    let mut texts = Vec::new();
    for part in parts {
        texts.push(match part.contains(" OR ") && parts.len() > 1 {
            true => format!("({part})"),
            false => part.clone(),
        });
    }
    texts.join(separator)
}

/// The parts between the words `or` or `and`.
fn split(text: &str, operator: &str) -> Vec<String> {
    let mut parts = vec![Vec::new()];
    for word in text.split_whitespace() {
        match word.eq_ignore_ascii_case(operator) {
            true => parts.push(Vec::new()),
            false => parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.push(word)),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.iter().map(|part| part.join(" ")).collect()
}

/// The SPDX identifier of a name.
fn listed(name: &str) -> Option<String> {
    if let Some(id) = id(name) {
        return Some(id.to_owned());
    }
    let lower = name.to_ascii_lowercase();
    let found = NAMES.iter().find(|(spelling, _)| *spelling == lower);
    match found {
        Some((_, id)) => Some((*id).to_owned()),
        None => versioned(&lower),
    }
}

/// Whether a word of an expression is an identifier or an exception of the lists.
#[cfg(any(test, feature = "testing"))]
pub(super) fn is_listed(word: &str) -> bool {
    let mut exceptions = EXCEPTIONS.iter();
    id(word) == Some(word) || exceptions.any(|(_, exception)| *exception == word)
}

/// An identifier of the list, in whatever case.
fn id(name: &str) -> Option<&'static str> {
    IDS.lines().find(|id| id.eq_ignore_ascii_case(name))
}

/// A GNU license in lower case: `gpl-2+`, `lgplv2.1`, `gpl-2.0+`, `gfdl-niv-1.3+`.
fn versioned(name: &str) -> Option<String> {
    for (family, kind) in FAMILIES {
        let Some(rest) = name.strip_prefix(family) else {
            continue;
        };
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let rest = rest.strip_prefix('v').unwrap_or(rest);
        let (version, range) = match rest.strip_suffix('+') {
            Some(version) => (version, "or-later"),
            None => (rest, "only"),
        };
        let family = family.trim_end_matches("-niv");
        let minor = if version.contains('.') { "" } else { ".0" };
        return id(&format!("{family}-{version}{minor}{kind}-{range}")).map(str::to_owned);
    }
    None
}

fn with_exception(license: &str, exception: &str) -> Option<String> {
    let license = listed(license)?;
    let lower = exception.to_ascii_lowercase();
    let plain = lower.trim_end_matches('s').trim_end_matches("exception");
    let plain = plain.trim_end_matches([' ', '-']);
    let is_meant =
        |(name, id): &&(&str, &str)| *name == plain || id.eq_ignore_ascii_case(exception);
    let found = EXCEPTIONS.iter().find(is_meant)?;
    Some(format!("{license} WITH {}", found.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(synopsis: &str) -> String {
        let texts = BTreeMap::from([("public-domain".to_owned(), "No rights.".to_owned())]);
        let mut translator = Translator {
            texts: &texts,
            others: BTreeMap::new(),
        };
        let parts = translator.conjuncts(synopsis);
        joined(&parts, " AND ")
    }

    #[test]
    fn names_become_identifiers() {
        let rows = [
            ("GPL-2", "GPL-2.0-only"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("GPLv3+", "GPL-3.0-or-later"),
            ("LGPL-2.1", "LGPL-2.1-only"),
            ("LGPLv2.1+", "LGPL-2.1-or-later"),
            ("AGPL-3", "AGPL-3.0-only"),
            ("GFDL-1.3", "GFDL-1.3-only"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("bsd-3-clause", "BSD-3-Clause"),
            ("BSD-3", "BSD-3-Clause"),
            ("Expat", "MIT"),
            ("ZLIB", "Zlib"),
            ("CC0", "CC0-1.0"),
            (
                "Apache-2.0 with LLVM exception",
                "Apache-2.0 WITH LLVM-exception",
            ),
            (
                "GPL-2+ with Libtool exception",
                "GPL-2.0-or-later WITH Libtool-exception",
            ),
            (
                "GPL-3.0-or-later WITH Autoconf-exception-macro",
                "GPL-3.0-or-later WITH Autoconf-exception-macro",
            ),
            ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
            // Other names stay names.
            ("GPL", "LicenseRef-GPL"),
            ("GPL-9+", "LicenseRef-GPL-9-"),
            ("gpl-compatible", "LicenseRef-gpl-compatible"),
            (
                "GPL-2+ with OpenSSL exception",
                "LicenseRef-GPL-2--with-OpenSSL-exception",
            ),
            ("public-domain", "LicenseRef-public-domain-98dcb7b1"),
            ("BSD (3 clauses)", "LicenseRef-BSD--3-clauses-"),
        ];
        for (name, expected) in rows {
            assert_eq!(expression(name), expected, "{name}");
        }
    }

    #[test]
    fn operators_bind_as_the_format_says() {
        let rows = [
            ("GPL-2 and ISC", "GPL-2.0-only AND ISC"),
            ("ISC and GPL-2", "GPL-2.0-only AND ISC"),
            (
                "GPL-1+ or Artistic",
                "Artistic-1.0-Perl OR GPL-1.0-or-later",
            ),
            ("GPL-2 or ISC and Zlib", "GPL-2.0-only OR ISC AND Zlib"),
            ("GPL-2 or ISC, and Zlib", "(GPL-2.0-only OR ISC) AND Zlib"),
            ("ISC, or GPL-2 and Zlib", "ISC OR GPL-2.0-only AND Zlib"),
            ("ISC, GPL-2", "GPL-2.0-only AND ISC"),
            ("ISC and", "ISC"),
            ("or", ""),
            ("and, or ISC", "ISC"),
            ("ISC, or and", "ISC"),
            ("ISC or and", "ISC"),
        ];
        for (synopsis, expected) in rows {
            assert_eq!(expression(synopsis), expected, "{synopsis}");
        }
    }

    #[test]
    fn every_translation_is_in_the_list() {
        for (name, found) in NAMES {
            assert_eq!(id(found), Some(found), "{name}");
        }
        for part in PERL.split(" OR ") {
            assert_eq!(id(part), Some(part));
        }
    }
}
