//! A lock: everything that decides an image, written as JSON by one run and built again by another.
//!
//! `docs/lock.md` describes the fields. Reading checks what can be checked without a run: the
//! format and its version, the checksum, numbers that point at something, and that each package is
//! what its stanza says (`check`). How a plan becomes a lock and back is left to `run`.

pub(crate) mod changes;
mod check;

use serde::{Deserialize, Serialize};

use super::digest::{self, Algorithm, Digest, digest};
use super::path_rule::PathRule;
use super::suite::{MergedUsr, Variant};

/// The largest lock or manifest that is read, in bytes. A lock of 5,000 packages has 6 MB.
pub(crate) const SIZE_LIMIT: u64 = 256 << 20;

/// The value of `format`.
const FORMAT: &str = "rbootstrap-lock";

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    pub(crate) format: String,
    pub(crate) version: u32,
    /// The digest of everything else in the lock. It finds edits and damage; anybody can compute
    /// it, so it is no signature.
    pub(crate) checksum: String,
    /// The version of the program that wrote it.
    pub(crate) program: String,
    /// A hash of all steps of the installation, in hexadecimal.
    pub(crate) key: String,
    /// The key of the image that was made, in hexadecimal, where `rbootstrap build` has made it.
    pub(crate) image: Option<String>,
    /// The time of the image, in seconds since 1970; `None` if the run made none.
    pub(crate) epoch: Option<i64>,
    pub(crate) options: LockedOptions,
    pub(crate) sources: Vec<LockedSource>,
    /// The files of the tree's apt.
    pub(crate) apt_files: Vec<LockedFile>,
    /// How many of the packages are unpacked before any script runs.
    pub(crate) essential_count: usize,
    /// In the order in which they are unpacked.
    pub(crate) packages: Vec<LockedPackage>,
    pub(crate) calls: Vec<LockedCall>,
}

/// The options that decide what is in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedOptions {
    pub(crate) suite: String,
    /// The suite's distribution; empty if no suite file lists the suite.
    pub(crate) distribution: String,
    pub(crate) codename: String,
    pub(crate) variant: String,
    /// The native one first.
    pub(crate) architectures: Vec<String>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) merged_usr: MergedUsr,
    pub(crate) path_rules: Vec<LockedPathRule>,
    pub(crate) profiles: Vec<LockedProfile>,
    pub(crate) removes_secrets: bool,
    pub(crate) first_stage: bool,
    /// The user's, in seconds since 1970.
    pub(crate) source_date_epoch: Option<i64>,
    /// The digests of the files with answers to debconf's questions.
    pub(crate) preseed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LockedPathRule {
    Exclude(String),
    Include(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedProfile {
    pub(crate) name: String,
    /// The profile's file.
    pub(crate) text: String,
}

/// A source that the packages were chosen from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedSource {
    pub(crate) uris: Vec<String>,
    /// Where others can download the packages, as a manifest says it; `None` for a directory of the
    /// host.
    pub(crate) public: Option<String>,
    /// As in the URL.
    pub(crate) suite: String,
    pub(crate) components: Vec<String>,
    pub(crate) architectures: Vec<String>,
    pub(crate) codename: Option<String>,
    pub(crate) origin: Option<String>,
    /// In seconds since 1970.
    pub(crate) date: Option<i64>,
    /// The digest of the Release's text, without its signature.
    pub(crate) release: String,
}

/// A file of the tree's apt, with its content as text, or in hexadecimal where it is no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedFile {
    pub(crate) path: String,
    pub(crate) mode: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hexadecimal: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// The position of its source; `None` for a file of the host.
    pub(crate) source: Option<usize>,
    pub(crate) url: String,
    /// In bytes.
    pub(crate) size: u64,
    /// `SHA256:` or `SHA512:` and hexadecimal digits.
    pub(crate) digest: String,
    /// Whether only a dependency brought it in.
    pub(crate) automatic: bool,
    /// Whether the user has named it.
    pub(crate) requested: bool,
    /// Its stanza in the index.
    pub(crate) stanza: String,
}

/// One call of dpkg. The numbers are positions in the list of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LockedCall {
    Unpack(Vec<usize>),
    Configure(Vec<usize>),
    Remove(Vec<usize>),
}

/// Why a text is not a lock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadLock {
    #[error("it is not valid JSON, or lacks a field")]
    Json(#[from] serde_json::Error),
    #[error("`format` is `{found}`, not `{FORMAT}`")]
    Format { found: String },
    #[error("`version` is {found}, but this program reads only version {VERSION}")]
    Version { found: u32 },
    #[error("`{field}`: {problem}")]
    Field { field: String, problem: String },
    #[error("`checksum` does not match: the lock was edited or damaged")]
    Checksum,
}

