//! Which packages of a pool a pattern holds for, by the rules of apt's matchers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pattern, TextOf};
use crate::formats::fields::{Field, PackageFields};
use crate::formats::glob;
use crate::formats::package::Priority;
use crate::formats::stanza::Fields;
use crate::formats::version::Version;
use crate::plan::pool::{PackageId, Pool, UNKNOWN_ARCHITECTURE, VersionId};
use crate::plan::scan::{self, Mention};

/// A package or a version.
#[derive(Clone, Copy)]
enum PatternSubject {
    Package(PackageId),
    Version(VersionId),
}

/// The packages that a pattern holds for, in order of number.
pub(in crate::plan) fn matching_packages(pool: &Pool<'_>, pattern: &Pattern) -> Vec<PackageId> {
    let mut matching = Matching {
        pool,
        targets: BTreeMap::new(),
    };
    let mut packages = Vec::new();
    for package in pool.packages() {
        if matching.holds(pattern, PatternSubject::Package(package)) {
            packages.push(package);
        }
    }
    packages
}

/// One pattern, matched against the packages of a pool.
struct Matching<'p, 'a> {
    pool: &'p Pool<'a>,
    /// For each part about reverse dependencies, by its address, the packages that it holds for.
    targets: BTreeMap<usize, BTreeSet<PackageId>>,
}

