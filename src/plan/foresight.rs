//! Which packages are as good as chosen before all indexes are read.
//!
//! An essential package is wanted whatever follows, with what it depends on and nothing else can serve, and so is one whose priority the
//! variant asks for. To fetch it while the largest index is still being decoded is a guess, which costs a download where it is wrong; so
//! it is made only when no other source can bring a higher version any more. The plan does not depend on it.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::DefaultHashBuilder;
use memchr::memmem::Finder;

use super::{Wanted, named_by_variant};
use crate::archive::{Release, Seen};
use crate::formats::package::{Package, Priority};
use crate::formats::suite::Variant;

/// What has been seen of the sources while they are read.
#[derive(Debug)]
pub(crate) struct Foresight<'a> {
    wanted: &'a Wanted,
    priorities: &'static [Priority],
    priority: Finder<'static>,
    essential: Finder<'static>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Sources that may still bring stanzas.
    unread: usize,
    /// The best version of each package so far.
    best: BTreeMap<String, Foreseen>,
    /// Names of packages that essentials cannot do without.
    needed: HashSet<String>,
    /// The names that nothing needed when a stanza of them came, as hashes, since it may be all of an index. Another source may have a
    /// higher version of such a package than the one that comes when it is needed.
    passed: HashSet<u64>,
    hasher: DefaultHashBuilder,
}

/// A package that will be wanted.
#[derive(Clone, Debug)]
pub(crate) struct Foreseen {
    /// It.
    pub(crate) package: Package,
    /// The mirrors that have it.
    pub(crate) mirrors: Vec<String>,
    /// Whether it belongs to those that are laid before any script runs.
    pub(crate) first: bool,
    /// Whether it was told already.
    told: bool,
}

