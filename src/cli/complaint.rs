//! Takes the message and the tip out of the text of a clap error.
//!
//! For command lines that the user has not typed: clap would show their usage.

/// What is wrong with the words of a command line, and what helps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) problem: String,
    pub(super) hint: Option<String>,
}

/// Splits the text of a clap error into problem and hint. The usage line is dropped.
pub(super) fn complaint(text: &str) -> Complaint {
    let mut lines = Vec::new();
    let mut hint = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        match line.strip_prefix("tip: ") {
            Some(tip) => hint = Some(tip.to_owned()),
            None if line.is_empty() => {}
            None => lines.push(line),
        }
    }
    let text = lines.join(" ");
    Complaint {
        problem: text.strip_prefix("error: ").unwrap_or(&text).to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_command_line_is_one_line_and_a_hint() {
        let rows = [
            (
                "one line",
                "error: it is bad\n\nFor more information, try '--help'.\n",
                "it is bad",
                None,
            ),
            (
                "two lines",
                "error: these were not provided:\n  --a <A>\n  --b <B>\n\nUsage: x\n\nFor more",
                "these were not provided: --a <A> --b <B>",
                None,
            ),
            (
                "a tip",
                "error: unexpected argument '--x' found\n\n  tip: a similar argument exists: '--y'\n\nUsage: x",
                "unexpected argument '--x' found",
                Some("a similar argument exists: '--y'"),
            ),
            (
                "a value of two lines",
                "error: invalid value 'a\n\nb' for '--hook <STAGE=COMMAND>': expected x\n\nFor more information",
                "invalid value 'a b' for '--hook <STAGE=COMMAND>': expected x",
                None,
            ),
        ];
        for (case, text, problem, hint) in rows {
            let expected = Complaint {
                problem: problem.to_owned(),
                hint: hint.map(str::to_owned),
            };
            assert_eq!(complaint(text), expected, "{case}");
        }
    }
}
