//! The Signed-By of an entry of apt's sources: who may sign it, here and in the tree.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::words;
use super::{BadSource, SourceEntry, read_limited};
use crate::archive::tree_keys::{KeyFile, SourceKeys, TreeKeys, TreeSignedBy};
use crate::archive::{Keyring, Trust};

const BAD_KEY: &str =
    "its signed-by has a word that is neither an absolute path nor a fingerprint of 40 digits";

/// The Signed-By of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) enum SignedBy {
    /// Keyring files, and fingerprints of keys in them; without files, in all trusted ones.
    Keys {
        files: Vec<PathBuf>,
        fingerprints: Vec<String>,
    },
    /// An armored key in the entry itself.
    Inline(String),
}

impl SignedBy {
    pub(super) fn parse(value: &str) -> Result<Option<SignedBy>, &'static str> {
        if value.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            // deb822 writes an empty line as a dot, and indents each line by a blank.
            let mut key = String::with_capacity(value.len());
            for line in value.lines().map(str::trim) {
                key.push_str(if line == "." { "" } else { line });
                key.push('\n');
            }
            return Ok(Some(SignedBy::Inline(key)));
        }
        let mut files = Vec::new();
        let mut fingerprints = Vec::new();
        for word in words(&value.replace(',', " ")) {
            let digits = word.strip_suffix('!').unwrap_or(&word);
            if word.starts_with('/') {
                files.push(PathBuf::from(word));
            } else if digits.len() == 40 && digits.bytes().all(|c| c.is_ascii_hexdigit()) {
                fingerprints.push(word);
            } else {
                return Err(BAD_KEY);
            }
        }
        let is_empty = files.is_empty() && fingerprints.is_empty();
        Ok((!is_empty).then_some(SignedBy::Keys {
            files,
            fingerprints,
        }))
    }
}

impl SourceEntry {
    /// Who may sign the source. `defaults` apply to an entry without Signed-By. Files are read
    /// below `root`, the system that the entry is from.
    pub(super) fn keys(&self, defaults: &SourceKeys, root: &Path) -> Result<SourceKeys, BadSource> {
        if self.trusted {
            return Ok(SourceKeys {
                trust: Trust::Unchecked,
                tree: TreeKeys::default(),
                packaged: None,
            });
        }
        let (trust, tree) = match &self.signed_by {
            None => return Ok(defaults.clone()),
            Some(SignedBy::Inline(key)) => {
                let keyring = Keyring::parse(&[("Signed-By", key.as_bytes())])?;
                let tree = TreeKeys {
                    signed_by: TreeSignedBy::Inline(key.clone()),
                    files: Vec::new(),
                };
                (Trust::Keys(Arc::new(keyring)), tree)
            }
            Some(SignedBy::Keys {
                files,
                fingerprints,
            }) if files.is_empty() => self.keys_by_fingerprint(fingerprints, &defaults.trust)?,
            Some(SignedBy::Keys {
                files,
                fingerprints,
            }) => {
                let keys = keys_of_files(files, fingerprints, root);
                keys.map_err(|error| self.of_signed_by(error))?
            }
        };
        Ok(SourceKeys {
            trust,
            tree,
            packaged: None,
        })
    }

    /// The error of a file that the entry's Signed-By names.
    fn of_signed_by(&self, error: BadSource) -> BadSource {
        match error {
            BadSource::Unreadable { path, source } => BadSource::UnreadableKey {
                path,
                entry: self.shown(),
                source,
            },
            error => error,
        }
    }

    /// The selected ones of all trusted keys, which the tree gets as a file.
    fn keys_by_fingerprint(
        &self,
        fingerprints: &[String],
        trusted: &Trust,
    ) -> Result<(Trust, TreeKeys), BadSource> {
        let Trust::Keys(keys) = trusted else {
            let tree = TreeKeys {
                signed_by: TreeSignedBy::Keys(fingerprints.to_vec()),
                files: Vec::new(),
            };
            return Ok((Trust::Unchecked, tree));
        };
        let selected = keys.only(fingerprints);
        if selected.is_empty() {
            return Err(BadSource::UntrustedKey {
                fingerprints: fingerprints.join(" or "),
            });
        }
        let file = KeyFile::of_archive(&self.uri, &selected.to_binary());
        let tree = TreeKeys::of_files(vec![file]).restricted(fingerprints);
        Ok((Trust::Keys(Arc::new(selected)), tree))
    }
}

fn keys_of_files(
    paths: &[PathBuf],
    fingerprints: &[String],
    root: &Path,
) -> Result<(Trust, TreeKeys), BadSource> {
    let mut contents = Vec::new();
    for path in paths {
        let below_root = root.join(path.strip_prefix("/").unwrap_or(path));
        contents.push((path.display().to_string(), read_limited(&below_root)?));
    }
    let mut files: Vec<(&str, &[u8])> = Vec::new();
    let mut in_tree = Vec::new();
    for (name, content) in &contents {
        files.push((name, content));
        in_tree.push(KeyFile::named(Path::new(name), content));
    }
    let mut keyring = Keyring::parse(&files)?;
    let tree = TreeKeys::of_files(in_tree).restricted(fingerprints);
    if !fingerprints.is_empty() {
        keyring = keyring.only(fingerprints);
    }
    if keyring.is_empty() {
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        return Err(BadSource::NoSuchKey {
            files: names.join(", "),
            fingerprints: fingerprints.join(" or "),
        });
    }
    Ok((Trust::Keys(Arc::new(keyring)), tree))
}
