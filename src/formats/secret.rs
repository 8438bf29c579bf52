//! Secrets and identities that packages' scripts make: where they are (`suites/secrets.toml`), and
//! what private keys look like.

use memchr::memmem;
use serde::Deserialize;

use super::glob;

const BUILT_IN: &str = include_str!("../../suites/secrets.toml");

/// What begins every private key in PEM format, and OpenSSH's and OpenPGP's.
const BEGIN: &[u8] = b"-----BEGIN ";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
/// The longest label between both, in bytes: `OPENSSH`, `ENCRYPTED`, …
const LABEL_LIMIT: usize = 32;

/// Known secrets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownSecrets {
    secrets: Vec<KnownSecret>,
}

/// A kind of secret that is known by its path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownSecret {
    /// In words, for messages.
    what: String,
    /// Patterns of fnmatch(3) for absolute paths.
    paths: Vec<String>,
    /// The content with which a file is replaced when it is to go; `None` to remove it.
    instead: Option<String>,
}

impl KnownSecrets {
    /// Those that are compiled in.
    pub(crate) fn built_in() -> KnownSecrets {
        toml::from_str(BUILT_IN).expect("a test reads the file that is compiled in")
    }

    /// What an absolute path is known for, in words.
    pub(crate) fn what(&self, path: &[u8]) -> Option<&str> {
        self.find(path).map(|secret| secret.what.as_str())
    }

    /// What takes the place of a file that is to go; `None` if it is removed.
    pub(crate) fn instead(&self, path: &[u8]) -> Option<&str> {
        self.find(path)?.instead.as_deref()
    }

    fn find(&self, path: &[u8]) -> Option<&KnownSecret> {
        let is_meant = |pattern: &String| glob::matches(pattern.as_bytes(), path);
        let mut secrets = self.secrets.iter();
        secrets.find(|secret| secret.paths.iter().any(is_meant))
    }
}

/// Whether a file's content has a private key.
pub(crate) fn has_private_key(content: &[u8]) -> bool {
    let mut rest = content;
    while let Some(at) = memmem::find(rest, BEGIN) {
        rest = &rest[at + BEGIN.len()..];
        let label = &rest[..rest.len().min(LABEL_LIMIT)];
        let label = label.split(|byte| *byte == b'\n').next();
        if memmem::find(label.unwrap_or_default(), PRIVATE_KEY).is_some() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_paths_have_words() {
        let known = KnownSecrets::built_in();
        for (path, expected) in [
            ("/etc/ssh/ssh_host_rsa_key", Some("ssh host keys")),
            ("/etc/ssh/ssh_host_ed25519_key.pub", Some("ssh host keys")),
            ("/etc/nvme/hostnqn", Some("the NVMe host's identity")),
            ("/etc/ssh/ssh_config", None),
            ("/etc/hosts", None),
        ] {
            assert_eq!(known.what(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn private_keys_are_known_by_their_first_line() {
        for (content, expected) in [
            ("-----BEGIN PRIVATE KEY-----\nx", true),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nx", true),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", true),
            (
                "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN EC PRIVATE KEY-----\n",
                true,
            ),
            ("-----BEGIN CERTIFICATE-----\nPRIVATE KEY", false),
            ("-----BEGIN PUBLIC KEY-----", false),
            ("the PRIVATE KEY begins with -----BEGIN ", false),
            ("", false),
        ] {
            assert_eq!(has_private_key(content.as_bytes()), expected, "{content}");
        }
    }
}
