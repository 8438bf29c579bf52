//! Random demands, which are the same in every run: of ten kinds, and of pairs in which one demand's
//! default conflicts with the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rbootstrap::testing::Index;
use rbootstrap::testing::Variant;
use rbootstrap::testing::{Fields, stanzas};

use crate::compare::Demand;

/// The kinds of random demands.
pub(crate) const KINDS: [&str; 10] = [
    "any name",
    "one section",
    "virtual name",
    "alternatives",
    "-dev",
    "metapackage",
    "service",
    "conflicting",
    "family",
    "priority",
];

/// The most names in one demand.
const LONGEST: usize = 8;

/// The packages from which demands are drawn.
pub(crate) struct Catalogue<'a> {
    kinds: BTreeMap<&'static str, Vec<&'a str>>,
    sections: BTreeMap<&'a str, Vec<&'a str>>,
    /// For each package that is the first alternative of a dependency: the packages that depend on it.
    default_of: BTreeMap<&'a str, Vec<&'a str>>,
    /// Pairs of packages that conflict, in both orders.
    against: Vec<(&'a str, &'a str)>,
    /// For each package: the packages that depend on it without an alternative.
    needed_by: HashMap<&'a str, Vec<&'a str>>,
    /// Packages of a second architecture.
    foreign: Vec<&'a str>,
    /// Packages with several versions: name, version, suite.
    versions: Vec<(&'a str, &'a str, &'a str)>,
}

/// The names of a relation field, one list for each or-group.
fn relations(field: Option<&str>) -> impl Iterator<Item = Vec<(&str, bool)>> {
    field.unwrap_or_default().split(',').map(|group| {
        let word = |text: &str| {
            text.trim()
                .split([' ', '(', ':', '['])
                .next()
                .map(str::len)
                .unwrap_or_default()
        };
        group
            .split('|')
            .map(|text| (&text.trim()[..word(text)], text.contains('(')))
            .filter(|(name, _)| !name.is_empty())
            .collect()
    })
}

