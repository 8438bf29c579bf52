//! Finds a profile by its name or path.

use std::fs;
use std::path::{Path, PathBuf};

use super::request::ProfileChoice;
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

/// Reads the profiles of a choice, whose settings add up.
pub(super) fn load(choice: &ProfileChoice) -> Result<Profile, Error> {
    let mut all = Profile::default();
    for name in &choice.names {
        all.add(load_one(name, choice)?);
    }
    Ok(all)
}

/// Reads a profile: a file where the name is a path, otherwise the last of its name in the user's
/// directories, or the one that is compiled in.
fn load_one(name: &str, choice: &ProfileChoice) -> Result<Profile, Error> {
    if name.contains('/') {
        return parse(name, &read(Path::new(name))?);
    }
    for directory in choice.directories.iter().rev() {
        let path = directory.join(format!("{name}.toml"));
        if path.exists() {
            return parse(&path.display().to_string(), &read(&path)?);
        }
    }
    match profile::built_in(name) {
        Some(text) => parse(name, text),
        None => Err(Error::Unknown { name: name.into() }),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse(name: &str, text: &str) -> Result<Profile, Error> {
    Profile::parse(text).map_err(|source| Error::Bad {
        name: name.to_owned(),
        source,
    })
}
