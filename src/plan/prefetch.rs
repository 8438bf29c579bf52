//! Decides which packages to prefetch while the indexes are still being read.
//!
//! An essential package is in the plan whatever follows, together with the dependencies that have
//! no alternative; so is a package whose priority the variant demands. Prefetching it while the
//! largest index is still being decoded saves time, but a wrong guess costs a download. So a
//! package is prefetched only once no other source can bring a higher version. The plan does not
//! depend on any of this.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::DefaultHashBuilder;
use memchr::memmem::Finder;

use super::Selection;
use super::selectors::may_be_several;
use super::variant::VariantPackages;
use crate::archive::{IndexEvent, Release};
use crate::formats::package::{Package, Priority};
use crate::formats::version::Version;

/// A package to prefetch.
#[derive(Clone, Debug)]
pub(crate) struct Prefetch {
    pub(crate) package: Package,
    /// The mirrors that have it.
    pub(crate) mirrors: Vec<String>,
    /// Whether it belongs to the essential set, which is unpacked before any script runs.
    pub(crate) is_essential: bool,
}

/// Watches the stanzas of all sources, and decides what to prefetch.
#[derive(Debug)]
pub(crate) struct PrefetchPlanner<'s> {
    selection: &'s Selection,
    priorities: &'static [Priority],
    find_priority: Finder<'static>,
    find_essential: Finder<'static>,
    candidates: Mutex<Candidates>,
}

