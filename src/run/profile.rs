//! Finds a profile by its name or path.

use std::fs;
use std::path::{Path, PathBuf};

use super::request::ProfileChoice;
use crate::formats::lock::LockedProfile;
use crate::formats::profile::{self, BadProfile, Profile};

/// A profile that cannot be found or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no profile `{name}`")]
    Unknown { name: String },
    #[error("cannot read the profile {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the profile {name} cannot be used")]
    Bad {
        name: String,
        #[source]
        source: BadProfile,
    },
}

impl Error {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown { .. } => Some(format!(
                "the profiles are {}; a path has a `/`",
                profile::names().join(", ")
            )),
            Error::Read { .. } | Error::Bad { .. } => None,
        }
    }
}

/// Reads the texts of the profiles of a choice.
pub(super) fn load(choice: &ProfileChoice) -> Result<Vec<LockedProfile>, Error> {
    let mut texts = Vec::new();
    for name in &choice.names {
        texts.push(load_one(name, choice)?);
    }
    Ok(texts)
}

/// The settings of profiles, which add up.
pub(super) fn add_up(profiles: &[LockedProfile]) -> Result<Option<Profile>, Error> {
    let mut all = Profile::default();
    for profile in profiles {
        all.add(parse(profile)?);
    }
    Ok((!profiles.is_empty()).then_some(all))
}

/// Reads a profile: a file where the name is a path, otherwise the last of its name in the user's
/// directories, or the one that is compiled in.
fn load_one(name: &str, choice: &ProfileChoice) -> Result<LockedProfile, Error> {
    if name.contains('/') {
        return Ok(named(name, read(Path::new(name))?));
    }
    for directory in choice.directories.iter().rev() {
        let path = directory.join(format!("{name}.toml"));
        if path.exists() {
            return Ok(named(&path.display().to_string(), read(&path)?));
        }
    }
    match profile::built_in(name) {
        Some(text) => Ok(named(name, text.to_owned())),
        None => Err(Error::Unknown { name: name.into() }),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn named(name: &str, text: String) -> LockedProfile {
    LockedProfile {
        name: name.to_owned(),
        text,
    }
}

fn parse(profile: &LockedProfile) -> Result<Profile, Error> {
    Profile::parse(&profile.text).map_err(|source| Error::Bad {
        name: profile.name.clone(),
        source,
    })
}