impl<'a> Foresight<'a> {
    /// Nothing is seen yet of so many sources.
    pub(crate) fn new(wanted: &'a Wanted, sources: usize) -> Foresight<'a> {
        let (_, priorities) = named_by_variant(wanted.variant);
        let state = State {
            unread: sources,
            best: BTreeMap::new(),
            needed: HashSet::new(),
            passed: HashSet::new(),
            hasher: DefaultHashBuilder::default(),
        };
        let (priority, essential) = (
            Finder::new("\nPriority: "),
            Finder::new("\nEssential: yes\n"),
        );
        Foresight {
            wanted,
            priorities,
            priority,
            essential,
            state: Mutex::new(state),
        }
    }

    /// Takes note of what was seen; what is certain by that, and was not told before.
    pub(crate) fn see(&self, seen: Seen<'_>) -> Vec<Foreseen> {
        let (release, stanza) = match seen {
            Seen::Stanza(..)
                if matches!(self.wanted.variant, Variant::Custom | Variant::Extract) =>
            {
                return Vec::new();
            }
            Seen::Stanza(release, stanza) => (release, stanza),
            Seen::Source => {
                let mut state = self.lock();
                state.unread = state.unread.saturating_sub(1);
                return state.tell();
            }
        };
        if !self.is_wanted_by_itself(stanza) && !self.lock().needs(name(stanza)) {
            return Vec::new();
        }
        let Some(found) = self.wanted_package(release, stanza) else {
            return Vec::new();
        };
        let mut state = self.lock();
        state.add(found);
        state.tell()
    }

    /// Whether the variant asks for a package whatever others depend on: the quick look that every stanza gets.
    fn is_wanted_by_itself(&self, stanza: &str) -> bool {
        let priority = || {
            let (_, behind) = stanza
                .split_at(self.priority.find(stanza.as_bytes())? + self.priority.needle().len());
            Some(Priority::parse(behind.lines().next()?))
        };
        priority().is_some_and(|priority| self.priorities.contains(&priority))
            || self.essential.find(stanza.as_bytes()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted_package(&self, release: &Release, stanza: &str) -> Option<Foreseen> {
        let package = Package::parse(stanza).ok()?;
        let Wanted {
            architectures,
            include,
            exclude,
            ..
        } = self.wanted;
        let is_native =
            package.architecture == "all" || architectures.first() == Some(&package.architecture);
        // Who asks for a version or a suite may not want this one.
        let named = include.iter().filter_map(|text| {
            text.split(['=', '/'])
                .next()
                .filter(|name| name.len() < text.len())
        });
        let is_asked_otherwise = exclude
            .iter()
            .map(String::as_str)
            .chain(named)
            .any(|name| name == package.name);
        let first = package.essential == Some(true);
        let mirrors = release.source.uris.clone();
        (is_native && !is_asked_otherwise && !release.not_automatic).then_some(Foreseen {
            package,
            mirrors,
            first,
            told: false,
        })
    }
}

/// The name of a stanza's package, which indexes begin with; empty where this one does not.
fn name(stanza: &str) -> &str {
    stanza
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("Package: "))
        .unwrap_or_default()
}

impl State {
    /// Whether an essential cannot do without the package of a stanza that comes now.
    fn needs(&mut self, name: &str) -> bool {
        let needed = self.needed.contains(name);
        if !needed && self.unread > 1 {
            self.passed.insert(self.hasher.hash_one(name));
        }
        needed
    }

    fn add(&mut self, mut found: Foreseen) {
        found.first |= self.needed.contains(&found.package.name);
        if found.first {
            for group in found
                .package
                .pre_depends
                .iter()
                .chain(&found.package.depends)
            {
                // Where there is a choice, who knows what it will be.
                if let [only] = &group[..]
                    && !self.passed.contains(&self.hasher.hash_one(&only.name))
                {
                    self.needed.insert(only.name.clone());
                }
            }
        }
        match self.best.get(&found.package.name) {
            Some(known) if known.package.version >= found.package.version => {}
            _ => drop(self.best.insert(found.package.name.clone(), found)),
        }
    }

    /// What is certain and was not told.
    fn tell(&mut self) -> Vec<Foreseen> {
        if self.unread > 1 {
            return Vec::new();
        }
        let untold = self.best.values_mut().filter(|found| !found.told);
        untold
            .map(|found| {
                found.told = true;
                found.clone()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::release;
    use super::*;

    fn stanza(name: &str, version: &str, more: &str) -> String {
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{more}\n")
    }

    fn wanted(variant: Variant) -> Wanted {
        let list = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        let (include, exclude) = (
            list(&["pinned=1", "other/sid", "plain"]),
            list(&["left-out"]),
        );
        Wanted {
            variant,
            suite: "s".into(),
            architectures: list(&["amd64", "i386"]),
            include,
            exclude,
        }
    }

    #[test]
    fn what_no_later_source_can_outdo_is_told_once() {
        let (wanted, release) = (wanted(Variant::Minbase), release("s"));
        let foresight = Foresight::new(&wanted, 2);
        let see = |seen: Seen<'_>| -> Vec<String> {
            foresight
                .see(seen)
                .iter()
                .map(|f| format!("{} {}", f.package.name, f.package.version))
                .collect()
        };
        let essential = |name: &str, version: &str| stanza(name, version, "Essential: yes");
        assert_eq!(see(Seen::Stanza(&release, &essential("a", "2"))), [""; 0]);
        assert_eq!(see(Seen::Stanza(&release, &essential("b", "1"))), [""; 0]);
        assert_eq!(see(Seen::Source), ["a 2", "b 1"]);
        assert_eq!(
            see(Seen::Stanza(&release, &essential("a", "1"))),
            [""; 0],
            "it is known that there is a better one"
        );
        assert_eq!(see(Seen::Stanza(&release, &essential("c", "1"))), ["c 1"]);
        assert_eq!(see(Seen::Source), [""; 0]);
    }

    #[test]
    fn what_essentials_cannot_do_without_comes_with_them() {
        let (wanted, release) = (wanted(Variant::Minbase), release("s"));
        let told = |foresight: &Foresight<'_>, name: &str, more: &str| -> Vec<(String, bool)> {
            let all = foresight.see(Seen::Stanza(&release, &stanza(name, "1", more)));
            all.into_iter().map(|f| (f.package.name, f.first)).collect()
        };
        let first = |name: &str| vec![(name.to_owned(), true)];
        let foresight = Foresight::new(&wanted, 2);
        // The other source, of which it is not known yet that it will be asked for `safe`, may have the higher version.
        assert_eq!(told(&foresight, "safe", ""), []);
        assert_eq!(told(&foresight, "left-out", ""), []);
        foresight.see(Seen::Source);
        assert_eq!(told(&foresight, "before", ""), [], "nothing needs it yet");
        let relations = "Essential: yes\nPre-Depends: lib:any (>= 1)\nDepends: one | other, safe, left-out, before";
        assert_eq!(told(&foresight, "a", relations), first("a"));
        assert_eq!(told(&foresight, "lib", "Depends: further"), first("lib"));
        assert_eq!(told(&foresight, "further", ""), first("further"));
        for name in ["one", "other", "safe", "left-out"] {
            assert_eq!(told(&foresight, name, ""), [], "{name}");
        }
        assert_eq!(
            told(&foresight, "b", "Priority: required\nDepends: late"),
            [("b".to_owned(), false)]
        );
        assert_eq!(
            told(&foresight, "late", ""),
            [],
            "only essentials are laid before scripts run"
        );
    }

    #[test]
    fn what_the_variant_and_the_user_ask_for_counts() {
        let release = release("s");
        let told = |variant, name: &str, more: &str| {
            let wanted = wanted(variant);
            !Foresight::new(&wanted, 1)
                .see(Seen::Stanza(&release, &stanza(name, "1", more)))
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
