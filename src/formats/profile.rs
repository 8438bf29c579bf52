//! Profiles: settings for a kind of image, as data (`suites/profiles`).
//!
//! A profile says what is written into a finished tree, what is removed from it, and what its apt
//! is told. Where profiles are looked for is left to `run`.

use serde::Deserialize;

use super::path_rule::{BadPattern, PathRule, PathRuleKind};

/// The settings of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Whether apt records all packages as installed automatically, except those of the user.
    pub(crate) all_automatic: bool,
    /// Whether the secrets are removed that scripts have made.
    pub(crate) remove_secrets: bool,
    /// For paths that are not unpacked.
    path_exclude: Vec<PathRule>,
    /// For paths that are unpacked although a rule of `path_exclude` matches.
    path_include: Vec<PathRule>,
    /// The absolute paths of what is removed.
    pub(crate) remove: Vec<String>,
    /// The absolute paths of directories that are made if they are absent.
    pub(crate) directories: Vec<String>,
    pub(crate) files: Vec<ProfileFile>,
}

/// A profile as it is written. suites/README.md describes the fields.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProfileText {
    all_automatic: bool,
    remove_secrets: bool,
    path_exclude: Vec<String>,
    path_include: Vec<String>,
    remove: Vec<String>,
    directories: Vec<String>,
    files: Vec<ProfileFile>,
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
const BUILT_IN: [(&str, &str); 2] = [
    ("docker", include_str!("../../suites/profiles/docker.toml")),
    ("slim", include_str!("../../suites/profiles/slim.toml")),
];

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
        let written: ProfileText = toml::from_str(text).map_err(|source| BadProfile::Syntax {
            source: Box::new(source),
        })?;
        let profile = Profile {
            all_automatic: written.all_automatic,
            remove_secrets: written.remove_secrets,
            path_exclude: rules(PathRuleKind::Exclude, &written.path_exclude)?,
            path_include: rules(PathRuleKind::Include, &written.path_include)?,
            remove: written.remove,
            directories: written.directories,
            files: written.files,
        };
        let files = profile.files.iter().map(|file| &file.path);
        let directories = &profile.directories;
        for path in profile.remove.iter().chain(directories).chain(files) {
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

    /// The rules for paths, of which the last one that matches counts.
    pub(crate) fn path_rules(&self) -> Vec<PathRule> {
        [&self.path_exclude[..], &self.path_include].concat()
    }

    /// Adds the settings of another profile. Of files with one path its own counts.
    pub(crate) fn add(&mut self, other: Profile) {
        let Profile {
            all_automatic,
            remove_secrets,
            path_exclude,
            path_include,
            remove,
            directories,
            files,
        } = other;
        self.all_automatic |= all_automatic;
        self.remove_secrets |= remove_secrets;
        self.path_exclude.extend(path_exclude);
        self.path_include.extend(path_include);
        self.remove.extend(remove);
        self.directories.extend(directories);
        self.files.extend(files);
    }
}

fn rules(kind: PathRuleKind, patterns: &[String]) -> Result<Vec<PathRule>, BadPattern> {
    let mut rules = Vec::new();
    for pattern in patterns {
        rules.push(PathRule::new(kind, pattern)?);
    }
    Ok(rules)
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
    #[error(transparent)]
    Pattern(#[from] BadPattern),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_that_are_compiled_in_can_be_used() {
        for name in names() {
            let profile = Profile::parse(built_in(name).unwrap()).unwrap();
            assert_ne!(profile, Profile::default(), "{name}");
        }
        assert_eq!(built_in("podman"), None);
    }

    #[test]
    fn of_a_profiles_rules_the_includes_come_last_and_profiles_add_up() {
        let text = "path_include = [\"/a/b\"]\npath_exclude = [\"/a/*\"]\n";
        let mut profile = Profile::parse(text).unwrap();
        profile.add(Profile::parse("all_automatic = true\npath_exclude = [\"/c\"]").unwrap());
        assert!(profile.all_automatic);
        let rules: Vec<String> = profile
            .path_rules()
            .iter()
            .map(PathRule::to_string)
            .collect();
        assert_eq!(
            rules,
            ["path-exclude=/a/*", "path-exclude=/c", "path-include=/a/b"]
        );
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
            ("directories = [\"a\"]".into(), "`a` is not the absolute"),
            ("path_exclude = [\"a\"]".into(), "the pattern `a` does not"),
        ] {
            let error = Profile::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
