//! The suite files as TOML: parses them, merges them and makes [`Suite`]s of them.
//!
//! suites/README.md describes the fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BuiltInKeyring, Error, MergedUsr, Mirrors, Pocket, PocketMirrors, Suite};
use crate::bounded;

/// The files that are compiled in.
const BUILT_IN: [(&str, &str); 2] = [
    (
        "suites/debian.toml",
        include_str!("../../../suites/debian.toml"),
    ),
    (
        "suites/ubuntu.toml",
        include_str!("../../../suites/ubuntu.toml"),
    ),
];

/// The keyrings that are compiled in.
const KEYRINGS: [(&str, &[u8]); 3] = [
    (
        "debian-archive-keyring.pgp",
        include_bytes!("../../../suites/keyrings/debian-archive-keyring.pgp"),
    ),
    (
        "debian-archive-buster.pgp",
        include_bytes!("../../../suites/keyrings/debian-archive-buster.pgp"),
    ),
    (
        "ubuntu-archive-keyring.gpg",
        include_bytes!("../../../suites/keyrings/ubuntu-archive-keyring.gpg"),
    ),
];

/// The largest size of a file, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// A distribution, as its files describe it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Distribution {
    distribution: String,
    components: Option<Vec<String>>,
    pockets: Option<Vec<String>>,
    keyrings: Option<Vec<String>>,
    merged_usr: Option<MergedUsr>,
    deb822_sources: Option<bool>,
    #[serde(default)]
    archives: BTreeMap<String, ArchiveMirrors>,
    #[serde(default)]
    pocket: BTreeMap<String, PocketEntry>,
    #[serde(default)]
    keyring: BTreeMap<String, KeyringEntry>,
    #[serde(default)]
    suites: Vec<SuiteEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveMirrors {
    mirrors: Vec<Mirrors>,
    #[serde(default)]
    old: Vec<Mirrors>,
    snapshot: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PocketEntry {
    name: Option<String>,
    suite: String,
    archive: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringEntry {
    built_in: Option<String>,
    file: Option<PathBuf>,
    tree_path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteEntry {
    codename: String,
    #[serde(default)]
    aliases: Vec<String>,
    version: Option<String>,
    #[serde(default)]
    mirrors: Location,
    ended: Option<bool>,
    components: Option<Vec<String>>,
    pockets: Option<Vec<String>>,
    keyrings: Option<Vec<String>>,
    merged_usr: Option<MergedUsr>,
    deb822_sources: Option<bool>,
    /// The file that describes the suite, for errors.
    #[serde(skip)]
    path: PathBuf,
}

/// Which mirrors have a suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Location {
    #[default]
    Current,
    CurrentThenOld,
    Old,
}

pub(super) fn load(user: &[&Path]) -> Result<Vec<Suite>, Error> {
    let mut all = built_in()?;
    for directory in user {
        for path in files(directory)? {
            let text = String::from_utf8_lossy(&read(&path)?).into_owned();
            merge(&mut all, parse(&path, &text)?);
        }
    }
    suites(&all)
}

/// As [`load`] with the text of one file, whose keyrings are not read.
#[cfg(any(test, feature = "testing"))]
pub(super) fn load_text(path: &Path, text: &str) -> Result<Vec<Suite>, Error> {
    let mut all = built_in()?;
    let mut over = parse(path, text)?;
    for keyring in over.keyring.values_mut() {
        keyring.file = None;
    }
    merge(&mut all, over);
    suites(&all)
}

fn built_in() -> Result<Vec<Distribution>, Error> {
    let mut all = Vec::new();
    for (path, text) in BUILT_IN {
        merge(&mut all, parse(Path::new(path), text)?);
    }
    Ok(all)
}

fn suites(all: &[Distribution]) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    for distribution in all {
        for entry in &distribution.suites {
            suites.push(distribution.suite(entry)?);
        }
    }
    Ok(suites)
}

/// The TOML files of a directory, by name.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let content = bounded::read(file, FILE_LIMIT).map_err(unreadable)?;
    content.ok_or_else(|| Error::TooLarge {
        path: path.to_owned(),
        limit: FILE_LIMIT,
    })
}

fn parse(path: &Path, text: &str) -> Result<Distribution, Error> {
    let mut distribution: Distribution = toml::from_str(text).map_err(|e| Error::Syntax {
        path: path.to_owned(),
        source: Box::new(e),
    })?;
    let directory = path.parent().unwrap_or(Path::new("."));
    for keyring in distribution.keyring.values_mut() {
        if let Some(file) = &mut keyring.file {
            *file = directory.join(&*file);
        }
    }
    for suite in &mut distribution.suites {
        suite.path = path.to_owned();
    }
    Ok(distribution)
}

