//! mmdebstrap's command line, as Perl's Getopt::Long reads it: options anywhere, by any unique
//! prefix, whatever their case; short ones bundled; `--` ends them.

use std::ffi::OsString;

/// An option of mmdebstrap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionName {
    Help,
    Man,
    Version,
    Components,
    Variant,
    Include,
    Architectures,
    Mode,
    Dpkgopt,
    Aptopt,
    Keyring,
    Quiet,
    Verbose,
    Debug,
    Format,
    Logfile,
    /// Options for debootstrap that have no effect.
    Ignored,
    SetupHook,
    ExtractHook,
    EssentialHook,
    CustomizeHook,
    ChrootedExtractHook,
    ChrootedEssentialHook,
    ChrootedCustomizeHook,
    HookDirectory,
    Simulate,
    Skip,
}

/// The long names. Those with a value have a `=` behind them.
pub(super) const LONG: [(&str, OptionName); 31] = [
    ("help", OptionName::Help),
    ("man", OptionName::Man),
    ("version", OptionName::Version),
    ("components=", OptionName::Components),
    ("variant=", OptionName::Variant),
    ("include=", OptionName::Include),
    ("architectures=", OptionName::Architectures),
    ("mode=", OptionName::Mode),
    ("dpkgopt=", OptionName::Dpkgopt),
    ("aptopt=", OptionName::Aptopt),
    ("keyring=", OptionName::Keyring),
    ("silent", OptionName::Quiet),
    ("quiet", OptionName::Quiet),
    ("verbose", OptionName::Verbose),
    ("debug", OptionName::Debug),
    ("format=", OptionName::Format),
    ("logfile=", OptionName::Logfile),
    ("resolve-deps", OptionName::Ignored),
    ("merged-usr", OptionName::Ignored),
    ("no-merged-usr", OptionName::Ignored),
    ("force-check-gpg", OptionName::Ignored),
    ("setup-hook=", OptionName::SetupHook),
    ("extract-hook=", OptionName::ExtractHook),
    ("essential-hook=", OptionName::EssentialHook),
    ("customize-hook=", OptionName::CustomizeHook),
    ("chrooted-extract-hook=", OptionName::ChrootedExtractHook),
    (
        "chrooted-essential-hook=",
        OptionName::ChrootedEssentialHook,
    ),
    (
        "chrooted-customize-hook=",
        OptionName::ChrootedCustomizeHook,
    ),
    ("hook-directory=", OptionName::HookDirectory),
    ("simulate", OptionName::Simulate),
    ("skip=", OptionName::Skip),
];

/// More names of options in [`LONG`].
const DRY_RUN: (&str, OptionName) = ("dry-run", OptionName::Simulate);

const SHORT: [(&str, OptionName); 5] = [
    ("h", OptionName::Help),
    ("s", OptionName::Quiet),
    ("q", OptionName::Quiet),
    ("v", OptionName::Verbose),
    ("d", OptionName::Debug),
];

/// What the words say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ParsedWords {
    /// In order, each with its value, which is empty for options that take none.
    pub(super) options: Vec<(OptionName, String)>,
    /// SUITE, TARGET, MIRRORs.
    pub(super) arguments: Vec<String>,
}

/// A command line that mmdebstrap does not accept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadWords {
    #[error("Unknown option: {name}")]
    Unknown { name: String },
    #[error("Option {name} is ambiguous ({})", meant.join(", "))]
    Ambiguous {
        name: String,
        meant: Vec<&'static str>,
    },
    #[error("Option {name} requires an argument")]
    NoValue { name: String },
    #[error("Option {name} does not take an argument")]
    Value { name: String },
    #[error("`{word}` is not UTF-8")]
    Encoding { word: String },
}

