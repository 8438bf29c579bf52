//! Drops empty arguments, which callers pass for variables that are not set.
//!
//! An option is dropped with its empty value, so that it does not take the next argument as its
//! value.

use std::ffi::OsString;

use clap::Command;

use crate::cli::order;

/// The arguments without empty ones, and without options whose value is empty.
pub(super) fn without_empty(words: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        let name = text.strip_suffix('=').unwrap_or(text);
        let takes_value = name.starts_with("--") && order::takes_next_word(command, name);
        if word.is_empty() || takes_value && name != text {
            continue;
        }
        if !takes_value {
            kept.push(word);
            continue;
        }
        match words.next() {
            Some(value) if value.is_empty() => {}
            value => {
                kept.push(word);
                kept.extend(value);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::arguments::DebootstrapArgs;
    use super::*;

    #[test]
    fn empty_words_and_options_with_empty_values_are_left_out() {
        let command = DebootstrapArgs::command();
        let rows: [(&[&str], &[&str]); 9] = [
            (&["trixie", "", "t"], &["trixie", "t"]),
            (&["--include", "", "trixie", "t"], &["trixie", "t"]),
            (&["--include=", "trixie", "t"], &["trixie", "t"]),
            (&["--arch=", "--variant=", "trixie"], &["trixie"]),
            (&["--keyring", "", "--cache-dir=", "s"], &["s"]),
            (&["--include", "a", "", "s"], &["--include", "a", "s"]),
            (&["--variant", "-", "s"], &["--variant", "-", "s"]),
            (&["--foreign", "", "s"], &["--foreign", "s"]),
            (&["--bogus=", "s", "--arch"], &["--bogus=", "s", "--arch"]),
        ];
        for (words, expected) in rows {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(
                without_empty(words.clone(), &command),
                expected,
                "{words:?}"
            );
        }
    }
}
