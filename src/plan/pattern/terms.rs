//! What each term stands for, and which arguments it takes.

use super::parse::PatternNode;
use super::{Pattern, PatternError, TextOf};
use crate::formats::fields::Field;
use crate::formats::posix_regex::PosixRegex;

const NO_ARGUMENTS: &str = "no arguments";
const A_PATTERN: &str = "one pattern";
const A_WORD: &str = "one word";

/// A term, and its arguments until they are taken.
struct Term<'t> {
    name: &'t str,
    arguments: Option<Vec<PatternNode<'t>>>,
}

impl Term<'_> {
    fn wants(&self, expected: &'static str) -> PatternError {
        PatternError::Arguments {
            term: self.name.to_owned(),
            expected,
        }
    }

    fn nothing(self, pattern: Pattern) -> Result<Pattern, PatternError> {
        match self.arguments {
            None => Ok(pattern),
            Some(_) => Err(self.wants(NO_ARGUMENTS)),
        }
    }

    fn word(self) -> Result<String, PatternError> {
        match self.arguments.as_deref() {
            Some([PatternNode::Word(word)]) => Ok((*word).to_owned()),
            _ => Err(self.wants(A_WORD)),
        }
    }

    fn patterns(mut self) -> Result<Vec<Pattern>, PatternError> {
        let Some(arguments) = self.arguments.take() else {
            return Err(self.wants("patterns in brackets"));
        };
        arguments.into_iter().map(pattern).collect()
    }

    fn one_pattern(self) -> Result<Box<Pattern>, PatternError> {
        let error = self.wants(A_PATTERN);
        let mut patterns = self.patterns()?;
        match (patterns.pop(), patterns.is_empty()) {
            (Some(only), true) => Ok(Box::new(only)),
            _ => Err(error),
        }
    }

    fn text(self, of: TextOf) -> Result<Pattern, PatternError> {
        let regex = PosixRegex::new(&self.word()?)?;
        Ok(Pattern::Text { of, regex })
    }
}

/// The pattern that a tree of terms stands for.
pub(super) fn pattern(node: PatternNode<'_>) -> Result<Pattern, PatternError> {
    let term = match node {
        PatternNode::Word(word) => {
            return Err(PatternError::Syntax {
                expected: "a pattern",
                found: word.to_owned(),
            });
        }
        PatternNode::Term { name, arguments } => Term { name, arguments },
    };
    match term.name {
        "?and" => Ok(Pattern::All(term.patterns()?)),
        "?narrow" => {
            let all = Pattern::All(term.patterns()?);
            Ok(Pattern::AnyVersion(Box::new(all)))
        }
        "?or" => Ok(Pattern::Any(term.patterns()?)),
        "?not" => Ok(Pattern::Not(term.one_pattern()?)),
        "?any-version" => Ok(Pattern::AnyVersion(term.one_pattern()?)),
        "?all-versions" => Ok(Pattern::AllVersions(term.one_pattern()?)),
        "?true" => term.nothing(Pattern::True),
        "?essential" => term.nothing(Pattern::Essential),
        "?virtual" => term.nothing(Pattern::Virtual),
        "?security" => term.nothing(Pattern::Security),
        // Nothing is installed before the tree is made.
        "?false" | "?automatic" | "?broken" | "?config-files" | "?garbage" | "?installed"
        | "?obsolete" | "?phasing" | "?upgradable" => term.nothing(Pattern::False),
        "?exact-name" => Ok(Pattern::ExactName(term.word()?)),
        "?x-name-fnmatch" => Ok(Pattern::NameGlob(term.word()?)),
        "?priority" => Ok(Pattern::Priority(term.word()?)),
        "?architecture" => Ok(Pattern::Architecture(term.word()?)),
        "?name" => term.text(TextOf::Name),
        "?version" => term.text(TextOf::Version),
        "?section" => term.text(TextOf::Section),
        "?source-package" => term.text(TextOf::SourceName),
        "?source-version" => term.text(TextOf::SourceVersion),
        "?archive" => term.text(TextOf::Archive),
        "?codename" => term.text(TextOf::Codename),
        "?origin" => term.text(TextOf::Origin),
        name => relation(name, term),
    }
}

fn relation(name: &str, term: Term<'_>) -> Result<Pattern, PatternError> {
    let reversed = name.strip_prefix("?reverse-");
    let field = match reversed.unwrap_or(&name[1..]) {
        "depends" => Field::Depends,
        "predepends" => Field::PreDepends,
        "suggests" => Field::Suggests,
        "recommends" => Field::Recommends,
        "conflicts" => Field::Conflicts,
        "replaces" => Field::Replaces,
        "breaks" => Field::Breaks,
        "enhances" => Field::Enhances,
        // No stanza has had the field since dpkg 1.2.
        "obsoletes" => return term.one_pattern().map(|_| Pattern::False),
        _ => {
            return Err(PatternError::Unknown {
                term: name.to_owned(),
            });
        }
    };
    let other = term.one_pattern()?;
    Ok(match reversed {
        Some(_) => Pattern::ReverseDepends {
            field,
            source: other,
        },
        None => Pattern::Depends {
            field,
            target: other,
        },
    })
}
