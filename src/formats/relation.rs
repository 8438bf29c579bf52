//! Relations between packages: `libc6 (>= 2.38)`, `python3:any`, `default-mta |
//! mail-transport-agent` (Policy 7.1).

use std::cmp::Ordering;
use std::fmt;

use crate::formats::version::{BadVersion, Version};

/// What may stand between the words of a field. Nothing else is a blank: the resolver's scan of an
/// index and this parser must see the same names.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// All groups must hold; a group holds if one of its relations does.
pub(crate) type Relations = Vec<Vec<Relation>>;

/// The comparison of a version constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the obsolete `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the obsolete `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether a version that compares like this with the wanted one satisfies the constraint.
    pub(crate) fn admits(self, order: Ordering) -> bool {
        match self {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        }
    }
}

/// A constraint on a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Constraint {
    pub(crate) operator: Operator,
    pub(crate) version: Version,
}

impl Constraint {
    /// Whether `version` satisfies it.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.operator.admits(version.cmp(&self.version))
    }
}

/// The text after the colon of a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ArchQualifier {
    /// `:any`
    Any,
    /// `:native`
    Native,
    /// `:amd64`
    Named(String),
}

/// A relation as it stands in a field; nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RelationText<'a> {
    /// The name, real or virtual.
    pub(crate) name: &'a str,
    /// The text after its colon: `any`, `native`, an architecture.
    pub(crate) architecture: Option<&'a str>,
    /// The constraint; the syntax of the version is not checked.
    pub(crate) constraint: Option<(Operator, &'a str)>,
}

/// A package name with its constraints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Relation {
    /// The name, real or virtual.
    pub(crate) name: String,
    pub(crate) architecture: Option<ArchQualifier>,
    pub(crate) constraint: Option<Constraint>,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.architecture {
            None => {}
            Some(ArchQualifier::Any) => f.write_str(":any")?,
            Some(ArchQualifier::Native) => f.write_str(":native")?,
            Some(ArchQualifier::Named(architecture)) => write!(f, ":{architecture}")?,
        }
        match &self.constraint {
            None => Ok(()),
            Some(c) => write!(f, " ({} {})", c.operator.as_str(), c.version),
        }
    }
}

/// One entry of Provides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Provided {
    /// The virtual name.
    pub(crate) name: String,
    /// The version provided, from `(= VERSION)`.
    pub(crate) version: Option<Version>,
    /// The architecture, which apt respects.
    pub(crate) architecture: Option<ArchQualifier>,
}

/// Parses a relation field. Architecture restrictions and build profiles are errors: binary
/// packages have none.
pub(crate) fn parse_relations(field: &str) -> Result<Relations, BadRelation> {
    let groups = field
        .split(',')
        .map(trimmed)
        .filter(|group| !group.is_empty());
    groups
        .map(|group| group.split('|').map(parse_relation).collect())
        .collect()
}

/// Parses a relation field that nothing follows, such as Recommends. Like apt, passes over what is
/// not a relation.
pub(crate) fn parse_advisory(field: &str) -> Relations {
    let mut readable = Vec::new();
    for group in field.split(',') {
        readable.extend(parse_relations(group).unwrap_or_default());
    }
    readable
}

/// Parses a Provides field. Like apt, passes over an entry with another operator than `=`.
pub(crate) fn parse_provides(field: &str) -> Result<Vec<Provided>, BadRelation> {
    let mut provided = Vec::new();
    for entry in field.split(',').map(trimmed) {
        if entry.is_empty() {
            continue;
        }
        let Relation {
            name,
            architecture,
            constraint,
        } = parse_relation(entry)?;
        let version = match constraint {
            None => None,
            Some(Constraint {
                operator: Operator::Equal,
                version,
            }) => Some(version),
            Some(_) => continue,
        };
        provided.push(Provided {
            name,
            version,
            architecture,
        });
    }
    Ok(provided)
}

/// A text without the blanks around it.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(BLANKS)
}

fn parse_relation(text: &str) -> Result<Relation, BadRelation> {
    let RelationText {
        name,
        architecture,
        constraint,
    } = RelationText::parse(text)?;
    let architecture = architecture.map(|qualifier| match qualifier {
        "any" => ArchQualifier::Any,
        "native" => ArchQualifier::Native,
        named => ArchQualifier::Named(named.into()),
    });
    let constraint = match constraint {
        None => None,
        Some((operator, version)) => Some(Constraint {
            operator,
            version: Version::parse(version)?,
        }),
    };
    Ok(Relation {
        // dpkg and apt know names in lower case only.
        name: name.to_ascii_lowercase(),
        architecture,
        constraint,
    })
}

