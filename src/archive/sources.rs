//! apt's sources as text: one-line `deb` entries and deb822 `.sources` files, and those that the host itself has.
//!
//! Reads what sources.list(5) describes, as far as binary packages go: `deb-src` is passed over, and so is what is disabled. Whether a source
//! answers, and who signed it, is for `archive` to find out.

mod file;

use std::fs;
use std::num::NonZeroI16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use file::{SourcesFile, sources_file};

use super::release::is_flat;
use super::{Expiry, Keyring, KeyringError, Leave, Source, Trust};
use crate::formats::stanza::{Fields, fields, stanzas};
use crate::formats::suite::Pocket;

/// The size in bytes up to which a file of sources, or a keyring that one names, is read.
const FILE_LIMIT: u64 = 4 << 20;

/// One entry as written, each suite on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// URIs, in the order of the file; each is an archive of its own, not a mirror of the first.
    pub(crate) uris: Vec<String>,
    /// The suite; a `/` at its end makes the repository flat.
    pub(crate) suite: String,
    /// Components; none for a flat repository.
    pub(crate) components: Vec<String>,
    /// Architectures; empty where the entry names none.
    pub(crate) architectures: Vec<String>,
    /// Signed-By
    pub(crate) signed_by: Option<SignedBy>,
    /// Trusted: yes
    pub(crate) trusted: bool,
    /// Check-Valid-Until: no
    pub(crate) expiry: Expiry,
    /// Pin-Priority, which is no option of apt's own: apt has it in its preferences.
    pub(crate) pin: Option<NonZeroI16>,
}

/// The Signed-By of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignedBy {
    /// Keyring files.
    Files(Vec<PathBuf>),
    /// An armored key in the entry itself.
    Inline(String),
    /// Fingerprints of keys that are to be found among all trusted ones.
    Fingerprints(Vec<String>),
}

/// Reads a `.sources` file, a `.list` file or one line, told apart by what they hold: deb822 has fields. `name` is for messages.
pub(crate) fn parse(name: &str, text: &str) -> Result<Vec<Entry>, BadSource> {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    match first {
        Some(line)
            if line.split_once(':').is_some_and(|(field, _)| {
                field
                    .bytes()
                    .all(|c| c.is_ascii_alphanumeric() || c == b'-')
            }) =>
        {
            parse_deb822(name, text)
        }
        _ => parse_lines(name, text),
    }
}

fn parse_lines(name: &str, text: &str) -> Result<Vec<Entry>, BadSource> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let bad = |reason| BadSource::Line {
            file: name.into(),
            line: line.chars().take(200).collect(),
            reason,
        };
        let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match kind {
            "" | "deb-src" => continue,
            "deb" => {}
            _ => return Err(bad("it begins neither with deb nor with deb-src")),
        }
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            None => ("", rest),
            Some(inside) => inside
                .split_once(']')
                .ok_or_else(|| bad("its [ has no ]"))?,
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        let uri = words.next().ok_or_else(|| bad("it has no URI"))?;
        let suite = words.next().ok_or_else(|| bad("it has no suite"))?;
        let mut entry = Entry::new(vec![uri], suite, words.collect());
        for option in options.split_whitespace() {
            let (key, value) = option
                .split_once('=')
                .ok_or_else(|| bad("an option has no ="))?;
            // `arch+=` and `arch-=` change apt's own list of architectures, which is not asked here.
            let key = key.to_ascii_lowercase();
            entry
                .set(
                    if key == "arch" { "architectures" } else { &key },
                    &value.replace(',', " "),
                )
                .map_err(bad)?;
        }
        entries.push(entry.checked().map_err(bad)?);
    }
    Ok(entries)
}

