//! The reasons why sources cannot be read.

use std::path::PathBuf;

use crate::archive::KeyringError;

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
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file is too large.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        path: PathBuf,
        /// In bytes.
        limit: u64,
    },
    /// No trusted key has a fingerprint of a Signed-By without files.
    #[error("no trusted key has the fingerprint {fingerprints}; --keyring FILE adds one")]
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
