//! The TOML behind the suites: read as written, merged file over file, then made into [`Suite`]s.
//!
//! suites/README.md describes the fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BuiltInKeyring, Error, MergedUsr, Mirrors, Pocket, PocketMirrors, Suite};

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

/// How large a file may be, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// One distribution as its files describe it.
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
    archives: BTreeMap<String, Archive>,
    #[serde(default)]
    pocket: BTreeMap<String, PocketForm>,
    #[serde(default)]
    keyring: BTreeMap<String, KeyringFile>,
    #[serde(default)]
    suites: Vec<SuiteEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    mirrors: Vec<Mirrors>,
    #[serde(default)]
    old: Vec<Mirrors>,
    snapshot: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PocketForm {
    name: Option<String>,
    suite: String,
    archive: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringFile {
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
    mirrors: Place,
    components: Option<Vec<String>>,
    pockets: Option<Vec<String>>,
    keyrings: Option<Vec<String>>,
    merged_usr: Option<MergedUsr>,
    deb822_sources: Option<bool>,
}

/// On which mirrors a suite is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    #[default]
    Current,
    CurrentThenOld,
    Old,
}

pub(super) fn load(user: &[&Path]) -> Result<Vec<Suite>, Error> {
    let mut all: Vec<Distribution> = Vec::new();
    for (path, text) in BUILT_IN {
        merge(&mut all, parse(Path::new(path), text)?);
    }
    for directory in user {
        for path in files(directory)? {
            merge(
                &mut all,
                parse(&path, &String::from_utf8_lossy(&read(&path)?))?,
            );
        }
    }
    let suites = all.iter().flat_map(|distribution| {
        distribution
            .suites
            .iter()
            .map(|entry| distribution.suite(entry))
    });
    suites.collect()
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
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut content = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let length = file
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    if length as u64 > FILE_LIMIT {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit: FILE_LIMIT,
        });
    }
    Ok(content)
}

fn parse(path: &Path, text: &str) -> Result<Distribution, Error> {
    let mut distribution: Distribution = toml::from_str(text).map_err(|e| Error::Syntax {
        path: path.to_owned(),
        source: Box::new(e),
    })?;
    let directory = path.parent().unwrap_or(Path::new("."));
    for file in distribution
        .keyring
        .values_mut()
        .filter_map(|keyring| keyring.file.as_mut())
    {
        *file = directory.join(&*file);
    }
    Ok(distribution)
}

/// Lays a file over what is known: its keys and suites replace those of the same name.
fn merge(all: &mut Vec<Distribution>, over: Distribution) {
    let Some(under) = all
        .iter_mut()
        .find(|known| known.distribution == over.distribution)
    else {
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
        // An alias that moves to another suite leaves the one that had it.
        under
            .suites
            .iter_mut()
            .for_each(|known| known.aliases.retain(|alias| !suite.aliases.contains(alias)));
        match under
            .suites
            .iter_mut()
            .find(|known| known.codename == suite.codename)
        {
            Some(known) => *known = suite,
            None => under.suites.push(suite),
        }
    }
}

impl Distribution {
    fn suite(&self, entry: &SuiteEntry) -> Result<Suite, Error> {
        let pockets = entry
            .pockets
            .as_ref()
            .or(self.pockets.as_ref())
            .cloned()
            .unwrap_or_else(|| vec!["release".into()]);
        let keyrings = entry
            .keyrings
            .as_ref()
            .or(self.keyrings.as_ref())
            .cloned()
            .unwrap_or_default();
        Ok(Suite {
            distribution: self.distribution.clone(),
            codename: entry.codename.clone(),
            aliases: entry.aliases.clone(),
            version: entry.version.clone(),
            default_components: entry
                .components
                .as_ref()
                .or(self.components.as_ref())
                .cloned()
                .unwrap_or_else(|| vec!["main".into()]),
            keyrings: keyrings
                .iter()
                .map(|name| self.keyring(entry, name))
                .collect::<Result<_, _>>()?,
            merged_usr: entry
                .merged_usr
                .or(self.merged_usr)
                .unwrap_or(MergedUsr::Shipped),
            deb822_sources: entry
                .deb822_sources
                .or(self.deb822_sources)
                .unwrap_or(false),
            end_of_life: entry.mirrors == Place::Old,
            pockets: pockets
                .iter()
                .map(|name| self.pocket(entry, name))
                .collect::<Result<_, _>>()?,
        })
    }

    fn pocket(&self, entry: &SuiteEntry, name: &str) -> Result<PocketMirrors, Error> {
        let form = self
            .pocket
            .get(name)
            .ok_or_else(|| self.undescribed(entry, "pocket", name))?;
        let archive = self
            .archives
            .get(&form.archive)
            .ok_or_else(|| self.undescribed(entry, "archive", &form.archive))?;
        let pocket = Pocket {
            suite: form.suite.replace("{codename}", &entry.codename),
            name: form.name.clone().unwrap_or_else(|| name.to_owned()),
            archive: form.archive.clone(),
            uris: Vec::new(),
            snapshot: archive.snapshot.clone(),
        };
        let mirrors = match entry.mirrors {
            Place::Current => vec![archive.mirrors.clone()],
            Place::CurrentThenOld => vec![archive.mirrors.clone(), archive.old.clone()],
            Place::Old => vec![archive.old.clone()],
        };
        Ok(PocketMirrors { pocket, mirrors })
    }

    fn keyring(&self, entry: &SuiteEntry, name: &str) -> Result<BuiltInKeyring, Error> {
        let undescribed = || self.undescribed(entry, "keyring", name);
        let KeyringFile {
            built_in,
            file,
            tree_path,
        } = self.keyring.get(name).ok_or_else(undescribed)?;
        let (name, bytes) = match (built_in, file) {
            (_, Some(path)) => (path.display().to_string(), Cow::Owned(read(path)?)),
            (Some(built_in), None) => {
                let (name, bytes) = KEYRINGS
                    .into_iter()
                    .find(|(known, _)| known == built_in)
                    .ok_or_else(undescribed)?;
                (name.to_owned(), Cow::Borrowed(bytes))
            }
            (None, None) => return Err(undescribed()),
        };
        Ok(BuiltInKeyring {
            name,
            bytes,
            tree_path: tree_path.clone(),
        })
    }

    fn undescribed(&self, entry: &SuiteEntry, kind: &'static str, name: &str) -> Error {
        Error::Undescribed {
            distribution: self.distribution.clone(),
            codename: entry.codename.clone(),
            kind,
            name: name.into(),
        }
    }
}
