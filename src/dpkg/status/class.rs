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
        let own = String::from_utf8_lossy(&self.text[range.clone()]).into_owned();
        let mut kept = String::with_capacity(own.len());
        // Line by line: all other fields stay as dpkg wrote them.
        for line in own.lines() {
            let name = line.split(':').next().unwrap_or_default();
            let is_class = CLASSIFICATION.iter().any(|f| f.eq_ignore_ascii_case(name));
            let is_given = fields(stanza).any(|(given, _)| given.eq_ignore_ascii_case(name));
            if !(is_class && is_given) {
                kept.push_str(line);
                kept.push('\n');
            }
            if name == "Status" {
                for class in CLASSIFICATION {
                    push_field_of(&mut kept, stanza, class);
                }
            }
        }
        self.text.splice(range, kept.into_bytes());
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
        assert_eq!(
            String::from_utf8(status.text).unwrap(),
            format!("{first}\n{other}\n")
        );
    }
}
