//! Profiles: settings for a kind of image, as data (`suites/profiles`).
//!
//! A profile says what is written into a finished tree, what is removed from it, and what its apt is
//! told. Where profiles are looked for is left to `run`.

use serde::Deserialize;

/// The settings of a profile. suites/README.md describes the fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Whether apt records all packages as installed automatically, except those of the user.
    #[serde(default)]
    pub(crate) all_automatic: bool,
    /// Whether the secrets are removed that scripts have made.
    #[serde(default)]
    pub(crate) remove_secrets: bool,
    /// The absolute paths of what is removed.
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    #[serde(default)]
    pub(crate) files: Vec<ProfileFile>,
}

/// A file that a profile writes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileFile {
    /// Its absolute path.
    pub(crate) path: String,
    /// The package without which it is not written.
    pub(crate) package: Option<String>,
    /// Permission bits.
    #[serde(default = "default_mode")]
    pub(crate) mode: u32,
    pub(crate) content: String,
}

fn default_mode() -> u32 {
    0o644
}

/// The profiles that are compiled in, by name.
const BUILT_IN: [(&str, &str); 1] = [("docker", include_str!("../../suites/profiles/docker.toml"))];

/// The text of a profile that is compiled in.
pub(crate) fn built_in(name: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

/// The names of the profiles that are compiled in.
pub(crate) fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

impl Profile {
    /// Reads a profile.
    pub(crate) fn parse(text: &str) -> Result<Profile, BadProfile> {
        let profile: Profile = toml::from_str(text).map_err(|source| BadProfile::Syntax {
            source: Box::new(source),
        })?;
        let files = profile.files.iter().map(|file| &file.path);
        for path in profile.remove.iter().chain(files) {
            let mut names = path.strip_prefix('/').unwrap_or_default().split('/');
            let is_odd = names.any(|name| ["", ".", ".."].contains(&name));
            if is_odd || path.contains(char::is_control) {
                return Err(BadProfile::Path { path: path.clone() });
            }
        }
        for ProfileFile { path, mode, .. } in &profile.files {
            if mode & !0o7777 != 0 {
                return Err(BadProfile::Mode { path: path.clone() });
            }
        }
        Ok(profile)
    }
}

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadProfile {
    #[error("it is not a profile")]
    Syntax {
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("`{path}` is not the absolute path of a file")]
    Path { path: String },
    #[error("the mode of `{path}` has more than permission bits")]
    Mode { path: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_that_are_compiled_in_can_be_used() {
        for name in names() {
            let profile = Profile::parse(built_in(name).unwrap()).unwrap();
            assert!(!profile.files.is_empty(), "{name}");
        }
        assert_eq!(built_in("podman"), None);
    }

    #[test]
    fn bad_profiles_are_errors() {
        let file = |path: &str, mode: &str| {
            format!("[[files]]\npath = \"{path}\"\nmode = {mode}\ncontent = \"\"\n")
        };
        for (text, expected) in [
            ("all-automatic = true".into(), "it is not a profile"),
            (file("etc/x", "0o644"), "`etc/x` is not the absolute"),
            (file("/etc/../x", "0o644"), "`/etc/../x` is not the"),
            (file("/etc/", "0o644"), "`/etc/` is not the absolute"),
            (file("/etc/x", "0o100644"), "the mode of `/etc/x` has"),
            ("remove = [\"/\"]".into(), "`/` is not the absolute path"),
        ] {
            let error = Profile::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
