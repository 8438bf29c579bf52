//! Moves a command to the front, so that options may come before it: `rbootstrap -q pack DIR`.
//!
//! clap takes a word for a command only before the first option, since a TARGET may be called like
//! a command.

use std::ffi::OsString;

use clap::Command;

/// Moves the first word that is no option to the front, if it is a command. The first of `words` is
/// the program.
pub(super) fn command_first(mut words: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let mut at = 1;
    while let Some(option) = words.get(at).and_then(|word| word.to_str())
        && option.starts_with('-')
        && option.len() > 1
        && option != "--"
    {
        at += 1 + usize::from(takes_next_word(command, option));
    }
    let first = words.get(at).and_then(|word| word.to_str());
    if first.is_some_and(|word| command.find_subcommand(word).is_some()) {
        let name = words.remove(at);
        words.insert(1, name);
    }
    words
}

/// Whether the value of an option, or of the last of several short ones, is the next word.
pub(super) fn takes_next_word(command: &Command, option: &str) -> bool {
    let takes_value = |long: Option<&str>, short: Option<char>| {
        command.get_arguments().any(|arg| {
            let is_meant = match short {
                Some(_) => arg.get_short() == short,
                None => arg.get_long() == long,
            };
            is_meant && arg.get_action().takes_values()
        })
    };
    if let Some(long) = option.strip_prefix("--") {
        return takes_value(Some(long), None);
    }
    let mut letters = option.chars().skip(1);
    let with_value = letters.find(|letter| takes_value(None, Some(*letter)));
    // What follows the letter in its word is the value.
    with_value.is_some() && letters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help;

    #[test]
    fn a_command_may_follow_options_and_a_suite_is_none() {
        let command = help::command();
        for (line, expected) in [
            ("r pack d", "r pack d"),
            ("r -q pack d", "r pack -q d"),
            ("r -qv --log l pack d", "r pack -qv --log l d"),
            ("r --log=l --quiet suites", "r suites --log=l --quiet"),
            ("r --progress json pack d o", "r pack --progress json d o"),
            ("r -q bootstrap pack d", "r bootstrap -q pack d"),
            ("r --include pack trixie d", "r --include pack trixie d"),
            ("r -q trixie pack", "r -q trixie pack"),
            ("r trixie -q pack", "r trixie -q pack"),
            ("r -q -- pack", "r -q -- pack"),
            ("r -q", "r -q"),
            ("r", "r"),
        ] {
            let words = line.split(' ').map(OsString::from).collect();
            let ordered = command_first(words, &command);
            assert_eq!(ordered.join(&OsString::from(" ")), expected, "{line}");
        }
    }
}
