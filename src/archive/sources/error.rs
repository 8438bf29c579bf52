//! The reasons why sources cannot be read.

use std::path::PathBuf;

use crate::archive::KeyringError;
use crate::failure::Class;
use crate::store::BadAddress;

/// Why sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSource {
    /// An entry cannot be parsed.
    #[error("{file}: `{line}` is not an apt source: {reason}")]
    Line {
        /// The file, or the option that gives the text.
        file: String,
        /// The line, or the first of the stanza, cut.
        line: String,
        reason: &'static str,
        /// Whether it is a stanza of a .sources file.
        is_deb822: bool,
    },
    /// A URI cannot be fetched, whatever is there.
    #[error("the source {entry} cannot be read: {fault}")]
    Uri { entry: String, fault: BadAddress },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file of Signed-By cannot be read.
    #[error("cannot read {}, which signed-by of {entry} names", path.display())]
    UnreadableKey {
        path: PathBuf,
        entry: String,
        source: std::io::Error,
    },
    /// A line that begins with a URL.
    #[error("`{line}` is neither an apt source nor the path of one: a line begins with `deb`")]
    NoType { line: String },
    /// A file is too large.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        path: PathBuf,
        /// In bytes.
        limit: u64,
    },
    /// A list of mirrors has none that can be used.
    #[error("{} names no mirror with http:, https:, file: or copy:", path.display())]
    NoMirror {
        /// As in the source.
        path: PathBuf,
    },
    /// A list of mirrors is not a file of the host.
    #[error("{uri}: a list of mirrors is only read from a file")]
    RemoteMirrorList { uri: String },
    /// No trusted key has a fingerprint of a Signed-By without files.
    #[error("no trusted key has the fingerprint {fingerprints}")]
    UntrustedKey {
        /// Several with ` or ` in between.
        fingerprints: String,
    },
    /// The files of a Signed-By have no key with a fingerprint of it.
    #[error("no key in {files} has the fingerprint {fingerprints}")]
    NoSuchKey {
        files: String,
        /// Several with ` or ` in between.
        fingerprints: String,
    },
    /// The keyring of a Signed-By cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl BadSource {
    /// The class that decides the exit code.
    pub(crate) fn class(&self) -> Class {
        match self {
            BadSource::Line { .. }
            | BadSource::Uri { .. }
            | BadSource::Unreadable { .. }
            | BadSource::UnreadableKey { .. }
            | BadSource::NoType { .. }
            | BadSource::TooLarge { .. }
            | BadSource::NoMirror { .. }
            | BadSource::RemoteMirrorList { .. }
            | BadSource::UntrustedKey { .. }
            | BadSource::NoSuchKey { .. } => Class::Usage,
            BadSource::Keyring(error) => error.class(),
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            BadSource::Line { is_deb822, .. } => Some(
                match is_deb822 {
                    true => {
                        "a .sources file has fields: `Types: deb`, `URIs: URL`, `Suites: SUITE`, \
                         `Components: COMPONENT`, `Signed-By: FILE`"
                    }
                    false => "`deb [signed-by=FILE] URL SUITE COMPONENT` is such a source",
                }
                .into(),
            ),
            BadSource::NoType { line } => Some(format!("write --source 'deb {line}'")),
            BadSource::Uri { fault, .. } => Some(fault.hint().to_owned()),
            BadSource::UnreadableKey { .. } => {
                Some("signed-by takes the absolute path of a keyring, or fingerprints".into())
            }
            BadSource::Unreadable { .. } | BadSource::TooLarge { .. } => {
                Some("--source takes a line, a .list file or a .sources file".into())
            }
            BadSource::NoMirror { .. } | BadSource::RemoteMirrorList { .. } => {
                Some("name a mirror itself, or a list with mirror+file:PATH".into())
            }
            BadSource::UntrustedKey { .. } => Some("--keyring FILE adds one".into()),
            BadSource::NoSuchKey { .. } => {
                Some("Signed-By takes a fingerprint of the keyring, or a keyring alone".into())
            }
            BadSource::Keyring(error) => error.hint(),
        }
    }
}