fn parse_deb822(name: &str, text: &str) -> Result<Vec<Entry>, BadSource> {
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect();
    let mut entries = Vec::new();
    for stanza in stanzas(&text) {
        let all = Fields::read(stanza);
        let words = |field: &str| {
            all.one(field)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let bad = |reason| {
            let line = stanza.lines().next().unwrap_or_default();
            BadSource::Line {
                file: name.into(),
                line: line.chars().take(200).collect(),
                reason,
            }
        };
        if all.one("Enabled").is_some_and(is_no) || !words("Types").iter().any(|kind| kind == "deb")
        {
            if words("Types").is_empty() {
                return Err(bad("the stanza has no Types"));
            }
            continue;
        }
        let (uris, suites) = (words("URIs"), words("Suites"));
        if uris.is_empty() || suites.is_empty() {
            return Err(bad(if uris.is_empty() {
                "the stanza has no URIs"
            } else {
                "the stanza has no Suites"
            }));
        }
        for uri in &uris {
            for suite in &suites {
                let mut entry = Entry::new(vec![uri.clone()], suite.clone(), words("Components"));
                for (field, value) in fields(stanza) {
                    entry.set(&field.to_ascii_lowercase(), value).map_err(bad)?;
                }
                entries.push(entry.checked().map_err(bad)?);
            }
        }
    }
    Ok(entries)
}

impl Entry {
    fn new(uris: Vec<String>, suite: String, components: Vec<String>) -> Entry {
        Entry {
            uris,
            suite,
            components,
            architectures: Vec::new(),
            signed_by: None,
            trusted: false,
            expiry: Expiry::Check,
            pin: None,
        }
    }

    /// Sets an option by its name in lower case; those that say nothing about binary packages are passed over.
    fn set(&mut self, option: &str, value: &str) -> Result<(), &'static str> {
        match option {
            "architectures" => {
                self.architectures = value.split_whitespace().map(str::to_owned).collect()
            }
            "trusted" => self.trusted = is_yes(value),
            "check-valid-until" if is_no(value) => self.expiry = Expiry::Ignore,
            "signed-by" => self.signed_by = SignedBy::parse(value),
            "pin-priority" => {
                let pin = value.trim().parse().map_err(
                    |_| "its pin-priority is no number from -32768 to 32767 other than 0",
                )?;
                self.pin = Some(pin);
            }
            _ => {}
        }
        Ok(())
    }

    fn checked(self) -> Result<Entry, &'static str> {
        match (is_flat(&self.suite), self.components.is_empty()) {
            (false, true) => Err("it has no components, and its suite does not end in /"),
            (true, false) => Err("its suite ends in /, so it can have no components"),
            _ => Ok(self),
        }
    }

    /// The source that the entry stands for. `architectures`, native first, are taken where the entry names none; `keys` where it has no
    /// Signed-By. Keyring files are read below `root`, the system that the entry is from.
    pub(crate) fn source(
        &self,
        architectures: &[String],
        keys: &Trust,
        root: &Path,
    ) -> Result<Source, BadSource> {
        let wanted = |architecture: &&String| {
            self.architectures.is_empty() || self.architectures.contains(architecture)
        };
        let (trust, signed_by) = match &self.signed_by {
            _ if self.trusted => (Trust::Unchecked, None),
            None => (keys.clone(), None),
            Some(SignedBy::Fingerprints(fingerprints)) => match keys {
                Trust::Keys(keys) => (Trust::Keys(Arc::new(keys.only(fingerprints))), None),
                Trust::Unchecked => (Trust::Unchecked, None),
            },
            Some(SignedBy::Inline(key)) => (
                Trust::Keys(Arc::new(Keyring::parse(&[("Signed-By", key.as_bytes())])?)),
                None,
            ),
            Some(SignedBy::Files(paths)) => {
                let read = |path: &PathBuf| {
                    read_limited(&below(root, path))
                        .map(|content| (path.display().to_string(), content))
                };
                let files = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                let files: Vec<(&str, &[u8])> = files
                    .iter()
                    .map(|(name, content)| (name.as_str(), content.as_slice()))
                    .collect();
                (
                    Trust::Keys(Arc::new(Keyring::parse(&files)?)),
                    paths.first().map(|path| path.display().to_string()),
                )
            }
        };
        Ok(Source {
            uris: self.uris.clone(),
            suite: self.suite.clone(),
            components: self.components.clone(),
            architectures: architectures.iter().filter(wanted).cloned().collect(),
            trust,
            expiry: self.expiry,
            signed_by,
            pin: self.pin,
            leave: Leave {
                unsigned: self.trusted,
                expired: self.expiry == Expiry::Ignore,
            },
        })
    }
}

