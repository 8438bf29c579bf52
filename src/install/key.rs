//! The key of each step: equal keys mean that the tree is equal after the step.
//!
//! A key is the hash of fields in the encoding of [`KeyHasher`]. A list is the number of its items,
//! then its items. The fields are, in order:
//!
//! 1. `rbootstrap step key 1`, the purpose and the version of this list
//! 2. the program's version
//! 3. a list of the scripts' environment variables: name, value; without SOURCE_DATE_EPOCH where it
//!    is the date of packages, whose digests are in the key of the step that unpacks them
//! 4. what the host refused the sandbox, as a number
//! 5. whether there is a step before, and its key
//! 6. the step's kind, then its own fields as [`Step`] has them, booleans and enums as words
//! 7. a list of the step's packages: name, architecture, version, the .deb's digest

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use crate::dpkg::unpack::Method;
use crate::formats::digest::Digest;
use crate::formats::key::KeyHasher;
use crate::formats::package_key::PackageKey;
use crate::formats::suite::MergedUsr;
use crate::tree::apt::Automatic;
use crate::tree::base::{Base, BaseKind};
use crate::tree::rootfs::RootPath;

use super::debootstrap_tree::Closing;
use super::preseed::Preseed;
use crate::tree::settings::ProfileChanges;
use crate::tree::tidy::Kept;

use super::steps::Step;

const PURPOSE: &str = "rbootstrap step key 1";

/// How many hexadecimal digits of a key are shown.
const SHOWN: usize = 12;

/// The key of a step.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepKey(Digest);

impl StepKey {
    #[cfg(test)]
    pub(super) fn for_tests(text: &str) -> StepKey {
        let mut hasher = KeyHasher::new(PURPOSE);
        hasher.text(text);
        StepKey(hasher.finish())
    }

    /// All digits.
    pub(crate) fn hexadecimal(&self) -> String {
        self.0.hexadecimal()
    }
}

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
    let mut encoder = KeyHasher::new(PURPOSE);
    encoder.text(version);
    encoder.number(environment.len() as u64);
    for (name, value) in environment {
        encoder.bytes(name.as_bytes());
        encoder.bytes(value.as_bytes());
    }
    encoder.number(u64::from(*refused));
    encoder.flag(before.is_some());
    if let Some(StepKey(digest)) = before {
        encoder.digest(digest);
    }
    encode_step(&mut encoder, step);
    encoder.number(step.packages().len() as u64);
    for package in step.packages() {
        encoder.text(package.name());
        encoder.text(package.architecture());
        encoder.text(package.version().as_str());
        let digest = digests.get(package);
        encoder.text(&digest.map_or(String::new(), Digest::to_string));
    }
    StepKey(encoder.finish())
}

/// Encodes the kind of a step and its fields, but not its packages, which [`key`] encodes. Every
/// field is named, so that a new one does not compile until it is in the key.
fn encode_step(encoder: &mut KeyHasher, step: &Step) {
    encoder.text(step.kind());
    match step {
        Step::Base(base) => encode_base(encoder, base),
        Step::Close(Closing {
            keeps_directory,
            required,
        }) => {
            encoder.flag(*keeps_directory);
            encoder.number(required.len() as u64);
            for package in required {
                encoder.text(&package.to_string());
            }
        }
        Step::Apt { files } => {
            encoder.number(files.len() as u64);
            for file in files {
                encode_file(encoder, &file.path, file.mode, &file.content);
            }
        }
        Step::Files { files } => {
            encoder.number(files.len() as u64);
            for file in files {
                encode_file(encoder, &file.path, file.mode, &file.content);
            }
        }
        Step::Unpack {
            method,
            packages: _,
        } => encoder.text(method_name(*method)),
        Step::Configure {
            forced,
            packages: _,
        } => encoder.text(if *forced { "forced" } else { "" }),
        Step::Preseed(Preseed { files }) => {
            encoder.number(files.len() as u64);
            for file in files {
                encoder.bytes(file.content());
            }
        }
        Step::Remove { packages: _ }
        | Step::Archives { packages: _ }
        | Step::Runtime
        | Step::Triggers => {}
        Step::SecondStage(second) => {
            encoder.number(second.files().len() as u64);
            for file in second.files() {
                encoder.text(&file.name);
                encoder.bytes(&file.content);
            }
        }
        Step::Settings(changes) => encode_changes(encoder, changes),
        Step::Hook(hook) => hook.words().iter().for_each(|word| encoder.text(word)),
        Step::Tidy { automatic, kept } => encode_tidy(encoder, automatic.as_deref(), *kept),
    }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Extract => "extract",
        Method::Recorded => "recorded",
        Method::Locales => "locales",
        Method::Together => "together",
        Method::InTurn => "in-turn",
    }
}

fn encode_changes(encoder: &mut KeyHasher, changes: &ProfileChanges) {
    let ProfileChanges {
        removed,
        directories,
        files,
    } = changes;
    for paths in [removed, directories] {
        encoder.number(paths.len() as u64);
        for path in paths {
            encoder.bytes(path.as_bytes());
        }
    }
    encoder.number(files.len() as u64);
    for file in files {
        encode_file(encoder, &file.path, file.mode, file.content.as_bytes());
    }
}

fn encode_file(encoder: &mut KeyHasher, path: &RootPath, mode: u32, content: &[u8]) {
    encoder.bytes(path.as_bytes());
    encoder.number(u64::from(mode));
    encoder.bytes(content);
}

fn encode_tidy(encoder: &mut KeyHasher, automatic: Option<&[Automatic]>, kept: Kept) {
    for is_kept in kept.flags() {
        encoder.flag(is_kept);
    }
    encoder.flag(automatic.is_some());
    let automatic = automatic.unwrap_or_default();
    encoder.number(automatic.len() as u64);
    for package in automatic {
        encoder.text(&package.name);
        encoder.text(&package.architecture);
    }
}

fn encode_base(encoder: &mut KeyHasher, base: &Base) {
    let Base {
        architectures,
        merged_usr,
        path_rules,
        localtime,
        kind,
    } = base;
    encoder.text(match kind {
        BaseKind::Image => "",
        BaseKind::Scratch => "scratch",
        BaseKind::Debootstrap => "debootstrap",
        BaseKind::Downloads => "downloads",
    });
    encoder.texts(architectures);
    encoder.text(match merged_usr {
        MergedUsr::Shipped => "shipped",
        MergedUsr::MadeFirst => "made-first",
        MergedUsr::WithPackage => "with-package",
        MergedUsr::No => "no",
    });
    encoder.flag(*localtime);
    encoder.number(path_rules.len() as u64);
    for rule in path_rules {
        encoder.text(&rule.to_string());
    }
}

/// The first digits of the key, in hexadecimal.
impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hexadecimal()[..SHOWN])
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