/// The candidates of the sources so far.
#[derive(Debug)]
struct Candidates {
    /// How many sources may still bring stanzas.
    unread: usize,
    /// The highest version of each package.
    highest: HashMap<String, Candidate>,
    /// The names in `highest` that were not returned.
    pending: BTreeSet<String>,
    /// Names of packages that an essential package depends on, without an alternative.
    needed: HashSet<String>,
    /// The names of stanzas that were passed over because nothing needed them, as hashes, since
    /// that may be a whole index. Another source may have a higher version of such a package than
    /// the one that comes when it is needed.
    passed: HashSet<u64>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
enum Candidate {
    Pending(Box<Prefetch>),
    /// Returned already, in this version.
    Returned(Version),
}

impl Candidate {
    fn version(&self) -> &Version {
        match self {
            Candidate::Pending(prefetch) => &prefetch.package.version,
            Candidate::Returned(version) => version,
        }
    }
}

impl<'s> PrefetchPlanner<'s> {
    /// Expects the stanzas of as many sources.
    pub(crate) fn new(selection: &'s Selection, sources: usize) -> PrefetchPlanner<'s> {
        PrefetchPlanner {
            selection,
            priorities: VariantPackages::of(selection.variant).priorities,
            find_priority: Finder::new("\nPriority: "),
            find_essential: Finder::new("\nEssential: yes\n"),
            candidates: Mutex::new(Candidates {
                unread: sources,
                highest: HashMap::new(),
                pending: BTreeSet::new(),
                needed: HashSet::new(),
                passed: HashSet::new(),
                hasher: DefaultHashBuilder::default(),
            }),
        }
    }

    /// Takes a stanza or the end of a source. Returns the packages that are now certain and were
    /// not returned before.
    pub(crate) fn see(&self, event: IndexEvent<'_>) -> Vec<Prefetch> {
        match event {
            IndexEvent::Stanza(release, stanza) => self.see_stanza(release, stanza),
            IndexEvent::SourceEnd => {
                let mut candidates = self.lock();
                candidates.unread = candidates.unread.saturating_sub(1);
                candidates.take_certain()
            }
        }
    }

    fn see_stanza(&self, release: &Release, stanza: &str) -> Vec<Prefetch> {
        if self.selection.variant.has_own_packages() {
            return Vec::new();
        }
        if !self.is_demanded(stanza) && !self.lock().is_needed(name(stanza)) {
            return Vec::new();
        }
        let Some(prefetch) = self.prefetch(release, stanza) else {
            return Vec::new();
        };
        let mut candidates = self.lock();
        candidates.add(prefetch);
        candidates.take_certain()
    }

    /// Whether the variant demands a package. Every stanza is tested, so this does not parse it.
    fn is_demanded(&self, stanza: &str) -> bool {
        if let Some(at) = self.find_priority.find(stanza.as_bytes()) {
            let value = &stanza[at + self.find_priority.needle().len()..];
            let priority = Priority::parse(value.lines().next().unwrap_or_default());
            if self.priorities.contains(&priority) {
                return true;
            }
        }
        self.find_essential.find(stanza.as_bytes()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Candidates> {
        self.candidates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The package of a stanza, unless the plan may take another version of it or none.
    fn prefetch(&self, release: &Release, stanza: &str) -> Option<Prefetch> {
        let package = Package::parse(stanza).ok()?;
        let is_native = package.architecture == "all"
            || self.selection.architectures.first() == Some(&package.architecture);
        if !is_native || release.not_automatic() || self.is_decided_otherwise(&package.name) {
            return None;
        }
        Some(Prefetch {
            mirrors: release.source().uris.clone(),
            is_essential: package.essential == Some(true),
            package,
        })
    }

    /// Whether the user excludes a package, or selects its version, suite or file.
    fn is_decided_otherwise(&self, name: &str) -> bool {
        for text in &self.selection.include {
            // A pattern may choose the version of any package.
            if let Some(end) = text.find(['=', '/'])
                && (text[..end].eq_ignore_ascii_case(name) || may_be_several(&text[..end]))
            {
                return true;
            }
        }
        let mut local = self.selection.local.iter();
        local.any(|file| file.name() == name)
            || self
                .selection
                .exclude
                .iter()
                .any(|text| text.eq_ignore_ascii_case(name))
    }
}

/// The name of a stanza's package if that is its first field, as in most indexes; otherwise empty.
fn name(stanza: &str) -> &str {
    let line = stanza.lines().next().unwrap_or_default();
    line.strip_prefix("Package: ").unwrap_or_default()
}

impl Candidates {
    /// Whether an essential package depends on the package of the stanza that is being read.
    fn is_needed(&mut self, name: &str) -> bool {
        if self.needed.contains(name) {
            return true;
        }
        if self.unread > 1 {
            self.passed.insert(self.hasher.hash_one(name));
        }
        false
    }

    fn add(&mut self, mut prefetch: Prefetch) {
        prefetch.is_essential |= self.needed.contains(&prefetch.package.name);
        if prefetch.is_essential {
            self.add_needed(&prefetch.package);
        }
        if let Some(known) = self.highest.get(&prefetch.package.name)
            && *known.version() >= prefetch.package.version
        {
            return;
        }
        let name = prefetch.package.name.clone();
        self.pending.insert(name.clone());
        self.highest
            .insert(name, Candidate::Pending(Box::new(prefetch)));
    }

    /// Adds the dependencies of a package that have no alternative.
    fn add_needed(&mut self, package: &Package) {
        for group in package.pre_depends.iter().chain(&package.depends) {
            if let [only] = &group[..]
                && !self.passed.contains(&self.hasher.hash_one(&only.name))
            {
                self.needed.insert(only.name.clone());
            }
        }
    }

    /// The packages that are certain and were not returned before.
    fn take_certain(&mut self) -> Vec<Prefetch> {
        let mut certain = Vec::new();
        if self.unread > 1 {
            return certain;
        }
        while let Some(name) = self.pending.pop_first() {
            if let Some(candidate) = self.highest.get_mut(&name) {
                let returned = Candidate::Returned(candidate.version().clone());
                if let Candidate::Pending(prefetch) = mem::replace(candidate, returned) {
                    certain.push(*prefetch);
                }
            }
        }
        certain
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::release;
    use super::*;
    use crate::formats::suite::Variant;

    fn stanza(name: &str, version: &str, more: &str) -> String {
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{more}\n")
    }

    fn selection(variant: Variant) -> Selection {
        let list = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        Selection {
            variant,
            suite: "s".into(),
            architectures: list(&["amd64", "i386"]),
            include: list(&["Pinned=1", "other/sid", "plain"]),
            local: Vec::new(),
            exclude: list(&["Left-out"]),
            usr_is_merged: false,
            first_alternatives: false,
        }
    }

    #[test]
    fn a_package_is_returned_once_no_source_can_have_a_higher_version() {
        let selection = selection(Variant::Minbase);
        let release = release("s");
        let planner = PrefetchPlanner::new(&selection, 2);
        let see = |event: IndexEvent<'_>| -> Vec<String> {
            planner
                .see(event)
                .iter()
                .map(|f| format!("{} {}", f.package.name, f.package.version))
                .collect()
        };
        let essential = |name: &str, version: &str| stanza(name, version, "Essential: yes");
        assert_eq!(
            see(IndexEvent::Stanza(&release, &essential("a", "2"))),
            [""; 0]
        );
        assert_eq!(
            see(IndexEvent::Stanza(&release, &essential("b", "1"))),
            [""; 0]
        );
        assert_eq!(see(IndexEvent::SourceEnd), ["a 2", "b 1"]);
        assert_eq!(
            see(IndexEvent::Stanza(&release, &essential("a", "1"))),
            [""; 0],
            "a higher version is known"
        );
        assert_eq!(
            see(IndexEvent::Stanza(&release, &essential("c", "1"))),
            ["c 1"]
        );
        assert_eq!(see(IndexEvent::SourceEnd), [""; 0]);
    }

    #[test]
    fn a_higher_version_is_returned_again() {
        let selection = selection(Variant::Minbase);
        let release = release("s");
        let planner = PrefetchPlanner::new(&selection, 1);
        let returned = |version: &str| {
            let stanza = stanza("a", version, "Essential: yes");
            planner.see(IndexEvent::Stanza(&release, &stanza)).len()
        };
        assert_eq!(["1", "1", "2", "1"].map(returned), [1, 0, 1, 0]);
    }

    #[test]
    fn dependencies_of_essential_packages_are_returned() {
        let selection = selection(Variant::Minbase);
        let release = release("s");
        let told = |planner: &PrefetchPlanner<'_>, name: &str, more: &str| -> Vec<(String, bool)> {
            let all = planner.see(IndexEvent::Stanza(&release, &stanza(name, "1", more)));
            all.into_iter()
                .map(|f| (f.package.name, f.is_essential))
                .collect()
        };
        let first = |name: &str| vec![(name.to_owned(), true)];
        let planner = PrefetchPlanner::new(&selection, 2);
        // The other source may have a higher version of `safe`, which was passed over.
        assert_eq!(told(&planner, "safe", ""), []);
        assert_eq!(told(&planner, "left-out", ""), []);
        planner.see(IndexEvent::SourceEnd);
        assert_eq!(told(&planner, "before", ""), [], "nothing needs it yet");
        let relations = "Essential: yes\nPre-Depends: lib:any (>= 1)\n\
                         Depends: one | other, safe, left-out, before";
        assert_eq!(told(&planner, "a", relations), first("a"));
        assert_eq!(told(&planner, "lib", "Depends: further"), first("lib"));
        assert_eq!(told(&planner, "further", ""), first("further"));
        for name in ["one", "other", "safe", "left-out"] {
            assert_eq!(told(&planner, name, ""), [], "{name}");
        }
        assert_eq!(
            told(&planner, "b", "Priority: required\nDepends: late"),
            [("b".to_owned(), false)]
        );
        assert_eq!(
            told(&planner, "late", ""),
            [],
            "only the dependencies of essential packages are prefetched"
        );
    }

    #[test]
    fn the_variant_and_the_user_decide() {
        let release = release("s");
        let told = |variant, name: &str, more: &str| {
            let selection = selection(variant);
            !PrefetchPlanner::new(&selection, 1)
                .see(IndexEvent::Stanza(&release, &stanza(name, "1", more)))
                .is_empty()
        };
        for (variant, name, more, expected) in [
            (Variant::Minbase, "a", "Priority: required", true),
            (Variant::Minbase, "a", "Priority: important", false),
            (Variant::Important, "a", "Priority: important", true),
            (Variant::Important, "a", "Priority: standard", false),
            (Variant::Standard, "a", "Priority: standard", true),
            (Variant::Essential, "a", "Priority: required", false),
            (Variant::Essential, "a", "Essential: yes", true),
            (
                Variant::Buildd,
                "a",
                "Essential: no\nPriority: required",
                false,
            ),
            (Variant::Custom, "a", "Essential: yes", false),
            (Variant::Extract, "a", "Essential: yes", false),
            (Variant::Minbase, "plain", "Essential: yes", true),
            (Variant::Minbase, "pinned", "Essential: yes", false),
            (Variant::Minbase, "other", "Essential: yes", false),
            (Variant::Minbase, "left-out", "Essential: yes", false),
            (Variant::Minbase, "a", "Essential: yes\nDepends: (", false),
        ] {
            assert_eq!(
                told(variant, name, more),
                expected,
                "{variant:?} {name} {more}"
            );
        }
    }
}