impl<'a> RelationText<'a> {
    /// Parses one relation, the text between `,` and `|`.
    pub(crate) fn parse(text: &'a str) -> Result<RelationText<'a>, BadRelation> {
        let text = trimmed(text);
        let bad = |reason| BadRelation::new(text, reason);
        let end = text
            .find(|c| BLANKS.contains(&c) || "(:[<".contains(c))
            .unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        let mut architecture = None;
        if let Some(qualified) = rest.strip_prefix(':') {
            let end = qualified
                .find(|c| BLANKS.contains(&c) || c == '(')
                .unwrap_or(qualified.len());
            if end == 0 {
                return Err(bad("no architecture after the colon"));
            }
            architecture = Some(&qualified[..end]);
            rest = &qualified[end..];
        }
        let rest = rest.trim_start_matches(BLANKS);
        let constraint = match rest.strip_prefix('(') {
            None if rest.is_empty() => None,
            None => return Err(bad("unexpected text after the name")),
            Some(inside) => {
                let inside = inside.strip_suffix(')');
                let inside = inside.ok_or_else(|| bad("no closing bracket"))?;
                Some(parse_constraint(trimmed(inside), text)?)
            }
        };
        if name.is_empty()
            || !name
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"+-._$".contains(&c))
        {
            return Err(bad("no package name"));
        }
        Ok(RelationText {
            name,
            architecture,
            constraint,
        })
    }
}

fn parse_constraint<'a>(inside: &'a str, text: &str) -> Result<(Operator, &'a str), BadRelation> {
    let end = inside.find(|c| !"<=>".contains(c)).unwrap_or(inside.len());
    let operator = match &inside[..end] {
        "<<" => Operator::Earlier,
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return Err(BadRelation::new(text, "no operator in brackets")),
    };
    Ok((operator, trimmed(&inside[end..])))
}

/// A text that is not a relation.
#[derive(Debug, thiserror::Error)]
pub enum BadRelation {
    /// The syntax is wrong.
    #[error("`{found}` is not a relation: {reason}")]
    Syntax {
        /// The text, cut at 200 characters.
        found: String,
        reason: &'static str,
    },
    /// The version is not valid.
    #[error(transparent)]
    Version(#[from] BadVersion),
}

impl BadRelation {
    pub(crate) fn new(text: &str, reason: &'static str) -> BadRelation {
        BadRelation::Syntax {
            found: text.chars().take(200).collect(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_print_as_they_read() {
        for text in [
            "a",
            "a:any",
            "a:native (= 1)",
            "a:i386",
            "libc6 (>= 2.38)",
            "x (<< 1:2~)",
            "x (>> 1)",
            "x (<= 1)",
        ] {
            assert_eq!(parse_relations(text).unwrap()[0][0].to_string(), text);
        }
        let all = parse_relations("a|b (>=1) ,\n c(=2), ").unwrap();
        let shown: Vec<Vec<String>> = all
            .iter()
            .map(|g| g.iter().map(Relation::to_string).collect())
            .collect();
        assert_eq!(shown, [vec!["a", "b (>= 1)"], vec!["c (= 2)"]]);
    }

    #[test]
    fn texts_that_are_no_relations_are_refused() {
        for bad in [
            "a b",
            "a (1)",
            "a (>= )",
            "a (>= 1",
            "a:",
            "| a",
            "(>= 1)",
            "a [amd64]",
            "a (=> 1)",
            "a\u{b}",
            "a\u{c}",
            "\u{a0}a",
            "a (>= 1\u{b})",
        ] {
            let error = parse_relations(bad).unwrap_err().to_string();
            assert!(error.contains(" is not a "), "{bad}: {error}");
        }
    }

    #[test]
    fn provides_take_versions() {
        let all = parse_provides("awk, libfoo (= 1:2)").unwrap();
        assert_eq!(
            (
                all[0].version.clone(),
                all[1].version.clone().unwrap().as_str()
            ),
            (None, "1:2")
        );
        let unequal = parse_provides("awk (>= 1), sh, foo (<< 2)").unwrap();
        assert_eq!((unequal.len(), unequal[0].name.as_str()), (1, "sh"));
        let error = parse_provides("awk (1)").unwrap_err().to_string();
        assert!(error.contains("no operator"), "{error}");
    }

    #[test]
    fn what_is_no_relation_is_passed_over_in_advisory_fields() {
        let rows = [
            ("${misc:X}", ""),
            ("a, ${misc:X}, b (>= 1) | c", "a; b (>= 1) | c"),
            ("a | b (1), c", "c"),
            ("foo bar, , d:any", "d:any"),
        ];
        for (field, expected) in rows {
            let mut groups = Vec::new();
            for group in parse_advisory(field) {
                let shown: Vec<String> = group.iter().map(Relation::to_string).collect();
                groups.push(shown.join(" | "));
            }
            assert_eq!(groups.join("; "), expected, "{field}");
        }
    }

    #[test]
    fn constraints_admit() {
        let admits = |constraint: &str, version: &str| {
            let relation = parse_relations(&format!("a ({constraint})"))
                .unwrap()
                .remove(0)
                .remove(0);
            relation
                .constraint
                .unwrap()
                .admits(&Version::parse(version).unwrap())
        };
        assert!(
            admits(">= 1", "1")
                && admits("> 1", "1")
                && !admits(">> 1", "1")
                && admits(">> 1", "1.1")
        );
        assert!(
            admits("<= 1", "1")
                && admits("< 1", "1")
                && !admits("<< 1", "1")
                && admits("<< 1", "1~")
                && admits("= 1", "1-0")
        );
    }
}
