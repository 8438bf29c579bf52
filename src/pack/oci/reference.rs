//! Names of images: `NAME[:TAG]`, as docker takes them (the grammar of the distribution project's
//! `reference` package).

use std::fmt;

/// Where a name without a registry lies.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Where a name of one part lies there.
const DEFAULT_NAMESPACE: &str = "library";
/// The tag of a name without one.
pub(crate) const DEFAULT_TAG: &str = "latest";
/// The longest repository with its registry, in bytes.
const NAME_LIMIT: usize = 255;
/// The longest tag, in bytes.
const TAG_LIMIT: usize = 128;

/// The full name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `docker.io`, `localhost:5000`.
    registry: String,
    /// `library/noble`.
    repository: String,
    tag: String,
}

/// A text that names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not the name of an image: {reason}")]
pub(crate) struct BadReference {
    found: String,
    reason: &'static str,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Reference, BadReference> {
        let bad = |reason| BadReference {
            found: text.to_owned(),
            reason,
        };
        if text.contains("://") {
            return Err(bad("it begins with a scheme"));
        }
        if text.contains('@') {
            return Err(bad("a digest follows from the image"));
        }
        // A colon before a slash belongs to the registry's port.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, DEFAULT_TAG),
        };
        if !is_tag(tag) {
            return Err(bad("its tag has other characters than A-Z a-z 0-9 . _ -"));
        }
        let (registry, path) = split_registry(name);
        if !is_registry(registry) {
            return Err(bad("its registry is not HOST or HOST:PORT"));
        }
        if !path.split('/').all(is_component) {
            return Err(bad("its parts have a-z 0-9, and . _ - between them"));
        }
        let repository = match registry == DEFAULT_REGISTRY && !path.contains('/') {
            true => format!("{DEFAULT_NAMESPACE}/{path}"),
            false => path.to_owned(),
        };
        if registry.len() + 1 + repository.len() > NAME_LIMIT {
            return Err(bad("it is longer than 255 characters"));
        }
        Ok(Reference {
            registry: registry.to_owned(),
            repository,
            tag: tag.to_owned(),
        })
    }

    /// `docker.io`, `localhost:5000`.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// `library/noble`.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// The same name in another registry, `HOST` or `HOST:PORT`.
    pub(crate) fn at(&self, registry: &str) -> Reference {
        Reference {
            registry: registry.to_owned(),
            ..self.clone()
        }
    }

    /// The name as docker shows it: without its registry and its namespace where these are docker's
    /// defaults.
    pub(super) fn familiar_name(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return format!("{}/{}", self.registry, self.repository);
        }
        let (namespace, rest) = self.repository.split_once('/').unwrap_or_default();
        match namespace == DEFAULT_NAMESPACE {
            true => rest.to_owned(),
            false => self.repository.clone(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

/// The registry and the rest. Only a first part that is a host's name is a registry.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io", rest)) => (DEFAULT_REGISTRY, rest),
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !registry.ends_with(']') => (host, port),
        _ => (registry, "0"),
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_label),
    };
    is_port && is_host
}

/// A part of a host's name.
fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && label.bytes().all(is_inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A part of a repository: words of `a-z0-9` with `.`, `_`, `__` or dashes between them.
fn is_component(component: &str) -> bool {
    let mut rest = component;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
        let Some(end) = end else {
            return !rest.is_empty();
        };
        if end == 0 {
            return false;
        }
        rest = &rest[end..];
        let dashes = rest.len() - rest.trim_start_matches('-').len();
        rest = match rest.strip_prefix("__").or(rest.strip_prefix(['.', '_'])) {
            Some(next) => next,
            None if dashes > 0 => &rest[dashes..],
            None => return false,
        };
    }
}

fn is_tag(tag: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !tag.is_empty()
        && tag.len() <= TAG_LIMIT
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_by_docker() {
        let rows = [
            ("noble", "docker.io/library/noble:latest"),
            ("noble:1", "docker.io/library/noble:1"),
            ("me/noble", "docker.io/me/noble:latest"),
            ("docker.io/noble", "docker.io/library/noble:latest"),
            ("index.docker.io/me/n:2", "docker.io/me/n:2"),
            ("localhost/noble", "localhost/noble:latest"),
            ("localhost:5000/noble", "localhost:5000/noble:latest"),
            ("[::1]:5000/a/b:c", "[::1]:5000/a/b:c"),
            (
                "ghcr.io/me/a__b/c---d.e_f:V1.2-x",
                "ghcr.io/me/a__b/c---d.e_f:V1.2-x",
            ),
            ("Host.Example/a", "Host.Example/a:latest"),
        ];
        for (text, full) in rows {
            assert_eq!(Reference::parse(text).unwrap().to_string(), full, "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let long = "a".repeat(129);
        let rows = [
            "",
            ":",
            "a:",
            ":a",
            "Noble",
            "a/B",
            "a//b",
            "a/",
            "/a",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "a:b:c",
            "a:.x",
            "a:x/",
            "a b",
            "http://a/b",
            "a@sha256:12",
            "h.x:/a",
            "h.x:p/a",
            "-h.x/a",
            "a:ä",
        ];
        for text in rows.into_iter().chain([format!("a:{long}").as_str()]) {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
