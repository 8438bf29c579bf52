//! The Release file of a suite: what it is, until when it is valid, and the files that it promises.
//!
//! A [`Release`] is made only from a text whose signature was checked, or that the user trusts
//! unchecked. This module also derives the names of indexes and the paths where a mirror keeps
//! them. Fetching them is left to `index` and the store.

mod error;
mod files;
#[cfg(any(test, feature = "testing"))]
mod for_tests;
mod recorded;
mod time;

use std::collections::BTreeMap;

pub(crate) use self::error::BadRelease;
pub(super) use self::files::PromisedFile;
use self::files::strongest_list;
pub(crate) use self::time::UtcTime;
pub(super) use self::time::date_of;
use self::time::{date, expiry, time};
use super::index::last_part;
use super::{CLOCK_TOLERANCE, Expiry, Source};
use crate::formats::compress::Compression;
use crate::formats::digest::{Algorithm, Digest, digest};
use crate::formats::fields::flag;
use crate::formats::key::KeyHasher;
use crate::formats::stanza::Fields;
use crate::store;

/// A verified Release file.
#[derive(Clone, Debug)]
pub struct Release {
    source: Source,
    origin: Option<String>,
    label: Option<String>,
    /// `stable`
    suite: Option<String>,
    /// `trixie`
    codename: Option<String>,
    /// `13.7`
    version: Option<String>,
    /// In seconds since the epoch. None where a release without a date is accepted.
    date: Option<i64>,
    /// In seconds since the epoch.
    valid_until: Option<i64>,
    /// In the order of the field: `main`, `updates/main`
    pub(super) components: Vec<String>,
    /// With `all` if its packages have, or may have, an index of their own.
    pub(super) architectures: Vec<String>,
    not_automatic: bool,
    but_automatic_upgrades: bool,
    /// Indexes can be fetched by digest, under which a mirror keeps them for a while after they
    /// change.
    acquire_by_hash: bool,
    /// Whether `binary-all/Packages` is to be read too: `Architectures` has `all`, and
    /// `No-Support-for-Architecture-all` does not say that the other indexes repeat its packages.
    pub(super) separate_all: bool,
    /// Whether the keys that a package of the tree has have signed it.
    signed_by_packaged: bool,
    /// Whether `files` are the indexes that were found by name, since the publisher lists none.
    has_found_indexes: bool,
    /// By path below the suite; from the strongest list of digests.
    pub(super) files: BTreeMap<String, PromisedFile>,
    /// Of its text, without the signature.
    digest: Digest,
}

/// The compressions that an index may have.
pub(super) const COMPRESSIONS: [Compression; 6] = [
    Compression::Xz,
    Compression::Zstd,
    Compression::Gzip,
    Compression::Bzip2,
    Compression::Lzma,
    Compression::None,
];

impl Release {
    /// Parses a Release file whose signature was checked. It must be of the suite that `source`
    /// asks for, and valid at `now`, in seconds since the epoch.
    pub(super) fn parse(text: &str, source: &Source, now: i64) -> Result<Release, BadRelease> {
        let all = Fields::read(text);
        let word = |name: &str| all.one(name).map(str::to_owned);
        let architectures = words(&all, "Architectures");
        let repeating = words(&all, "No-Support-for-Architecture-all");
        let repeats_all = repeating.iter().any(|index| index == "Packages");
        let has_all = architectures.is_empty() || architectures.iter().any(|one| one == "all");
        let release = Release {
            origin: word("Origin"),
            label: word("Label"),
            suite: word("Suite"),
            codename: word("Codename"),
            version: word("Version"),
            date: date(&all, source)?,
            valid_until: expiry(date(&all, source)?, time(&all, "Valid-Until")?, source),
            separate_all: has_all && !repeats_all,
            components: words(&all, "Components"),
            architectures,
            not_automatic: is_yes(&all, "NotAutomatic"),
            but_automatic_upgrades: is_yes(&all, "ButAutomaticUpgrades"),
            acquire_by_hash: is_yes(&all, "Acquire-By-Hash"),
            files: strongest_list(&all)?,
            signed_by_packaged: false,
            has_found_indexes: false,
            source: source.clone(),
            digest: digest(Algorithm::Sha256, text.as_bytes()),
        };
        release.check_suite()?;
        release.check_dates(now)?;
        Ok(release)
    }

