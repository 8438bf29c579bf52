//! The key of each step: equal keys mean that the tree is equal after the step.
//!
//! A key is the BLAKE3 hash of fields. Each field is its length, as 8 bytes in little-endian order,
//! and its bytes; a list is its number of items, as a field of 8 such bytes, and its items. The
//! fields are, in order:
//!
//! 1. `rbootstrap step key 1`, the encoding
//! 2. the program's version
//! 3. a list of the scripts' environment variables: name, value
//! 4. what the host refused the sandbox, as a number of 4 bytes in little-endian order
//! 5. the key of the step before; empty for the first
//! 6. the step's kind, then its own fields as [`Step`] has them, booleans and enums as words
//! 7. a list of the step's packages: name, architecture, version, the .deb's digest

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use crate::dpkg::unpack::Method;
use crate::formats::digest::Digest;
use crate::formats::package_key::PackageKey;
use crate::formats::suite::MergedUsr;
use crate::tree::base::Base;

use super::steps::Step;

const ENCODING: &str = "rbootstrap step key 1";

/// How many hexadecimal digits of a key are shown.
const SHOWN: usize = 12;

/// The key of a step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepKey([u8; 32]);

/// What the result of a step depends on besides the steps.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    /// The environment of maintainer scripts.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What the host refused the sandbox ([`crate::sandbox::Sandbox::refused`]).
    pub(crate) refused: u32,
    /// The program's version.
    pub(crate) version: String,
    /// The digests of the .debs.
    pub(crate) digests: BTreeMap<PackageKey, Digest>,
}

/// The keys of steps, one for each.
pub(crate) fn keys(steps: &[Step], circumstances: &Circumstances) -> Vec<StepKey> {
    let mut keys: Vec<StepKey> = Vec::new();
    for step in steps {
        keys.push(key(keys.last(), step, circumstances));
    }
    keys
}

fn key(before: Option<&StepKey>, step: &Step, circumstances: &Circumstances) -> StepKey {
    let Circumstances {
        environment,
        refused,
        version,
        digests,
    } = circumstances;
    let mut encoder = FieldHasher::default();
    encoder.text(ENCODING);
    encoder.text(version);
    encoder.list(environment.len());
    for (name, value) in environment {
        encoder.field(name.as_bytes());
        encoder.field(value.as_bytes());
    }
    encoder.field(&refused.to_le_bytes());
    encoder.field(before.map_or(&[], |key| &key.0));
    encode_step(&mut encoder, step);
    encoder.list(step.packages().len());
    for package in step.packages() {
        encoder.text(package.name());
        encoder.text(package.architecture());
        encoder.text(package.version().as_str());
        let digest = digests.get(package);
        encoder.text(&digest.map_or(String::new(), Digest::to_string));
    }
    StepKey(*encoder.0.finalize().as_bytes())
}

/// Encodes the kind of a step and its fields, but not its packages.
fn encode_step(encoder: &mut FieldHasher, step: &Step) {
    encoder.text(step.kind());
    match step {
        Step::Base(base) => encode_base(encoder, base),
        Step::Apt { files } => {
            encoder.list(files.len());
            for file in files {
                encoder.field(file.path.as_bytes());
                encoder.text(&file.text);
            }
        }
        Step::Unpack { method, .. } => encoder.text(match method {
            Method::Extract => "extract",
            Method::Together => "together",
            Method::InTurn => "in-turn",
        }),
        Step::Configure { forced, .. } => encoder.text(if *forced { "forced" } else { "" }),
        Step::Remove { .. } | Step::Triggers => {}
        Step::Tidy { automatic } => {
            encoder.text(if automatic.is_some() { "apt" } else { "" });
            let automatic = automatic.as_deref().unwrap_or_default();
            encoder.list(automatic.len());
            for package in automatic {
                encoder.text(&package.name);
                encoder.text(&package.architecture);
            }
        }
    }
}

fn encode_base(encoder: &mut FieldHasher, base: &Base) {
    let Base {
        architectures,
        merged_usr,
        path_rules,
    } = base;
    encoder.list(architectures.len());
    for architecture in architectures {
        encoder.text(architecture);
    }
    encoder.text(match merged_usr {
        MergedUsr::Shipped => "shipped",
        MergedUsr::MadeFirst => "made-first",
        MergedUsr::No => "no",
    });
    encoder.list(path_rules.len());
    for rule in path_rules {
        encoder.text(&rule.to_string());
    }
}

/// Hashes fields so that no two sequences of fields are hashed alike.
#[derive(Default)]
struct FieldHasher(blake3::Hasher);

impl FieldHasher {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    /// Begins a list.
    fn list(&mut self, items: usize) {
        self.field(&(items as u64).to_le_bytes());
    }
}

/// The first digits of the key, in hexadecimal.
impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..SHOWN / 2] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
