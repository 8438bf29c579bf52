//! Checks the control file of a .deb as dpkg does before it unpacks (dpkg's parse.c and fields.c).
//!
//! apt reads indexes leniently. dpkg refuses a package whose control file it could not write into
//! its database again; a tree that had it would have a database that its own dpkg cannot read.

use super::relation::{BadRelation, RelationText};
use super::version;

/// The relation fields, and whether they can have alternatives.
const RELATIONS: [(&str, bool); 9] = [
    ("Depends", true),
    ("Pre-Depends", true),
    ("Recommends", true),
    ("Suggests", true),
    ("Enhances", true),
    ("Conflicts", false),
    ("Breaks", false),
    ("Replaces", false),
    ("Provides", false),
];

/// The most fields of a control file. Real ones have up to some dozen.
const FIELD_LIMIT: usize = 1024;

/// What dpkg refuses in a control file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadControl {
    /// Neither a field nor the continuation of one.
    #[error("its line `{line}` is not a field")]
    NotAField {
        /// The line, cut at 80 characters.
        line: String,
    },
    #[error("its last line has no newline")]
    NoFinalNewline,
    #[error("it has more fields than {FIELD_LIMIT}")]
    Fields,
    #[error("it has the field {field} twice")]
    Duplicate { field: String },
    #[error("it has more than one stanza")]
    Stanzas,
    #[error("its {field} is `{found}`: {problem}")]
    Value {
        field: &'static str,
        /// The value, cut at 80 characters.
        found: String,
        problem: &'static str,
    },
    #[error("its field {field}")]
    Relation {
        field: &'static str,
        #[source]
        source: BadRelation,
    },
}

/// Checks the text of a control file.
pub(crate) fn check(text: &str) -> Result<(), BadControl> {
    let fields = fields(text)?;
    let value = |field: &str| {
        let found = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(field));
        found.map_or("", |(_, value)| value)
    };
    version::check(value("Version"))
        .map_err(|problem| bad_value("Version", value("Version"), problem))?;
    check_flags(&value)?;
    for (field, has_alternatives) in RELATIONS {
        check_relations(field, value(field), has_alternatives)?;
    }
    Ok(())
}

/// The fields of the only stanza, each value with its continuation lines.
fn fields(text: &str) -> Result<Vec<(&str, &str)>, BadControl> {
    let text = text.trim_start_matches('\n');
    if !text.ends_with('\n') {
        return Err(BadControl::NoFinalNewline);
    }
    let mut fields: Vec<(&str, &str)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = value_end(rest);
        let whole = &rest[..length];
        rest = &rest[length..];
        let first = whole.lines().next().unwrap_or_default();
        if first.trim().is_empty() {
            return match rest.trim().is_empty() {
                true => Ok(fields),
                false => Err(BadControl::Stanzas),
            };
        }
        let Some((name, value)) = whole.split_once(':').filter(|(name, _)| is_name(name)) else {
            return Err(BadControl::NotAField { line: cut(first) });
        };
        let name = name.trim_end();
        if let Some(blank) = whole.lines().skip(1).find(|line| line.trim().is_empty()) {
            return Err(BadControl::NotAField { line: cut(blank) });
        }
        if fields
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return Err(BadControl::Duplicate {
                field: name.to_owned(),
            });
        }
        if fields.len() == FIELD_LIMIT {
            return Err(BadControl::Fields);
        }
        fields.push((name, value.trim()));
    }
    Ok(fields)
}

/// Where the field at the start of a text ends: before the first line that continues nothing.
fn value_end(text: &str) -> usize {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if end > 0 && !line.starts_with([' ', '\t']) {
            break;
        }
        end += line.len();
    }
    end
}

fn is_name(name: &str) -> bool {
    let name = name.trim_end_matches([' ', '\t']);
    !name.is_empty() && !name.starts_with('-') && !name.contains(char::is_whitespace)
}

fn check_flags<'a>(value: &impl Fn(&str) -> &'a str) -> Result<(), BadControl> {
    for flag in ["Essential", "Protected"] {
        let found = value(flag);
        if !["", "yes", "no"].contains(&found) {
            return Err(bad_value(flag, found, "neither yes nor no"));
        }
    }
    let multi_arch = value("Multi-Arch");
    if !["", "no", "same", "foreign", "allowed"].contains(&multi_arch) {
        let problem = "none of no, same, foreign, allowed";
        return Err(bad_value("Multi-Arch", multi_arch, problem));
    }
    if multi_arch == "same" && value("Architecture") == "all" {
        let problem = "not possible for a package of architecture all";
        return Err(bad_value("Multi-Arch", multi_arch, problem));
    }
    Ok(())
}

