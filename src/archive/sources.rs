//! apt's sources as text: one-line `deb` entries and deb822 `.sources` files.
//!
//! This parses what sources.list(5) describes as far as it concerns binary packages: `deb-src`
//! entries and disabled ones are skipped. `host` finds the mirrors of the host's own sources, and
//! `file` renders the tree's. Whether a source can be fetched, and who signed it, is left to
//! `reader`.

mod error;
pub(crate) mod file;
pub(crate) mod host;
mod named;

use std::fs;
use std::io::Read;
use std::num::NonZeroI16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::error::BadSource;
pub(crate) use self::named::archive_at;
use super::release::is_flat;
use super::{Exemptions, Expiry, Keyring, Leniency, Source, Trust};
use crate::formats::stanza::{Fields, fields, stanzas};

const BAD_PIN: &str = "its pin-priority is not a number from -32768 to 32767 other than 0";

/// The largest file of sources, or keyring that one names, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// One entry as written, with one suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceEntry {
    pub(super) uri: String,
    /// A `/` at its end makes the repository flat.
    pub(super) suite: String,
    /// None for a flat repository.
    pub(super) components: Vec<String>,
    /// Empty if the entry names none.
    pub(super) architectures: Vec<String>,
    pub(super) signed_by: Option<SignedBy>,
    /// `Trusted: yes`
    pub(super) trusted: bool,
    pub(super) expiry: Expiry,
    /// The options, as written, that would relax a check which is kept.
    pub(crate) without_effect: Vec<String>,
    /// Pin-Priority. apt has no such option: it reads priorities from its preferences.
    pub(super) pin: Option<NonZeroI16>,
}

/// The Signed-By of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignedBy {
    /// Keyring files.
    Files(Vec<PathBuf>),
    /// An armored key in the entry itself.
    Inline(String),
    /// Fingerprints of keys among all trusted ones.
    Fingerprints(Vec<String>),
}

/// Parses a `.sources` file, a `.list` file or one line; only deb822 has fields. `name` is for
/// messages.
pub(crate) fn parse(name: &str, text: &str) -> Result<Vec<SourceEntry>, BadSource> {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    match first {
        Some(line) if begins_with_field(line) => parse_deb822(name, text),
        _ => parse_lines(name, text),
    }
}

fn begins_with_field(line: &str) -> bool {
    let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    match line.split_once(':') {
        Some((field, _)) => field.bytes().all(is_name),
        None => false,
    }
}

fn parse_lines(name: &str, text: &str) -> Result<Vec<SourceEntry>, BadSource> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match parse_line(line) {
            Ok(entry) => entries.extend(entry),
            Err(reason) => return Err(bad_line(name, line, reason)),
        }
    }
    Ok(entries)
}

/// Parses a line without comments. None for one that has no binary packages.
fn parse_line(line: &str) -> Result<Option<SourceEntry>, &'static str> {
    let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match kind {
        "" | "deb-src" => return Ok(None),
        "deb" => {}
        _ => return Err("it begins neither with deb nor with deb-src"),
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        None => ("", rest),
        Some(inside) => inside.split_once(']').ok_or("its [ has no ]")?,
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let uri = words.next().ok_or("it has no URI")?;
    let suite = words.next().ok_or("it has no suite")?;
    let mut entry = SourceEntry::new(uri, suite, words.collect());
    for option in options.split_whitespace() {
        let (key, value) = option.split_once('=').ok_or("an option has no =")?;
        // `arch+=` and `arch-=` change apt's own list of architectures, which does not matter here.
        let key = match key.to_ascii_lowercase() {
            key if key == "arch" => "architectures".to_owned(),
            key => key,
        };
        entry.set(&key, &value.replace(',', " "))?;
    }
    entry.checked().map(Some)
}

fn parse_deb822(name: &str, text: &str) -> Result<Vec<SourceEntry>, BadSource> {
    let mut uncommented = String::with_capacity(text.len());
    for line in text.lines() {
        if !line.starts_with('#') {
            uncommented.push_str(line.trim_end());
            uncommented.push('\n');
        }
    }
    let mut entries = Vec::new();
    for stanza in stanzas(&uncommented) {
        match parse_stanza(stanza) {
            Ok(parsed) => entries.extend(parsed),
            Err(reason) => {
                let line = stanza.lines().next().unwrap_or_default();
                return Err(bad_line(name, line, reason));
            }
        }
    }
    Ok(entries)
}