/// Reads the arguments after the program's name.
pub(super) fn read(words: Vec<OsString>) -> Result<ParsedWords, BadWords> {
    let mut read = ParsedWords::default();
    let mut rest = words.into_iter();
    let mut are_options_over = false;
    while let Some(word) = rest.next() {
        let word = text(word)?;
        if are_options_over || word == "-" || !word.starts_with('-') {
            read.arguments.push(word);
        } else if word == "--" {
            are_options_over = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (known, option) = find(name)?;
            let name = known.trim_end_matches('=').to_owned();
            let value = match (known.ends_with('='), value) {
                (true, Some(value)) => value,
                (true, None) => match rest.next() {
                    Some(word) => text(word)?,
                    None => return Err(BadWords::NoValue { name }),
                },
                (false, None) => String::new(),
                (false, Some(_)) => return Err(BadWords::Value { name }),
            };
            read.options.push((option, value));
        } else {
            for letter in word.chars().skip(1) {
                read.options.push((short(letter)?, String::new()));
            }
        }
    }
    Ok(read)
}

fn text(word: OsString) -> Result<String, BadWords> {
    word.into_string().map_err(|word| BadWords::Encoding {
        word: word.to_string_lossy().into_owned(),
    })
}

fn short(letter: char) -> Result<OptionName, BadWords> {
    let letter = letter.to_ascii_lowercase().to_string();
    for (known, option) in SHORT {
        if known == letter {
            return Ok(option);
        }
    }
    Err(BadWords::Unknown { name: letter })
}

/// The option of a name or of a unique prefix of one.
fn find(given: &str) -> Result<(&'static str, OptionName), BadWords> {
    let given = given.to_ascii_lowercase();
    let mut found: Vec<(&'static str, OptionName)> = Vec::new();
    // Short names are names like the others, too: `--v` is `-v`, whatever else begins with it.
    for (name, option) in SHORT {
        if name == given {
            return Ok((name, option));
        }
    }
    for (known, option) in LONG.into_iter().chain([DRY_RUN]) {
        let name = known.trim_end_matches('=');
        if name == given {
            return Ok((known, option));
        }
        if name.starts_with(&given) && !given.is_empty() {
            found.push((known, option));
        }
    }
    match found[..] {
        [only] => Ok(only),
        [] => Err(BadWords::Unknown { name: given }),
        _ => {
            let names = found.iter().map(|(known, _)| known.trim_end_matches('='));
            Err(BadWords::Ambiguous {
                name: given,
                meant: names.collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        match read(words) {
            Ok(ParsedWords { options, arguments }) => {
                let mut parts = Vec::new();
                for (option, value) in options {
                    parts.push(format!("{option:?}={value}"));
                }
                format!("{} | {}", parts.join(" "), arguments.join(" "))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn words_are_read_as_getopt_long_reads_them() {
        let rows = [
            ("--variant=apt sid t", "Variant=apt | sid t"),
            ("sid --var apt t", "Variant=apt | sid t"),
            ("--ARCH amd64 sid", "Architectures=amd64 | sid"),
            ("--variant - sid -", "Variant=- | sid -"),
            ("--customize=x --setup y", "CustomizeHook=x SetupHook=y | "),
            ("--hook-dir=d --dry", "HookDirectory=d Simulate= | "),
            ("-qv sid", "Quiet= Verbose= | sid"),
            ("--include=a --incl b", "Include=a Include=b | "),
            ("-- --x -y", " | --x -y"),
            ("--simulate=1", "Option simulate does not take an argument"),
            ("--variant", "Option variant requires an argument"),
            ("--nope", "Unknown option: nope"),
            ("-x", "Unknown option: x"),
            ("--v --d --s --q sid", "Verbose= Debug= Quiet= Quiet= | sid"),
            ("--H --V=1", "Option v does not take an argument"),
            ("--skip=a --ski b", "Skip=a Skip=b | "),
            ("--si", "Option si is ambiguous (silent, simulate)"),
            ("--m=x", "Option m is ambiguous (man, mode, merged-usr)"),
            (
                "--chrooted=x",
                "Option chrooted is ambiguous (chrooted-extract-hook, chrooted-essential-hook, \
                 chrooted-customize-hook)",
            ),
        ];
        for (line, expected) in &rows {
            assert_eq!(shown(line), *expected, "{line}");
        }
    }
}
