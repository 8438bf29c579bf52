//! The file of `rbootstrap build`: images as a table of suites, architectures and variants.
//!
//! docs/build.md describes the format. Unknown keys are taken as command-line options; `cli`
//! decides whether an option exists and is allowed here.

mod file_names;

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Value;

/// The images of a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageTable {
    pub(crate) images: Vec<ImageEntry>,
}

/// One image of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageEntry {
    /// Without a slash: the beginning of its files' names.
    pub(crate) name: String,
    pub(crate) suite: String,
    pub(crate) variant: String,
    /// The native architecture, and foreign ones after commas.
    pub(crate) architectures: String,
    /// The extension of the image's file name, without its leading dot.
    pub(crate) ending: String,
    /// The endings of bills of materials.
    pub(crate) sboms: Vec<String>,
    /// The only mirror that is used.
    pub(crate) only_mirror: Option<String>,
    /// Options of the command line, in the order of their names.
    pub(crate) options: Vec<OptionSetting>,
}

/// An option of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionSetting {
    /// Without dashes.
    pub(crate) name: String,
    /// One for each time that the option is given; `None` for an option without a value.
    pub(crate) values: Option<Vec<String>>,
}

/// Why a file does not describe images.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadTable {
    #[error("it is not valid TOML, or has another structure")]
    Syntax(#[from] toml::de::Error),
    #[error("it has no [[images]]")]
    Empty,
    #[error("image {number} has no `suite`")]
    NoSuite { number: usize },
    #[error("image {number}: `{key}` is {found}, not {wanted}")]
    Kind {
        number: usize,
        key: String,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("`{name}` is not a name: it has a-z A-Z 0-9 . _ + - and begins with a letter or digit")]
    Name { name: String },
    #[error("two images are called `{name}`")]
    SameName { name: String },
    #[error("image {number}: `{key}` is an empty list, which gives no image")]
    NoValue { number: usize, key: &'static str },
    #[error("`{key}`: `{ending}` is not an ending: it has a-z A-Z 0-9 . _ + -")]
    Ending { key: &'static str, ending: String },
    #[error("the image `{name}` would write {file} twice")]
    FileTwice { name: String, file: String },
    #[error("the images `{first}` and `{second}` would both write {file}")]
    SameFile {
        first: String,
        second: String,
        file: String,
    },
}

impl BadTable {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            BadTable::Empty | BadTable::NoSuite { .. } => {
                Some("an image is at least [[images]] and suite = \"trixie\"")
            }
            BadTable::SameName { .. } | BadTable::SameFile { .. } => {
                Some("name = \"{suite}-{variant}-{arch}\" tells the images of a table apart")
            }
            BadTable::NoValue { .. } => Some("leave the key out for its default"),
            BadTable::Syntax(_)
            | BadTable::Kind { .. }
            | BadTable::Name { .. }
            | BadTable::Ending { .. }
            | BadTable::FileTwice { .. } => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    defaults: toml::Table,
    #[serde(default)]
    images: Vec<toml::Table>,
}

/// A row of the file, with the defaults: the images of each suite, architecture and variant.
struct Row<'a> {
    /// From 1.
    number: usize,
    settings: toml::Table,
    host_architecture: &'a str,
}

/// The placeholders in the values of an image, and their replacements.
struct Placeholders<'a>(Vec<(&'static str, &'a str)>);

/// The keys that are not options.
pub(crate) const TABLE_KEYS: [&str; 7] = [
    "name",
    "suite",
    "variant",
    "arch",
    "format",
    "sbom",
    "only-mirror",
];
/// Options whose list is one value, in JSON.
const WORD_LISTS: [&str; 2] = ["cmd", "entrypoint"];

const NAME: &str = "{suite}-{variant}-{arch}";
const VARIANT: &str = "important";
const ENDING: &str = "oci.tar";
const SBOM: &str = "spdx.json";
/// The longest name of an image, in bytes: its files have longer ones.
const NAME_LIMIT: usize = 128;

impl ImageTable {
    /// Reads a file. An image without an architecture is of the host's.
    pub(crate) fn parse(text: &str, host_architecture: &str) -> Result<ImageTable, BadTable> {
        let FileText { defaults, images } = toml::from_str(text)?;
        let mut entries = Vec::new();
        for (number, own) in images.into_iter().enumerate() {
            let row = Row {
                number: number + 1,
                settings: merged(&defaults, own),
                host_architecture,
            };
            row.add_images(&mut entries)?;
        }
        if entries.is_empty() {
            return Err(BadTable::Empty);
        }
        let mut names = BTreeSet::new();
        for entry in &entries {
            if !names.insert(&entry.name) {
                let name = entry.name.clone();
                return Err(BadTable::SameName { name });
            }
        }
        file_names::require_distinct(&entries)?;
        Ok(ImageTable { images: entries })
    }
}

/// The defaults with an image's own settings. Only tables add up: an image's list replaces that of
/// the defaults.
fn merged(defaults: &toml::Table, own: toml::Table) -> toml::Table {
    let mut all = defaults.clone();
    for (key, value) in own {
        match (all.get_mut(&key), value) {
            (Some(Value::Table(known)), Value::Table(more)) => known.extend(more),
            (_, value) => {
                all.insert(key, value);
            }
        }
    }
    all
}

impl Row<'_> {
    /// Adds an image for each suite, variant and architecture.
    fn add_images(&self, entries: &mut Vec<ImageEntry>) -> Result<(), BadTable> {
        let suites = self.texts("suite")?;
        let suites = suites.filter(|suites| !suites.is_empty());
        let suites = suites.ok_or(BadTable::NoSuite {
            number: self.number,
        })?;
        let host = vec![self.host_architecture.to_owned()];
        let architectures = self.some_texts("arch", host)?;
        let variants = self.some_texts("variant", vec![VARIANT.to_owned()])?;
        for suite in &suites {
            for variant in &variants {
                for architectures in &architectures {
                    entries.push(self.image(suite, variant, architectures)?);
                }
            }
        }
        Ok(())
    }

    fn image(
        &self,
        suite: &str,
        variant: &str,
        architectures: &str,
    ) -> Result<ImageEntry, BadTable> {
        let native = architectures.split(',').next().unwrap_or_default().trim();
        let mut known = Placeholders(vec![
            ("{suite}", suite),
            ("{variant}", variant),
            ("{arch}", native),
        ]);
        let name = self.text("name")?.unwrap_or_else(|| NAME.to_owned());
        let name = known.fill(&name);
        let first = name.chars().next();
        let is_name = name.len() <= NAME_LIMIT && name.chars().all(is_of_name);
        if !is_name || !first.is_some_and(|first| first.is_ascii_alphanumeric()) {
            return Err(BadTable::Name { name });
        }
        known.0.push(("{name}", &name));
        let mut options = Vec::new();
        for (key, value) in &self.settings {
            if !TABLE_KEYS.contains(&key.as_str()) {
                options.extend(self.option(key, value, &known)?);
            }
        }
        let ending = self.text("format")?.unwrap_or_else(|| ENDING.to_owned());
        let mut sboms = Vec::new();
        for sbom in self.texts("sbom")?.unwrap_or(vec![SBOM.to_owned()]) {
            sboms.push(known.ending("sbom", &sbom)?);
        }
        let only_mirror = self.text("only-mirror")?;
        Ok(ImageEntry {
            name: name.clone(),
            suite: suite.to_owned(),
            variant: variant.to_owned(),
            architectures: architectures.to_owned(),
            ending: known.ending("format", &ending)?,
            sboms,
            only_mirror: only_mirror.map(|mirror| known.fill(&mirror)),
            options,
        })
    }

    /// An option; `None` for one that is turned off.
    fn option(
        &self,
        key: &str,
        value: &Value,
        known: &Placeholders<'_>,
    ) -> Result<Option<OptionSetting>, BadTable> {
        let values = match value {
            Value::Boolean(false) => return Ok(None),
            Value::Boolean(true) => None,
            Value::Array(list) if WORD_LISTS.contains(&key) => {
                let mut words = Vec::new();
                for word in list {
                    words.push(known.fill(&self.scalar(key, word)?));
                }
                Some(vec![serde_json::Value::from(words).to_string()])
            }
            Value::Array(list) => {
                let mut values = Vec::new();
                for value in list {
                    values.push(known.fill(&self.scalar(key, value)?));
                }
                Some(values)
            }
            Value::Table(table) => {
                let mut values = Vec::new();
                for (name, value) in table {
                    let value = self.scalar(&format!("{key}.{name}"), value)?;
                    values.push(format!("{name}={}", known.fill(&value)));
                }
                Some(values)
            }
            other => Some(vec![known.fill(&self.scalar(key, other)?)]),
        };
        Ok(Some(OptionSetting {
            name: key.to_owned(),
            values,
        }))
    }

    /// A setting that is one text.
    fn text(&self, key: &str) -> Result<Option<String>, BadTable> {
        match self.settings.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(key, other, "a string")),
        }
    }

    /// A setting that is one text or a list of them.
    fn texts(&self, key: &str) -> Result<Option<Vec<String>>, BadTable> {
        let Some(value) = self.settings.get(key) else {
            return Ok(None);
        };
        let Value::Array(list) = value else {
            return match value {
                Value::String(text) => Ok(Some(vec![text.clone()])),
                other => Err(self.wrong(key, other, "a string or a list of strings")),
            };
        };
        let mut texts = Vec::new();
        for value in list {
            match value {
                Value::String(text) => texts.push(text.clone()),
                other => return Err(self.wrong(key, other, "a string in its list")),
            }
        }
        Ok(Some(texts))
    }

    /// A setting that is one text or a list of at least one.
    fn some_texts(&self, key: &'static str, default: Vec<String>) -> Result<Vec<String>, BadTable> {
        match self.texts(key)? {
            Some(texts) if texts.is_empty() => Err(BadTable::NoValue {
                number: self.number,
                key,
            }),
            texts => Ok(texts.unwrap_or(default)),
        }
    }

    /// A value as a word of the command line.
    fn scalar(&self, key: &str, value: &Value) -> Result<String, BadTable> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Datetime(time) => Ok(time.to_string()),
            other => Err(self.wrong(key, other, "a string or a number")),
        }
    }

    fn wrong(&self, key: &str, found: &Value, wanted: &'static str) -> BadTable {
        BadTable::Kind {
            number: self.number,
            key: key.to_owned(),
            found: kind(found),
            wanted,
        }
    }
}

/// What a value is, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || ['.', '_', '+', '-'].contains(&c)
}

impl Placeholders<'_> {
    /// Replaces the placeholders of a text. Any other text in braces stays.
    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (placeholder, value) in &self.0 {
            filled = filled.replace(placeholder, value);
        }
        filled
    }

    /// The ending of a file, without its dot.
    fn ending(&self, key: &'static str, text: &str) -> Result<String, BadTable> {
        let filled = self.fill(text);
        let ending = filled.trim_start_matches('.').to_owned();
        match !ending.is_empty() && ending.chars().all(is_of_name) {
            true => Ok(ending),
            false => Err(BadTable::Ending {
                key,
                ending: filled,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
