//! apt's search patterns (apt-patterns(7)): `?essential`,
//! `?narrow(?archive(^trixie$),?section(libs))`, `~nvim`.
//!
//! Parses a text into a [`Pattern`], by the grammar of apt's PatternTreeParser. Which packages
//! match is decided in `matching`.

mod matching;
mod parse;
mod terms;

use crate::formats::fields::Field;
use crate::formats::posix_regex::{BadRegex, PosixRegex};

pub(super) use matching::{is_glob_match, matching_packages};
pub(super) use parse::parse;

/// Whether a word is a pattern.
pub(super) fn is_pattern(word: &str) -> bool {
    word.starts_with(['?', '~'])
}

/// A pattern, which holds for packages and versions.
#[derive(Debug)]
pub(super) enum Pattern {
    All(Vec<Pattern>),
    Any(Vec<Pattern>),
    Not(Box<Pattern>),
    AnyVersion(Box<Pattern>),
    AllVersions(Box<Pattern>),
    True,
    /// Also stands for terms that hold for no package of an empty tree, such as `?installed`.
    False,
    Essential,
    Virtual,
    /// An older or equal version is in a suite whose name ends in `-security`.
    Security,
    ExactName(String),
    NameGlob(String),
    Priority(String),
    /// `native`, an architecture, or a wildcard such as `linux-any`.
    Architecture(String),
    Text {
        of: TextOf,
        regex: PosixRegex,
    },
    Depends {
        field: Field,
        target: Box<Pattern>,
    },
    ReverseDepends {
        field: Field,
        source: Box<Pattern>,
    },
}

/// The text that a regular expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextOf {
    Name,
    Version,
    Section,
    SourceName,
    SourceVersion,
    Archive,
    Codename,
    Origin,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// The grammar does not allow what is there.
    #[error("expected {expected} at `{}`", if found.is_empty() { "its end" } else { found })]
    Syntax {
        /// What could be there.
        expected: &'static str,
        /// The rest of the text.
        found: String,
    },
    /// apt has no such pattern.
    #[error("there is no pattern `{term}`")]
    Unknown {
        /// The pattern, with its `?` or `~`.
        term: String,
    },
    /// A pattern has too many or too few arguments, or the wrong kind.
    #[error("`{term}` takes {expected}")]
    Arguments {
        /// The pattern, with its `?`.
        term: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A regular expression cannot be compiled.
    #[error(transparent)]
    Regex(#[from] RegexError),
}

/// A regular expression that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RegexError(BadRegex);

impl From<BadRegex> for PatternError {
    fn from(error: BadRegex) -> PatternError {
        PatternError::Regex(RegexError(error))
    }
}

#[cfg(test)]
mod tests;
