//! Extended regular expressions of POSIX (regex(7)) without regard to case, as apt uses them.
//!
//! The matching is that of the crate `regex-lite`. What POSIX writes otherwise is translated: in a
//! bracket expression a backslash is a character like any other.

use regex_lite::Regex;

/// A compiled expression. It matches anywhere in a text unless it is anchored.
#[derive(Clone, Debug)]
pub(crate) struct PosixRegex(Regex);

/// An expression that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a regular expression: {reason}")]
pub(crate) struct BadRegex {
    pattern: String,
    reason: String,
}

impl PosixRegex {
    pub(crate) fn new(pattern: &str) -> Result<PosixRegex, BadRegex> {
        let translated = format!("(?i){}", translate(pattern));
        match Regex::new(&translated) {
            Ok(regex) => Ok(PosixRegex(regex)),
            Err(error) => Err(BadRegex {
                pattern: pattern.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match (letter, rest.chars().next()) {
            ('\\', Some(escaped)) => {
                rest = &rest[escaped.len_utf8()..];
                if !escaped.is_ascii_alphanumeric() {
                    translated.push('\\');
                }
                translated.push(escaped);
            }
            ('[', _) => match bracket(rest) {
                Some((class, after)) => {
                    translated.push_str(&class);
                    rest = after;
                }
                None => translated.push('['),
            },
            _ => translated.push(letter),
        }
    }
    translated
}

/// A bracket expression after its opening bracket, translated, and what follows it. `None` where
/// nothing closes it.
fn bracket(text: &str) -> Option<(String, &str)> {
    let mut class = "[".to_owned();
    let mut rest = text;
    if let Some(negated) = rest.strip_prefix('^') {
        class.push('^');
        rest = negated;
    }
    let mut is_first = true;
    loop {
        if let Some(name) = rest.strip_prefix("[:") {
            let (name, after) = name.split_once(":]")?;
            class.push_str("[:");
            class.push_str(name);
            class.push_str(":]");
            rest = after;
            is_first = false;
            continue;
        }
        let letter = rest.chars().next()?;
        rest = &rest[letter.len_utf8()..];
        match letter {
            ']' if !is_first => {
                class.push(']');
                return Some((class, rest));
            }
            '-' if !is_first && !rest.starts_with(']') => class.push('-'),
            '\\' | '[' | ']' | '^' | '-' | '&' | '~' => {
                class.push('\\');
                class.push(letter);
            }
            _ => class.push(letter),
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_as_regexec_does() {
        let rows = [
            ("^trixie$", "trixie", true),
            ("^trixie$", "trixie-updates", false),
            ("TRIX", "trixie", true),
            (r"^lib[a-c]+\.1$", "libabc.1", true),
            (r"^lib[a-c]+\.1$", "libabcd1", false),
            ("^(vim|nano)-tiny$", "nano-tiny", true),
            ("^[[:digit:]]{2}$", "42", true),
            (r"^[\x]$", r"\", true),
            ("^[]a]$", "]", true),
            ("^[^]a]$", "b", true),
            ("^[a-]$", "-", true),
            ("^[+-]b$", "+b", true),
            ("^[[]$", "[", true),
            (r"\-x", "a-x", true),
            (r"^g\+\+$", "g++", true),
        ];
        for (pattern, text, expected) in rows {
            let regex = PosixRegex::new(pattern).unwrap();
            assert_eq!(regex.is_match(text), expected, "{pattern} {text}");
        }
        for pattern in ["a(", "[a", "*a("] {
            let error = PosixRegex::new(pattern).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{pattern}` is not")), "{error}");
        }
    }
}