/// Parses a deb822 stanza into an entry for each URI and suite.
fn parse_stanza(stanza: &str) -> Result<Vec<SourceEntry>, &'static str> {
    let all = Fields::read(stanza);
    let words = |field: &str| words(all.one(field).unwrap_or_default());
    let mut entries = Vec::new();
    let types = words("Types");
    let is_disabled = all.one("Enabled").is_some_and(is_no);
    if types.is_empty() {
        return Err("the stanza has no Types");
    }
    if is_disabled || !types.iter().any(|kind| kind == "deb") {
        return Ok(entries);
    }
    let uris = words("URIs");
    if uris.is_empty() {
        return Err("the stanza has no URIs");
    }
    let suites = words("Suites");
    if suites.is_empty() {
        return Err("the stanza has no Suites");
    }
    for uri in &uris {
        for suite in &suites {
            let mut entry = SourceEntry::new(uri.clone(), suite.clone(), words("Components"));
            for (field, value) in fields(stanza) {
                entry.set(&field.to_ascii_lowercase(), value)?;
            }
            entries.push(entry.checked()?);
        }
    }
    Ok(entries)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn bad_line(file: &str, line: &str, reason: &'static str) -> BadSource {
    BadSource::Line {
        file: file.to_owned(),
        line: line.chars().take(200).collect(),
        reason,
    }
}

impl SourceEntry {
    fn new(uri: String, suite: String, components: Vec<String>) -> SourceEntry {
        SourceEntry {
            uri,
            suite,
            components,
            architectures: Vec::new(),
            signed_by: None,
            trusted: false,
            expiry: Expiry::Check,
            without_effect: Vec::new(),
            pin: None,
        }
    }

