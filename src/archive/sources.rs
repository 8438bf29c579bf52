//! apt's sources as text: one-line `deb` entries and deb822 `.sources` files.
//!
//! `parse` reads what sources.list(5) describes as far as it concerns binary packages, `options`
//! interprets the options of entries, and `mirror_list` reads the mirror lists that they name.
//! `host` finds the mirrors of the host's own sources, and `file` renders the tree's. Whether a
//! source can be fetched, and who signed it, is left to `reader`.

mod error;
pub(crate) mod file;
pub(crate) mod host;
mod mirror_list;
mod named;
mod options;
mod parse;
mod signed_by;

use std::fs;
use std::num::NonZeroI16;
use std::path::Path;

pub(crate) use self::error::BadSource;
pub(crate) use self::named::archive_at;
pub(crate) use self::parse::parse;
pub(super) use self::signed_by::SignedBy;
use super::release::is_flat;
use super::{Exemptions, Expiry, Leniency, Source, SourceKeys};
use crate::bounded;

/// What apt replaces by the native architecture, in URIs and suites.
const ARCH: &str = "$(ARCH)";

/// The largest file of sources, or keyring that one names, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// One entry as written, with one suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceEntry {
    pub(super) uri: String,
    /// A `/` at its end makes the repository flat.
    pub(super) suite: String,
    /// Whether `$(ARCH)` stays in the suite: apt replaces it in fields and in the suites of flat
    /// repositories only.
    pub(super) has_literal_suite: bool,
    /// None for a flat repository.
    pub(super) components: Vec<String>,
    /// Empty if the entry names none.
    pub(super) architectures: Vec<String>,
    /// `arch+=`
    pub(super) added_architectures: Vec<String>,
    /// `arch-=`
    pub(super) removed_architectures: Vec<String>,
    /// Targets; empty if the entry names none.
    pub(super) targets: Vec<String>,
    /// `target+=`
    pub(super) added_targets: Vec<String>,
    /// `target-=`
    pub(super) removed_targets: Vec<String>,
    pub(super) signed_by: Option<SignedBy>,
    /// `Trusted: yes`
    pub(super) trusted: bool,
    /// `Trusted: no`
    pub(crate) distrusted: bool,
    pub(super) expiry: Expiry,
    /// `Check-Date: no`
    pub(super) skips_date: bool,
    /// Date-Max-Future, in seconds.
    pub(super) max_future: Option<u32>,
    /// Valid-Until-Min, in seconds.
    pub(super) shortest: Option<u32>,
    /// Valid-Until-Max, in seconds.
    pub(super) longest: Option<u32>,
    /// The options, as written, that would relax a check which is kept.
    pub(crate) without_effect: Vec<String>,
    /// The names of options that are not supported.
    pub(crate) unknown: Vec<String>,
    /// Pin-Priority. apt has no such option: it reads priorities from its preferences.
    pub(super) pin: Option<NonZeroI16>,
}

impl SourceEntry {
    fn new(uri: String, suite: String, components: Vec<String>) -> SourceEntry {
        SourceEntry {
            uri,
            suite,
            has_literal_suite: false,
            components,
            architectures: Vec::new(),
            added_architectures: Vec::new(),
            removed_architectures: Vec::new(),
            targets: Vec::new(),
            added_targets: Vec::new(),
            removed_targets: Vec::new(),
            signed_by: None,
            trusted: false,
            distrusted: false,
            expiry: Expiry::Check,
            skips_date: false,
            max_future: None,
            shortest: None,
            longest: None,
            without_effect: Vec::new(),
            unknown: Vec::new(),
            pin: None,
        }
    }