    /// Suite or Codename must be the requested one, so that no mirror can serve another suite that
    /// the same key signed. The security archive's old form `buster/updates` calls itself `buster`.
    fn check_suite(&self) -> Result<(), BadRelease> {
        if self.is_requested() || self.source.leniency.other_suite {
            return Ok(());
        }
        Err(BadRelease::OtherSuite {
            requested: self.source.suite.clone(),
            suite: self.suite.clone(),
            codename: self.codename.clone(),
        })
    }

    /// Whether the release is of the requested suite. A flat repository is not requested by a name.
    pub(super) fn is_requested(&self) -> bool {
        is_flat(&self.source.suite) || self.has_requested_name()
    }

    /// Whether Suite or Codename is the requested name, as apt compares them
    /// (`metaIndex::CheckDist`): with or without its last part, if it is a path.
    pub(super) fn has_requested_name(&self) -> bool {
        let requested = &self.source.suite;
        let plain = match requested.rsplit_once('/') {
            Some((all_but_last, _)) => all_but_last,
            None => requested,
        };
        let is_unnamed = requested.contains('/') && matches!(plain, "" | ".");
        let mut names = self.suite.iter().chain(&self.codename);
        is_unnamed || names.any(|name| name == requested || name == plain)
    }

    fn check_dates(&self, now: i64) -> Result<(), BadRelease> {
        let as_of = self.source.leniency.as_of;
        let now = as_of.map_or(now, |as_of| as_of.min(now));
        let ahead = self.source.leniency.max_future;
        let latest = now.saturating_add(ahead.unwrap_or(CLOCK_TOLERANCE));
        if let Some(date) = self.date
            && date > latest
        {
            return Err(BadRelease::Future {
                date: UtcTime(date),
                now: UtcTime(now),
            });
        }
        match self.valid_until {
            Some(until) if until < now && self.source.expiry == Expiry::Check => {
                Err(BadRelease::Expired {
                    until: UtcTime(until),
                    now: UtcTime(now),
                })
            }
            _ => Ok(()),
        }
    }

    /// The digest of its text, without the signature.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The source that it is from. The mirror that gave it is the first of the URIs.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The suite as in the URL: `trixie`, `trixie-security`.
    pub fn suite_in_url(&self) -> &str {
        &self.source.suite
    }

    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The Suite field: `stable`.
    pub(crate) fn suite(&self) -> Option<&str> {
        self.suite.as_deref()
    }

    pub(crate) fn codename(&self) -> Option<&str> {
        self.codename.as_deref()
    }

    /// In seconds since the epoch. None where a release without a date is accepted.
    pub(crate) fn date(&self) -> Option<i64> {
        self.date
    }

    /// Whether the keys that a package of the tree has have signed it.
    pub(crate) fn is_signed_by_packaged(&self) -> bool {
        self.signed_by_packaged
    }

    pub(super) fn set_signed_by_packaged(&mut self, is_signed: bool) {
        self.signed_by_packaged = is_signed;
    }

    pub(super) fn set_found_indexes(&mut self, has_found_indexes: bool) {
        self.has_found_indexes = has_found_indexes;
    }

    /// NotAutomatic: its packages have priority 1.
    pub(crate) fn not_automatic(&self) -> bool {
        self.not_automatic
    }

    /// Whether `suite` is one of the names of this suite, or its version: for apt, that is what
    /// begins with a digit, and a `*` at its end stands for the rest.
    pub(crate) fn is_called(&self, suite: &str) -> bool {
        if let Some(version) = &self.version
            && suite.starts_with(|c: char| c.is_ascii_digit())
        {
            return match suite.strip_suffix('*') {
                Some(start) => version.starts_with(start),
                None => version == suite,
            };
        }
        self.suite.as_deref() == Some(suite)
            || self.codename.as_deref() == Some(suite)
            || self.source.suite == suite
    }

    /// The priority of its packages (apt_preferences(5)): the user's pin, or else one of apt's
    /// default priorities.
    pub(crate) fn priority(&self) -> i32 {
        if let Some(pin) = self.source.pin {
            return pin.get().into();
        }
        match (self.not_automatic, self.but_automatic_upgrades) {
            // Even without NotAutomatic.
            (_, true) => 100,
            (true, false) => 1,
            (false, false) => 500,
        }
    }

