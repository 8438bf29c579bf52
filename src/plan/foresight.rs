//! Which packages are as good as chosen before all indexes are read.
//!
//! An essential package is wanted whatever follows, and so is one whose priority the variant asks for. To fetch it while the largest index
//! is still being decoded is a guess, which costs a download where it is wrong; so it is made only when no other source can bring a
//! higher version any more. The plan does not depend on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use memchr::memmem;

use super::{Wanted, named_by_variant};
use crate::archive::{Release, Seen};
use crate::package::{Package, Priority};
use crate::suite::Variant;

/// What has been seen of the sources while they are read.
#[derive(Debug)]
pub struct Foresight<'a> {
    wanted: &'a Wanted,
    priorities: &'static [Priority],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Sources that may still bring stanzas.
    unread: usize,
    /// The best version of each package so far.
    best: BTreeMap<String, Foreseen>,
}

/// A package that will be wanted.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// It.
    pub package: Package,
    /// The mirrors that have it.
    pub mirrors: Vec<String>,
    /// Whether it was told already.
    told: bool,
}

impl<'a> Foresight<'a> {
    /// Nothing is seen yet of so many sources.
    pub fn new(wanted: &'a Wanted, sources: usize) -> Foresight<'a> {
        let (_, priorities) = named_by_variant(wanted.variant);
        Foresight { wanted, priorities, state: Mutex::new(State { unread: sources, best: BTreeMap::new() }) }
    }

    /// Takes note of what was seen; what is certain by that, and was not told before.
    pub fn see(&self, seen: Seen<'_>) -> Vec<Foreseen> {
        let found = match seen {
            Seen::Stanza(_, stanza) if !self.may_be_wanted(stanza) => return Vec::new(),
            Seen::Stanza(release, stanza) => self.wanted_package(release, stanza),
            Seen::Source => None,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            None if matches!(seen, Seen::Source) => state.unread = state.unread.saturating_sub(1),
            None => return Vec::new(),
            Some(found) => state.add(found),
        }
        if state.unread > 1 { Vec::new() } else { state.tell() }
    }

    /// The quick look that nearly all stanzas get.
    fn may_be_wanted(&self, stanza: &str) -> bool {
        if matches!(self.wanted.variant, Variant::Custom | Variant::Extract) {
            return false;
        }
        let priority = || {
            let (_, behind) = stanza.split_at(memmem::find(stanza.as_bytes(), b"\nPriority: ")? + "\nPriority: ".len());
            Some(Priority::parse(behind.lines().next()?))
        };
        priority().is_some_and(|priority| self.priorities.contains(&priority))
            || memmem::find(stanza.as_bytes(), b"\nEssential: yes\n").is_some()
    }

    fn wanted_package(&self, release: &Release, stanza: &str) -> Option<Foreseen> {
        let package = Package::parse(stanza).ok()?;
        let Wanted { architectures, include, exclude, .. } = self.wanted;
        let is_native = package.architecture == "all" || architectures.first() == Some(&package.architecture);
        // Who asks for a version or a suite may not want this one.
        let named = include.iter().filter_map(|text| text.split(['=', '/']).next().filter(|name| name.len() < text.len()));
        let is_asked_otherwise = exclude.iter().map(String::as_str).chain(named).any(|name| name == package.name);
        (is_native && !is_asked_otherwise && !release.not_automatic).then(|| Foreseen {
            package,
            mirrors: release.source.uris.clone(),
            told: false,
        })
    }
}

impl State {
    fn add(&mut self, found: Foreseen) {
        match self.best.get(&found.package.name) {
            Some(known) if known.package.version >= found.package.version => {}
            _ => drop(self.best.insert(found.package.name.clone(), found)),
        }
    }

    fn tell(&mut self) -> Vec<Foreseen> {
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
        let (include, exclude) = (list(&["pinned=1", "other/sid", "plain"]), list(&["left-out"]));
        Wanted { variant, suite: "s".into(), architectures: list(&["amd64", "i386"]), include, exclude }
    }

    #[test]
    fn what_no_later_source_can_outdo_is_told_once() {
        let (wanted, release) = (wanted(Variant::Minbase), release("s"));
        let foresight = Foresight::new(&wanted, 2);
        let see = |seen: Seen<'_>| -> Vec<String> {
            foresight.see(seen).iter().map(|f| format!("{} {}", f.package.name, f.package.version)).collect()
        };
        let essential = |name: &str, version: &str| stanza(name, version, "Essential: yes");
        assert_eq!(see(Seen::Stanza(&release, &essential("a", "2"))), [""; 0]);
        assert_eq!(see(Seen::Stanza(&release, &essential("b", "1"))), [""; 0]);
        assert_eq!(see(Seen::Source), ["a 2", "b 1"]);
        assert_eq!(see(Seen::Stanza(&release, &essential("a", "1"))), [""; 0], "it is known that there is a better one");
        assert_eq!(see(Seen::Stanza(&release, &essential("c", "1"))), ["c 1"]);
        assert_eq!(see(Seen::Source), [""; 0]);
    }

    #[test]
    fn what_the_variant_and_the_user_ask_for_counts() {
        let release = release("s");
        let told = |variant, name: &str, more: &str| {
            let wanted = wanted(variant);
            !Foresight::new(&wanted, 1).see(Seen::Stanza(&release, &stanza(name, "1", more))).is_empty()
        };
        for (variant, name, more, expected) in [
            (Variant::Minbase, "a", "Priority: required", true),
            (Variant::Minbase, "a", "Priority: important", false),
            (Variant::Important, "a", "Priority: important", true),
            (Variant::Important, "a", "Priority: standard", false),
            (Variant::Standard, "a", "Priority: standard", true),
            (Variant::Essential, "a", "Priority: required", false),
            (Variant::Essential, "a", "Essential: yes", true),
            (Variant::Buildd, "a", "Essential: no\nPriority: required", false),
            (Variant::Custom, "a", "Essential: yes", false),
            (Variant::Extract, "a", "Essential: yes", false),
            (Variant::Minbase, "plain", "Essential: yes", true),
            (Variant::Minbase, "pinned", "Essential: yes", false),
            (Variant::Minbase, "other", "Essential: yes", false),
            (Variant::Minbase, "left-out", "Essential: yes", false),
            (Variant::Minbase, "a", "Essential: yes\nDepends: (", false),
        ] {
            assert_eq!(told(variant, name, more), expected, "{variant:?} {name} {more}");
        }
    }
}