/// Merges a file into what is known: its keys and suites replace those of the same name.
fn merge(all: &mut Vec<Distribution>, over: Distribution) {
    let known = all
        .iter_mut()
        .find(|known| known.distribution == over.distribution);
    let Some(under) = known else {
        all.push(over);
        return;
    };
    under.components = over.components.or(under.components.take());
    under.pockets = over.pockets.or(under.pockets.take());
    under.keyrings = over.keyrings.or(under.keyrings.take());
    under.merged_usr = over.merged_usr.or(under.merged_usr);
    under.deb822_sources = over.deb822_sources.or(under.deb822_sources);
    under.archives.extend(over.archives);
    under.pocket.extend(over.pocket);
    under.keyring.extend(over.keyring);
    for suite in over.suites {
        // An alias has one suite: the one that names it last.
        for known in &mut under.suites {
            known.aliases.retain(|alias| !suite.aliases.contains(alias));
        }
        let known = under.suites.iter_mut();
        match known
            .into_iter()
            .find(|known| known.codename == suite.codename)
        {
            Some(known) => *known = suite,
            None => under.suites.push(suite),
        }
    }
}

impl Distribution {
    fn suite(&self, entry: &SuiteEntry) -> Result<Suite, Error> {
        let names = or_default(&entry.pockets, &self.pockets, &["release"]);
        let mut pockets = Vec::new();
        for name in names {
            pockets.push(self.pocket(entry, &name)?);
        }
        let mut keyrings = Vec::new();
        for name in or_default(&entry.keyrings, &self.keyrings, &[]) {
            keyrings.push(self.keyring(entry, &name)?);
        }
        let merged_usr = entry.merged_usr.or(self.merged_usr);
        let deb822_sources = entry.deb822_sources.or(self.deb822_sources);
        Ok(Suite {
            distribution: self.distribution.clone(),
            codename: entry.codename.clone(),
            aliases: entry.aliases.clone(),
            version: entry.version.clone(),
            default_components: or_default(&entry.components, &self.components, &["main"]),
            keyrings,
            merged_usr: merged_usr.unwrap_or(MergedUsr::Shipped),
            deb822_sources: deb822_sources.unwrap_or(false),
            end_of_life: entry.mirrors == Location::Old,
            ended: entry.ended.unwrap_or(entry.mirrors == Location::Old),
            pockets,
        })
    }

    fn pocket(&self, entry: &SuiteEntry, name: &str) -> Result<PocketMirrors, Error> {
        let Some(form) = self.pocket.get(name) else {
            return Err(entry.undescribed("pockets", "pocket", name));
        };
        let Some(archive) = self.archives.get(&form.archive) else {
            let field = format!("pocket.{name}.archive");
            return Err(entry.undescribed(&field, "archive", &form.archive));
        };
        let pocket = Pocket {
            suite: form.suite.replace("{codename}", &entry.codename),
            name: form.name.clone().unwrap_or_else(|| name.to_owned()),
            archive: form.archive.clone(),
            uris: Vec::new(),
            snapshot: archive.snapshot.clone(),
        };
        let mirrors = match entry.mirrors {
            Location::Current => vec![archive.mirrors.clone()],
            Location::CurrentThenOld => vec![archive.mirrors.clone(), archive.old.clone()],
            Location::Old => vec![archive.old.clone()],
        };
        Ok(PocketMirrors { pocket, mirrors })
    }

    fn keyring(&self, entry: &SuiteEntry, name: &str) -> Result<BuiltInKeyring, Error> {
        let Some(found) = self.keyring.get(name) else {
            return Err(entry.undescribed("keyrings", "keyring", name));
        };
        if let Some(path) = &found.file {
            return Ok(BuiltInKeyring {
                name: path.display().to_string(),
                bytes: Cow::Owned(read(path)?),
                tree_path: found.tree_path.clone(),
            });
        }
        let built_in = found.built_in.as_deref().unwrap_or_default();
        for (known, bytes) in KEYRINGS {
            if known == built_in {
                return Ok(BuiltInKeyring {
                    name: known.to_owned(),
                    bytes: Cow::Borrowed(bytes),
                    tree_path: found.tree_path.clone(),
                });
            }
        }
        let field = format!("keyring.{name}.built_in");
        Err(entry.undescribed(&field, "keyring", built_in))
    }
}

impl SuiteEntry {
    fn undescribed(&self, field: &str, kind: &'static str, name: &str) -> Error {
        Error::Undescribed {
            path: self.path.clone(),
            codename: self.codename.clone(),
            field: field.into(),
            kind,
            name: name.into(),
        }
    }
}

/// A list of the suite, or else of its distribution, or else the default.
fn or_default(
    suite: &Option<Vec<String>>,
    distribution: &Option<Vec<String>>,
    default: &[&str],
) -> Vec<String> {
    match suite.as_ref().or(distribution.as_ref()) {
        Some(list) => list.clone(),
        None => default.iter().map(|name| (*name).to_owned()).collect(),
    }
}
