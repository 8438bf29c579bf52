//! The logins that docker and podman keep: `config.json` (docker-config-json(5)) and `auth.json`
//! (containers-auth.json(5)). Pure: `find` reads the files and asks the helpers.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;

use super::endpoint::DOCKER_HUB;

/// How docker names its own registry.
const DOCKER_SERVER: &str = "https://index.docker.io/v1/";
/// The user name by which a helper marks its secret as an identity token.
const TOKEN_USER: &str = "<token>";

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum RegistryLogin {
    Password {
        user: String,
        password: String,
    },
    /// Exchanged for tokens at the token service (an OAuth2 refresh token).
    Identity(String),
    /// A token for the registry itself.
    Token(String),
}

/// The repository for which a login is needed.
#[derive(Clone, Debug)]
pub(super) struct RepositoryName {
    pub(super) registry: String,
    pub(super) repository: String,
}

/// A file with logins.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LoginFile {
    auths: Option<BTreeMap<String, Option<LoginEntry>>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoginEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    #[serde(default)]
    username: String,
    secret: String,
}

/// An `auth` that is not the base64 of `USER:PASSWORD`.
#[derive(Debug, thiserror::Error)]
#[error("the `auth` of {key} is not the base64 of USER:PASSWORD")]
pub(super) struct BadEntry {
    key: String,
}

impl RepositoryName {
    /// What a helper is asked for.
    pub(super) fn server(&self) -> &str {
        match self.registry == DOCKER_HUB {
            true => DOCKER_SERVER,
            false => &self.registry,
        }
    }

    /// The names of entries for this repository, the narrowest first: podman keeps logins for parts
    /// of a registry, too.
    fn names(&self) -> Vec<String> {
        let whole = format!("{}/{}", self.registry, self.repository);
        let mut names = Vec::new();
        let mut rest = whole.as_str();
        loop {
            names.push(rest.to_owned());
            match rest.rsplit_once('/') {
                Some((above, _)) => rest = above,
                None => return names,
            }
        }
    }
}

impl LoginFile {
    pub(super) fn parse(text: &str) -> Result<LoginFile, serde_json::Error> {
        // Both programs take an empty file for one without logins.
        match text.trim().is_empty() {
            true => Ok(LoginFile::default()),
            false => serde_json::from_str(text),
        }
    }

    /// The helper that has the login: the registry's own, or the one for all.
    pub(super) fn helper(&self, target: &RepositoryName) -> Option<&str> {
        let own = self.cred_helpers.as_ref();
        let own = own.and_then(|helpers| narrowest(helpers, target));
        let all = self.creds_store.as_ref();
        let (_, helper) = own.or(all.map(|helper| ("", helper)))?;
        Some(helper)
            .filter(|name| !name.is_empty())
            .map(String::as_str)
    }

    /// The login that the file itself has.
    pub(super) fn login(&self, target: &RepositoryName) -> Result<Option<RegistryLogin>, BadEntry> {
        let Some(auths) = &self.auths else {
            return Ok(None);
        };
        match narrowest(auths, target) {
            Some((key, Some(entry))) => entry.login(key),
            Some((_, None)) | None => Ok(None),
        }
    }
}

impl LoginEntry {
    /// `None` for an empty entry, which means that a helper has the login.
    fn login(&self, key: &str) -> Result<Option<RegistryLogin>, BadEntry> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = set(&self.registrytoken) {
            return Ok(Some(RegistryLogin::Token(token)));
        }
        if let Some(token) = set(&self.identitytoken) {
            return Ok(Some(RegistryLogin::Identity(token)));
        }
        if let Some(auth) = set(&self.auth) {
            let decoded = decoded(&auth).ok_or(BadEntry {
                key: key.to_owned(),
            })?;
            return Ok(Some(decoded));
        }
        Ok(set(&self.username).map(|user| RegistryLogin::Password {
            user,
            password: set(&self.password).unwrap_or_default(),
        }))
    }
}

/// Reads `USER:PASSWORD` in base64. Docker leaves a NUL after the password of old files.
fn decoded(auth: &str) -> Option<RegistryLogin> {
    let auth = auth.trim();
    let bytes = STANDARD.decode(auth);
    let bytes = bytes.or_else(|_| STANDARD_NO_PAD.decode(auth)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.trim_end_matches('\0').split_once(':')?;
    Some(RegistryLogin::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// The entry for the narrowest part of a registry with the repository, and its key. One whose key
/// is that name itself comes before one whose key is another form of it.
fn narrowest<'a, T>(
    entries: &'a BTreeMap<String, T>,
    target: &RepositoryName,
) -> Option<(&'a str, &'a T)> {
    for name in target.names() {
        if let Some((key, entry)) = entries.get_key_value(&name) {
            return Some((key, entry));
        }
        for (key, entry) in entries {
            if named(key) == name {
                return Some((key, entry));
            }
        }
    }
    None
}

/// What a key names: `REGISTRY` or `REGISTRY/PATH`. Docker's keys can be URLs of the registry's
/// first or second interface.
fn named(key: &str) -> String {
    let bare = key.strip_prefix("https://").or(key.strip_prefix("http://"));
    let place = match bare {
        Some(bare) => bare.split('/').next().unwrap_or_default(),
        None => {
            let key = key.trim_end_matches('/');
            key.strip_suffix("/v1")
                .or(key.strip_suffix("/v2"))
                .unwrap_or(key)
        }
    };
    let (registry, rest) = match place.split_once('/') {
        Some((registry, rest)) => (registry, Some(rest)),
        None => (place, None),
    };
    let registry = match registry {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        registry => registry,
    };
    match rest {
        Some(rest) => format!("{registry}/{rest}"),
        None => registry.to_owned(),
    }
}

/// Reads the answer of a helper. Its error says nothing about the answer, which has a secret.
pub(super) fn of_helper(answer: &[u8]) -> Option<RegistryLogin> {
    let answer: HelperAnswer = serde_json::from_slice(answer).ok()?;
    if answer.username == TOKEN_USER {
        return Some(RegistryLogin::Identity(answer.secret));
    }
    Some(RegistryLogin::Password {
        user: answer.username,
        password: answer.secret,
    })
}

/// Shows no secret.
impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RegistryLogin::Password { .. } => "Password",
            RegistryLogin::Identity(_) => "Identity",
            RegistryLogin::Token(_) => "Token",
        })
    }
}

impl fmt::Debug for LoginEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginEntry")
    }
}
