//! Random demands, which are the same in every run: of ten kinds, and of pairs in which one
//! demand's default conflicts with the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rbootstrap::testing::{Fields, Index, Variant, stanzas};

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

/// Packages on which services depend.
const SERVICE_TOOLS: [&str; 6] = [
    "init-system-helpers",
    "adduser",
    "lsb-base",
    "opensysusers",
    "systemd",
    "ucf",
];

/// The packages from which demands are drawn.
pub(crate) struct Catalogue<'a> {
    kinds: BTreeMap<&'static str, Vec<&'a str>>,
    sections: BTreeMap<&'a str, Vec<&'a str>>,
    /// For each package that is the first alternative of a dependency: the packages that depend on
    /// it.
    default_of: BTreeMap<&'a str, Vec<&'a str>>,
    /// Pairs of packages that conflict, in both orders.
    against: Vec<(&'a str, &'a str)>,
    /// For each package: the packages that depend on it without an alternative.
    needed_by: HashMap<&'a str, Vec<&'a str>>,
    /// Packages of a second architecture.
    foreign: Vec<&'a str>,
    /// The versions of packages that have several.
    versions: Vec<InSuite<'a>>,
}

/// A name in a relation field.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    /// The field states a version.
    is_versioned: bool,
}

/// The names of a relation field, one list for each or-group.
fn relations(field: Option<&str>) -> Vec<Vec<Named<'_>>> {
    let mut groups = Vec::new();
    for group in field.unwrap_or_default().split(',') {
        let mut names = Vec::new();
        for text in group.split('|') {
            let text = text.trim();
            let end = text.find([' ', '(', ':', '[']).unwrap_or(text.len());
            if end > 0 {
                names.push(Named {
                    name: &text[..end],
                    is_versioned: text.contains('('),
                });
            }
        }
        groups.push(names);
    }
    groups
}

