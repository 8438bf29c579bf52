//! The grammar of patterns.
//!
//! A text becomes a tree of terms and words, and the tree a [`Pattern`]. Blanks between two terms
//! mean and, `|` means or, `!` not, `(…)` groups.

use super::terms::pattern;
use super::{Pattern, PatternError};

/// How deep terms may be nested.
const MAX_DEPTH: usize = 64;

/// The characters that end a word inside `?term(…)`.
const ENDS_LONG_WORD: &[char] = &['|', ',', '(', ')'];
/// The characters that end a word after `~x`, and that begin no word at all.
const ENDS_SHORT_WORD: &[char] = &['!', '?', '~', '|', ',', '(', ')', ' '];
const BLANKS: &[char] = &[' ', '\t', '\r', '\n'];

/// `~x`: its letters, the long form, and whether an argument follows. Longer ones come first.
const SHORT_FORMS: [(&str, &str, bool); 38] = [
    ("DDepends:", "?depends", true),
    ("DPre-Depends:", "?predepends", true),
    ("DSuggests:", "?suggests", true),
    ("DRecommends:", "?recommends", true),
    ("DConflicts:", "?conflicts", true),
    ("DReplaces:", "?replaces", true),
    ("DObsoletes:", "?obsoletes", true),
    ("DBreaks:", "?breaks", true),
    ("DEnhances:", "?enhances", true),
    ("RDepends:", "?reverse-depends", true),
    ("RPre-Depends:", "?reverse-predepends", true),
    ("RSuggests:", "?reverse-suggests", true),
    ("RRecommends:", "?reverse-recommends", true),
    ("RConflicts:", "?reverse-conflicts", true),
    ("RReplaces:", "?reverse-replaces", true),
    ("RObsoletes:", "?reverse-obsoletes", true),
    ("RBreaks:", "?reverse-breaks", true),
    ("REnhances:", "?reverse-enhances", true),
    ("r", "?architecture", true),
    ("A", "?archive", true),
    ("M", "?automatic", false),
    ("b", "?broken", false),
    ("c", "?config-files", false),
    ("D", "?depends", true),
    ("R", "?reverse-depends", true),
    ("E", "?essential", false),
    ("F", "?false", false),
    ("g", "?garbage", false),
    ("i", "?installed", false),
    ("n", "?name", true),
    ("o", "?obsolete", false),
    ("O", "?origin", true),
    ("p", "?priority", true),
    ("s", "?section", true),
    ("e", "?source-package", true),
    ("T", "?true", false),
    ("U", "?upgradable", false),
    ("V", "?version", true),
];

pub(super) enum PatternNode<'t> {
    Word(&'t str),
    Term {
        name: &'t str,
        /// `None` without brackets.
        arguments: Option<Vec<PatternNode<'t>>>,
    },
}