    /// Sets an option by its name in lower case. Those that do not concern binary packages are
    /// ignored.
    fn set(&mut self, option: &str, value: &str) -> Result<(), &'static str> {
        match option {
            "architectures" => self.architectures = words(value),
            "trusted" => self.trusted = is_yes(value),
            "check-valid-until" if is_no(value) => self.expiry = Expiry::Ignore,
            "allow-insecure" | "allow-weak" | "allow-downgrade-to-insecure" if is_yes(value) => {
                self.without_effect
                    .push(format!("{option}={}", value.trim()));
            }
            "check-date" if is_no(value) => {
                self.without_effect
                    .push(format!("{option}={}", value.trim()));
            }
            "signed-by" => self.signed_by = SignedBy::parse(value),
            "pin-priority" => {
                let pin = value.trim().parse();
                self.pin = Some(pin.map_err(|_| BAD_PIN)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn checked(self) -> Result<SourceEntry, &'static str> {
        if self.ends_a_line() {
            return Err("a name in it has a `#` or a bracket, which sources.list(5) cannot hold");
        }
        match (is_flat(&self.suite), self.components.is_empty()) {
            (false, true) => Err("it has no components, and its suite does not end in /"),
            (true, false) => Err("its suite ends in /, so it can have no components"),
            _ => Ok(self),
        }
    }

    /// Whether one of its words would be read as something else in a one-line entry of the tree:
    /// as a comment, or as options.
    fn ends_a_line(&self) -> bool {
        let mut words = vec![&self.uri, &self.suite];
        words.extend(&self.components);
        let has_comment = words.iter().any(|word| word.contains('#'));
        let keyring = match &self.signed_by {
            Some(SignedBy::Files(paths)) => paths.first(),
            Some(SignedBy::Inline(_) | SignedBy::Fingerprints(_)) | None => None,
        };
        let keyring = keyring.map_or(String::new(), |path| path.display().to_string());
        has_comment || self.uri.starts_with('[') || keyring.contains(['#', ']'])
    }

    /// The source that the entry describes. `architectures`, native first, apply if the entry names
    /// none, and `keys` if it has no Signed-By. Keyring files are read below `root`, the system
    /// that the entry is from.
    pub(crate) fn source(
        &self,
        architectures: &[String],
        keys: &Trust,
        root: &Path,
    ) -> Result<Source, BadSource> {
        let mut selected = architectures.to_vec();
        if !self.architectures.is_empty() {
            selected.retain(|architecture| self.architectures.contains(architecture));
        }
        let mut signed_by = None;
        if let Some(SignedBy::Files(paths)) = &self.signed_by
            && !self.trusted
        {
            signed_by = paths.first().map(|path| path.display().to_string());
        }
        Ok(Source {
            uris: vec![self.uri.clone()],
            suite: self.suite.clone(),
            components: self.components.clone(),
            architectures: selected,
            trust: self.trust(keys, root)?,
            expiry: self.expiry,
            signed_by,
            pin: self.pin,
            exemptions: Exemptions {
                unsigned: self.trusted,
                expired: self.expiry == Expiry::Ignore,
            },
            archive: archive_at(&self.uri),
            leniency: Leniency::default(),
        })
    }

    /// Who may have signed the source.
    fn trust(&self, keys: &Trust, root: &Path) -> Result<Trust, BadSource> {
        if self.trusted {
            return Ok(Trust::Unchecked);
        }
        let keyring = match (&self.signed_by, keys) {
            (None, _) | (Some(SignedBy::Fingerprints(_)), Trust::Unchecked) => {
                return Ok(keys.clone());
            }
            (Some(SignedBy::Fingerprints(fingerprints)), Trust::Keys(keys)) => {
                keys.only(fingerprints)
            }
            (Some(SignedBy::Inline(key)), _) => Keyring::parse(&[("Signed-By", key.as_bytes())])?,
            (Some(SignedBy::Files(paths)), _) => read_keyring(paths, root)?,
        };
        Ok(Trust::Keys(Arc::new(keyring)))
    }
}

impl SignedBy {
    fn parse(value: &str) -> Option<SignedBy> {
        if value.contains("-----BEGIN PGP") {
            // deb822 writes an empty line as a dot, and indents each line by a blank.
            let mut key = String::with_capacity(value.len());
            for line in value.lines().map(str::trim) {
                key.push_str(if line == "." { "" } else { line });
                key.push('\n');
            }
            return Some(SignedBy::Inline(key));
        }
        let words = words(&value.replace(',', " "));
        if words.first()?.starts_with('/') {
            return Some(SignedBy::Files(words.iter().map(PathBuf::from).collect()));
        }
        Some(SignedBy::Fingerprints(words))
    }
}

fn is_yes(value: &str) -> bool {
    ["yes", "true", "with", "on", "enable", "1"]
        .iter()
        .any(|yes| value.eq_ignore_ascii_case(yes))
}

fn is_no(value: &str) -> bool {
    ["no", "false", "without", "off", "disable", "0"]
        .iter()
        .any(|no| value.eq_ignore_ascii_case(no))
}

/// Reads a file of sources.
pub(crate) fn read_file(path: &Path) -> Result<Vec<SourceEntry>, BadSource> {
    let content = read_limited(path)?;
    parse(
        &path.display().to_string(),
        &String::from_utf8_lossy(&content),
    )
}

fn read_keyring(paths: &[PathBuf], root: &Path) -> Result<Keyring, BadSource> {
    let mut contents = Vec::new();
    for path in paths {
        let below_root = root.join(path.strip_prefix("/").unwrap_or(path));
        contents.push((path.display().to_string(), read_limited(&below_root)?));
    }
    let mut files: Vec<(&str, &[u8])> = Vec::new();
    for (name, content) in &contents {
        files.push((name, content));
    }
    Ok(Keyring::parse(&files)?)
}

fn read_limited(path: &Path) -> Result<Vec<u8>, BadSource> {
    let unreadable = |source| BadSource::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut content = Vec::new();
    let mut limited = file.take(FILE_LIMIT + 1);
    let read = limited.read_to_end(&mut content).map_err(unreadable)?;
    if read as u64 > FILE_LIMIT {
        return Err(BadSource::TooLarge {
            path: path.to_owned(),
            limit: FILE_LIMIT,
        });
    }
    Ok(content)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests;