    fn checked(self) -> Result<SourceEntry, &'static str> {
        check_scheme(&self.uri)?;
        match (is_flat(&self.suite), self.components.is_empty()) {
            (false, true) => Err("it has no components, and its suite does not end in /"),
            (true, false) => Err("its suite ends in /, so it can have no components"),
            _ => Ok(self),
        }
    }

    /// Whether Packages files are among the targets that it reads.
    fn reads_packages(&self) -> bool {
        let has = |targets: &[String]| targets.iter().any(|target| target == "Packages");
        let is_named = self.targets.is_empty() || has(&self.targets);
        (is_named || has(&self.added_targets)) && !has(&self.removed_targets)
    }

    /// Whether the tree's own sources, which are written without quotes, can hold it. Elsewhere one
    /// of its words would be read as a comment, as options or as several words.
    pub(crate) fn is_writable(&self) -> bool {
        let is_special = |c: char| c.is_whitespace() || ['#', '"', '%', '[', ']'].contains(&c);
        let mut names = vec![self.suite.clone()];
        names.extend_from_slice(&self.components);
        let is_plain = |name: &String| !name.is_empty() && !name.contains(is_special);
        is_writable(&self.uri) && names.iter().all(is_plain)
    }

    /// Whether other keys than the distribution's may sign it, or none need to.
    pub(crate) fn has_own_keys(&self) -> bool {
        self.signed_by.is_some() || self.trusted
    }

    /// How far its Date may be ahead, in seconds, if the entry says it.
    pub(crate) fn max_future(&self) -> Option<i64> {
        match self.skips_date {
            true => Some(i64::MAX),
            false => self.max_future.map(i64::from),
        }
    }

    /// The source that the entry describes. `architectures`, native first, apply if the entry names
    /// none, and `defaults` if it has no Signed-By. Keyring files are read below `root`, the system
    /// that the entry is from.
    pub(crate) fn source(
        &self,
        architectures: &[String],
        defaults: &SourceKeys,
        root: &Path,
    ) -> Result<Source, BadSource> {
        let mut selected = architectures.to_vec();
        if !self.architectures.is_empty() {
            let named = [&self.architectures[..], &self.added_architectures].concat();
            selected.retain(|architecture| named.contains(architecture));
        }
        let reads_packages = self.reads_packages();
        selected.retain(|architecture| {
            reads_packages && !self.removed_architectures.contains(architecture)
        });
        let native = architectures.first().map_or("", String::as_str);
        let uri = self.uri.replace(ARCH, native);
        let uris = mirror_list::uris(self, &uri, &selected, root)?;
        let SourceKeys {
            trust,
            tree,
            packaged,
        } = self.keys(defaults, root)?;
        Ok(Source {
            archive: archive_at(uris.first().unwrap_or(&uri)),
            uris,
            suite: match self.has_literal_suite {
                true => self.suite.clone(),
                false => self.suite.replace(ARCH, native),
            },
            components: self.components.clone(),
            architectures: selected,
            trust,
            expiry: self.expiry,
            tree_keys: tree,
            packaged,
            pin: self.pin,
            exemptions: Exemptions {
                unsigned: self.trusted,
                expired: self.expiry == Expiry::Ignore,
                date: self.skips_date,
                max_future: self.max_future,
                shortest: self.shortest,
                longest: self.longest,
            },
            leniency: Leniency::default(),
        })
    }
}

/// apt knows schemes in lower case only, and files of no host, not even of `localhost`.
fn check_scheme(uri: &str) -> Result<(), &'static str> {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return Ok(());
    };
    if scheme.is_empty() {
        return Err("its URI has no scheme");
    }
    if scheme.bytes().any(|c| c.is_ascii_uppercase()) {
        return Err("the scheme of its URI is not in lower case");
    }
    let is_file = matches!(scheme, "file" | "copy");
    match is_file && rest.starts_with("//") && !rest.starts_with("///") {
        true => Err("a file: URI takes no host"),
        false => Ok(()),
    }
}

/// Whether a text begins with a URL, as an entry without its type does.
pub(crate) fn begins_with_url(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let Some((scheme, rest)) = word.split_once(':') else {
        return false;
    };
    let is_of_scheme = |c: u8| c.is_ascii_alphanumeric() || b"+-.".contains(&c);
    let is_local = ["file", "copy", "cdrom"].contains(&scheme);
    !scheme.is_empty() && scheme.bytes().all(is_of_scheme) && (is_local || rest.starts_with("//"))
}

/// Whether a URI can be written to apt's sources as it is.
pub(crate) fn is_writable(uri: &str) -> bool {
    let is_special = |c: char| c.is_whitespace() || ['#', '"'].contains(&c);
    !uri.contains(is_special) && !has_stray_bracket(uri)
}

/// Whether a URI has a bracket that is not around the address of its host.
fn has_stray_bracket(uri: &str) -> bool {
    let is_bracket = ['[', ']'];
    let Some((before, rest)) = uri.split_once('[') else {
        return uri.contains(']');
    };
    let Some((_, after)) = rest.split_once(']') else {
        return true;
    };
    let is_address = before.ends_with("://") || before.ends_with('@');
    !is_address || before.contains(is_bracket) || after.contains(is_bracket)
}

/// Reads a file of sources.
pub(crate) fn read_file(path: &Path) -> Result<Vec<SourceEntry>, BadSource> {
    let content = read_limited(path)?;
    parse(
        &path.display().to_string(),
        &String::from_utf8_lossy(&content),
    )
}

fn read_limited(path: &Path) -> Result<Vec<u8>, BadSource> {
    let unreadable = |source| BadSource::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let content = bounded::read(file, FILE_LIMIT).map_err(unreadable)?;
    content.ok_or_else(|| BadSource::TooLarge {
        path: path.to_owned(),
        limit: FILE_LIMIT,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests;