impl SignedBy {
    fn parse(value: &str) -> Option<SignedBy> {
        if value.contains("-----BEGIN PGP") {
            // In deb822, an empty line is a dot, and each line is indented by a blank.
            let lines = value
                .lines()
                .map(|line| if line.trim() == "." { "" } else { line.trim() });
            return Some(SignedBy::Inline(
                lines.flat_map(|line| [line, "\n"]).collect(),
            ));
        }
        let words: Vec<&str> = value
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .collect();
        if words.first()?.starts_with('/') {
            return Some(SignedBy::Files(words.iter().map(PathBuf::from).collect()));
        }
        Some(SignedBy::Fingerprints(
            words.iter().map(ToString::to_string).collect(),
        ))
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
pub(crate) fn read_file(path: &Path) -> Result<Vec<Entry>, BadSource> {
    let content = read_limited(path)?;
    parse(
        &path.display().to_string(),
        &String::from_utf8_lossy(&content),
    )
}

fn read_limited(path: &Path) -> Result<Vec<u8>, BadSource> {
    let unreadable = |source| BadSource::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut content = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    let read =
        std::io::Read::read_to_end(&mut std::io::Read::take(file, FILE_LIMIT + 1), &mut content)
            .map_err(unreadable)?;
    if read as u64 > FILE_LIMIT {
        return Err(BadSource::TooLarge {
            path: path.to_owned(),
            limit: FILE_LIMIT,
        });
    }
    Ok(content)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The mirrors that a host of a distribution uses itself, by archive, in the order of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostMirrors {
    /// Of the archive that has the releases and their updates.
    pub(crate) main: Vec<String>,
    /// Of the archive that has security updates.
    pub(crate) security: Vec<String>,
}

/// The mirrors that the system below `root` uses, if it is of `distribution` (the ID in os-release). None of another distribution, and none
/// from what cannot be read: the suite's own mirrors serve then. `suites` are the distribution's codenames and their aliases.
pub(crate) fn host_mirrors(root: &Path, distribution: &str, suites: &[&str]) -> HostMirrors {
    let mut mirrors = HostMirrors::default();
    if host_distribution(root).as_deref() != Some(distribution) {
        return mirrors;
    }
    for entry in host_entries(root) {
        let (suite, pocket) = entry
            .suite
            .split_once(['-', '/'])
            .unwrap_or((&entry.suite, ""));
        let list = match pocket {
            "security" => &mut mirrors.security,
            "updates" if entry.suite.contains('/') => &mut mirrors.security,
            "" | "updates" => &mut mirrors.main,
            _ => continue,
        };
        if !suites.contains(&suite) || !entry.is_of_archive(distribution) {
            continue;
        }
        for uri in &entry.uris {
            let uri = uri.trim_end_matches('/').to_owned();
            if is_fetchable(&uri) && !list.contains(&uri) {
                list.push(uri);
            }
        }
    }
    mirrors
}

impl HostMirrors {
    /// Puts the host's mirror of a pocket's archive in front of the pocket's own, and says which it is; `None` where the host has none. The
    /// caller sees to it that the suite is of the host's distribution, not past its end of life, and that the mirror has the
    /// architecture ([`Suite::shares_mirrors`](crate::formats::suite::Suite::shares_mirrors)).
    pub(crate) fn prefer(&self, pocket: &mut Pocket) -> Option<String> {
        let list = if pocket.archive == "security" {
            &self.security
        } else {
            &self.main
        };
        let mirror = list.first()?.clone();
        pocket.uris.retain(|uri| *uri != mirror);
        pocket.uris.insert(0, mirror.clone());
        Some(mirror)
    }
}

impl Entry {
    /// Whether a host's entry is the distribution's own archive and not a third party's that calls its suites the same: the
    /// distribution's keyring must sign it, or none is named and the URI ends as those of its mirrors do. A snapshot, which is known by
    /// its unchecked expiry, is no mirror.
    fn is_of_archive(&self, distribution: &str) -> bool {
        let keyring = format!("{distribution}-archive-");
        let is_own = match &self.signed_by {
            Some(SignedBy::Files(paths)) => paths.iter().all(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&keyring))
            }),
            Some(_) => false,
            None => self.uris.iter().all(|uri| {
                let last = uri
                    .trim_end_matches('/')
                    .rsplit('/')
                    .next()
                    .unwrap_or_default();
                last.starts_with(distribution)
            }),
        };
        is_own
            && !self.trusted
            && self.expiry == Expiry::Check
            && self.components.iter().any(|component| component == "main")
    }
}

/// Whether a URI can be fetched without apt: its `mirror+file:`, `cdrom:` and `tor+http:` cannot.
fn is_fetchable(uri: &str) -> bool {
    ["http://", "https://", "file:"]
        .iter()
        .any(|scheme| uri.starts_with(scheme))
}

fn host_distribution(root: &Path) -> Option<String> {
    let file = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|path| read_limited(&root.join(path)).ok())?;
    let text = String::from_utf8_lossy(&file);
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?;
    Some(id.trim().trim_matches(['"', '\'']).to_owned())
}

fn host_entries(root: &Path) -> Vec<Entry> {
    let apt = root.join("etc/apt");
    let listed = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let is_source = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "list" || extension == "sources")
    };
    let mut files: Vec<PathBuf> = listed.filter(is_source).collect();
    files.sort();
    files.insert(0, apt.join("sources.list"));
    files
        .iter()
        .filter_map(|path| read_file(path).ok())
        .flatten()
        .collect()
}

/// Sources that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSource {
    /// An entry is none.
    #[error("{file}: `{line}` is no apt source: {reason}")]
    Line {
        /// The file, or what the text was given as.
        file: String,
        /// The line, or the stanza's first, cut.
        line: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any such file is.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A Signed-By holds no usable keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests build their own world")]
mod tests;