impl<'a> Catalogue<'a> {
    pub(crate) fn of(index: &'a Index) -> Catalogue<'a> {
        let mut catalogue = Catalogue {
            kinds: BTreeMap::new(),
            sections: BTreeMap::new(),
            default_of: BTreeMap::new(),
            against: Vec::new(),
            needed_by: HashMap::new(),
            foreign: Vec::new(),
            versions: Vec::new(),
        };
        let mut real = BTreeSet::new();
        let mut provided = BTreeSet::new();
        let mut all_versions: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        let native = index.listings()[0].architecture();
        let own = index.listings()[0].release().suite_in_url();
        for listing in index
            .listings()
            .iter()
            .filter(|listing| listing.architecture() == native)
        {
            let suite = listing.release().suite_in_url();
            for stanza in stanzas(listing.text()) {
                let all = Fields::read(stanza);
                let (Some(name), Some(version)) = (all.one("Package"), all.one("Version")) else {
                    continue;
                };
                all_versions.entry(name).or_default().push((version, suite));
                if real.insert(name) && suite == own {
                    catalogue.add(name, &all);
                }
                provided.extend(
                    relations(all.one("Provides"))
                        .flatten()
                        .map(|(name, _)| name),
                );
            }
        }
        for listing in index
            .listings()
            .iter()
            .filter(|listing| listing.architecture() != native)
        {
            let own = stanzas(listing.text()).map(|stanza| Fields::read(stanza));
            let own = own.filter(|all| all.one("Architecture") == Some(listing.architecture()));
            catalogue
                .foreign
                .extend(own.filter_map(|all| all.one("Package")));
        }
        catalogue
            .against
            .retain(|(one, other)| one != other && real.contains(one) && real.contains(other));
        catalogue.default_of.retain(|name, _| real.contains(name));
        catalogue.kinds.insert(
            "virtual name",
            provided.difference(&real).copied().collect(),
        );
        for (name, versions) in all_versions
            .into_iter()
            .filter(|(_, versions)| versions.len() > 1)
        {
            catalogue.versions.extend(
                versions
                    .into_iter()
                    .map(|(version, suite)| (name, version, suite)),
            );
        }
        catalogue
    }

    fn add(&mut self, name: &'a str, all: &Fields<'a>) {
        let section = all.one("Section").unwrap_or("none");
        self.sections.entry(section).or_default().push(name);
        let depends: Vec<Vec<(&str, bool)>> = relations(all.one("Pre-Depends"))
            .chain(relations(all.one("Depends")))
            .collect();
        let needs = |wanted: &[&str]| {
            depends
                .iter()
                .flatten()
                .any(|(name, _)| wanted.contains(name))
        };
        let choice = depends.iter().any(|group| group.len() > 1);
        let conflicts: Vec<(&str, bool)> = relations(all.one("Conflicts"))
            .chain(relations(all.one("Breaks")))
            .flatten()
            .collect();
        let of_kind = [
            ("any name", true),
            ("family", true),
            ("alternatives", choice),
            ("-dev", name.ends_with("-dev")),
            (
                "metapackage",
                section == "metapackages"
                    || name.starts_with("task-")
                    || name.ends_with("-all")
                    || name.ends_with("-full"),
            ),
            (
                "service",
                needs(&[
                    "init-system-helpers",
                    "adduser",
                    "lsb-base",
                    "opensysusers",
                    "systemd",
                    "ucf",
                ]),
            ),
            (
                "conflicting",
                conflicts.iter().any(|(_, versioned)| !versioned),
            ),
            (
                "priority",
                matches!(
                    all.one("Priority"),
                    Some("required" | "important" | "standard")
                ),
            ),
        ];
        for (kind, _) in of_kind.iter().filter(|(_, is)| *is) {
            self.kinds.entry(kind).or_default().push(name);
        }
        for group in depends {
            match group[..] {
                [(only, _)] => self.needed_by.entry(only).or_default().push(name),
                [(first, _), ..] => self.default_of.entry(first).or_default().push(name),
                [] => {}
            }
        }
        for (other, _) in conflicts.iter().filter(|(_, versioned)| !versioned) {
            self.against.extend([(name, *other), (*other, name)]);
        }
    }

    /// Random demands of all kinds in turn.
    pub(crate) fn random(&self, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let one = |number: usize| {
            let kind = KINDS[number % KINDS.len()];
            Demand {
                kind,
                variant: Variant::Minbase,
                words: self.words(kind, dice),
            }
        };
        (0..count).map(one).collect()
    }

    fn words(&self, kind: &str, dice: &mut Dice) -> Vec<String> {
        let section = self.sections.values().nth(dice.below(self.sections.len()));
        let list = match kind {
            "one section" => section,
            _ => self.kinds.get(kind),
        };
        let list: &[&str] = list
            .filter(|list| !list.is_empty())
            .unwrap_or(&self.kinds["any name"]);
        let mut words: Vec<&str> = Vec::new();
        let mut at = dice.below(list.len());
        let count = match kind {
            // Most have several providers and are refused.
            "virtual name" => 1 + dice.below(2),
            _ => 1 + dice.below(LONGEST),
        };
        while words.len() < count {
            words.push(list[at]);
            at = match kind {
                "family" => (at + 1 + dice.below(3)) % list.len(),
                _ => dice.below(list.len()),
            };
        }
        if kind == "virtual name" {
            words.extend((0..dice.below(4)).map(|_| *dice.of(&self.kinds["any name"])));
        }
        let mut seen = BTreeSet::new();
        words.retain(|word| seen.insert(*word));
        words.into_iter().map(str::to_owned).collect()
    }

    /// Demands in which the default of one package conflicts with another, some among many others.
    pub(crate) fn clashing(&self, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let pairs: Vec<&(&str, &str)> = self
            .against
            .iter()
            .filter(|(default, _)| self.default_of.contains_key(default))
            .collect();
        let one = |_| {
            let (default, other) = **dice.of(&pairs);
            let mut words = vec![*dice.of(&self.default_of[default])];
            let users = self.needed_by.get(other).filter(|_| dice.below(2) == 0);
            words.push(users.map_or(other, |users| *dice.of(users)));
            let more = if dice.below(8) == 0 {
                15 + dice.below(25)
            } else {
                dice.below(3)
            };
            words.extend((0..more).map(|_| *dice.of(&self.kinds["any name"])));
            dice.shuffle(&mut words);
            Demand {
                kind: "clash",
                variant: Variant::Minbase,
                words: words.into_iter().map(str::to_owned).collect(),
            }
        };
        (0..count).map(one).collect()
    }

    /// Demands with `pkg=version`, `pkg/suite` or `pkg-` among other names.
    pub(crate) fn written(&self, kind: &'static str, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let one = |_| {
            let mut words = Vec::new();
            for _ in 0..=dice.below(3) {
                let (name, version, suite) = *dice.of(&self.versions);
                words.push(match kind {
                    "pkg=version" => format!("{name}={version}"),
                    "pkg/suite" => format!("{name}/{suite}"),
                    _ => format!("{}-", dice.of(&self.kinds["any name"])),
                });
            }
            if kind == "pkg-" {
                // The absent package is the first alternative of another demand, so that it matters.
                let (default, users) = self
                    .default_of
                    .iter()
                    .nth(dice.below(self.default_of.len()))
                    .unwrap();
                words.extend([(*dice.of(users)).to_owned(), format!("{default}-")]);
            }
            words
                .extend((0..dice.below(3)).map(|_| (*dice.of(&self.kinds["any name"])).to_owned()));
            dice.shuffle(&mut words);
            let mut seen = BTreeSet::new();
            words.retain(|word| {
                seen.insert(
                    word.split(['=', '/'])
                        .next()
                        .unwrap_or_default()
                        .trim_end_matches('-')
                        .to_owned(),
                )
            });
            Demand {
                kind,
                variant: Variant::Minbase,
                words,
            }
        };
        (0..count).map(one).collect()
    }

    /// Random demands with a package that has several versions.
    pub(crate) fn of_several(&self, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let mut all = self.random(count, dice);
        for demand in &mut all {
            demand.kind = "several sources";
            let name = dice.of(&self.versions).0;
            if !demand.words.iter().any(|word| word == name) {
                demand
                    .words
                    .insert(dice.below(demand.words.len() + 1), name.to_owned());
            }
        }
        all
    }

    /// Random demands with one to three packages of a second architecture. Most are libraries, since
    /// those can be installed beside the native ones.
    pub(crate) fn foreign(&self, architecture: &str, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let libraries: Vec<&str> = self
            .foreign
            .iter()
            .copied()
            .filter(|name| name.starts_with("lib") && !name.ends_with("-dev"))
            .collect();
        let one = |_| {
            let list = if dice.below(4) == 0 {
                &self.foreign
            } else {
                &libraries
            };
            let mut words: Vec<String> = (0..=dice.below(3))
                .map(|_| format!("{}:{architecture}", dice.of(list)))
                .collect();
            words
                .extend((0..dice.below(4)).map(|_| (*dice.of(&self.kinds["any name"])).to_owned()));
            dice.shuffle(&mut words);
            Demand {
                kind: "foreign architecture",
                variant: Variant::Minbase,
                words,
            }
        };
        (0..count).map(one).collect()
    }
}

/// A xorshift generator, which gives the same numbers in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % limit as u64) as usize
    }

    fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}
