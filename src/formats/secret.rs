//! Secrets and identities that packages' scripts make: where they are (`suites/secrets.toml`), and
//! what private keys look like.

use memchr::memmem;
use serde::Deserialize;

use super::glob;

const BUILT_IN: &str = include_str!("../../suites/secrets.toml");

/// What begins every private key in PEM format, and OpenSSH's and OpenPGP's.
const BEGIN: &[u8] = b"-----BEGIN ";
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY";
/// The longest label with its dashes, in bytes: `OPENSSH PRIVATE KEY-----`, …
const LABEL_LIMIT: usize = 48;

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
    /// The content that replaces the file; `None` removes it.
    instead: Option<String>,
    /// Whether the file is configuration that its package does not work without.
    #[serde(default)]
    stays: bool,
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

    /// The content that replaces a file; `None` if the file is removed.
    pub(crate) fn instead(&self, path: &[u8]) -> Option<&str> {
        self.find(path)?.instead.as_deref()
    }

    /// Whether a file is never removed, only named.
    pub(crate) fn stays(&self, path: &[u8]) -> bool {
        self.find(path).is_some_and(|secret| secret.stays)
    }

    fn find(&self, path: &[u8]) -> Option<&KnownSecret> {
        let is_meant = |pattern: &String| glob::matches(pattern.as_bytes(), path);
        let mut secrets = self.secrets.iter();
        secrets.find(|secret| secret.paths.iter().any(is_meant))
    }
}

/// Where passwords of users and groups are, and their backups.
const SHADOW: [&[u8]; 4] = [
    b"etc/shadow",
    b"etc/shadow-",
    b"etc/gshadow",
    b"etc/gshadow-",
];

/// Whether a file of a tree has a user's or a group's password (shadow(5), gshadow(5)), by its path
/// without a leading slash.
pub(crate) fn has_password(path: &[u8], content: &[u8]) -> bool {
    let mut lines = content.split(|byte| *byte == b'\n');
    let is_set = |line: &[u8]| {
        let password = line.split(|byte| *byte == b':').nth(1).unwrap_or_default();
        // `!` before it locks it; `*` and `!` alone mean no password.
        let password = password.trim_ascii_start();
        !password
            .iter()
            .all(|byte| matches!(byte, b'!' | b'*' | b'x'))
    };
    SHADOW.contains(&path) && lines.any(is_set)
}

/// debconf's answers to questions for passwords.
const PASSWORDS: &[u8] = b"var/cache/debconf/passwords.dat";

/// Whether a file of a tree has an answer to a question for a password, by its path without a
/// leading slash.
pub(crate) fn has_answered_password(path: &[u8], content: &[u8]) -> bool {
    let mut lines = content.split(|byte| *byte == b'\n');
    let is_answer = |line: &[u8]| {
        let value = line.strip_prefix(b"Value:");
        value.is_some_and(|value| !value.trim_ascii().is_empty())
    };
    path == PASSWORDS && lines.any(is_answer)
}

/// Whether a file is one of those in which passwords are looked for, by its path without a leading
/// slash.
pub(crate) fn may_have_passwords(path: &[u8]) -> bool {
    SHADOW.contains(&path) || path == PASSWORDS
}

/// Whether a file's content has a private key: its first line, with nothing but blanks before it. A
/// file that describes other files (/usr/share/mime/magic) has such text within its lines.
pub(crate) fn has_private_key(content: &[u8]) -> bool {
    memmem::find_iter(content, BEGIN).any(|at| {
        let before = content[..at].rsplit(|byte| *byte == b'\n').next();
        let is_first = before.is_none_or(|before| before.trim_ascii().is_empty());
        let label = &content[at + BEGIN.len()..];
        let label = &label[..label.len().min(LABEL_LIMIT)];
        let end = memmem::find(label, b"-----").unwrap_or(0);
        let label = &label[..end];
        let label = label.strip_suffix(b" BLOCK").unwrap_or(label);
        is_first && label.ends_with(PRIVATE_KEY)
    })
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
            ("/etc/munge/munge.key", Some("MUNGE's key")),
            (
                "/var/lib/rabbitmq/.erlang.cookie",
                Some("the cookie of Erlang's nodes"),
            ),
            ("/etc/xrdp/rsakeys.ini", Some("xrdp's RSA key")),
            ("/etc/bacula/bconsole.conf", Some("passwords of Bacula")),
            ("/etc/ssh/ssh_config", None),
            ("/etc/hosts", None),
        ] {
            assert_eq!(known.what(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn passwords_are_told_from_locked_accounts() {
        for (path, content, expected) in [
            (
                "etc/shadow",
                "root:*:1::::::\nman:!:1::::::\nx:!*:1::::::\n",
                false,
            ),
            (
                "etc/shadow",
                "root:*:1::::::\nadmin:$y$j9T$x:1::::::\n",
                true,
            ),
            ("etc/shadow-", "admin:!$y$j9T$x:1::::::\n", true),
            ("etc/gshadow", "root:*::\nstaff:!::\nusers:::\n", false),
            ("etc/gshadow-", "staff:secret::\n", true),
            ("etc/passwd", "root:secret:0:0::/root:/bin/sh\n", false),
        ] {
            let found = has_password(path.as_bytes(), content.as_bytes());
            assert_eq!(found, expected, "{path}: {content}");
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
            ("key: |\n    -----BEGIN PRIVATE KEY-----\n    x", true),
            (
                "[50:application/pgp-keys]\n>0=\0%-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
                false,
            ),
            ("-----BEGIN PRIVATE KEY", false),
            ("the PRIVATE KEY begins with -----BEGIN ", false),
            ("", false),
        ] {
            assert_eq!(has_private_key(content.as_bytes()), expected, "{content}");
        }
    }
}