/// What is read before anything else: another version may have other fields.
#[derive(Deserialize)]
struct LockHead {
    format: String,
    version: u32,
}

/// A lock whose fields fit together and whose checksum is right, with what its texts stand for.
#[derive(Debug)]
pub(crate) struct CheckedLock {
    pub(crate) lock: Lock,
    pub(crate) variant: Variant,
    pub(crate) path_rules: Vec<PathRule>,
    /// The digests of the sources' releases.
    pub(crate) releases: Vec<Digest>,
    /// The digests of the packages.
    pub(crate) packages: Vec<Digest>,
}

impl Lock {
    /// The format of a new lock, and its version.
    pub(crate) fn head() -> (String, u32) {
        (FORMAT.to_owned(), VERSION)
    }

    /// Reads a lock.
    pub(crate) fn parse(text: &[u8]) -> Result<CheckedLock, BadLock> {
        let head: LockHead = serde_json::from_slice(text)?;
        if head.format != FORMAT {
            return Err(BadLock::Format { found: head.format });
        }
        if head.version != VERSION {
            return Err(BadLock::Version {
                found: head.version,
            });
        }
        let lock: Lock = serde_json::from_slice(text)?;
        // A field that cannot be right is a better message than the checksum.
        let checked = check::check(lock)?;
        match checked.lock.checksum == checked.lock.computed_checksum()? {
            true => Ok(checked),
            false => Err(BadLock::Checksum),
        }
    }

    /// The lock as JSON, with its checksum.
    pub(crate) fn into_text(mut self) -> Result<String, BadLock> {
        self.checksum = self.computed_checksum()?;
        Ok(serde_json::to_string_pretty(&self)? + "\n")
    }

    /// The SHA-256 of the lock without `checksum`, as JSON without white space whose objects are
    /// sorted by key.
    fn computed_checksum(&self) -> Result<String, BadLock> {
        let mut value = serde_json::to_value(self)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("checksum");
        }
        value.sort_all_objects();
        let canonical = serde_json::to_vec(&value)?;
        Ok(digest(Algorithm::Sha256, &canonical).to_string())
    }
}

impl LockedFile {
    pub(crate) fn new(path: String, mode: u32, content: &[u8]) -> LockedFile {
        let text = str::from_utf8(content).ok().map(str::to_owned);
        let digits = text.is_none().then(|| digest::hexadecimal(content));
        LockedFile {
            path,
            mode,
            text,
            hexadecimal: digits,
        }
    }

    /// The content; an error if there is none, or more than one.
    pub(crate) fn content(&self, field: &str) -> Result<Vec<u8>, BadLock> {
        match (&self.text, &self.hexadecimal) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(digits)) => {
                let bytes = digest::bytes_of(digits);
                bytes
                    .ok_or_else(|| bad(field, "`hexadecimal` has other characters, or half a byte"))
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(bad(field, "it needs either `text` or `hexadecimal`"))
            }
        }
    }
}

/// An error of a field.
pub(crate) fn bad(field: &str, problem: &str) -> BadLock {
    BadLock::Field {
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Reads `SHA256:` and digits.
fn digest_of(field: &str, text: &str) -> Result<Digest, BadLock> {
    for algorithm in Algorithm::STRONGEST_FIRST {
        let rest = text.strip_prefix(algorithm.field());
        if let Some(digits) = rest.and_then(|rest| rest.strip_prefix(':')) {
            let digest = Digest::parse(algorithm, digits);
            return digest.map_err(|error| bad(field, &error.to_string()));
        }
    }
    let problem = format!("`{text}` does not begin with SHA256: or SHA512:");
    Err(bad(field, &problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_content() {
        let table: [&[u8]; 3] = [b"", b"deb http://x y\n", &[0x99, 0, 0xff]];
        for content in table {
            let file = LockedFile::new("/x".to_owned(), 0o644, content);
            assert_eq!(file.content("apt_files[0]").unwrap(), content);
        }
        for digits in ["0g", "+f", "0", "0F", "é"] {
            let file = LockedFile {
                hexadecimal: Some(digits.to_owned()),
                ..LockedFile::new("/x".to_owned(), 0o644, &[0xff])
            };
            assert!(file.content("apt_files[0]").is_err(), "{digits}");
        }
    }
}