impl<'p> Matching<'p, '_> {
    fn holds(&mut self, pattern: &Pattern, subject: PatternSubject) -> bool {
        let package = self.package(subject);
        match pattern {
            Pattern::True => true,
            Pattern::False => false,
            Pattern::All(patterns) => patterns.iter().all(|one| self.holds(one, subject)),
            Pattern::Any(patterns) => patterns.iter().any(|one| self.holds(one, subject)),
            Pattern::Not(pattern) => !self.holds(pattern, subject),
            Pattern::Essential => self.pool[package].essential,
            Pattern::Virtual => !self.pool.has_versions(package),
            Pattern::ExactName(name) => self.name(package) == *name,
            Pattern::NameGlob(pattern) => is_glob_match(pattern, self.name(package)),
            Pattern::Text {
                of: TextOf::Name,
                regex,
            } => regex.is_match(self.name(package)),
            Pattern::Architecture(word) => self.is_of_architecture(package, word),
            Pattern::ReverseDepends { field, source } => {
                self.reverse_targets(*field, source).contains(&package)
            }
            Pattern::AllVersions(_)
            | Pattern::AnyVersion(_)
            | Pattern::Security
            | Pattern::Priority(_)
            | Pattern::Text { .. }
            | Pattern::Depends { .. } => match subject {
                PatternSubject::Version(version) => self.holds_for_version(pattern, version),
                PatternSubject::Package(package) => self.holds_for_versions(pattern, package),
            },
        }
    }

    /// Whether a pattern about versions holds for any of a package, or for all.
    fn holds_for_versions(&mut self, pattern: &Pattern, package: PackageId) -> bool {
        let is_for_all = matches!(pattern, Pattern::AllVersions(_));
        for version in self.pool.versions(package) {
            if self.holds_for_version(pattern, version) != is_for_all {
                return !is_for_all;
            }
        }
        is_for_all
    }

    fn holds_for_version(&mut self, pattern: &Pattern, version: VersionId) -> bool {
        match pattern {
            Pattern::AnyVersion(pattern) | Pattern::AllVersions(pattern) => {
                self.holds(pattern, PatternSubject::Version(version))
            }
            Pattern::Security => self.is_security(version),
            Pattern::Priority(word) => self.has_priority(version, word),
            Pattern::Text { of, regex } => {
                let texts = self.texts(*of, version);
                texts.iter().any(|text| regex.is_match(text))
            }
            Pattern::Depends { field, target } => {
                for package in self.targets_of(*field, version) {
                    if self.holds(target, PatternSubject::Package(package)) {
                        return true;
                    }
                }
                false
            }
            other => self.holds(other, PatternSubject::Package(self.pool[version].package)),
        }
    }

    fn package(&self, subject: PatternSubject) -> PackageId {
        match subject {
            PatternSubject::Package(package) => package,
            PatternSubject::Version(version) => self.pool[version].package,
        }
    }

    fn name(&self, package: PackageId) -> &'p str {
        let pool = self.pool;
        &pool[pool[package].name]
    }

    /// Whether the version or a lower one of its package is in a suite for security updates.
    fn is_security(&self, version: VersionId) -> bool {
        let pool = self.pool;
        let own = pool[version].text;
        for other in pool.versions(pool[version].package) {
            let is_newer = Version::compare(pool[other].text, own).is_gt();
            let archives = self.texts(TextOf::Archive, other);
            if !is_newer && archives.iter().any(|name| name.ends_with("-security")) {
                return true;
            }
        }
        false
    }

    fn has_priority(&self, version: VersionId, word: &str) -> bool {
        let named = match word {
            "required" => Priority::Required,
            "important" => Priority::Important,
            "standard" => Priority::Standard,
            "optional" => Priority::Optional,
            "extra" => Priority::Extra,
            _ => return false,
        };
        self.pool[version].priority == Some(named)
    }

    fn is_of_architecture(&self, package: PackageId, word: &str) -> bool {
        let number = self.pool[package].architecture;
        let own = self.pool.architectures()[usize::from(number)];
        match word {
            "native" => number == 0,
            "foreign" => number != 0,
            _ => own == word || is_wildcard_match(word, own),
        }
    }

    /// The texts that a regular expression is tried on; one of them must match.
    fn texts(&self, of: TextOf, version: VersionId) -> Vec<&'p str> {
        let pool = self.pool;
        let stanza: &'p str = pool[version].stanza;
        let mut texts = Vec::new();
        match of {
            TextOf::Name => texts.push(self.name(pool[version].package)),
            TextOf::Version => texts.push(pool[version].text),
            TextOf::Section => texts.extend(Fields::read(stanza).one("Section")),
            TextOf::SourceName | TextOf::SourceVersion => {
                let source = Fields::read(stanza).one("Source").unwrap_or_default();
                let (name, version_text) = source.split_once('(').unwrap_or((source, ""));
                let source_version = version_text.trim_end_matches([')', ' ']);
                let of_source = match of {
                    TextOf::SourceName => [name.trim(), self.name(pool[version].package)],
                    _ => [source_version, pool[version].text],
                };
                texts.extend(of_source.into_iter().find(|text| !text.is_empty()));
            }
            TextOf::Archive | TextOf::Codename | TextOf::Origin => {
                for listing in pool.listings(version) {
                    let release = listing.release();
                    texts.extend(match of {
                        TextOf::Archive => release.suite(),
                        TextOf::Codename => release.codename(),
                        _ => release.origin(),
                    });
                }
            }
        }
        texts
    }

    /// The packages that a field of a version names.
    fn targets_of(&self, field: Field, version: VersionId) -> Vec<PackageId> {
        let entry = &self.pool[version];
        let own = self.pool[entry.package].architecture;
        let mut targets = Vec::new();
        let Some(stanza) = PackageFields::read(entry.stanza) else {
            return targets;
        };
        for mention in scan::mentions(stanza.get(field)) {
            targets.extend(self.target(&mention, own));
        }
        targets
    }

    fn target(&self, mention: &Mention<'_>, own: u8) -> Option<PackageId> {
        let architecture = match mention.qualifier {
            None => own,
            Some("native" | "any") => 0,
            Some(named) => self.pool.architecture(named),
        };
        if architecture == UNKNOWN_ARCHITECTURE {
            return None;
        }
        self.pool
            .package(self.pool.name(mention.name)?, architecture)
    }

    /// The packages that a field of any version names for which the pattern holds.
    fn reverse_targets(&mut self, field: Field, source: &Pattern) -> &BTreeSet<PackageId> {
        let address = std::ptr::from_ref(source).addr();
        if !self.targets.contains_key(&address) {
            let mut targets = BTreeSet::new();
            for package in self.pool.packages() {
                for version in self.pool.versions(package) {
                    if self.holds(source, PatternSubject::Version(version)) {
                        targets.extend(self.targets_of(field, version));
                    }
                }
            }
            self.targets.insert(address, targets);
        }
        &self.targets[&address]
    }
}

/// fnmatch(3) without regard to case.
pub(in crate::plan) fn is_glob_match(pattern: &str, text: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    glob::matches(pattern.as_bytes(), text.to_ascii_lowercase().as_bytes())
}

/// Whether an architecture is one of a wildcard such as `any`, `linux-any` or `any-amd64`.
fn is_wildcard_match(wildcard: &str, architecture: &str) -> bool {
    let (system, processor) = architecture
        .rsplit_once('-')
        .unwrap_or(("linux", architecture));
    let parts: Vec<&str> = wildcard.split('-').collect();
    let is_wild = parts
        .iter()
        .any(|part| *part == "any" || part.contains('*'));
    match parts[..] {
        [own] => is_wild && is_part_match(own, processor),
        [wanted, own] => is_part_match(wanted, system) && is_part_match(own, processor),
        [.., libc, wanted, own] => {
            is_wild
                && is_part_match(libc, "gnu")
                && is_part_match(wanted, system)
                && is_part_match(own, processor)
        }
        [] => false,
    }
}

fn is_part_match(pattern: &str, text: &str) -> bool {
    pattern == "any" || glob::matches(pattern.as_bytes(), text.as_bytes())
}