    /// Adds everything but its files that decides how packages are chosen.
    pub(super) fn add_to_key(&self, key: &mut KeyHasher) {
        key.text(&self.source.suite);
        for field in [
            &self.suite,
            &self.codename,
            &self.origin,
            &self.label,
            &self.version,
        ] {
            key.optional_text(field.as_deref());
        }
        let pin = self.source.pin.map(|pin| pin.to_string());
        key.optional_text(pin.as_deref());
        key.flag(self.not_automatic);
        key.flag(self.but_automatic_upgrades);
    }

    /// The path of the index of a component and an architecture below the suite, without a
    /// compression's extension; `None` if the release has none, in any compression. A flat
    /// repository has one index. `component` is `main` or `updates/main`.
    pub(super) fn index_path(&self, component: &str, architecture: &str) -> Option<String> {
        let paths = if is_flat(&self.source.suite) {
            ["Packages".to_owned(), "./Packages".to_owned()]
        } else {
            let last = last_part(component);
            [
                format!("{component}/binary-{architecture}/Packages"),
                format!("{last}/binary-{architecture}/Packages"),
            ]
        };
        let exists = |path: &String| self.compressions(path).next().is_some();
        paths.into_iter().find(exists)
    }

    /// Whether apt reads the index at `path`: only if the publisher lists the digest of the index
    /// itself, not only of its compressed forms.
    pub(super) fn is_readable(&self, path: &str) -> bool {
        self.has_found_indexes || self.files.contains_key(path)
    }

    /// The compressions in which the release has the index at `path`.
    pub(super) fn compressions(&self, path: &str) -> impl Iterator<Item = Compression> {
        COMPRESSIONS
            .into_iter()
            .filter(move |compression| self.files.contains_key(&with_extension(path, *compression)))
    }

    /// The components that have an index for some architecture, as a user names them.
    /// The architectures that a system can be of: `all` is none.
    pub(super) fn system_architectures(&self) -> Vec<String> {
        let mut architectures = self.architectures.clone();
        architectures.retain(|architecture| architecture != "all");
        architectures
    }

    pub(super) fn offered_components(&self) -> Vec<String> {
        let mut components = Vec::new();
        for path in self.files.keys() {
            if let Some((component, _)) = path.split_once("/binary-") {
                components.push(component.to_owned());
            }
        }
        components.dedup();
        components
    }

    /// The URLs of one of its files, best first: for each mirror by its digest, where that is
    /// offered, and by its name.
    pub(super) fn urls(&self, path: &str, digest: &Digest) -> Vec<String> {
        let mut paths = Vec::new();
        if self.acquire_by_hash {
            let name = path.rsplit('/').next().unwrap_or_default();
            let directory = &path[..path.len() - name.len()];
            let algorithm = digest.algorithm().field();
            paths.push(format!(
                "{directory}by-hash/{algorithm}/{}",
                digest.hexadecimal()
            ));
        }
        paths.push(path.to_owned());
        let mut urls = Vec::new();
        for uri in &self.source.uris {
            let base = suite_url(uri, &self.source.suite);
            for path in &paths {
                urls.push(format!("{base}/{}", store::encode(path)));
            }
        }
        urls
    }
}

/// Whether a suite's name stands for a flat repository: a directory that holds the index itself.
pub(super) fn is_flat(suite: &str) -> bool {
    suite.ends_with('/')
}

/// The URL of the directory of a suite, without a slash at its end.
pub(super) fn suite_url(uri: &str, suite: &str) -> String {
    let uri = uri.trim_end_matches('/');
    if !is_flat(suite) {
        return format!("{uri}/dists/{}", store::encode(suite));
    }
    match suite.trim_start_matches("./").trim_matches('/') {
        "" => uri.to_owned(),
        path => format!("{uri}/{}", store::encode(path)),
    }
}

/// A path with the extension of a compression.
pub(super) fn with_extension(path: &str, compression: Compression) -> String {
    match compression.extension() {
        "" => path.to_owned(),
        extension => format!("{path}.{extension}"),
    }
}

fn words(all: &Fields<'_>, name: &str) -> Vec<String> {
    let text = all.one(name).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn is_yes(all: &Fields<'_>, name: &str) -> bool {
    all.one(name).and_then(flag) == Some(true)
}

#[cfg(test)]
mod tests;
