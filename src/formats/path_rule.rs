//! dpkg's `path-exclude` and `path-include` (dpkg(1)): rules for paths that are not unpacked.
//!
//! A rule is checked here and rendered as a line of dpkg's configuration. Which paths it matches is
//! left to `dpkg`.

use std::fmt;

/// How many bytes a pattern may have: dpkg refuses longer lines in its configuration.
const MAX_LENGTH: usize = 1000;

/// One rule; of all that match a path, the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathRule {
    kind: PathRuleKind,
    pattern: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathRuleKind {
    /// `path-exclude`: what matches is not unpacked.
    Exclude,
    /// `path-include`: what matches is unpacked after all.
    Include,
}

/// A pattern that can match no path, or that a line of dpkg's configuration cannot hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPattern {
    #[error("the pattern `{pattern}` does not begin with `/` or `*`")]
    Start { pattern: String },
    #[error("the pattern `{}` has a control character", pattern.escape_default())]
    Control { pattern: String },
    #[error("the pattern `{pattern}` ends with a blank")]
    Blank { pattern: String },
    #[error("the pattern `{pattern}` is longer than {MAX_LENGTH} bytes")]
    Length { pattern: String },
}

impl PathRule {
    pub(crate) fn new(kind: PathRuleKind, pattern: &str) -> Result<PathRule, BadPattern> {
        let pattern = pattern.to_owned();
        if !pattern.starts_with(['/', '*']) {
            return Err(BadPattern::Start { pattern });
        }
        if pattern.contains(char::is_control) {
            return Err(BadPattern::Control { pattern });
        }
        if pattern.ends_with(' ') {
            return Err(BadPattern::Blank { pattern });
        }
        if pattern.len() > MAX_LENGTH {
            return Err(BadPattern::Length { pattern });
        }
        Ok(PathRule { kind, pattern })
    }

    pub(crate) fn kind(&self) -> PathRuleKind {
        self.kind
    }

    /// A pattern of fnmatch(3) for absolute paths.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// The rule as dpkg's configuration has it.
impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = match self.kind {
            PathRuleKind::Exclude => "path-exclude",
            PathRuleKind::Include => "path-include",
        };
        write!(f, "{option}={}", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_line_of_dpkgs_configuration() {
        let rows = [
            (PathRuleKind::Exclude, "/usr/*", "path-exclude=/usr/*"),
            (PathRuleKind::Include, "*.mo", "path-include=*.mo"),
        ];
        for (kind, pattern, line) in rows {
            assert_eq!(PathRule::new(kind, pattern).unwrap().to_string(), line);
        }
    }

    #[test]
    fn bad_patterns_are_named() {
        let long = format!("/{}", "a".repeat(MAX_LENGTH));
        let too_long = format!("the pattern `{long}` is longer than 1000 bytes");
        let rows = [
            ("", "the pattern `` does not begin with `/` or `*`"),
            (
                "usr/*",
                "the pattern `usr/*` does not begin with `/` or `*`",
            ),
            ("/a\nb", "the pattern `/a\\nb` has a control character"),
            ("/a ", "the pattern `/a ` ends with a blank"),
            (&long, &too_long),
        ];
        for (pattern, message) in rows {
            let error = PathRule::new(PathRuleKind::Exclude, pattern).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
