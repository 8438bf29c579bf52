//! The priority and the section of an installed package, which dpkg takes from its list of available
//! packages whenever it reads that.

use super::{Status, push_field_of};
use crate::formats::stanza::fields;

/// The fields that the list of available packages decides.
const CLASSIFICATION: [&str; 2] = ["Priority", "Section"];

impl Status {
    /// Gives a package the priority and the section of another stanza of it, where that has them.
    pub(crate) fn classify(&mut self, qualified: &str, stanza: &str) {
        let Some(range) = self.stanza_of(qualified) else {
            return;
        };
        let mut kept = Vec::with_capacity(range.len());
        // Line by line: all other fields stay as dpkg wrote them, in whatever encoding.
        for line in self.text[range.clone()].split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let is_given = |class: &str| {
                class.as_bytes().eq_ignore_ascii_case(name)
                    && fields(stanza).any(|(given, _)| given.eq_ignore_ascii_case(class))
            };
            if !CLASSIFICATION.into_iter().any(is_given) {
                kept.extend(line);
            }
            if name == b"Status" {
                let mut given = String::new();
                for class in CLASSIFICATION {
                    push_field_of(&mut given, stanza, class);
                }
                kept.extend(given.as_bytes());
            }
        }
        self.text.splice(range, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_keeps_everything_but_its_priority_and_section() {
        let first = "Package: a\nStatus: install ok installed\nPriority: optional\n\
                     Section: x\nArchitecture: all\nVersion: 1\n\
                     Conffiles:\n /etc/a 0123\n /etc/b 4567\n\
                     Description: a\n Priority: b\n .\n c\n";
        let other = "Package: b\nStatus: install ok installed\nVersion: 1\n\
                     Architecture: all\nDescription: b\n";
        let mut status = Status::default();
        status.push(first);
        status.push(other);
        let available = "Package: a\nPriority: required\nSection: y\nVersion: 1\n";
        status.classify("a", available);
        status.classify("b", "Package: b\nSection: y\n");
        status.classify("c", available);
        let first = first.replace(
            "Priority: optional\nSection: x",
            "Priority: required\nSection: y",
        );
        let other = other.replace("installed\n", "installed\nSection: y\n");
        // The maintainers of old packages are in Latin-1.
        let mut odd = Status {
            text: b"Package: d\nStatus: install ok installed\nMaintainer: \xe9\n\n".to_vec(),
            ..Status::default()
        };
        odd.classify("d", "Package: d\nSection: y\n");
        let expected =
            b"Package: d\nStatus: install ok installed\nSection: y\nMaintainer: \xe9\n\n";
        assert_eq!(odd.text, expected);
        assert_eq!(
            String::from_utf8(status.text).unwrap(),
            format!("{first}\n{other}\n")
        );
    }
}