/// A version of a package in a suite.
#[derive(Clone, Copy)]
struct InSuite<'a> {
    name: &'a str,
    version: &'a str,
    suite: &'a str,
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
        let mut all_versions: BTreeMap<&str, Vec<InSuite<'_>>> = BTreeMap::new();
        let native = index.listings()[0].architecture();
        let own = index.listings()[0].release().suite_in_url();
        for listing in index.listings() {
            let suite = listing.release().suite_in_url();
            for stanza in stanzas(listing.text()) {
                let all = Fields::read(stanza);
                let (Some(name), Some(version)) = (all.one("Package"), all.one("Version")) else {
                    continue;
                };
                if listing.architecture() != native {
                    if all.one("Architecture") == Some(listing.architecture()) {
                        catalogue.foreign.push(name);
                    }
                    continue;
                }
                let versions = all_versions.entry(name).or_default();
                versions.push(InSuite {
                    name,
                    version,
                    suite,
                });
                if real.insert(name) && suite == own {
                    catalogue.add(name, &all);
                }
                for named in relations(all.one("Provides")).into_iter().flatten() {
                    provided.insert(named.name);
                }
            }
        }
        catalogue
            .against
            .retain(|(one, other)| one != other && real.contains(one) && real.contains(other));
        catalogue.default_of.retain(|name, _| real.contains(name));
        let virtual_names = provided.difference(&real).copied().collect();
        catalogue.kinds.insert("virtual name", virtual_names);
        for versions in all_versions.into_values() {
            if versions.len() > 1 {
                catalogue.versions.extend(versions);
            }
        }
        catalogue
    }

    fn add(&mut self, name: &'a str, all: &Fields<'a>) {
        let section = all.one("Section").unwrap_or("none");
        self.sections.entry(section).or_default().push(name);
        let mut depends = relations(all.one("Pre-Depends"));
        depends.extend(relations(all.one("Depends")));
        let mut conflicts = relations(all.one("Conflicts")).concat();
        conflicts.extend(relations(all.one("Breaks")).concat());
        conflicts.retain(|named| !named.is_versioned);
        let mut needs = depends.iter().flatten();
        let is_service = needs.any(|named| SERVICE_TOOLS.contains(&named.name));
        let has_choice = depends.iter().any(|group| group.len() > 1);
        let of_kind = [
            ("any name", true),
            ("family", true),
            ("alternatives", has_choice),
            ("-dev", name.ends_with("-dev")),
            (
                "metapackage",
                section == "metapackages"
                    || name.starts_with("task-")
                    || name.ends_with("-all")
                    || name.ends_with("-full"),
            ),
            ("service", is_service),
            ("conflicting", !conflicts.is_empty()),
            (
                "priority",
                matches!(
                    all.one("Priority"),
                    Some("required" | "important" | "standard")
                ),
            ),
        ];
        for (kind, is_of_kind) in of_kind {
            if is_of_kind {
                self.kinds.entry(kind).or_default().push(name);
            }
        }
        for group in depends {
            match group[..] {
                [only] => self.needed_by.entry(only.name).or_default().push(name),
                [first, ..] => self.default_of.entry(first.name).or_default().push(name),
                [] => {}
            }
        }
        for other in conflicts {
            self.against
                .extend([(name, other.name), (other.name, name)]);
        }
    }

    /// Random demands of all kinds in turn.
    pub(crate) fn random(&self, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let mut demands = Vec::new();
        for number in 0..count {
            let kind = KINDS[number % KINDS.len()];
            demands.push(Demand {
                kind,
                variant: Variant::Minbase,
                words: self.words(kind, dice),
            });
        }
        demands
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
            for _ in 0..dice.below(4) {
                words.push(self.any_name(dice));
            }
        }
        let mut seen = BTreeSet::new();
        words.retain(|word| seen.insert(*word));
        owned(words)
    }

    fn any_name(&self, dice: &mut Dice) -> &'a str {
        let names = &self.kinds["any name"];
        names[dice.below(names.len())]
    }

    /// Demands in which the default of one package conflicts with another, some among many others.
    pub(crate) fn clashing(&self, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let mut pairs = self.against.clone();
        pairs.retain(|(default, _)| self.default_of.contains_key(default));
        let mut demands = Vec::new();
        for _ in 0..count {
            let (default, other) = *dice.of(&pairs);
            let mut words = vec![*dice.of(&self.default_of[default])];
            let users = self.needed_by.get(other);
            match users.filter(|_| dice.below(2) == 0) {
                Some(users) => words.push(*dice.of(users)),
                None => words.push(other),
            }
            let more = if dice.below(8) == 0 {
                15 + dice.below(25)
            } else {
                dice.below(3)
            };
            for _ in 0..more {
                words.push(self.any_name(dice));
            }
            dice.shuffle(&mut words);
            demands.push(Demand {
                kind: "clash",
                variant: Variant::Minbase,
                words: owned(words),
            });
        }
        demands
    }

    /// Demands with `pkg=version`, `pkg/suite` or `pkg-` among other names.
    pub(crate) fn written(&self, kind: &'static str, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let mut demands = Vec::new();
        for _ in 0..count {
            let mut words = Vec::new();
            for _ in 0..=dice.below(3) {
                let InSuite {
                    name,
                    version,
                    suite,
                } = *dice.of(&self.versions);
                words.push(match kind {
                    "pkg=version" => format!("{name}={version}"),
                    "pkg/suite" => format!("{name}/{suite}"),
                    _ => format!("{}-", self.any_name(dice)),
                });
            }
            if kind == "pkg-" {
                // The absent package is the first alternative of another demand, so that it
                // matters.
                let number = dice.below(self.default_of.len());
                let (default, users) = self.default_of.iter().nth(number).unwrap();
                words.push((*dice.of(users)).to_owned());
                words.push(format!("{default}-"));
            }
            for _ in 0..dice.below(3) {
                words.push(self.any_name(dice).to_owned());
            }
            dice.shuffle(&mut words);
            let mut seen = BTreeSet::new();
            words.retain(|word| seen.insert(bare_name(word).to_owned()));
            demands.push(Demand {
                kind,
                variant: Variant::Minbase,
                words,
            });
        }
        demands
    }

    /// Random demands with a package that has several versions.
    pub(crate) fn of_several(&self, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let mut all = self.random(count, dice);
        for demand in &mut all {
            demand.kind = "several sources";
            let name = dice.of(&self.versions).name;
            if !demand.words.iter().any(|word| word == name) {
                let place = dice.below(demand.words.len() + 1);
                demand.words.insert(place, name.to_owned());
            }
        }
        all
    }

    /// Random demands with one to three packages of a second architecture. Most are libraries,
    /// since those can be installed beside the native ones.
    pub(crate) fn foreign(&self, architecture: &str, count: usize, dice: &mut Dice) -> Vec<Demand> {
        let mut libraries = self.foreign.clone();
        libraries.retain(|name| name.starts_with("lib") && !name.ends_with("-dev"));
        let mut demands = Vec::new();
        for _ in 0..count {
            let list = if dice.below(4) == 0 {
                &self.foreign
            } else {
                &libraries
            };
            let mut words = Vec::new();
            for _ in 0..=dice.below(3) {
                words.push(format!("{}:{architecture}", dice.of(list)));
            }
            for _ in 0..dice.below(4) {
                words.push(self.any_name(dice).to_owned());
            }
            dice.shuffle(&mut words);
            demands.push(Demand {
                kind: "foreign architecture",
                variant: Variant::Minbase,
                words,
            });
        }
        demands
    }
}

fn owned(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// The name in `pkg=version`, `pkg/suite` or `pkg-`.
fn bare_name(word: &str) -> &str {
    let end = word.find(['=', '/']).unwrap_or(word.len());
    word[..end].trim_end_matches('-')
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