/// Parses a whole text.
pub(in crate::plan) fn parse(text: &str) -> Result<Pattern, PatternError> {
    let mut parser = Parser {
        rest: text,
        depth: 0,
    };
    parser.skip_blanks();
    let Some(node) = parser.alternatives()? else {
        return Err(parser.expected("a pattern"));
    };
    parser.skip_blanks();
    match parser.rest.is_empty() {
        true => pattern(node),
        false => Err(parser.expected("the end")),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn expected(&self, expected: &'static str) -> PatternError {
        PatternError::Syntax {
            expected,
            found: self.rest.to_owned(),
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(BLANKS);
    }

    fn take(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes as many bytes.
    fn split(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn alternatives(&mut self) -> Result<Option<PatternNode<'t>>, PatternError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.expected("fewer brackets"));
        }
        let Some(first) = self.conjunction()? else {
            self.depth -= 1;
            return Ok(None);
        };
        let mut nodes = vec![first];
        self.skip_blanks();
        while self.take('|') {
            self.skip_blanks();
            match self.conjunction()? {
                Some(node) => nodes.push(node),
                None => return Err(self.expected("a pattern after |")),
            }
            self.skip_blanks();
        }
        self.depth -= 1;
        Ok(Some(together("?or", nodes)))
    }

    fn conjunction(&mut self) -> Result<Option<PatternNode<'t>>, PatternError> {
        let mut nodes = Vec::new();
        self.skip_blanks();
        while let Some(node) = self.unary()? {
            nodes.push(node);
            self.skip_blanks();
        }
        match nodes.is_empty() {
            true => Ok(None),
            false => Ok(Some(together("?and", nodes))),
        }
    }

    fn unary(&mut self) -> Result<Option<PatternNode<'t>>, PatternError> {
        if !self.take('!') {
            return self.primary();
        }
        match self.primary()? {
            Some(node) => Ok(Some(PatternNode::Term {
                name: "?not",
                arguments: Some(vec![node]),
            })),
            None => Err(self.expected("a pattern after !")),
        }
    }

    fn primary(&mut self) -> Result<Option<PatternNode<'t>>, PatternError> {
        match self.rest.chars().next() {
            Some('~') => self.short().map(Some),
            Some('?') => self.long().map(Some),
            Some('(') => self.group().map(Some),
            _ => Ok(None),
        }
    }

    fn group(&mut self) -> Result<PatternNode<'t>, PatternError> {
        self.take('(');
        let Some(node) = self.alternatives()? else {
            return Err(self.expected("a pattern after ("));
        };
        self.skip_blanks();
        match self.take(')') {
            true => Ok(node),
            false => Err(self.expected("a closing bracket")),
        }
    }

    fn short(&mut self) -> Result<PatternNode<'t>, PatternError> {
        if let Some(rest) = self.rest.strip_prefix("~v") {
            self.rest = rest;
            return Ok(PatternNode::Term {
                name: "?virtual",
                arguments: None,
            });
        }
        for (letters, name, takes_argument) in SHORT_FORMS {
            let Some(rest) = self.rest[1..].strip_prefix(letters) else {
                continue;
            };
            self.rest = rest;
            let arguments = match takes_argument {
                true => Some(vec![self.argument(ENDS_SHORT_WORD)?]),
                false => None,
            };
            return Ok(PatternNode::Term { name, arguments });
        }
        let term = self.rest.chars().take(2).collect();
        Err(PatternError::Unknown { term })
    }

    fn long(&mut self) -> Result<PatternNode<'t>, PatternError> {
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let after_mark = &self.rest[1..];
        let length = after_mark.find(|letter| !is_of_name(letter));
        let length = length.unwrap_or(after_mark.len());
        if length == 0 {
            return Err(self.expected("a name after ?"));
        }
        let name = self.split(1 + length);
        self.skip_blanks();
        if !self.take('(') {
            let arguments = None;
            return Ok(PatternNode::Term { name, arguments });
        }
        let mut arguments = Vec::new();
        self.skip_blanks();
        while !self.take(')') {
            arguments.push(self.argument(ENDS_LONG_WORD)?);
            self.skip_blanks();
            if !self.take(',') && !self.rest.starts_with(')') {
                return Err(self.expected("a comma or a closing bracket"));
            }
            self.skip_blanks();
        }
        let arguments = Some(arguments);
        Ok(PatternNode::Term { name, arguments })
    }

    fn argument(&mut self, ends_word: &[char]) -> Result<PatternNode<'t>, PatternError> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let Some((word, rest)) = quoted.split_once('"') else {
                return Err(self.expected("a closing quote"));
            };
            self.rest = rest;
            return Ok(PatternNode::Word(word));
        }
        if !self.rest.is_empty() && !self.rest.starts_with(ENDS_SHORT_WORD) {
            let length = self.rest.find(ends_word).unwrap_or(self.rest.len());
            return Ok(PatternNode::Word(self.split(length)));
        }
        match self.alternatives()? {
            Some(node) => Ok(node),
            None => Err(self.expected("a pattern or a word")),
        }
    }
}

/// One node, or a term of several.
fn together<'t>(name: &'t str, mut nodes: Vec<PatternNode<'t>>) -> PatternNode<'t> {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            PatternNode::Term {
                name,
                arguments: Some(nodes),
            }
        }
    }
}
