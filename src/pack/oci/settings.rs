//! What the user says about an OCI image, and the texts in which it is said.

use std::collections::BTreeMap;

use super::reference::Reference;
use crate::formats::key::KeyHasher;

/// The PATH of an image, as Docker's official images have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user's settings of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Its name and tag.
    pub(crate) tag: Option<Reference>,
    /// Debian's name of its architecture; by default that of the tree.
    pub(crate) architecture: Option<String>,
    /// In addition to those of the tree, in the configuration.
    pub(crate) labels: BTreeMap<String, String>,
    /// In addition to those of the tree, in the manifest.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The command; by default the tree's shell.
    pub(crate) command: Option<CommandWords>,
    pub(crate) entrypoint: Option<CommandWords>,
    /// In addition to PATH.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) user: Option<String>,
    pub(crate) directory: Option<String>,
    /// Whether an attestation with the SBOM is in the index.
    pub(crate) attest: bool,
}

/// The words of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandWords(pub(crate) Vec<String>);

/// `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A value of a setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSetting {
    #[error("`{found}` is not {form}")]
    NoPair { found: String, form: &'static str },
    #[error("`{found}` has quotes: write the words as a list, [\"word\", \"word\"]")]
    Quoted { found: String },
    #[error("`{found}` is not a list of words such as [\"bash\", \"-l\"]")]
    NoList { found: String },
    #[error("`{found}` is not an absolute path")]
    Relative { found: String },
    #[error("`{found}` is not a user such as 1000, 1000:1000 or nobody")]
    NoUser { found: String },
}

impl Settings {
    /// Adds everything but the name, which an image has only beside it.
    pub(crate) fn add_to_key(&self, key: &mut KeyHasher) {
        let Settings {
            tag: _,
            architecture,
            labels,
            annotations,
            command,
            entrypoint,
            environment,
            user,
            directory,
            attest,
        } = self;
        for text in [architecture, user, directory] {
            key.optional_text(text.as_deref());
        }
        for map in [labels, annotations, environment] {
            key.number(map.len() as u64);
            for (name, value) in map {
                key.text(name);
                key.text(value);
            }
        }
        for words in [command, entrypoint] {
            key.flag(words.is_some());
            let CommandWords(words) = words.clone().unwrap_or_default();
            key.texts(&words);
        }
        key.flag(*attest);
    }

    /// Gives the image a name, if it has none.
    pub(crate) fn name_unless_named(&mut self, name: &Reference) {
        self.tag.get_or_insert_with(|| name.clone());
    }

    /// The environment of a container, `NAME=VALUE`, sorted.
    pub(super) fn environment(&self) -> Vec<String> {
        let mut all = BTreeMap::from([("PATH", PATH)]);
        for (name, value) in &self.environment {
            all.insert(name, value);
        }
        let mut lines = Vec::new();
        for (name, value) in all {
            lines.push(format!("{name}={value}"));
        }
        lines
    }
}

impl CommandWords {
    /// Reads the words of a command: a JSON list of strings, or words that blanks separate.
    pub(crate) fn parse(text: &str) -> Result<CommandWords, BadSetting> {
        let found = || text.to_owned();
        if text.trim_start().starts_with('[') {
            let words = serde_json::from_str(text);
            return match words {
                Ok(words) => Ok(CommandWords(words)),
                Err(_) => Err(BadSetting::NoList { found: found() }),
            };
        }
        if text.contains(['\'', '"', '\\', '$', '`']) {
            return Err(BadSetting::Quoted { found: found() });
        }
        Ok(CommandWords(
            text.split_whitespace().map(str::to_owned).collect(),
        ))
    }
}

impl Pair {
    /// Reads a label or an annotation.
    pub(crate) fn parse(text: &str) -> Result<Pair, BadSetting> {
        Pair::of(text, "KEY=VALUE")
    }

    /// Reads a variable of the environment.
    pub(crate) fn variable(text: &str) -> Result<Pair, BadSetting> {
        Pair::of(text, "NAME=VALUE")
    }

    fn of(text: &str, form: &'static str) -> Result<Pair, BadSetting> {
        match text.split_once('=') {
            Some((key, value)) if is_key(key) && !value.contains('\0') => Ok(Pair {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(BadSetting::NoPair {
                found: text.to_owned(),
                form,
            }),
        }
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The pairs as a map, in which a later one replaces an earlier one of the same key.
pub(crate) fn map(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for pair in pairs {
        map.insert(pair.key, pair.value);
    }
    map
}

/// Checks a working directory.
pub(crate) fn absolute(text: &str) -> Result<String, BadSetting> {
    let found = text.to_owned();
    match text.starts_with('/') && !text.contains('\0') {
        true => Ok(found),
        false => Err(BadSetting::Relative { found }),
    }
}

/// Checks a user: a name or a number, and a group.
pub(crate) fn user(text: &str) -> Result<String, BadSetting> {
    let found = text.to_owned();
    let mut parts = text.split(':');
    let is_user = parts.clone().count() <= 2 && parts.all(is_key);
    match is_user {
        true => Ok(found),
        false => Err(BadSetting::NoUser { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_list_or_separated_by_blanks() {
        let rows: [(&str, &[&str]); 6] = [
            ("bash", &["bash"]),
            ("/bin/sh  -l ", &["/bin/sh", "-l"]),
            ("", &[]),
            ("[]", &[]),
            (
                r#" ["sh", "-c", "echo 'a b'"]"#,
                &["sh", "-c", "echo 'a b'"],
            ),
            ("--flag=a,b", &["--flag=a,b"]),
        ];
        for (text, words) in rows {
            assert_eq!(CommandWords::parse(text).unwrap().0, words, "{text}");
        }
        for text in [
            "sh -c 'a b'",
            "a \"b\"",
            "echo $HOME",
            "[\"a\"",
            "[1]",
            "[bash]",
        ] {
            assert!(CommandWords::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pairs_have_a_key() {
        let pair = Pair::parse("a.b=c=d").unwrap();
        assert_eq!((pair.key.as_str(), pair.value.as_str()), ("a.b", "c=d"));
        assert_eq!(Pair::parse("a=").unwrap().value, "");
        for text in ["a", "=b", "a b=c", "", "a=\0"] {
            assert!(Pair::parse(text).is_err(), "{text}");
        }
        let message = Pair::variable("A").unwrap_err().to_string();
        assert_eq!(message, "`A` is not NAME=VALUE");
    }

    #[test]
    fn users_and_directories_are_checked() {
        for text in ["1000", "1000:100", "nobody", "nobody:nogroup"] {
            assert_eq!(user(text).as_deref(), Ok(text));
        }
        for text in ["", ":", "a:", "a:b:c", "a b"] {
            assert!(user(text).is_err(), "{text}");
        }
        assert!(absolute("/srv").is_ok());
        assert!(absolute("srv").is_err());
    }

    #[test]
    fn the_environment_has_a_path_and_is_sorted() {
        let settings = |pairs: &[&str]| Settings {
            environment: map(pairs
                .iter()
                .map(|pair| Pair::parse(pair).unwrap())
                .collect()),
            ..Settings::default()
        };
        assert_eq!(settings(&[]).environment(), [format!("PATH={PATH}")]);
        let own = settings(&["Z=1", "LANG=C.UTF-8", "PATH=/bin"]);
        assert_eq!(own.environment(), ["LANG=C.UTF-8", "PATH=/bin", "Z=1"]);
    }
}