fn check_relations(
    field: &'static str,
    value: &str,
    has_alternatives: bool,
) -> Result<(), BadControl> {
    if value.is_empty() {
        return Ok(());
    }
    if !has_alternatives && value.contains('|') {
        return Err(bad_value(field, value, "it cannot have alternatives"));
    }
    for relation in value.split([',', '|']) {
        let relation = RelationText::parse(relation)
            .map_err(|source| BadControl::Relation { field, source })?;
        if let Some((_, version)) = relation.constraint {
            version::check(version).map_err(|problem| bad_value(field, version, problem))?;
        }
    }
    Ok(())
}

fn bad_value(field: &'static str, found: &str, problem: &'static str) -> BadControl {
    BadControl::Value {
        field,
        found: cut(found),
        problem,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "Package: b\nVersion: 1\nArchitecture: all\nDescription: x\n";

    /// What `dpkg --unpack` of dpkg 1.21 accepts.
    #[test]
    fn what_dpkg_takes_is_taken() {
        for text in [
            MINIMAL.to_owned(),
            format!("\n\n{MINIMAL}"),
            format!("{MINIMAL}\n\n"),
            MINIMAL.replace('\n', "\r\n"),
            format!("{MINIMAL} long\n .\n # text\n"),
            format!("{MINIMAL}Depends: a (>= 1) | b:any, c\nConflicts: d (<< 2~), e\n"),
            format!("{MINIMAL}Multi-Arch: foreign\nEssential: no\nPriority: urgent\n"),
            format!("{MINIMAL}Provides: x (= 1:2-3), y\nInstalled-Size: 706.0\n"),
            format!("{MINIMAL}X-Own : 1\n"),
        ] {
            assert!(check(&text).is_ok(), "{text:?}: {:?}", check(&text));
        }
        for version in ["1:1", "0", "1~", "1.0-2+b1", "1:2:3-4", "1-2-3"] {
            assert_eq!(version::check(version), Ok(()), "{version}");
        }
    }

    /// What it refuses.
    #[test]
    fn what_dpkg_refuses_is_refused() {
        let with = |field: &str| format!("{MINIMAL}{field}\n");
        let cases = [
            (
                MINIMAL.trim_end().to_owned(),
                "its last line has no newline",
            ),
            (format!("# c\n{MINIMAL}"), "its line `# c` is not a field"),
            (with("# c"), "its line `# c` is not a field"),
            (with("X-Own: 1\n \n 2"), "its line ` ` is not a field"),
            (
                format!("{MINIMAL}\n{MINIMAL}"),
                "it has more than one stanza",
            ),
            (with("version: 2"), "it has the field version twice"),
            (with("X-Own: 1\nX-Own: 2"), "it has the field X-Own twice"),
            (
                with("Multi-Arch: maybe"),
                "its Multi-Arch is `maybe`: none of no, same, foreign, allowed",
            ),
            (
                with("Multi-Arch: same"),
                "its Multi-Arch is `same`: not possible for a package of architecture all",
            ),
            (
                with("Essential: maybe"),
                "its Essential is `maybe`: neither yes nor no",
            ),
            (
                with("Conflicts: a | b"),
                "its Conflicts is `a | b`: it cannot have alternatives",
            ),
            (
                with("Depends: a (>= 1_2)"),
                "its Depends is `1_2`: it has a character that no version has",
            ),
            (with("Depends: a (>= 1"), "its field Depends"),
            (with("Depends: a,"), "its field Depends"),
            (with("Depends: a |, b"), "its field Depends"),
            (with("Depends: a [amd64]"), "its field Depends"),
        ];
        for (text, expected) in cases {
            let message = check(&text).unwrap_err().to_string();
            assert_eq!(message, expected, "{text:?}");
        }
        for version in [
            "",
            "1.0_beta3-1",
            "beta-1",
            "v1.0",
            "a:1",
            "-1:1",
            "1:",
            "1-",
            "-1",
            "1.0-1_2",
            "1.0/2",
            "1.0 2",
            "9999999999:1",
            "1:a1",
            "1.0é",
            "~1",
            "1.0:2",
            ":1",
        ] {
            let text = MINIMAL.replace("Version: 1", &format!("Version: {version}"));
            let error = check(&text).unwrap_err();
            assert!(
                matches!(
                    error,
                    BadControl::Value {
                        field: "Version",
                        ..
                    }
                ),
                "{version}"
            );
        }
    }
}
