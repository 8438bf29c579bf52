//! Answers to debconf's questions, in the format of debconf-set-selections(1).
//!
//! Finds the lines that debconf will not take, by the rules of that program, which reads the file
//! later, in the tree. A value may be a password, so none is in a message and none in `Debug`.

use std::collections::BTreeSet;
use std::fmt;

/// The types of questions, and the flags, that debconf-set-selections knows.
const TYPES: [&[u8]; 8] = [
    b"select",
    b"boolean",
    b"string",
    b"multiselect",
    b"note",
    b"password",
    b"text",
    b"title",
];
const FLAG: &[u8] = b"seen";

/// The content of a file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Selections {
    content: Vec<u8>,
    /// How many values and flags it sets.
    count: usize,
}

/// A line that debconf does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// From 1: the first one of a continued line.
    pub(crate) line: usize,
    pub(crate) problem: BadSelection,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadSelection {
    /// Fewer than three words: debconf fails.
    Incomplete,
    /// The flag of a question that nothing before it has set: debconf fails.
    FlagOfUnknown { question: String },
    /// debconf warns and goes on without the line.
    UnknownType { question: String },
}

impl Selections {
    /// Reads a file. `known` has the questions that earlier files set, and gets those of this one.
    pub(crate) fn read(
        content: Vec<u8>,
        known: &mut BTreeSet<Vec<u8>>,
    ) -> (Selections, Vec<BadLine>) {
        let mut count = 0;
        let mut bad = Vec::new();
        for line in logical_lines(&content) {
            let start = line.text.iter().find(|byte| !is_blank(**byte));
            if start.is_none_or(|byte| *byte == b'#') {
                continue;
            }
            match problem(&line.text, known) {
                None => count += 1,
                Some(problem) => bad.push(BadLine {
                    line: line.number,
                    problem,
                }),
            }
        }
        (Selections { content, count }, bad)
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Debug for Selections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selections({})", self.count)
    }
}

impl fmt::Display for BadSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadSelection::Incomplete => f.write_str("not `OWNER QUESTION TYPE VALUE`"),
            BadSelection::FlagOfUnknown { question } => {
                write!(f, "the flag of {question} is set before its value")
            }
            BadSelection::UnknownType { question } => {
                write!(f, "the type of {question} is unknown")
            }
        }
    }
}

/// A line with those that continue it.
struct LogicalLine {
    number: usize,
    text: Vec<u8>,
}

/// The lines of a file. A backslash at the end of one continues it, except in the last.
fn logical_lines(content: &[u8]) -> Vec<LogicalLine> {
    let mut lines = Vec::new();
    let mut open: Option<LogicalLine> = None;
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let mut rest = content.split(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = rest.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut current = open.take().unwrap_or(LogicalLine {
            number: number + 1,
            text: Vec::new(),
        });
        match line.strip_suffix(b"\\").filter(|_| rest.peek().is_some()) {
            Some(start) => {
                current.text.extend_from_slice(start);
                open = Some(current);
            }
            None => {
                current.text.extend_from_slice(line);
                lines.push(current);
            }
        }
    }
    lines
}

/// What is wrong with a line that is neither empty nor a comment. A question that it sets is known
/// from here on.
fn problem(line: &[u8], known: &mut BTreeSet<Vec<u8>>) -> Option<BadSelection> {
    let mut words = line.split(|byte| is_blank(*byte));
    let mut next = || words.find(|word| !word.is_empty());
    let [Some(_), Some(label), Some(kind)] = [next(), next(), next()] else {
        return Some(BadSelection::Incomplete);
    };
    let question = String::from_utf8_lossy(label).into_owned();
    if TYPES.contains(&kind) {
        known.insert(label.to_owned());
        return None;
    }
    match kind {
        FLAG if known.contains(label) => None,
        FLAG => Some(BadSelection::FlagOfUnknown { question }),
        _ => Some(BadSelection::UnknownType { question }),
    }
}

/// Perl's `\s` for bytes.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> (usize, Vec<String>) {
        let mut known = BTreeSet::new();
        let (selections, bad) = Selections::read(content.into(), &mut known);
        let bad = bad
            .iter()
            .map(|bad| format!("{}: {}", bad.line, bad.problem));
        (selections.count(), bad.collect())
    }

    #[test]
    fn what_debconf_takes_is_taken() {
        let rows = [
            ("nothing", "", 0),
            ("a value", "tzdata tzdata/Areas select Europe\n", 1),
            ("no last newline", "a a/b string x", 1),
            ("blanks at the start", "  \ta \t a/b  string   x y \n", 1),
            (
                "comments and empty lines",
                "# a\n\n \t\n  # b\na a/b note\n",
                1,
            ),
            ("an empty value", "a a/b string\na a/c string \n", 2),
            ("UTF-8", "a a/b string Zürich ☃\n", 1),
            (
                "carriage returns",
                "a a/b string x\r\n\r\na a/c string y\r\n",
                2,
            ),
            ("a continued line", "a a/b multiselect x, \\\n  y\\\n", 1),
            (
                "a continued comment",
                "# a \\\nwhat is this\na a/b string\n",
                1,
            ),
            ("a backslash at the end", "a a/b string x\\", 1),
            ("a flag", "a a/b string x\na a/b seen false\n", 2),
            (
                "every type",
                "a b select\na b boolean\na b string\na b multiselect\n\
                            a b note\na b password\na b text\na b title\n",
                8,
            ),
        ];
        for (name, content, count) in rows {
            assert_eq!(read(content), (count, Vec::new()), "{name}");
        }
    }

    #[test]
    fn what_debconf_does_not_take_is_named_without_its_value() {
        let rows = [
            ("one word", "secret\n", "1: not `OWNER QUESTION TYPE VALUE`"),
            (
                "two words",
                "\na secret\n",
                "2: not `OWNER QUESTION TYPE VALUE`",
            ),
            ("no type", "a a/b secret\n", "1: the type of a/b is unknown"),
            (
                "a type of debconf alone",
                "a a/b error secret\n",
                "1: the type of a/b is unknown",
            ),
            (
                "a flag alone",
                "a a/b seen true\n",
                "1: the flag of a/b is set before its value",
            ),
            (
                "after a continued line",
                "a a/b string \\\n x\nbad\n",
                "3: not `OWNER QUESTION TYPE VALUE`",
            ),
            (
                "in a continued line",
                "a \\\nsecret\n",
                "1: not `OWNER QUESTION TYPE VALUE`",
            ),
        ];
        for (name, content, expected) in rows {
            let (_, bad) = read(content);
            assert_eq!(bad, [expected], "{name}");
            assert!(!bad[0].contains("secret"), "{name}");
        }
    }

    #[test]
    fn questions_of_earlier_files_are_known() {
        let mut known = BTreeSet::new();
        let content = |text: &str| text.as_bytes().to_vec();
        Selections::read(content("a a/b string x\n"), &mut known);
        let (second, bad) = Selections::read(content("a a/b seen false\n"), &mut known);
        assert_eq!((second.count(), bad.len()), (1, 0));
        assert_eq!(format!("{second:?}"), "Selections(1)");
    }
}
