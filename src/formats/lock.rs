//! A lock: everything that decides an image, written as JSON by one run and built again by another.
//!
//! `docs/lock.md` describes the fields. Reading checks what can be checked without a run: the
//! format and its version, numbers that point at something, and that each package is what its
//! stanza says. How a plan becomes a lock and back is left to `run`.

pub(crate) mod changes;

use serde::{Deserialize, Serialize};

use super::digest::{Algorithm, Digest};
use super::package::Package;
use super::suite::MergedUsr;

/// The value of `format`.
const FORMAT: &str = "rbootstrap-lock";

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    pub(crate) format: String,
    pub(crate) version: u32,
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
}

/// What is read before anything else: another version may have other fields.
#[derive(Deserialize)]
struct LockHead {
    format: String,
    version: u32,
}

impl Lock {
    /// The format of a new lock, and its version.
    pub(crate) fn head() -> (String, u32) {
        (FORMAT.to_owned(), VERSION)
    }

    /// Reads a lock.
    pub(crate) fn parse(text: &[u8]) -> Result<Lock, BadLock> {
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
        lock.check()?;
        Ok(lock)
    }

    /// The lock as JSON.
    pub(crate) fn to_text(&self) -> Result<String, BadLock> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    fn check(&self) -> Result<(), BadLock> {
        if self.options.architectures.is_empty() {
            return Err(bad("options.architectures", "it is empty"));
        }
        for (number, source) in self.sources.iter().enumerate() {
            digest_of(&format!("sources[{number}].release"), &source.release)?;
        }
        if self.essential_count > self.packages.len() {
            return Err(bad("essential_count", "it is more than the packages"));
        }
        for (number, package) in self.packages.iter().enumerate() {
            self.check_package(number, package)?;
        }
        for (number, call) in self.calls.iter().enumerate() {
            let (LockedCall::Unpack(numbers)
            | LockedCall::Configure(numbers)
            | LockedCall::Remove(numbers)) = call;
            if numbers.iter().any(|at| *at >= self.packages.len()) {
                let problem = "it names a package that the lock does not have";
                return Err(bad(&format!("calls[{number}]"), problem));
            }
        }
        Ok(())
    }

    /// Checks that a package is what its stanza says.
    fn check_package(&self, number: usize, package: &LockedPackage) -> Result<(), BadLock> {
        let field = |name: &str| format!("packages[{number}].{name}");
        if package.source.is_some_and(|at| at >= self.sources.len()) {
            let problem = "the lock has no such source";
            return Err(bad(&field("source"), problem));
        }
        let digest = digest_of(&field("digest"), &package.digest)?;
        let said = Package::parse(&package.stanza).map_err(|error| BadLock::Field {
            field: field("stanza"),
            problem: error.to_string(),
        })?;
        let pairs = [
            ("name", &package.name, said.name.clone()),
            ("version", &package.version, said.version.to_string()),
            ("architecture", &package.architecture, said.architecture),
        ];
        for (name, found, said) in pairs {
            if *found != said {
                let problem = format!("it is `{found}`, but the stanza has `{said}`");
                return Err(bad(&field(name), &problem));
            }
        }
        if package.size != said.size {
            return Err(bad(&field("size"), "the stanza has another"));
        }
        if said.digest.is_none_or(|said| said != digest) {
            return Err(bad(&field("digest"), "the stanza has another"));
        }
        Ok(())
    }
}

impl LockedFile {
    pub(crate) fn new(path: String, mode: u32, content: &[u8]) -> LockedFile {
        let text = str::from_utf8(content).ok().map(str::to_owned);
        let digits = text.is_none().then(|| hexadecimal(content));
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
                let bytes = bytes_of(digits);
                bytes.ok_or_else(|| bad(field, "`hexadecimal` has other characters"))
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
pub(crate) fn digest_of(field: &str, text: &str) -> Result<Digest, BadLock> {
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

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        digits.push_str(&format!("{byte:02x}"));
    }
    digits
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    for pair in digits.as_bytes().chunks_exact(2) {
        let pair = str::from_utf8(pair).ok()?;
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
    }
    Some(bytes)
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
        let file = LockedFile {
            hexadecimal: Some("0g".to_owned()),
            ..LockedFile::new("/x".to_owned(), 0o644, &[0xff])
        };
        assert!(file.content("apt_files[0]").is_err());
    }
}
